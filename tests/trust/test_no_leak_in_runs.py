"""Whole runs are audited for leaks: files of held-out people are changed, and no prediction may move."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from haploscribe.cohort.cohort import open_cohort
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.estimators.cross_gene import learners
from haploscribe.estimators.cross_gene.effect_prior import variance_moments
from haploscribe.estimators.registry import ESTIMATOR_NAMES
from haploscribe.evaluation import cross_gene as lessons
from haploscribe.evaluation.cross_validation import evaluate
from haploscribe.evaluation.folds import Fold
from haploscribe.expression.normalise import prepare
from haploscribe.genome.dosages import minor_allele_frequencies
from haploscribe.results.tables import read_predictions
from haploscribe.workflows.run.workflow import run
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES
from tests.fixtures import leaking
from tests.fixtures.cohorts import (
    PEOPLE,
    noise,
    rewritten,
    stand_in_for_sequence_models,
    with_genotypes,
    with_values,
    write_cohort,
)
from tests.fixtures.leaks import ROUNDING
from tests.fixtures.small_cohort import GENES
from tests.fixtures.variants import only_file

_SHUFFLED = np.random.default_rng(3).permutation(PEOPLE).tolist()
SETS = {
    "train": _SHUFFLED[:20],
    "validation": _SHUFFLED[20:26],
    "test": _SHUFFLED[26:38],
}
UNLISTED = _SHUFFLED[38:]
"""In no set of the split file: nothing of them may matter."""
HALF, OTHER_HALF = SETS["test"][:6], SETS["test"][6:]
EXPRESSION: dict[str, Callable[[Any], Any]] = {
    "noise": noise,
    "huge": lambda old: 1e12 * old,
    "permuted": lambda old: old[:, ::-1],
}
PLAIN = ("top-snp", "blup-distance", "ensemble")


@dataclass(frozen=True)
class Runs:
    """Runs models on the cohort, with other files in place of some of its own.

    Attributes
    ----------
    models
        Those of the registry, all of them unless a test says otherwise.
    """

    cohort: CohortOptions
    folder: Path
    models: tuple[str, ...] = ESTIMATOR_NAMES

    def __call__(self, name: str, changed: dict[str, Path] | None = None, **evaluation: Any) -> pl.DataFrame:
        """Give out-of-fold predictions; those of the split unless `evaluation` says otherwise."""
        options = EvaluationOptions(models=self.models, **(evaluation or {"split": self.split}))
        cohort = replace(self.cohort, **(changed or {}))  # type: ignore[arg-type]
        out = self.folder / name
        with pytest.MonkeyPatch.context() as patch:
            # The few and near genes are enough, and far enough, to learn from.
            patch.setattr(lessons, "FAR", 2_000)
            patch.setattr(learners, "MIN_GENES", 2)
            stand_in_for_sequence_models(self.folder, patch)
            run(cohort, BackboneOptions("kmer"), options, out)
        return read_predictions(out)

    @property
    def split(self) -> Path:
        path = self.folder / "split.tsv"
        path.write_text("".join(f"{name}\t{word}\n" for word, names in SETS.items() for name in names))
        return path

    def with_expression(self, values: Callable[[Any], Any], whose: Sequence[str]) -> dict[str, Path]:
        return {"expression": with_values(self.cohort.expression, self.folder / "other", whose, values)}

    def with_covariates(self, whose: Sequence[str]) -> dict[str, Path]:
        changed = {}
        for name in ("covariates", "hidden_factors"):
            changed[name] = with_values(getattr(self.cohort, name), self.folder / "other", whose, noise)
        return changed

    def with_genotypes(self, whose: Sequence[str]) -> dict[str, Path]:
        return {"variants": with_genotypes(only_file(self.cohort.variants), self.folder / "other", whose)}


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of all models on the split, nothing changed, in the folder `honest`."""
    folder = tmp_path_factory.mktemp("leaks")
    Runs(write_cohort(folder / "in"), folder)("honest")
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(write_cohort(tmp_path / "in"), tmp_path)


SOME_THEN_ALL = pytest.mark.parametrize(
    "models", [PLAIN, pytest.param(ESTIMATOR_NAMES, marks=pytest.mark.slow)], ids=["some", "all"]
)


