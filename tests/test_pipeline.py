"""The main job keeps its promises: honest, resumable, and the same whatever the order of the inputs."""

import gzip
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from haploscribe import gene_jobs
from haploscribe.errors import InputError
from haploscribe.evaluation.cross_validation import evaluate_gene
from haploscribe.evaluation.folds import make_folds
from haploscribe.expression.table import read_expression
from haploscribe.options import BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.pipeline import UNFINISHED_NAME, run

LINEAR = ("elastic-net", "blup", "blup-delta")
GENES = "ENSG00000128191.9,ENSG00000099899.10"


def predictions_of(
    cohort: CohortOptions, out: Path, models: tuple[str, ...] = LINEAR, jobs: int = 1, seed: int = 0
) -> pl.DataFrame:
    evaluation = EvaluationOptions(models=models, jobs=jobs, seed=seed)
    return run(cohort, BackboneOptions("kmer"), evaluation, out).predictions


def expression_with(example: CohortOptions, path: Path, values: np.ndarray, samples: list[str]) -> Path:
    """The example's table as Parquet, with other values or another order of people."""
    table = read_expression(example.expression)
    columns = {
        "#chr": [gene.contig for gene in table.genes],
        "start": [gene.tss for gene in table.genes],
        "end": [gene.tss + 1 for gene in table.genes],
        "pid": [gene.gene_id for gene in table.genes],
        "gid": [gene.gene_id for gene in table.genes],
        "strand": [gene.strand for gene in table.genes],
    }
    pl.DataFrame(columns | {name: values[:, i] for i, name in enumerate(samples)}).write_parquet(path)
    return path


@pytest.fixture
def two_genes(example: CohortOptions) -> CohortOptions:
    return replace(example, genes=GENES)


def test_changing_a_held_out_persons_expression_changes_no_prediction_of_that_fold(
    two_genes: CohortOptions, tmp_path: Path
) -> None:
    table = read_expression(two_genes.expression)
    person = table.sample_ids[17]
    held_out = next(
        fold.number
        for fold in make_folds(sorted(table.sample_ids), 5, seed=0)
        if sorted(table.sample_ids).index(person) in fold.test
    )
    changed = table.values.copy()
    changed[:, 17] = 1000.0
    samples = list(table.sample_ids)
    before = expression_with(two_genes, tmp_path / "before.parquet", table.values, samples)
    after = expression_with(two_genes, tmp_path / "after.parquet", changed, samples)
    frames = [
        predictions_of(replace(two_genes, expression=path), tmp_path / f"{path.stem}-out")
        .filter(pl.col("fold") == held_out)
        .drop("observed")
        for path in (before, after)
    ]
    assert frames[0].equals(frames[1])


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


@pytest.mark.slow
def test_permuting_people_drives_mean_r_to_zero(example: CohortOptions, tmp_path: Path) -> None:
    """17 genes × 10 permutations of genotypes against expression: mean r within 3 standard errors of 0."""
    table = read_expression(example.expression)
    mean_r: dict[str, list[float]] = {model: [] for model in LINEAR}
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(len(table.sample_ids))
        permuted = expression_with(
            example, tmp_path / f"{seed}.parquet", table.values[:, order], list(table.sample_ids)
        )
        evaluation = EvaluationOptions(models=LINEAR, jobs=2)
        cohort = replace(example, expression=permuted, covariates=None)
        results = run(cohort, BackboneOptions("kmer"), evaluation, tmp_path / "out", tmp_path / "s.zarr")
        for model, summary in results.summary["models"].items():
            mean_r[model].append(summary["mean_r"])
    for model, values in mean_r.items():
        standard_error = np.std(values, ddof=1) / np.sqrt(len(values))
        assert abs(np.mean(values)) < 3 * standard_error + 0.005, model


def test_a_stopped_run_goes_on_with_the_genes_not_done(
    two_genes: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = predictions_of(two_genes, tmp_path / "whole", ("blup",))
    evaluate = evaluate_gene
    fitted: list[str] = []

    def stopping(inputs, *arguments, **options):  # type: ignore[no-untyped-def]
        if fitted:
            raise KeyboardInterrupt
        fitted.append(inputs.gene.gene_id)
        return evaluate(inputs, *arguments, **options)

    monkeypatch.setattr(gene_jobs, "evaluate_gene", stopping)
    with pytest.raises(KeyboardInterrupt):
        predictions_of(two_genes, tmp_path / "out", ("blup",))
    assert not (tmp_path / "out" / "summary.json").exists()

    resumed: list[str] = []

    def counting(inputs, *arguments, **options):  # type: ignore[no-untyped-def]
        resumed.append(inputs.gene.gene_id)
        return evaluate(inputs, *arguments, **options)

    monkeypatch.setattr(gene_jobs, "evaluate_gene", counting)
    assert predictions_of(two_genes, tmp_path / "out", ("blup",)).equals(whole)
    assert sorted(fitted + resumed) == sorted(GENES.split(","))
    assert not (tmp_path / "out" / UNFINISHED_NAME).exists()


def test_other_options_do_not_go_on_with_unfinished_work(
    two_genes: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # as if stopped just before cleaning up
    first = predictions_of(two_genes, tmp_path / "out", ("blup",), seed=0)
    monkeypatch.undo()
    second = predictions_of(two_genes, tmp_path / "out", ("blup",), seed=1)
    alone = predictions_of(two_genes, tmp_path / "alone", ("blup",), seed=1)
    assert second.equals(alone)
    assert not second.equals(first)


def test_a_gene_without_variants_gets_constant_predictions_from_every_model(
    example: CohortOptions, tmp_path: Path
) -> None:
    lines = gzip.decompress(example.variants.read_bytes()).decode().splitlines(keepends=True)
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
        predictions[model] = results.predictions.filter(pl.col("model") == model).drop("model")
        if window == example.window:
            assert n_variants["elastic-net"] < n_variants["elastic-net-1mb"] / 2
    assert_frame_equal(predictions["elastic-net-1mb"], predictions["elastic-net"], abs_tol=1e-9)
    assert_frame_equal(metrics["elastic-net-1mb"], metrics["elastic-net"], abs_tol=1e-9)


@pytest.mark.parametrize(("model", "stops"), [("elastic-net", False), ("elastic-net-1mb", True)])
def test_reference_is_checked_as_far_as_the_models_read(
    model: str, stops: bool, example: CohortOptions, tmp_path: Path
) -> None:
    """The last variant of the file, 0.97 Mb from the gene, gets a wrong REF."""
    *lines, last = gzip.decompress(example.variants.read_bytes()).decode().splitlines(keepends=True)
    fields = last.split("\t")
    fields[3] = next(base for base in "ACGT" if base not in fields[3:5])
    variants = tmp_path / "wrong.vcf"
    variants.write_text("".join([*lines, "\t".join(fields)]))
    cohort = replace(example, variants=variants, genes="ENSG00000099904.11")
    evaluation = EvaluationOptions(models=(model,), folds=2)
    with pytest.raises(InputError, match="REF differs") if stops else nullcontext():
        run(cohort, BackboneOptions(), evaluation, tmp_path / "out")
