"""Paired tests: two models on the same genes."""

from itertools import permutations

import numpy as np
import polars as pl
from scipy.stats import wilcoxon

from haploscribe.arrays import Float64Array

COMPARISON_SCHEMA = pl.Schema(
    {
        "model_a": pl.String,
        "model_b": pl.String,
        "n_genes": pl.Int64,
        "mean_r_a": pl.Float64,
        "mean_r_b": pl.Float64,
        "median_delta_r": pl.Float64,
        "wilcoxon_p": pl.Float64,
        "n_a_better": pl.Int64,
        "n_b_better": pl.Int64,
    }
)
"""The columns of `comparison.tsv`, in order."""

# Differences of r below this are rounding: two models that say the same are equal.
_EQUAL = 1e-12


def compare_models(metrics: pl.DataFrame) -> pl.DataFrame:
    """Compare the `pearson_r` of every ordered pair of models over the genes that both have.

    `median_delta_r` is the median of r_a − r_b; `wilcoxon_p` is two-sided and as tested, before any
    correction for several pairs (`haploscribe.evaluation.metrics.benjamini_hochberg`). Both (a, b) and
    (b, a) have a row.

    Parameters
    ----------
    metrics
        The columns of `haploscribe.evaluation.metrics.METRIC_SCHEMA`.

    Returns
    -------
    One row an ordered pair, sorted by model names, with the columns of `COMPARISON_SCHEMA`; no row for
    a pair that shares no gene.
    """
    models = sorted(metrics["model"].unique().to_list())
    by_model = {
        model: metrics.filter(pl.col("model") == model).select("gene_id", r="pearson_r") for model in models
    }
    rows = []
    for a, b in permutations(models, 2):
        shared = by_model[a].join(by_model[b], on="gene_id", suffix="_b").sort("gene_id")
        if not shared.height:
            continue
        r_a, r_b = shared["r"].to_numpy(), shared["r_b"].to_numpy()
        delta = np.where(np.abs(r_a - r_b) <= _EQUAL, 0.0, r_a - r_b)
        rows.append(
            {
                "model_a": a,
                "model_b": b,
                "n_genes": shared.height,
                "mean_r_a": float(r_a.mean()),
                "mean_r_b": float(r_b.mean()),
                "median_delta_r": float(np.median(delta)),
                "wilcoxon_p": signed_rank_p(delta),
                "n_a_better": int(np.count_nonzero(delta > 0)),
                "n_b_better": int(np.count_nonzero(delta < 0)),
            }
        )
    return pl.DataFrame(rows, schema=COMPARISON_SCHEMA)


def signed_rank_p(delta: Float64Array) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test on differences `(n_pairs,)`.

    Zero differences are left out, as Wilcoxon (1945) has it; without any other, p is 1.
    """
    differing = delta[delta != 0]
    return float(wilcoxon(differing).pvalue) if differing.size else 1.0