def leaking_models(one: pl.DataFrame, other: pl.DataFrame, keep: pl.Expr | None = None) -> list[str]:
    """Name the models that do not predict the same, to the bit; of some rows, if given."""
    frames = [frame.filter(True if keep is None else keep) for frame in (one, other)]
    assert frames[0].height == frames[1].height > 0
    keys = ["gene_id", "sample_id", "model", "fold"]
    assert frames[0].select(keys).equals(frames[1].select(keys))
    moved = frames[0].with_columns(moved=frames[0]["predicted"] != frames[1]["predicted"])
    return moved.filter("moved")["model"].unique().sort().to_list()


def kept_models(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "models" / "genes").iterdir()}


def test_a_split_keeps_all_of_held_out_people_from_every_model_but_their_dna(
    runs: Runs, everything: Path
) -> None:
    """Expression, covariates and hidden factors of test people, and all of people in no set."""
    outsiders = [*SETS["test"], *UNLISTED]
    changed = (
        runs.with_expression(noise, outsiders)
        | runs.with_covariates(outsiders)
        | runs.with_genotypes(UNLISTED)
    )
    found = runs("changed", changed)
    assert leaking_models(read_predictions(everything / "honest"), found) == []
    # The kept models learn from test people too, and so are others: out-of-fold numbers are none of theirs.
    assert kept_models(everything / "honest") != kept_models(runs.folder / "changed")


def test_a_held_out_persons_dna_reaches_their_own_predictions_alone(runs: Runs, everything: Path) -> None:
    honest = read_predictions(everything / "honest")
    changed = runs("changed", runs.with_genotypes([*HALF, *UNLISTED]))
    kept = pl.col("sample_id").is_in(OTHER_HALF)
    one, other = (frame.filter(kept)["predicted"].to_numpy() for frame in (honest, changed))
    np.testing.assert_allclose(one, other, rtol=0, atol=ROUNDING)
    # Each model reads the DNA that was changed, so the test above can fail.
    assert leaking_models(honest, changed, ~kept) == sorted(ESTIMATOR_NAMES)


@SOME_THEN_ALL
def test_a_person_in_no_set_changes_no_kept_model(runs: Runs, models: tuple[str, ...]) -> None:
    changed = (
        runs.with_expression(noise, UNLISTED) | runs.with_covariates(UNLISTED) | runs.with_genotypes(UNLISTED)
    )
    runs = replace(runs, models=models)
    runs("honest")
    runs("changed", changed)
    assert kept_models(runs.folder / "honest") == kept_models(runs.folder / "changed")


@SOME_THEN_ALL
def test_a_fold_learns_nothing_from_expression_of_people_it_holds_out(
    runs: Runs, models: tuple[str, ...]
) -> None:
    runs = replace(runs, models=models)
    honest = runs("honest", folds=2)
    whose = honest.filter(fold=1)["sample_id"].unique().sort().to_list()
    changed = runs("changed", runs.with_expression(noise, whose) | runs.with_covariates(whose), folds=2)
    assert leaking_models(honest, changed, pl.col("fold") == 1) == []
    # The other fold learns from them, so the test above can fail.
    assert leaking_models(honest, changed, pl.col("fold") == 2) == sorted(models)


@pytest.mark.slow
@pytest.mark.parametrize("what", EXPRESSION)
@pytest.mark.parametrize("normalize", ["inverse-normal", "log2p1", "none"])
def test_no_held_out_expression_matters_under_any_normalisation(
    runs: Runs, normalize: str, what: str
) -> None:
    positive = with_values(runs.cohort.expression, runs.folder / "positive", PEOPLE, np.exp)
    runs = replace(runs, cohort=replace(runs.cohort, expression=positive))
    honest = runs("honest", split=runs.split, normalize=normalize)

    def values(old: Any) -> Any:
        return np.abs(EXPRESSION[what](old))

    changed = runs(
        "changed", runs.with_expression(values, SETS["test"]), split=runs.split, normalize=normalize
    )
    assert leaking_models(honest, changed) == []


