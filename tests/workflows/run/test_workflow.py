"""The main job keeps its promises: honest, resumable, and the same whatever the order of the inputs."""

import gzip
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.errors import InputError
from haploscribe.estimators.cross_gene import learners
from haploscribe.estimators.cross_gene.effect_prior import DEFAULT_PRIOR
from haploscribe.evaluation import cross_gene as evaluation_lessons
from haploscribe.evaluation.cross_gene import adjust_gene
from haploscribe.evaluation.cross_validation import evaluate
from haploscribe.evaluation.folds import make_folds
from haploscribe.expression.table import read_expression
from haploscribe.genome.readers.vcf import VcfReader
from haploscribe.parallel.executor import Executor
from haploscribe.results.tables import read_predictions
from haploscribe.workflows.run import held_out
from haploscribe.workflows.run.cross_gene import learn_across_genes
from haploscribe.workflows.run.workflow import run
from haploscribe.workflows.validate import UNFINISHED_NAME, validated_cohort
from haploscribe.workflows.work import WorkContext
from tests.fixtures.cohorts import expression_with
from tests.fixtures.variants import only_file

LINEAR = ("elastic-net", "blup", "blup-delta")
GENES = "ENSG00000128191.9,ENSG00000099899.10"


def predictions_of(
    cohort: CohortOptions, out: Path, models: tuple[str, ...] = LINEAR, jobs: int = 1, seed: int = 0
) -> pl.DataFrame:
    evaluation = EvaluationOptions(models=models, seed=seed)
    run(cohort, BackboneOptions("kmer"), evaluation, out, worker_options=WorkerOptions(jobs))
    return read_predictions(out)


@pytest.fixture
def two_genes(example: CohortOptions) -> CohortOptions:
    return replace(example, genes=GENES)


def predictions_with(
    cohort: CohortOptions, values: np.ndarray, folder: Path, models: tuple[str, ...], fold: int
) -> pl.DataFrame:
    """A fold's predictions from the example's table with other values."""
    folder.mkdir()
    path = expression_with(
        cohort, folder / "e.parquet", values, list(read_expression(cohort.expression).sample_ids)
    )
    frame = predictions_of(replace(cohort, expression=path), folder / "out", models)
    return frame.filter(pl.col("fold") == fold).drop("observed")


def fold_that_holds_out(sample_ids: tuple[str, ...], person: str) -> int:
    ordered = sorted(sample_ids)
    return next(fold.number for fold in make_folds(ordered, 5, 0) if ordered.index(person) in fold.test)


@pytest.fixture
def learning_from_other_genes(monkeypatch: pytest.MonkeyPatch, example: CohortOptions) -> CohortOptions:
    """Four genes of a region where all are neighbours, taken as far apart and as enough to learn from."""
    monkeypatch.setattr(evaluation_lessons, "FAR", 30_000)
    monkeypatch.setattr(learners, "MIN_GENES", 2)
    table = read_expression(example.expression)
    return replace(example, genes=",".join(gene.gene_id for gene in table.genes[::5]))


@pytest.mark.parametrize("learned_from", [False, True], ids=["held out", "in training"])
def test_a_persons_expression_of_other_genes_reaches_predictions_only_where_it_is_learned_from(
    learning_from_other_genes: CohortOptions, tmp_path: Path, learned_from: bool
) -> None:
    cohort, models = learning_from_other_genes, ("blup-distance", "susie")
    table = read_expression(cohort.expression)
    held_out = fold_that_holds_out(table.sample_ids, table.sample_ids[17])
    fold = held_out % 5 + 1 if learned_from else held_out
    changed = table.values.copy()
    changed[:, 17] = 1000.0
    # The first gene keeps its own expression: what reaches it comes from the others.
    changed[0] = table.values[0]
    first = pl.col("gene_id") == table.genes[0].gene_id
    frames = [
        predictions_with(cohort, values, tmp_path / name, models, fold).filter(first)
        for name, values in (("before", table.values), ("after", changed))
    ]
    assert frames[0].equals(frames[1]) != learned_from


