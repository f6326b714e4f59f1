"""The documentation's examples do what they say."""

from importlib import import_module
from pathlib import Path

import pytest

from tests.fixtures.doctests import run_module, run_page

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


@pytest.mark.slow
def test_the_page_on_python_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failures = run_page(PAGE)
    assert not failures, failures


@pytest.mark.parametrize("name", ["cohort", "embeddings", "models", "regressor", "run"])
def test_the_examples_of_docstrings_do_what_they_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    failures = run_module(import_module(f"haploscribe.api.{name}"))
    assert not failures, failures
