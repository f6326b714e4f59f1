"""A run with annotations: what is learned, the twins, what stays of them, and no leak."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from haploscribe.config.finished_runs import ExplanationOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.errors import InputError
from haploscribe.estimators.cross_gene import learners
from haploscribe.evaluation import cross_gene
from haploscribe.genome.readers.open import open_variants
from haploscribe.results.tables import Results, read_predictions
from haploscribe.workflows.check import check
from haploscribe.workflows.explain import explain
from haploscribe.workflows.run.workflow import run
from tests.fixtures.cohorts import (
    PEOPLE,
    noise,
    stand_in_for_sequence_models,
    with_values,
    write_cohort,
)

MODELS = ("elastic-net", "blup-distance", "ensemble")
TWIN = "blup-distance(annotations=false)"


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CohortOptions:
    """A small cohort whose genes are far and many enough to learn from."""
    monkeypatch.setattr(cross_gene, "FAR", 2_000)
    monkeypatch.setattr(learners, "MIN_GENES", 2)
    return write_cohort(tmp_path / "in")


def write_scores(cohort: CohortOptions, path: Path, *, of: float = 1.0) -> str:
    """Write scores of a share of the alleles; return the value of `--annotations`."""
    rng = np.random.default_rng(5)
    rows = []
    with open_variants(cohort.variants) as reader:
        for contig in reader.contigs:
            found = reader.read(contig, 0, 1 << 30, reader.sample_ids)
            for position, (reference, *alternates) in zip(
                found.positions.tolist(), found.alleles, strict=True
            ):
                for alternate in alternates:
                    keys = (contig, str(position + 1), reference.decode(), alternate.decode())
                    rows.append("\t".join((*keys, f"{rng.gamma(0.5):.4f}")))
    kept = [row for row in rows if rng.random() < of]
    path.write_text("\n".join(["chrom\tpos\tref\talt\tscore", *kept]) + "\n")
    return f"score={path}"


def evaluated(cohort: CohortOptions, out: Path, annotations: tuple[str, ...]) -> Results:
    evaluation = EvaluationOptions(models=MODELS, folds=2, annotations=annotations)
    return run(cohort, BackboneOptions("kmer"), evaluation, out)


def predicted(out: Path, model: str) -> pl.Series:
    return read_predictions(out).filter(pl.col("model") == model)["predicted"]


def test_effects_taken_from_another_run_give_what_that_run_gave(
    cohort: CohortOptions, tmp_path: Path
) -> None:
    """Of a contig: its features are scaled as in the other run, whose variants are more."""
    annotations, out = (write_scores(cohort, tmp_path / "scores.tsv"),), tmp_path / "whole"
    whole = EvaluationOptions(models=("blup-distance",), folds=2, annotations=annotations)
    run(cohort, BackboneOptions("kmer"), whole, out)
    part = replace(whole, cross_gene=out)
    run(replace(cohort, contig="chr2"), BackboneOptions("kmer"), part, tmp_path / "part")
    found = read_predictions(tmp_path / "part")
    expected = read_predictions(out).filter(pl.col("gene_id").is_in(found["gene_id"].unique().to_list()))
    assert found["model"].n_unique() == 2
    assert found.equals(expected)
    other = (annotations[0].replace("score=", "other="),)
    with pytest.raises(InputError, match="that run has the annotations score; give the same"):
        run(
            replace(cohort, contig="chrX"),
            BackboneOptions("kmer"),
            replace(part, annotations=other),
            tmp_path / "other",
        )


@pytest.mark.slow
def test_every_model_that_reads_annotations_stands_beside_its_twin(
    cohort: CohortOptions, tmp_path: Path
) -> None:
    """The twin is the model of a run without annotations, to the bit; other models are as there."""
    with_scores = evaluated(cohort, tmp_path / "with", (write_scores(cohort, tmp_path / "scores.tsv"),))
    evaluated(cohort, tmp_path / "without", ())
    assert with_scores.fitted == (
        "elastic-net",
        "blup-distance",
        TWIN,
        "ensemble",
        "ensemble(annotations=false)",
    )
    for model, twin in (("blup-distance", TWIN), ("ensemble", "ensemble(annotations=false)")):
        before = predicted(tmp_path / "without", model)
        assert predicted(tmp_path / "with", twin).equals(before)
        assert not predicted(tmp_path / "with", model).equals(before)
    assert predicted(tmp_path / "with", "elastic-net").equals(predicted(tmp_path / "without", "elastic-net"))


def test_what_was_learned_is_in_the_summary_the_report_and_explanations(
    cohort: CohortOptions, tmp_path: Path
) -> None:
    given = write_scores(cohort, tmp_path / "scores.tsv", of=0.7)
    out = tmp_path / "out"
    results = evaluated(cohort, out, (given,))
    (row,) = json.loads((out / "summary.json").read_text())["annotations"]
    assert results.summary["annotations"] == [row]
    assert row["feature"] == "score"
    assert 0 < row["n_missing"] < row["n_variants"]
    assert 0.0 < row["standard_error"] <= 0.5
    page = (out / "report.html").read_text()
    assert f"× {np.exp(row['effect']):.2f}" in page
    assert f"{row['n_missing']:,} of {row['n_variants']:,}" in page
    checked = check(cohort, WorkerOptions(), EvaluationOptions(models=MODELS, annotations=(given,)))
    assert checked.facts["variants without score"] == f"{row['n_missing']:,} of {row['n_variants']:,}"

    gene = results.metrics["gene_id"][0]
    found = explain(ExplanationOptions(out, gene, models=("blup-distance",)), WorkerOptions())
    factors = found.prior["annotations"]
    assert factors.shape == found.prior["distance"].shape == found.names.positions.shape
    assert (factors > 0.0).all()
    assert np.ptp(factors) > 0.0


@pytest.mark.parametrize(
    "n_calls", [pytest.param(3, marks=pytest.mark.slow), 20, pytest.param(40, marks=pytest.mark.slow)]
)
def test_a_run_stopped_while_weighing_resumes(
    cohort: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_calls: int
) -> None:
    given = (write_scores(cohort, tmp_path / "scores.tsv"),)
    evaluated(cohort, tmp_path / "whole", given)
    measure, calls = learners.AnnotationLearner.measure, iter(range(n_calls))

    def stopping(self, inputs, expression):  # type: ignore[no-untyped-def]
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return measure(self, inputs, expression)

    with monkeypatch.context() as patch:
        patch.setattr(learners.AnnotationLearner, "measure", stopping)
        with pytest.raises(KeyboardInterrupt):
            evaluated(cohort, tmp_path / "stopped", given)
    evaluated(cohort, tmp_path / "stopped", given)
    assert predicted(tmp_path / "stopped", "ensemble").equals(predicted(tmp_path / "whole", "ensemble"))


def test_changed_scores_are_another_run(cohort: CohortOptions, tmp_path: Path) -> None:
    given = (write_scores(cohort, tmp_path / "scores.tsv"),)
    evaluated(cohort, tmp_path / "out", given)
    assert evaluated(cohort, tmp_path / "out", given).fitted == ()
    write_scores(cohort, tmp_path / "scores.tsv", of=0.5)
    with pytest.raises(InputError, match="on other content of --annotations"):
        evaluated(cohort, tmp_path / "out", given)


def test_what_models_of_the_run_know_of_alleles_is_an_annotation(
    cohort: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_for_sequence_models(tmp_path, monkeypatch)
    given = (write_scores(cohort, tmp_path / "scores.tsv"), "backbone", "zero-shot:borzoi-prime")
    evaluation = EvaluationOptions(models=("blup-distance", "borzoi-prime"), folds=2, annotations=given)
    results = run(cohort, BackboneOptions("kmer"), evaluation, tmp_path / "out")
    features = [row["feature"] for row in results.summary["annotations"]]
    assert features[:3] == ["score", "backbone", "zero-shot:borzoi-prime"]
    assert [row["n_missing"] for row in results.summary["annotations"]] == [0] * len(features)


def test_a_zero_shot_model_that_the_run_lacks_is_refused(cohort: CohortOptions, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="enformer is no zero-shot model of --models; add it"):
        evaluated(cohort, tmp_path / "out", ("zero-shot:enformer",))
    assert not (tmp_path / "out").exists()


def leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let annotations be weighed in everyone."""
    measure = learners.AnnotationLearner.measure

    def careless(self, inputs, expression):  # type: ignore[no-untyped-def]
        frame = sys._getframe(1).f_locals
        context, number = frame["context"], frame["number"]
        everyone = context.all_samples
        inputs = replace(context.gene_inputs(number), prior=inputs.prior).take(everyone.fitted)
        return measure(self, inputs, context.prepared(number, everyone)[everyone.fitted])

    monkeypatch.setattr(learners.AnnotationLearner, "measure", careless)


@pytest.mark.parametrize("leaking", [False, True], ids=["honest", "leaking"])
def test_nothing_of_people_held_out_is_learned(
    cohort: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, leaking: bool
) -> None:
    """The audit is run against a leak, too: it can fail."""
    if leaking:
        leak(monkeypatch)
    given = (write_scores(cohort, tmp_path / "scores.tsv"),)
    evaluated(cohort, tmp_path / "honest", given)
    fold_1 = read_predictions(tmp_path / "honest").filter(fold=1)
    whose = fold_1["sample_id"].unique().sort().to_list()
    assert 0 < len(whose) < len(PEOPLE)
    expression = with_values(cohort.expression, tmp_path / "other", whose, noise)
    evaluated(replace(cohort, expression=expression), tmp_path / "changed", given)
    again = read_predictions(tmp_path / "changed").filter(fold=1)
    moved = fold_1.filter(fold_1["predicted"] != again["predicted"])["model"].unique().sort().to_list()
    assert moved == (["blup-distance", "ensemble"] if leaking else [])
