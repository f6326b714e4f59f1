"""`import haploscribe` is instant, and offers the Python API all the same."""

import json
import subprocess
import sys

import pytest

import haploscribe

NAMES = ["GeneRegressor", "example_cohort", "open_cohort", "read_predictions", "read_results", "run"]


def answer(script: str) -> object:
    """What a fresh Python prints as JSON."""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return json.loads(found.stdout)


def test_importing_loads_no_other_package() -> None:
    script = "import sys, json; before = set(sys.modules); import haploscribe; after = set(sys.modules)"
    loaded = answer(f"{script}; print(json.dumps(sorted(after - before - set(sys.stdlib_module_names))))")
    assert isinstance(loaded, list)
    assert {name.split(".")[0] for name in loaded} - set(sys.stdlib_module_names) == {"haploscribe"}


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_found_where_it_is_made(name: str) -> None:
    assert getattr(haploscribe, name).__module__.startswith("haploscribe.api.")


def test_names_are_listed_for_completion() -> None:
    assert set(NAMES) <= set(dir(haploscribe))


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
