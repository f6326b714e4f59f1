"""The command line, run in this process."""

import sys

import pytest

from haploscribe.cli.main import main
from haploscribe.config.options import CohortOptions

ONE_GENE = "ENSG00000128191.9"
GENES = f"{ONE_GENE},ENSG00000099899.10,ENSG00000185252.13"

KMER = ("--genes", GENES, "--backbone", "kmer")


def run_cli(*arguments: object, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the command line in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["haploscribe", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def inputs_of(example: CohortOptions, **changed: object) -> list[str]:
    """Options for the example's files, some of them changed or, if None, left out."""
    names = ("variants", "reference", "expression", "covariates")
    values = {name: getattr(example, name) for name in names} | changed
    return [text for name, value in values.items() if value is not None for text in (f"--{name}", str(value))]
