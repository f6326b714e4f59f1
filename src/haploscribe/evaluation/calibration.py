"""Measure the calibration of predictions: slopes, and predicted against explained variance."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from haploscribe.evaluation.bootstrap import ratio_of_means

GENE_CALIBRATION_SCHEMA = pl.Schema(
    {
        "gene_id": pl.String,
        "model": pl.String,
        "held_out_variance": pl.Float64,
        "predicted_variance": pl.Float64,
        "explained_variance": pl.Float64,
        "held_out_spread": pl.Float64,
        "predicted_spread": pl.Float64,
        "covariance": pl.Float64,
    }
)
"""The columns of `calibrate_genes`, in order."""

MODEL_CALIBRATION_SCHEMA = pl.Schema(
    {
        "model": pl.String,
        "n_genes": pl.Int64,
        "slope": pl.Float64,
        "slope_low": pl.Float64,
        "slope_high": pl.Float64,
        "predicted_variance": pl.Float64,
        "explained_variance": pl.Float64,
    }
)
"""The columns of `calibrate_models`, in order."""


def calibrate_genes(predictions: pl.DataFrame) -> pl.DataFrame:
    """Compute the calibration statistics of each gene and model.

    All are averages over held-out samples, in units of the variance of training expression, about the
    training mean (`haploscribe.expression.normalise`):

    - `held_out_variance`: mean of observed²;
    - `predicted_variance`: mean of predicted², the variance that the model predicts to explain;
    - `explained_variance`: mean of observed² minus mean of (observed − predicted)², the variance explained;
      R² is this over `held_out_variance`;
    - `held_out_spread`, `predicted_spread`, `covariance`: variances of observed and predicted, and their
      covariance, within folds. The slope of observed on predicted is `covariance` / `predicted_spread`.

    For calibrated predictions, E[observed | predicted] = predicted, the
    slope is 1 and `explained_variance` equals `predicted_variance` in expectation, as the two differ by the
    mean of 2 · predicted · (observed − predicted).

    Parameters
    ----------
    predictions
        The columns of `haploscribe.evaluation.cross_validation.PREDICTION_SCHEMA`.

    Returns
    -------
    One row per gene and model, sorted by both, with the columns of `GENE_CALIBRATION_SCHEMA`.
    """
    fold = ["gene_id", "model", "fold"]
    observed, predicted = pl.col("observed"), pl.col("predicted")
    within = {"x": predicted - predicted.mean().over(fold), "y": observed - observed.mean().over(fold)}
    return (
        predictions.with_columns(**within)
        .group_by("gene_id", "model")
        .agg(
            held_out_variance=(observed**2).mean(),
            predicted_variance=(predicted**2).mean(),
            explained_variance=(observed**2).mean() - ((observed - predicted) ** 2).mean(),
            held_out_spread=(pl.col("y") ** 2).mean(),
            predicted_spread=(pl.col("x") ** 2).mean(),
            covariance=(pl.col("x") * pl.col("y")).mean(),
        )
        .sort("gene_id", "model")
        .select(GENE_CALIBRATION_SCHEMA.names())
    )


def calibrate_models(genes: pl.DataFrame, genome_order: Sequence[str]) -> pl.DataFrame:
    """Pool the slope of observed on predicted over genes, and average predicted and explained variance.

    The pooled slope is Σ `covariance` / Σ `predicted_spread` over genes, so that a gene counts as much as its
    predictions vary, and one whose predictions hardly do, not at all. Its 95 % interval is over genes,
    with neighbours resampled together (`haploscribe.evaluation.bootstrap`).

    Parameters
    ----------
    genes
        The columns of `GENE_CALIBRATION_SCHEMA`.
    genome_order
        All genes, in genome order.

    Returns
    -------
    One row per model, sorted, with the columns of `MODEL_CALIBRATION_SCHEMA`. The slope is null where the
    predictions of a model never vary; its interval also with a single gene.
    """
    index_of = {gene: i for i, gene in enumerate(genome_order)}
    ordered = genes.sort(pl.col("gene_id").replace_strict(index_of, return_dtype=pl.Int64))
    rows = []
    for model in sorted(set(genes["model"])):
        of_model = ordered.filter(pl.col("model") == model)
        slope, low, high = ratio_of_means(of_model.select("covariance", "predicted_spread").to_numpy())
        rows.append(
            {
                "model": model,
                "n_genes": of_model.height,
                "slope": slope,
                "slope_low": low,
                "slope_high": high,
                "predicted_variance": of_model["predicted_variance"].mean(),
                "explained_variance": of_model["explained_variance"].mean(),
            }
        )
    return pl.DataFrame(rows, schema=MODEL_CALIBRATION_SCHEMA)


def calibrate_bins(genes: pl.DataFrame, edges: Sequence[float]) -> pl.DataFrame:
    """Average predicted and explained variance over genes binned by predicted variance.

    Parameters
    ----------
    genes
        The columns of `GENE_CALIBRATION_SCHEMA`.
    edges
        Increasing bounds of predicted variance between bins; a gene on a bound is in the bin above it.

    Returns
    -------
    One row per model and bin with at least one gene, sorted: `model`; `bin`, 0 below the first edge;
    `n_genes`; the means over genes of `predicted_variance`, of `explained_variance`, of `r2`, which is
    1 − SSE / SST, and of `squared_r`, the squared correlation within folds, whose expectation under chance is
    1 / (n_samples − n_folds). R² and r² are 0 where they are 0 / 0.
    """
    r2 = pl.col("explained_variance") / pl.col("held_out_variance")
    squared_r = pl.col("covariance") ** 2 / (pl.col("held_out_spread") * pl.col("predicted_spread"))
    averaged = ("predicted_variance", "explained_variance", "r2", "squared_r")
    bins = np.searchsorted(np.asarray(edges, dtype=np.float64), genes["predicted_variance"], side="right")
    return (
        genes.with_columns(bin=pl.Series(bins, dtype=pl.Int64), r2=r2, squared_r=squared_r)
        .with_columns(pl.col("r2", "squared_r").fill_nan(0.0))
        .group_by("model", "bin")
        .agg(pl.len().cast(pl.Int64).alias("n_genes"), pl.col(averaged).mean())
        .sort("model", "bin")
    )
