"""`import haploscribe` is instant, and offers the Python API all the same."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import haploscribe
from haploscribe.api.cohort import OpenedCohort
from haploscribe.api.gene import GeneData, GeneSamples, GeneTile

REFERENCE = Path(__file__).parents[2] / "docs" / "python-reference.md"


def answer(script: str) -> object:
    """What a fresh Python prints as JSON."""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return json.loads(found.stdout)


def test_importing_loads_no_other_package() -> None:
    script = "import sys, json; before = set(sys.modules); import haploscribe; after = set(sys.modules)"
    loaded = answer(f"{script}; print(json.dumps(sorted(after - before - set(sys.stdlib_module_names))))")
    assert isinstance(loaded, list)
    assert {name.split(".")[0] for name in loaded} - set(sys.stdlib_module_names) == {"haploscribe"}


PUBLIC = sorted(set(haploscribe.__all__) - {"__version__"})


def test_completion_shows_the_public_api_only() -> None:
    script = (
        "import json, haploscribe, haploscribe.api.run; haploscribe.GeneRegressor\n"
        "print(json.dumps(dir(haploscribe)))"
    )
    assert answer(script) == sorted(haploscribe.__all__)


def test_a_star_import_brings_all_of_it() -> None:
    script = "import json; from haploscribe import *; print(json.dumps([run.__name__, Embeddings.__name__]))"
    assert answer(script) == ["run", "Embeddings"]


@pytest.mark.parametrize("name", PUBLIC)
def test_the_reference_documents_each_public_name(name: str) -> None:
    found = getattr(haploscribe, name)
    listed = re.findall(r"^\.\. auto\w+:: ([\w.]+)", REFERENCE.read_text(), flags=re.MULTILINE)
    assert f"{found.__module__}.{name}" in listed
    assert found.__doc__


@pytest.mark.parametrize("kind", [OpenedCohort, GeneData, GeneSamples, GeneTile, haploscribe.Embeddings])
def test_every_public_member_has_a_docstring(kind: type) -> None:
    name = re.escape(f"{kind.__module__}.{kind.__name__}")
    assert re.search(rf"autoclass:: {name}(\(\))?\n   :members:", REFERENCE.read_text())
    described = kind.__doc__ or ""
    for name in (name for name in dir(kind) if not name.startswith("_")):
        assert getattr(kind, name).__doc__ or name in described, name


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'haploscribe' has no attribute 'cohorts'"):
        _ = haploscribe.cohorts


def test_without_scikit_learn_one_line_says_how_to_get_it() -> None:
    script = (
        "import sys, json; sys.modules['sklearn'] = None; import haploscribe\n"
        "try: haploscribe.GeneRegressor\n"
        "except Exception as error: print(json.dumps([type(error).__name__, str(error)]))"
    )
    said = "GeneRegressor needs scikit-learn: pip install 'haploscribe[notebook]'"
    assert answer(script) == ["InputError", said]


def test_the_cohort_needs_no_scikit_learn() -> None:
    script = (
        "import sys, json; sys.modules['sklearn'] = None; import haploscribe\n"
        "print(json.dumps(repr(haploscribe.example_cohort())))"
    )
    assert answer(script) == "<cohort of 358 samples, 17 genes>"
