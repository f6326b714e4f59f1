"""Measure how well models predict a cohort that they were not trained on: external validation."""

from collections.abc import Mapping, Sequence

import polars as pl

from haploscribe.evaluation.bootstrap import ratio_of_means
from haploscribe.evaluation.calibration import calibrate_genes
from haploscribe.evaluation.metrics import METRIC_SCHEMA, gene_metrics, summarise_models

VALIDATION_SCHEMA = pl.Schema(
    [
        *METRIC_SCHEMA.items(),
        ("slope", pl.Float64()),
        ("slope_standard_error", pl.Float64()),
        ("intercept", pl.Float64()),
        ("predicted_sd", pl.Float64()),
        ("run_pearson_r", pl.Float64()),
    ]
)
"""The columns of `validate_genes`, in order: those of the metrics of a run, calibration, and the run's r."""

NAMED_VALIDATION_SCHEMA = pl.Schema(
    [("gene_id", pl.String()), ("symbol", pl.String()), *list(VALIDATION_SCHEMA.items())[1:]]
)
"""The columns where symbols of genes are known, in order; `symbol` is null where that of a gene is not."""

MODEL_VALIDATION_SCHEMA = pl.Schema(
    {
        "model": pl.String,
        "n_genes": pl.Int64,
        "mean_r": pl.Float64,
        "mean_r_low": pl.Float64,
        "mean_r_high": pl.Float64,
        "median_r": pl.Float64,
        "n_passing": pl.Int64,
        "n_significant": pl.Int64,
        "slope": pl.Float64,
        "slope_low": pl.Float64,
        "slope_high": pl.Float64,
        "run_mean_r": pl.Float64,
        "share_kept": pl.Float64,
        "share_kept_low": pl.Float64,
        "share_kept_high": pl.Float64,
    }
)
"""The columns of `validate_models`, in order."""

PASSING_R, PASSING_P = 0.1, 0.05
"""PredictDB's filter: a model predicts a gene with r above the one and p below the other."""

_GENE = ["gene_id", "model"]


def validate_genes(
    predictions: pl.DataFrame, n_variants: Mapping[str, int], run_metrics: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Measure predictions of new samples, gene by gene and model by model.

    - The columns of `METRIC_SCHEMA` are as `gene_metrics` has them, for one fold of all samples. `r2` is
      1 − SSE / SST for observed expression of mean 0; it is negative where predicting the mean is better.
    - `slope`, `intercept`: least squares of observed on predicted. `slope_standard_error`: the usual one,
      with n − 2 degrees of freedom. Null where predictions or expression do not vary.
    - `predicted_sd`: standard deviation of the predictions (divisor n).
    - `run_pearson_r`: `pearson_r` of the gene and model in the run, null where it is not known.

    Each gene is measured on its own, so genes may come in any number of calls.

    Parameters
    ----------
    predictions
        The columns of `haploscribe.evaluation.cross_validation.PREDICTION_SCHEMA`, all of one fold; at least
        3 samples for each gene and model.
    n_variants
        For each gene, the number of variants that its models know.
    run_metrics
        The metrics of the run that trained the models; None where they are not at hand.

    Returns
    -------
    One row per gene and model, sorted by both, with the columns of `VALIDATION_SCHEMA`.
    """
    observed, predicted = pl.col("observed"), pl.col("predicted")
    means = predictions.group_by(_GENE).agg(
        observed_mean=observed.mean(),
        predicted_mean=predicted.mean(),
        observed_flat=observed.max() == observed.min(),
    )
    run = pl.DataFrame(schema=METRIC_SCHEMA) if run_metrics is None else run_metrics
    found = (
        gene_metrics(predictions, n_variants)
        .join(calibrate_genes(predictions), on=_GENE)
        .join(means, on=_GENE)
        .join(run.select(*_GENE, run_pearson_r="pearson_r"), on=_GENE, how="left")
        .with_columns(spread=pl.when(~pl.col("constant") & ~pl.col("observed_flat")).then("predicted_spread"))
        .with_columns(slope=pl.col("covariance") / pl.col("spread"))
    )
    # Residual over predicted variance: SST (1 − r²) / SSX.
    unexplained = pl.col("held_out_spread") / pl.col("spread") - pl.col("slope") ** 2
    return (
        found.with_columns(
            slope_standard_error=(unexplained.clip(0.0) / (pl.col("n_samples") - 2)).sqrt(),
            intercept=pl.col("observed_mean") - pl.col("slope") * pl.col("predicted_mean"),
            predicted_sd=pl.col("predicted_spread").sqrt(),
        )
        .select(VALIDATION_SCHEMA.names())
        .sort(_GENE)
    )


def validate_models(genes: pl.DataFrame, genome_order: Sequence[str]) -> pl.DataFrame:
    """Summarise each model over the genes of the new samples.

    - `mean_r` and its 95 % interval, `median_r` and `n_significant` are as `summarise_models` has them;
      `n_passing` counts genes that pass PredictDB's filter, r > .1 and p < .05.
    - `slope`: of observed on predicted expression, pooled over genes as by
      `haploscribe.evaluation.calibration.calibrate_models`; 1 where predictions are calibrated.
    - `run_mean_r`: mean of the run's held-out r over the same genes. `share_kept` is the ratio of the two
      means, and thus below 1 where the new samples are predicted less well; null where `run_mean_r` is not
      above 0. Genes whose r in the run is not known do not count in either.

    Intervals are over genes, with neighbours resampled together (`haploscribe.evaluation.bootstrap`); they
    are null for a single gene.

    Parameters
    ----------
    genes
        The columns of `VALIDATION_SCHEMA`.
    genome_order
        All genes, in genome order.

    Returns
    -------
    One row per model, sorted, with the columns of `MODEL_VALIDATION_SCHEMA`.
    """
    index_of = {gene_id: index for index, gene_id in enumerate(genome_order)}
    ordered = genes.sort(pl.col("gene_id").replace_strict(index_of, return_dtype=pl.Int64))
    spread = pl.when(pl.col("slope").is_null()).then(0.0).otherwise(pl.col("predicted_sd") ** 2)
    passing = (pl.col("pearson_r") > PASSING_R) & (pl.col("pearson_p") < PASSING_P)
    rows = []
    for model, summary in summarise_models(genes, genome_order).items():
        of_model = ordered.filter(pl.col("model") == model)
        sums = of_model.select(spread * pl.col("slope").fill_null(0.0), spread.alias("spread"))
        known = of_model.drop_nulls("run_pearson_r").select("pearson_r", "run_pearson_r")
        mean_ends = summary["mean_r_ci"] or (None, None)
        slope, kept = ratio_of_means(sums.to_numpy()), ratio_of_means(known.to_numpy())
        row = {
            "model": model,
            "n_genes": summary["n_genes"],
            "mean_r": summary["mean_r"],
            "median_r": summary["median_r"],
            "n_passing": of_model.filter(passing).height,
            "n_significant": summary["n_significant"],
            "run_mean_r": known["run_pearson_r"].mean(),
        }
        row |= zip(("mean_r_low", "mean_r_high"), mean_ends, strict=True)
        row |= zip(("slope", "slope_low", "slope_high"), slope, strict=True)
        row |= zip(("share_kept", "share_kept_low", "share_kept_high"), kept, strict=True)
        rows.append(row)
    return pl.DataFrame(rows, schema=MODEL_VALIDATION_SCHEMA)