@pytest.mark.slow
def test_genes_held_out_are_never_learned_from(runs: Runs) -> None:
    runs = replace(runs, models=("transformer-all", *ZERO_SHOT_NAMES))
    honest = runs("honest", gene_split=2, folds=2)
    held_out = sorted(GENES, key=lambda gene: GENES[gene])[-1]

    def changed(lines: list[list[str]]) -> list[list[str]]:
        rng = np.random.default_rng(4)
        return [
            [*line[:4], *map(repr, rng.normal(size=len(PEOPLE)).tolist())] if line[3] == held_out else line
            for line in lines
        ]

    other = {"expression": rewritten(runs.cohort.expression, runs.folder / "other", changed)}
    gene = pl.col("gene_id") == held_out
    shared = pl.col("model").is_in(["transformer-all"])
    assert leaking_models(honest, runs("changed", other, gene_split=2, folds=2), gene & shared) == []


def test_held_out_genotypes_decide_nothing_but_which_variants_pass_the_frequency_floor(runs: Runs) -> None:
    """It is on everyone's genotypes; with the variants that pass alone in the file, all is the same."""
    runs = replace(runs, models=PLAIN, cohort=replace(runs.cohort, maf=0.42))
    changed = runs.with_genotypes([*HALF, *UNLISTED])
    kept = pl.col("sample_id").is_in(OTHER_HALF)
    by_floor = runs("floor", changed).filter(kept)
    with open_cohort(replace(runs.cohort, variants=changed["variants"]), runs.folder / "index") as cohort:
        passing = set()
        for window in cohort.cis_windows():
            variants = cohort.genotypes.read_window(window)
            common = variants.take(minor_allele_frequencies(variants) >= 0.42)
            passing |= {(window.contig, str(position + 1)) for position in common.positions.tolist()}

    def listed(lines: list[list[str]]) -> list[list[str]]:
        return [line for line in lines if line[0].startswith("#") or (line[0], line[1]) in passing]

    n_before = sum(
        not line.startswith("#") for line in only_file(runs.cohort.variants).read_text().splitlines()
    )
    assert 10 < len(passing) < n_before - 10
    variants_file = rewritten(only_file(runs.cohort.variants), runs.folder / "listed", listed)
    runs = replace(runs, cohort=replace(runs.cohort, maf=0.0))
    assert leaking_models(by_floor, runs("listed-out", {"variants": variants_file}).filter(kept)) == []


def everyone_trains(fold: Fold) -> Fold:
    return replace(fold, training=np.sort(np.concatenate([fold.training, fold.test])))


def leak_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "haploscribe.evaluation.folds.prepare",
        lambda values, covariates, training, method: prepare(
            values, covariates, np.ones_like(training), method
        ),
    )


def leak_lessons(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(self, inputs, expression):  # type: ignore[no-untyped-def]
        frame = sys._getframe(1).f_locals
        context, number = frame["context"], frame["number"]
        everyone = context.all_samples
        prepared = context.prepared(number, everyone)[everyone.fitted]
        inputs = context.gene_inputs(number).take(everyone.fitted)
        return variance_moments(inputs.dosages, inputs.distances(), prepared)

    monkeypatch.setattr(learners.EffectPriorLearner, "measure", measure)


def leak_kept_models(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(dataset, split, folds, estimators):  # type: ignore[no-untyped-def]
        return evaluate(dataset, split, [everyone_trains(fold) for fold in folds], estimators)

    monkeypatch.setattr("haploscribe.workflows.run.held_out.evaluate", careless)


def leak_estimator(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = leaking.StopsByHeldOutPeople
    monkeypatch.setattr("haploscribe.estimators.linear.top_snp.TopSnp", kind)


@pytest.mark.parametrize(
    ("leak", "model"),
    [
        (leak_preparation, "top-snp"),
        (leak_lessons, "blup-distance"),
        (leak_kept_models, "top-snp"),
        (leak_estimator, "top-snp"),
    ],
)
def test_the_audit_of_runs_catches(
    runs: Runs,
    monkeypatch: pytest.MonkeyPatch,
    leak: Callable[[pytest.MonkeyPatch], None],
    model: str,
) -> None:
    runs = replace(runs, models=(model,))
    leak(monkeypatch)
    honest = runs("honest")
    changed = runs.with_expression(noise, SETS["test"]) | runs.with_covariates(SETS["test"])
    assert leaking_models(honest, runs("changed", changed)) == [model]
