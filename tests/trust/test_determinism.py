"""The same inputs and seed give the same bytes, however they are worked on; on another machine, 1e-5."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from haploscribe.config.options import CohortOptions
from haploscribe.estimators.registry import ESTIMATOR_NAMES
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES
from tests.campaigns.determinism import OTHER_MACHINES, SAME_MACHINE, TOLERANCE, largest_differences, run_in
from tests.fixtures.cohorts import write_cohort
from tests.fixtures.equal_outputs import assert_same_results
from tests.fixtures.small_cohort import GENES
from tests.fixtures.xpresso_files import RandomXpresso

MODELS = [name for name in ESTIMATOR_NAMES if name not in ZERO_SHOT_NAMES]
TILES = ("--window", 2_000, "--tile", 500)


class First(NamedTuple):
    """A run that others are compared with.

    Attributes
    ----------
    cohort
        Its inputs.
    arguments
        Of `run`, without `--jobs` and `--out`.
    out
        Its results.
    """

    cohort: CohortOptions
    arguments: tuple[object, ...]
    out: Path


def inputs_of(cohort: CohortOptions, names: tuple[str, ...]) -> list[object]:
    return [part for name in names for part in (f"--{name.replace('_', '-')}", getattr(cohort, name))]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> First:
    folder = tmp_path_factory.mktemp("determinism")
    cohort = write_cohort(folder / "in")
    table = cohort.expression.read_text()
    for name in GENES:  # exports refuse blanks
        table = table.replace(f"\t{name}\t", f"\t{re.sub(r'[^A-Za-z]+', '_', name)}\t")
    cohort.expression.write_text(table)
    arguments = (
        *("run", *inputs_of(cohort, ("variants", "reference", "expression", "covariates", "hidden_factors"))),
        *(*TILES, "--maf", 0, "--folds", 2, "--backbone", "kmer", "--device", "cpu"),
        *(
            "--models",
            ",".join([*MODELS, "xpresso"]),
            "--xpresso",
            RandomXpresso().write(folder / "xpresso.h5"),
        ),
    )
    run_in({}, [*arguments, "--jobs", 1, "--out", folder / "out"])
    return First(cohort, arguments, folder / "out")


def joined(settings: Mapping[str, Mapping[str, str]], *names: str) -> dict[str, str]:
    """Several settings as one: which of them makes a difference, `tests.campaigns.determinism` says."""
    return {name: value for setting in names for name, value in settings[setting].items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [("1 thread", "memory filled with ones"), ("4 threads", "other hash seed", "locale C", "time zone")],
    ids=", ".join,
)
def test_an_environment_changes_no_byte(first: First, tmp_path: Path, settings: tuple[str, ...]) -> None:
    environment = joined(SAME_MACHINE, *settings)
    run_in(environment, [*first.arguments, "--jobs", 1, "--out", "out"], folder=tmp_path)
    assert_same_results(first.out, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [("--jobs", 4), ("--dask", "local:2")], ids=str)
def test_who_does_the_work_changes_no_byte(
    first: First, tmp_path: Path, workers: tuple[object, object]
) -> None:
    run_in({}, [*first.arguments, *workers, "--out", tmp_path / "out"])
    assert_same_results(first.out, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["all of them", "PyTorch without AVX"])
def test_as_on_another_machine_predictions_are_the_same_to_the_tolerance(
    first: First, tmp_path: Path, setting: str
) -> None:
    run_in(OTHER_MACHINES[setting], [*first.arguments, "--jobs", 1, "--out", tmp_path / "out"])
    found = largest_differences(first.out, tmp_path / "out")
    # A zero-shot prediction is float32, stretched by the ratio of two spreads that is not the model's own.
    assert {model: apart for model, apart in found.items() if apart > TOLERANCE and model in MODELS} == {}


VERBS: Mapping[str, tuple[object, ...]] = {
    "embed": ("--backbone", "kmer", *TILES, "--store", "out/embeddings.zarr"),
    "predict": ("--absent-is-reference", "--out", "out/predictions.tsv"),
    "explain": ("--gene", "on_X", "--out", "out"),
    "export predictdb": ("--build", "GRCh38", "--out", "out/model.db"),
    "export fusion": ("--build", "GRCh38", "--out", "out"),
    "simulate": ("--samples", 30, "--genes", 2, "--window", 20_000, "--out", "out"),
    "pretrain": (
        *("--window", 60, "--hidden-size", 16, "--layers", 1, "--heads", 2, "--feed-forward", 16),
        *("--batch", 2, "--steps", 4, "--device", "cpu", "--hold-out", "chrX:1-6000", "--out", "out"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_leaves_the_same_bytes(first: First, tmp_path: Path, verb: str) -> None:
    inputs: dict[str, list[object]] = {
        "embed": inputs_of(first.cohort, ("variants", "reference", "expression")),
        "predict": ["--models", first.out / "models", *inputs_of(first.cohort, ("variants", "reference"))],
        "pretrain": inputs_of(first.cohort, ("reference",)),
        "simulate": [],
    }
    for name, environment, jobs in (("a", {}, 1), ("b", SAME_MACHINE["other hash seed"], 2)):
        where = ["--jobs", jobs] if verb in ("embed", "predict", "explain") else []
        (tmp_path / name / "out").mkdir(parents=True)
        arguments = [*verb.split(), *inputs.get(verb, ["--results", first.out]), *VERBS[verb], *where]
        run_in(environment, arguments, folder=tmp_path / name)
    assert_same_results(tmp_path / "a" / "out", tmp_path / "b" / "out")