def test_a_prior_is_learned_from_far_genes_alone(
    learning_from_other_genes: CohortOptions, tmp_path: Path
) -> None:
    cohort, evaluation = learning_from_other_genes, EvaluationOptions(models=("susie",))
    table = read_expression(cohort.expression)
    priors = []
    for name, changed_gene in (("before", None), ("after", 0)):
        values = table.values.copy()
        if changed_gene is not None:
            values[changed_gene] = np.random.default_rng(0).permutation(values[changed_gene])
        (tmp_path / name).mkdir()
        path = expression_with(cohort, tmp_path / name / "e.parquet", values, list(table.sample_ids))
        options = replace(cohort, expression=path)
        with validated_cohort(options, Executor(1), tmp_path / name) as validated:
            spec = replace(validated.spec, evaluation=evaluation, folder=tmp_path / name / "done")
            context = WorkContext(spec)
            learn_across_genes(context, Executor(1), lambda _: None)
            priors.append(
                np.array([weights_of(context, number) for number in range(len(context.cohort.genes))])
            )
    moved = np.abs(priors[1] - priors[0]).max(axis=(1, 2)) / priors[0].max()
    # Its own gene's moments are subtracted from the sum of all: what remains of them is rounding.
    assert moved[0] < 1e-9
    assert (moved[1:] > 1e-3).all()
    assert not (priors[0] == DEFAULT_PRIOR.weights).all(axis=2).any()


def weights_of(context: WorkContext, number: int) -> list[tuple[float, ...]]:
    """The weights of a gene's prior in every fit."""
    inputs, values = context.gene_inputs(number), context.cohort.values[number]
    found = []
    for fold in context.fits:
        fitted = inputs.take(fold.fitted)
        training = context.cross_gene(number, fold)
        found.append(adjust_gene(fitted, values[fold.fitted], training)[0].prior.weights)
    return found


@pytest.mark.slow
def test_results_do_not_depend_on_the_order_of_people_or_on_jobs(
    two_genes: CohortOptions, tmp_path: Path
) -> None:
    table = read_expression(two_genes.expression)
    order = np.random.default_rng(5).permutation(len(table.sample_ids))
    shuffled = expression_with(
        two_genes,
        tmp_path / "shuffled.parquet",
        table.values[:, order],
        [table.sample_ids[i] for i in order],
    )
    first = predictions_of(two_genes, tmp_path / "a")
    second = predictions_of(replace(two_genes, expression=shuffled), tmp_path / "b", jobs=2)
    assert first.equals(second)
    kept = [
        {path.relative_to(out): path.read_bytes() for path in (out / "models").rglob("*") if path.is_file()}
        for out in (tmp_path / "a", tmp_path / "b")
    ]
    assert len(kept[0]) > 3
    assert kept[0] == kept[1]


@pytest.mark.slow
def test_permuting_people_drives_mean_r_to_zero(example: CohortOptions, tmp_path: Path) -> None:
    """17 genes × 5 permutations of genotypes against expression: mean r within 3 standard errors of 0."""
    table = read_expression(example.expression)
    mean_r: dict[str, list[float]] = {model: [] for model in LINEAR}
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(table.sample_ids))
        permuted = expression_with(
            example, tmp_path / f"{seed}.parquet", table.values[:, order], list(table.sample_ids)
        )
        evaluation = EvaluationOptions(models=LINEAR)
        cohort = replace(example, expression=permuted, covariates=None)
        results = run(
            cohort,
            BackboneOptions("kmer"),
            evaluation,
            tmp_path / f"out{seed}",
            tmp_path / "s.zarr",
            worker_options=WorkerOptions(jobs=2),
        )
        for model, summary in results.summary["models"].items():
            mean_r[model].append(summary["mean_r"])
    for model, values in mean_r.items():
        standard_error = np.std(values, ddof=1) / np.sqrt(len(values))
        assert abs(np.mean(values)) < 3 * standard_error + 0.005, model


