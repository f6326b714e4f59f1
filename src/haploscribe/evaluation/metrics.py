"""Measure how well each model predicts each gene across samples."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from scipy.special import ndtr, ndtri, stdtr
from scipy.stats import false_discovery_control
from typing_extensions import TypedDict

from haploscribe.evaluation.bootstrap import mean_intervals
from haploscribe.utils.types import Float64Array, Int64Array

METRIC_SCHEMA = pl.Schema(
    {
        "gene_id": pl.String,
        "model": pl.String,
        "n_samples": pl.Int64,
        "n_variants": pl.Int64,
        "pearson_r": pl.Float64,
        "pearson_p": pl.Float64,
        "spearman_r": pl.Float64,
        "r2": pl.Float64,
        "constant": pl.Boolean,
    }
)
"""The columns of the metrics, in order."""

NAMED_METRIC_SCHEMA = pl.Schema(
    [("gene_id", pl.String()), ("symbol", pl.String()), *list(METRIC_SCHEMA.items())[1:]]
)
"""The columns where symbols of genes are known, in order; `symbol` is null where that of a gene is not."""

FALSE_DISCOVERY_RATE = 0.05

# Predictions whose range is below this share of the observed SD (and of their own size, for float32 models)
# are constant up to rounding: their correlation with anything is noise.
_CONSTANT_SPREAD = 1e-7


class ModelSummary(TypedDict):
    """A model over all its genes, as in `summary.json`.

    `mean_r_ci` holds the lower and the upper end of the 95 % interval of `mean_r` over genes; None for a
    single gene.
    """

    n_genes: int
    mean_r: float
    median_r: float
    n_significant: int
    mean_r_ci: list[float] | None


def gene_metrics(predictions: pl.DataFrame, n_variants: Mapping[str, int]) -> pl.DataFrame:
    """Measure out-of-fold predictions, gene by gene and model by model.

    - `pearson_r`, `spearman_r`: the mean over folds of the correlation of observed and predicted in the
      fold's test samples; 0 in a fold where either is constant.
    - `pearson_p`: one-sided, for correlation above 0. Each fold's r gives a t test (n − 2 degrees of
      freedom), whose normal scores `combine_fold_scores` combines. A constant fold has score 0. One-sided,
      since a model that predicts the opposite has not succeeded.
    - `r2`: 1 − Σ(observed − predicted)² / Σ observed² over all test samples of all folds. Prepared
      expression has mean 0 in training, so the denominator is what predicting the training mean would
      leave; 0 where it is 0.
    - `constant`: whether the predictions of at least one fold are all alike.

    Each gene is measured on its own, so genes may come in any number of calls.

    Parameters
    ----------
    predictions
        The columns of `haploscribe.evaluation.cross_validation.PREDICTION_SCHEMA`.
    n_variants
        For each gene, the number of variants in its cis window.

    Returns
    -------
    One row per gene and model, sorted by both, with the columns of `METRIC_SCHEMA`.
    """
    group = ["gene_id", "model", "fold"]
    observed, predicted = pl.col("observed"), pl.col("predicted")
    ranked = predictions.with_columns(
        observed.rank().over(group).alias("observed_rank"),
        predicted.rank().over(group).alias("predicted_rank"),
    )
    size = pl.max_horizontal(observed.std(ddof=0), predicted.abs().max())
    flat = predicted.max() - predicted.min() <= _CONSTANT_SPREAD * size
    undefined = pl.col("flat") | pl.col("observed_flat")
    folds = ranked.group_by(group, maintain_order=True).agg(
        n=pl.len(),
        flat=flat,
        observed_flat=observed.max() == observed.min(),
        r=_correlation("observed", "predicted"),
        rank_r=_correlation("observed_rank", "predicted_rank"),
        error=((observed - predicted) ** 2).sum(),
        total=(observed**2).sum(),
    )
    folds = folds.with_columns(pl.when(undefined).then(0.0).otherwise(pl.col("r", "rank_r")).name.keep())
    scores = fold_scores(folds["r"].to_numpy(), folds["n"].to_numpy())
    weight = pl.col("n").sqrt()
    genes = (
        folds.with_columns(score=pl.Series(scores))
        .group_by("gene_id", "model", maintain_order=True)
        .agg(
            n_folds=pl.len(),
            n_samples=pl.col("n").sum(),
            pearson_r=pl.col("r").mean(),
            score=(weight * pl.col("score")).sum(),
            weight=weight.sum(),
            spearman_r=pl.col("rank_r").mean(),
            r2=pl.when(pl.col("total").sum() > 0)
            .then(1 - pl.col("error").sum() / pl.col("total").sum())
            .otherwise(0.0),
            constant=pl.col("flat").any(),
        )
        .sort("gene_id", "model")
    )
    combined = ("score", "weight", "n_samples", "n_folds")
    return genes.select(
        "gene_id",
        "model",
        pl.col("n_samples").cast(pl.Int64),
        pl.col("gene_id").replace_strict(n_variants, return_dtype=pl.Int64).alias("n_variants"),
        "pearson_r",
        pl.Series("pearson_p", combine_fold_scores(*(genes[name].to_numpy() for name in combined))),
        "spearman_r",
        "r2",
        "constant",
    )


def with_symbols(metrics: pl.DataFrame, symbols: Mapping[str, str | None]) -> pl.DataFrame:
    """Add the symbol of each gene, if any is known.

    Parameters
    ----------
    metrics
        The columns of `METRIC_SCHEMA`, and perhaps others.
    symbols
        Of each gene, by its ID; None where it is unknown.

    Returns
    -------
    The columns of `NAMED_METRIC_SCHEMA`, and any others; `metrics` where no symbol is known.
    """
    if not any(symbols.values()):
        return metrics
    symbol = pl.col("gene_id").replace_strict(symbols, return_dtype=pl.String).alias("symbol")
    return metrics.select("gene_id", symbol, pl.exclude("gene_id"))


def fold_scores(r: Float64Array, n_samples: Int64Array) -> Float64Array:
    """Convert correlations to standard normal scores, through the one-sided t test of zero correlation.

    Parameters
    ----------
    r
        float64 `(n_folds,)`; correlations.
    n_samples
        int64 `(n_folds,)`; number of samples of each, at least 3.

    Returns
    -------
    float64 `(n_folds,)`; positive where r is; finite, 37.6 at most.
    """
    freedom = n_samples - 2.0
    t = np.abs(r) * np.sqrt(freedom / np.maximum(1 - r**2, np.finfo(np.float64).eps))
    # A tail of 0 would give an infinite score, and one fold would override all others.
    tail = np.maximum(stdtr(freedom, -t), np.finfo(np.float64).tiny)
    scores: Float64Array = -np.sign(r) * ndtri(tail)
    return scores


def combine_fold_scores(
    score: Float64Array, weight: Float64Array, n_samples: Int64Array, n_folds: Int64Array
) -> Float64Array:
    """Combine the scores of a gene's folds by Stouffer's method, for folds that are not independent.

    A fold's score has weight √n (Whitlock 2005, J Evol Biol 18:1368). Without any signal, the
    scores of k cross-validation folds still correlate by about 1 / (k − 1): for predictions linear
    in the training expression, a score is a sum over pairs of a test and a training sample, and the
    pairs between two folds, one part in k − 1 of either's, are in both their scores. Stouffer's sum so
    has about twice the variance that independent folds would give, and is divided by its root (Strube
    1985, Psychological Bulletin 97:334). Taking the folds as independent calls about 12 % of genes
    without signal at p < .05, and 4 % at p < .01. Constant folds, which add 0 but count, make p larger
    than it need be.

    Parameters
    ----------
    score
        float64 `(n_genes,)`; Σ √n · score over folds.
    weight
        float64 `(n_genes,)`; Σ √n over folds.
    n_samples
        int64 `(n_genes,)`; Σ n over folds.
    n_folds
        int64 `(n_genes,)`; one fold is a plain t test.

    Returns
    -------
    float64 `(n_genes,)`; one-sided p-values.
    """
    correlation = np.where(n_folds > 1, 1 / np.maximum(n_folds - 1, 1), 0.0)
    variance = n_samples + correlation * (weight**2 - n_samples)
    p_values: Float64Array = ndtr(-score / np.sqrt(variance))
    return p_values


def benjamini_hochberg(p_values: Float64Array) -> Float64Array:
    """Adjust p-values `(n_tests,)` for the false discovery rate (Benjamini & Hochberg 1995)."""
    adjusted: Float64Array = false_discovery_control(p_values) if p_values.size else p_values
    return adjusted


def r_by_model(
    metrics: pl.DataFrame, models: Sequence[str], genome_order: Sequence[str] | None = None
) -> Float64Array:
    """Return `pearson_r` as float64 `(n_genes, n_models)`, NaN where a model lacks a gene.

    Parameters
    ----------
    metrics
        The columns of `METRIC_SCHEMA`.
    models
        The columns wanted, in order.
    genome_order
        The order of the rows, with all genes of `metrics`; None for that of the gene ids.
    """
    genes = sorted(set(metrics["gene_id"])) if genome_order is None else genome_order
    row, column = ({name: i for i, name in enumerate(names)} for names in (genes, models))
    r = np.full((len(genes), len(models)), np.nan)
    for gene_id, model, value in metrics.select("gene_id", "model", "pearson_r").iter_rows():
        if model in column:
            r[row[gene_id], column[model]] = value
    return r


def summarise_models(
    metrics: pl.DataFrame, genome_order: Sequence[str] | None = None
) -> dict[str, ModelSummary]:
    """Summarise each model over its genes.

    `n_significant` counts genes with `pearson_p` at most 5 % after Benjamini-Hochberg within the model.

    Parameters
    ----------
    metrics
        The columns of `METRIC_SCHEMA`.
    genome_order
        All genes, in genome order: neighbours are resampled together. None where it is unknown: intervals
        then assume independent genes, which makes them too short.
    """
    models = sorted(set(metrics["model"]))
    block = None if genome_order is not None else 1
    intervals = mean_intervals(r_by_model(metrics, models, genome_order), block)
    summaries: dict[str, ModelSummary] = {}
    for model, ends in zip(models, intervals.T.tolist(), strict=True):
        genes = metrics.filter(pl.col("model") == model)
        r = genes["pearson_r"].to_numpy()
        adjusted = benjamini_hochberg(genes["pearson_p"].to_numpy())
        summaries[model] = ModelSummary(
            n_genes=genes.height,
            mean_r=float(r.mean()),
            median_r=float(np.median(r)),
            n_significant=int(np.count_nonzero(adjusted <= FALSE_DISCOVERY_RATE)),
            mean_r_ci=ends if genes.height > 1 else None,
        )
    return summaries


def _correlation(a: str, b: str) -> pl.Expr:
    """Return Pearson's correlation of two columns; null or NaN where one does not vary."""
    x = pl.col(a) - pl.col(a).mean()
    y = pl.col(b) - pl.col(b).mean()
    return ((x * y).sum() / ((x**2).sum() * (y**2).sum()).sqrt()).clip(-1.0, 1.0)
