"""The small cohort with covariates and hidden factors, and files in which some of its data are others."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from haploscribe.arrays import Float64Array
from haploscribe.config.options import CohortOptions
from haploscribe.zero_shot import registry as zero_shot_registry
from haploscribe.zero_shot.protocol import OneByOne
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES, LoadedModel
from tests.small_cohort import PEOPLE as NAMES
from tests.small_cohort import SmallGenome, write_small_cohort

PEOPLE = tuple(name.split()[0] for name in NAMES)
"""Names that a split file can hold."""


def write_cohort(folder: Path) -> CohortOptions:
    """Write the small cohort, two covariates and two hidden factors of its people; every variant is used."""
    folder.mkdir(exist_ok=True)
    cohort = replace(write_small_cohort(folder), maf=0.0)
    for path in (cohort.variants, cohort.expression):
        text = path.read_text()
        for name, short in zip(NAMES, PEOPLE, strict=True):
            text = text.replace(name, short)
        path.write_text(text)
    rng = np.random.default_rng(8)
    return replace(
        cohort,
        covariates=_write_covariates(folder / "covariates.txt", rng.normal(size=(2, len(PEOPLE)))),
        hidden_factors=_write_covariates(folder / "factors.txt", rng.normal(size=(2, len(PEOPLE)))),
    )


def _write_covariates(path: Path, values: Float64Array) -> Path:
    lines = ["\t".join(("id", *PEOPLE))]
    lines += ["\t".join((f"c{i}", *map(repr, row.tolist()))) for i, row in enumerate(values)]
    path.write_text("\n".join(lines) + "\n")
    return path


def rewritten(path: Path, folder: Path, change: Callable[[list[list[str]]], list[list[str]]]) -> Path:
    """Write a table of tab-separated lines into another folder, changed."""
    folder.mkdir(exist_ok=True)
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    other = folder / path.name
    other.write_text("".join("\t".join(line) + "\n" for line in change(lines)))
    return other


def with_values(
    path: Path, folder: Path, whose: Iterable[str], values: Callable[[Float64Array], Float64Array]
) -> Path:
    """Write a table of numbers with other values of some people, `(n_lines, n_people)`."""

    def changed(lines: list[list[str]]) -> list[list[str]]:
        columns = [lines[0].index(name) for name in whose]
        old = np.array([[float(line[column]) for column in columns] for line in lines[1:]])
        for line, row in zip(lines[1:], values(old).tolist(), strict=True):
            for column, value in zip(columns, row, strict=True):
                line[column] = repr(value)
        return lines

    return rewritten(path, folder, changed)


def noise(old: Float64Array) -> Float64Array:
    """Draw numbers of any size."""
    return np.random.default_rng(9).normal(size=old.shape) * 10.0 ** np.random.default_rng(9).integers(0, 4)


def with_genotypes(path: Path, folder: Path, whose: Iterable[str]) -> Path:
    """Write the VCF with drawn haplotypes of some people."""
    strangers = [line.split("\t") for line in SmallGenome.drawn().vcf(PEOPLE, seed=77).splitlines()]

    def changed(lines: list[list[str]]) -> list[list[str]]:
        header = next(line for line in lines if line[0] == "#CHROM")
        columns = [header.index(name) for name in whose]
        for line, other in zip(lines, strangers, strict=True):
            if not line[0].startswith("#"):
                for column in columns:
                    line[column] = other[column]
        return lines

    return rewritten(path, folder, changed)


class CountsBases(OneByOne):
    """A sequence model of a small window that costs nothing, under the name of any other."""

    upstream, downstream, strand_specific, reading = 150, 100, False, "bases"

    def __init__(self, name: str) -> None:
        self.name = name

    def predict_one(self, sequence: bytes, *, reverse_complement: bool) -> float:
        return sum(place * base for place, base in enumerate(sequence)) / len(sequence)


def stand_in_for_sequence_models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every zero-shot model of the registry be `CountsBases`, whose weights are an empty file."""
    weights = folder / "weights"
    weights.touch()
    for name in ZERO_SHOT_NAMES:
        loaded = LoadedModel(CountsBases(name), weights)
        monkeypatch.setitem(zero_shot_registry._READERS, name, lambda *_, loaded=loaded: loaded)
