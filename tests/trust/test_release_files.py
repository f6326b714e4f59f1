"""Workflows, containers and the conda recipe say of the package what pyproject.toml and the code say."""

import re
import tomllib
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from haploscribe._version import __version__
from haploscribe.embedding import checked_arrays
from haploscribe.results import models_folder
from haploscribe.results.format_version import RESULTS_FORMAT

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
PYTHONS = [
    name.rpartition(" ")[2]
    for name in PROJECT["classifiers"]
    if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", name)
]
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
CONTAINERS = ("Dockerfile", "containers/haploscribe.def")
CONDA_NAMES = {
    "huggingface-hub": "huggingface_hub",
    "matplotlib": "matplotlib-base",
    "torch": "pytorch",
    "typing-extensions": "typing_extensions",
}
"""Names that conda-forge has for packages of the Python index, where they differ."""


def text(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def jobs(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text(f".github/workflows/{name}.yml"))["jobs"]
    return found


def test_the_lowest_python_is_the_one_required() -> None:
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"


def test_the_readme_names_the_pythons() -> None:
    assert f"Python {PYTHONS[0]} to {PYTHONS[-1]}" in text("README.md")


def test_the_fast_tests_run_on_the_lowest_and_the_newest_python() -> None:
    matrix = jobs("tests")["fast"]["strategy"]["matrix"]
    assert matrix == {"os": ["ubuntu-latest", "macos-latest"], "python": [PYTHONS[0], PYTHONS[-1]]}


def test_the_lowest_versions_are_tried_on_the_lowest_python() -> None:
    steps = jobs("tests")["lowest"]["steps"]
    assert [step["with"]["python-version"] for step in steps if "with" in step] == [PYTHONS[0]]


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_have_the_newest_python(name: str) -> None:
    assert re.findall(r"PYTHON=(\S+)", text(name)) == [PYTHONS[-1]]


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_install_extras_that_there_are(name: str) -> None:
    (extras,) = re.findall(r'"\.\[(.*)\]"', text(name))
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_whole_versions(path: Path) -> None:
    actions = re.findall(r"uses: (?!\./)(\S+)", path.read_text())
    assert actions
    assert [name for name in actions if not re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+", name)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_read_unless_a_job_says_otherwise(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    assert content["permissions"] == {"contents": "read"}
    assert {name for name, job in content["jobs"].items() if "permissions" in job} <= {"publish"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_call_targets_that_there_are(path: Path) -> None:
    called = {name for line in re.findall(r"run: make (.+)", path.read_text()) for name in line.split()}
    assert called <= set(re.findall(r"^([\w-]+):", text("Makefile"), flags=re.MULTILINE))


def test_a_release_is_published_after_its_tests_and_without_a_secret() -> None:
    publish = jobs("release")["publish"]
    assert publish["needs"] == ["tests", "build"]
    assert publish["environment"]["name"] == "pypi"
    assert publish["permissions"] == {"id-token": "write"}
    assert "secrets." not in text(".github/workflows/release.yml")


@pytest.fixture(scope="module")
def recipe() -> dict[str, Any]:
    """The conda recipe, as conda-build reads it."""
    source = jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined).from_string(
        text("conda/meta.yaml")
    )
    rendered = source.render(
        PYTHON="python", pin_subpackage=lambda name, max_pin: f"{name} {__version__} to {max_pin}"
    )
    content: dict[str, Any] = yaml.safe_load(rendered)
    return content


def test_the_recipe_has_the_version(recipe: dict[str, Any]) -> None:
    assert recipe["package"] == {"name": PROJECT["name"], "version": __version__}


def test_the_recipe_needs_what_the_package_needs(recipe: dict[str, Any]) -> None:
    needed = {f"python {PROJECT['requires-python']}"}
    for line in PROJECT["dependencies"]:
        name, bound = line.split(">=")
        needed.add(f"{CONDA_NAMES.get(name, name)} >={bound}")
    assert set(recipe["requirements"]["run"]) == needed


def test_the_recipe_has_the_command(recipe: dict[str, Any]) -> None:
    assert recipe["build"]["entry_points"] == [f"{name} = {at}" for name, at in PROJECT["scripts"].items()]


def test_the_recipe_follows_bioconda(recipe: dict[str, Any]) -> None:
    """Pure Python, pinned for what depends on it, tested, licensed."""
    assert recipe["build"]["noarch"] == "python"
    assert recipe["build"]["run_exports"]
    assert recipe["test"]["imports"]
    assert recipe["test"]["commands"]
    assert recipe["about"]["license"] == PROJECT["license"]
    assert [recipe["about"]["license_file"]] == PROJECT["license-files"]


def test_the_page_on_stability_has_the_formats_of_now() -> None:
    rows = re.findall(
        r"^\| `(\S+)`.*\| `format_version` \| (\d+) \|$", text("docs/stability.md"), re.MULTILINE
    )
    assert dict(rows) == {
        "run.json": str(RESULTS_FORMAT),
        "models/models.json": str(models_folder.FORMAT_VERSION),
        "embeddings.zarr": str(checked_arrays.FORMAT_VERSION),
    }
