"""Commands and configurations of the pipelines have options that the command line has."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from haploscribe.cli.main import cli

ROOT = Path(__file__).parents[2] / "pipelines"
SNAKEMAKE, NEXTFLOW = ROOT / "snakemake", ROOT / "nextflow"
_COMMAND = re.compile(r"\bhaploscribe (?P<verb>(?:export )?[a-z]+)(?P<rest>.*)")
SECTIONS = {
    "cohort": ("embed", "run"),
    "run": ("run",),
    "parts": ("run",),
    "export": ("export predictdb",),
}
"""Sections of a Snakemake configuration, with the verbs that are given their options."""
ARGUMENTS = {"cohort_args": "embed", "run_args": "run", "export_args": "export predictdb"}
"""Parameters of Nextflow, with the verb that is given them."""


def options_of(verb: str) -> set[str]:
    command: click.Command = cli
    for word in verb.split():
        assert isinstance(command, click.Group)
        command = command.commands[word]
    return {name for parameter in command.params for name in parameter.opts}


def options_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))


def written() -> Iterator[tuple[str, str, str]]:
    """Each command with its file and its options; those of a Nextflow variable are of the module's first."""
    for path in (SNAKEMAKE / "Snakefile", *sorted(NEXTFLOW.rglob("main.nf"))):
        text = re.sub(r'\\\\\n|"\n\s*"', " ", path.read_text(encoding="utf-8"))
        variables = " ".join(line for line in text.splitlines() if line.lstrip().startswith("def "))
        for found in _COMMAND.finditer(text):
            yield str(path.relative_to(ROOT)), found["verb"], f"{found['rest']} {variables}"
            variables = ""


@pytest.mark.parametrize(("path", "verb", "rest"), list(written()))
def test_a_command_has_the_options_that_are_written(path: str, verb: str, rest: str) -> None:
    assert options_in(rest) <= options_of(verb)


@pytest.mark.parametrize("place", ["Snakefile", "haploscribe/"])
def test_both_pipelines_do_the_same(place: str) -> None:
    verbs = {verb for path, verb, _ in written() if place in path}
    assert verbs == {"embed", "run", "combine", "export predictdb", "report"}


@pytest.mark.parametrize("name", ["config.yaml", "example.yaml"])
def test_a_configuration_has_options_of_the_verbs(name: str) -> None:
    content = yaml.safe_load((SNAKEMAKE / name).read_text(encoding="utf-8"))
    assert set(content) == {"out", "embed", *SECTIONS}
    content["parts"] = {option: None for part in content["parts"].values() for option in part}
    for section, verbs in SECTIONS.items():
        for verb in verbs:
            assert {f"--{option}" for option in content[section]} <= options_of(verb)


@pytest.mark.parametrize(("parameter", "verb"), ARGUMENTS.items())
def test_a_parameter_of_nextflow_has_options_of_the_verb(parameter: str, verb: str) -> None:
    config = (NEXTFLOW / "nextflow.config").read_text(encoding="utf-8")
    (value,) = re.findall(rf"^ +{parameter} += (.*)$", config, re.MULTILINE)
    assert options_in(value) <= options_of(verb)


def test_every_module_is_described() -> None:
    modules = [path.parent for path in (NEXTFLOW / "modules").rglob("main.nf")]
    assert len(modules) == 5
    for module in modules:
        script = (module / "main.nf").read_text(encoding="utf-8")
        described = yaml.safe_load((module / "meta.yml").read_text(encoding="utf-8"))
        (process,) = re.findall(r"^process (\w+) \{$", script, re.MULTILINE)
        assert described["name"] == process.lower()
        emitted = re.findall(r"emit: (\w+)", script)
        assert [name for output in described["output"] for name in output] == emitted
