"""The command line that the page shows asks for the options that the run recorded."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from haploscribe.cli.main import cli
from haploscribe.config.fields import from_values, option_fields
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.report.command import changed_options, command_line
from haploscribe.results.provenance import plain_value

KINDS: tuple[Any, ...] = (CohortOptions, BackboneOptions, EvaluationOptions, ZeroShotOptions)
REQUIRED = {"variants": "a.vcf", "reference": "r.fa", "expression": "e.bed"}


def recorded(**given: object) -> dict[str, object]:
    """Options as `run.json` records them."""
    found: dict[str, object] = {}
    for kind in KINDS:
        names = {name: value for name, value in (REQUIRED | given).items() if name in option_fields(kind)}
        found |= {name: plain_value(value) for name, value in asdict(from_values(kind, names)).items()}
    return found


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"window": 50_000, "maf": 0.05, "models": ("elastic-net", "blup"), "assume_phased": True},
        {"variants": ["a.vcf", "it's b.vcf"], "genes": "G1,G2", "covariates": "c (1).txt"},
        {"annotations": ("atac=a.bw", "h3=b c.bed"), "folds": 3, "seed": 7, "shifts": (0, 10)},
        {"backbone": "kmer", "strands": "both", "reverse_complement": True, "enformer": "weights"},
    ],
)
def test_the_command_asks_for_the_recorded_options(given: dict[str, object]) -> None:
    options = recorded(**given)
    program, verb, *arguments = shlex.split(command_line(options))
    assert (program, verb) == ("haploscribe", "run")
    command = cli.get_command(None, "run")  # type: ignore[arg-type]
    assert command is not None
    parsed = command.make_context("run", arguments, resilient_parsing=False).params
    assert parsed["out"] == Path("DIR")
    again: dict[str, object] = {}
    for kind in KINDS:
        names = {name: parsed[name] for name in option_fields(kind) if name in parsed}
        again |= {name: plain_value(value) for name, value in asdict(from_values(kind, names)).items()}
    assert again == options


def test_options_at_their_default_are_not_named() -> None:
    assert set(changed_options(recorded())) == set(REQUIRED)
    assert set(changed_options(recorded(maf=0.05))) == {*REQUIRED, "maf"}


def test_an_option_of_another_version_is_shown_and_not_asked_for() -> None:
    assert changed_options({"gone": 3}) == {"gone": 3}
    assert command_line({"gone": 3}) == "haploscribe run --out DIR"
