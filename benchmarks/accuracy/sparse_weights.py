"""Measure what sparse exports of `ensemble` keep: weights, covariances, and accuracy in held-out samples.

In every fold the model is fitted and made sparse in training samples, as `export --keep-r2` does it, and both
predict the held-out ones.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from benchmarks.common.cohort import benchmark_cohort
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from haploscribe.config.options import EvaluationOptions
from haploscribe.estimators.ensemble import DosageEnsemble
from haploscribe.evaluation.cross_gene import adjust_gene
from haploscribe.evaluation.cross_validation import prediction_rows
from haploscribe.evaluation.metrics import gene_metrics
from haploscribe.evaluation.paired import compare_models
from haploscribe.parallel.executor import Executor, map_to_files
from haploscribe.utils.files import atomic_write
from haploscribe.utils.progress import stage
from haploscribe.workflows.export.sparse import kept_r2, sparse_weights
from haploscribe.workflows.run.cross_gene import learn_across_genes
from haploscribe.workflows.validate import validated_cohort
from haploscribe.workflows.work import WorkContext

KEPT = (1.0, 0.9999, 0.999, 0.995, 0.99, 0.95, 0.9, 0.8)


def fit_sparse(context: WorkContext, number: int, path: Path) -> None:
    """Fit one gene in every fold, and write the predictions of its weights and of fewer and fewer."""
    inputs, tables = context.gene_inputs(number), []
    for fold in context.folds:
        prepared = context.prepared(number, fold)
        training, tested = inputs.take(fold.fitted), inputs.take(fold.test)
        learned = adjust_gene(training, prepared[fold.fitted], context.cross_gene(number, fold))
        linear = DosageEnsemble().fit(*learned).linear_weights()
        assert linear is not None
        for keep in KEPT:
            sparse = sparse_weights(linear, training.dosages, keep)
            predicted = sparse.predict(tested.dosages)
            rows = prediction_rows(tested, fold, f"{keep:g}", prepared[fold.test], predicted)
            tables.append(
                rows.with_columns(
                    n_weights=pl.lit(int((sparse.weights != 0.0).sum())),
                    kept=pl.lit(kept_r2(sparse, linear, tested.dosages)),
                )
            )
    with atomic_write(path) as aside:
        pl.concat(tables).write_parquet(aside)


def curve_lines(predictions: pl.DataFrame, metrics: pl.DataFrame) -> list[str]:
    """Format one line for each share of variance that is kept in training samples."""
    compared = compare_models(metrics).filter(pl.col("model_b") == "1")
    versus = {row["model_a"]: row for row in compared.iter_rows(named=True)}
    fits = predictions.group_by("gene_id", "fold", "model").agg(
        pl.col("n_weights").first(), pl.col("kept").first().fill_nan(None)
    )
    sizes = fits.with_columns(rows=pl.col("n_weights") * (pl.col("n_weights") + 1) / 2)
    means = sizes.group_by("model").agg(pl.col("n_weights", "rows", "kept").mean())
    by_model = {row["model"]: row for row in means.iter_rows(named=True)}
    lines = [
        "| kept in training | weights per gene | covariance rows per gene | r² to the full model, held out "
        "| mean r, held out | difference (95 %) | paired p |",
        "|---|---|---|---|---|---|---|",
    ]
    for keep in KEPT:
        name = f"{keep:g}"
        row, r = by_model[name], metrics.filter(model=name)["pearson_r"].to_numpy().mean()
        other = versus.get(name)
        beside = (
            "- | -"
            if other is None
            else f"{other['mean_r_a'] - other['mean_r_b']:+.4f} ({other['ci_low']:+.4f} to "
            f"{other['ci_high']:+.4f}) | {other['wilcoxon_p']:.2g}"
        )
        lines.append(
            f"| {name} | {row['n_weights']:.1f} | {row['rows']:,.0f} | {row['kept']:.4f} | {r:.4f} "
            f"| {beside} |"
        )
    return lines


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its table."""
    parser = benchmark_parser("sparse_weights", __doc__, out=True, every=1, jobs=True)
    arguments = parser.parse_args(argv)
    out = arguments.out
    options = benchmark_cohort(arguments.source, out, every=arguments.every)
    executor = Executor(arguments.jobs)
    with validated_cohort(options, executor, out) as validated:
        cohort = validated.cached
        folder = out / f"every-{arguments.every}"
        spec = replace(validated.spec, folder=folder, evaluation=EvaluationOptions(models=("ensemble",)))
        context = WorkContext(spec, cohort=cohort)
        files = [folder / f"{number:06d}.parquet" for number in range(len(cohort.genes))]
        with stage("Comparing genes", len(files), "genes") as advance:
            learn_across_genes(context, executor, advance)
        with stage("Fitting genes", len(files), "genes") as advance:
            items = [(files[number], number) for number in cohort.genome_order()]
            map_to_files(executor, spec, fit_sparse, items, advance, context)
        ids = [gene.gene_id for gene in cohort.genes]
        n_variants = dict(zip(ids, validated.scan.n_variants.tolist(), strict=True))
    predictions = pl.concat([pl.read_parquet(file) for file in files])
    metrics = gene_metrics(predictions.drop("n_weights", "kept"), n_variants)
    lines = [
        "# How few weights predict as `ensemble` does",
        "",
        stamp(f"sparse_weights --source FOLDER --every {arguments.every}") + ".",
        "",
        f"{len(files)} genes, samples, folds and covariates of `accuracy.md`. In every fold the "
        "variants are chosen, and their weights refitted, in the training samples, to keep a share of the "
        "variance of what the full model predicts there (`export --keep-r2`). A PredictDB has one covariance "
        "row for each pair of a gene's weights. Differences in mean r are to the full model; paired p is "
        "Wilcoxon's signed-rank test across genes, two-sided.",
        "",
        *curve_lines(predictions, metrics),
        "",
    ]
    write_page(arguments.table, lines)