def test_a_stopped_run_goes_on_with_the_genes_not_done(
    two_genes: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = predictions_of(two_genes, tmp_path / "whole", ("blup",))
    fitted: list[str] = []

    def stopping(dataset, split, *rest):  # type: ignore[no-untyped-def]
        if fitted:
            raise KeyboardInterrupt
        fitted.append(dataset.gene(split.training[0]).gene.gene_id)
        return evaluate(dataset, split, *rest)

    monkeypatch.setattr(held_out, "evaluate", stopping)
    with pytest.raises(KeyboardInterrupt):
        predictions_of(two_genes, tmp_path / "out", ("blup",))
    assert not (tmp_path / "out" / "summary.json").exists()

    resumed: list[str] = []

    def counting(dataset, split, *rest):  # type: ignore[no-untyped-def]
        resumed.append(dataset.gene(split.training[0]).gene.gene_id)
        return evaluate(dataset, split, *rest)

    monkeypatch.setattr(held_out, "evaluate", counting)
    assert predictions_of(two_genes, tmp_path / "out", ("blup",)).equals(whole)
    assert sorted(fitted + resumed) == sorted(GENES.split(","))
    assert not (tmp_path / "out" / UNFINISHED_NAME).exists()


def test_variants_are_read_in_one_pass(
    two_genes: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    regions: list[tuple[str, int, int]] = []
    read = VcfReader.read

    def counting(self, contig, start, end, samples):  # type: ignore[no-untyped-def]
        regions.append((contig, start, end))
        return read(self, contig, start, end, samples)

    monkeypatch.setattr(VcfReader, "read", counting)
    evaluation = EvaluationOptions(models=("elastic-net-1mb", "blup-delta", "susie"), folds=2)
    run(two_genes, BackboneOptions("kmer"), evaluation, tmp_path / "out")
    regions.sort()
    assert len(regions) > 2
    assert all(a[2] <= b[1] for a, b in pairwise(regions))  # no base is read twice


def test_a_gene_without_variants_gets_constant_predictions_from_every_model(
    example: CohortOptions, tmp_path: Path
) -> None:
    lines = gzip.decompress(only_file(example.variants).read_bytes()).decode().splitlines(keepends=True)
    near = [line for line in lines if line[0] == "#" or int(line.split("\t", 2)[1]) > 20_600_000]
    variants = tmp_path / "near.vcf"
    variants.write_text("".join(near))
    bare, covered = "ENSG00000128191.9", "ENSG00000099937.6"
    cohort = replace(example, variants=variants, genes=f"{bare},{covered}")
    evaluation = EvaluationOptions(models=(*LINEAR, "transformer"), folds=2)
    results = run(cohort, BackboneOptions("kmer"), evaluation, tmp_path / "out")
    metrics = results.metrics.filter(pl.col("gene_id") == bare)
    assert metrics["n_variants"].to_list() == [0] * 4
    assert metrics["constant"].all()
    assert metrics["pearson_r"].to_list() == [0.0] * 4
    assert results.run["data"]["genes with variants"] == 1


@pytest.mark.slow
def test_elastic_net_at_1_mb_equals_the_plain_one_in_a_window_of_2_mb(
    example: CohortOptions, tmp_path: Path
) -> None:
    cohort = replace(example, genes="ENSG00000099904.11")
    metrics, predictions = {}, {}
    for model, window in (("elastic-net-1mb", example.window), ("elastic-net", 2_000_000)):
        evaluation = EvaluationOptions(models=tuple({"elastic-net": 0, model: 0}), folds=2)
        results = run(replace(cohort, window=window), BackboneOptions(), evaluation, tmp_path / model)
        n_variants = dict(results.metrics.select("model", "n_variants").iter_rows())
        metrics[model] = results.metrics.filter(pl.col("model") == model).drop("model")
        predictions[model] = read_predictions(tmp_path / model).filter(pl.col("model") == model).drop("model")
        if window == example.window:
            assert n_variants["elastic-net"] < n_variants["elastic-net-1mb"] / 2
    assert_frame_equal(predictions["elastic-net-1mb"], predictions["elastic-net"], abs_tol=1e-9)
    assert_frame_equal(metrics["elastic-net-1mb"], metrics["elastic-net"], abs_tol=1e-9)


@pytest.mark.parametrize(("model", "stops"), [("elastic-net", False), ("elastic-net-1mb", True)])
def test_reference_is_checked_as_far_as_the_models_read(
    model: str, stops: bool, example: CohortOptions, tmp_path: Path
) -> None:
    """The last variant of the file, 0.97 Mb from the gene, gets a wrong REF."""
    *lines, last = (
        gzip.decompress(only_file(example.variants).read_bytes()).decode().splitlines(keepends=True)
    )
    fields = last.split("\t")
    fields[3] = next(base for base in "ACGT" if base not in fields[3:5])
    variants = tmp_path / "wrong.vcf"
    variants.write_text("".join([*lines, "\t".join(fields)]))
    cohort = replace(example, variants=variants, genes="ENSG00000099904.11")
    evaluation = EvaluationOptions(models=(model,), folds=2)
    with pytest.raises(InputError, match="REF differs") if stops else nullcontext():
        run(cohort, BackboneOptions(), evaluation, tmp_path / "out")
