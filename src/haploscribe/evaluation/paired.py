"""Compare pairs of models on the same genes."""

from collections.abc import Sequence
from itertools import combinations, permutations

import numpy as np
import polars as pl
from scipy.stats import wilcoxon

from haploscribe.evaluation.bootstrap import mean_intervals
from haploscribe.evaluation.metrics import r_by_model
from haploscribe.utils.types import Float64Array

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
        "ci_low": pl.Float64,
        "ci_high": pl.Float64,
    }
)
"""The columns of `comparison.tsv`, in order."""

# Differences of r below this are rounding: two models with the same predictions are equal.
_EQUAL = 1e-12


def compare_models(metrics: pl.DataFrame, genome_order: Sequence[str] | None = None) -> pl.DataFrame:
    """Compare the `pearson_r` of every ordered pair of models over the genes that both have.

    `median_delta_r` is the median of r_a − r_b; `wilcoxon_p` is two-sided, without
    correction for several pairs (`haploscribe.evaluation.metrics.benjamini_hochberg`); `ci_low` and
    `ci_high` are the 95 % interval of mean_r_a − mean_r_b, null for a single gene
    (`haploscribe.evaluation.bootstrap`). Both (a, b) and (b, a) have a row.

    Parameters
    ----------
    metrics
        The columns of `haploscribe.evaluation.metrics.METRIC_SCHEMA`.
    genome_order
        All genes, in genome order: neighbours are resampled together. None where it is unknown: intervals
        then assume independent genes, which makes them too short.

    Returns
    -------
    One row per ordered pair, sorted by model names, with the columns of `COMPARISON_SCHEMA`; no row for
    a pair that shares no gene.
    """
    models = sorted(metrics["model"].unique().to_list())
    by_model = {
        model: metrics.filter(pl.col("model") == model).select("gene_id", r="pearson_r") for model in models
    }
    intervals = _difference_intervals(metrics, models, genome_order)
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
                "ci_low": intervals[a, b][0],
                "ci_high": intervals[a, b][1],
            }
        )
    return pl.DataFrame(rows, schema=COMPARISON_SCHEMA)


def _difference_intervals(
    metrics: pl.DataFrame, models: Sequence[str], genome_order: Sequence[str] | None
) -> dict[tuple[str, str], tuple[float | None, float | None]]:
    """Compute the interval of the mean of r_a − r_b for every ordered pair; None for a single gene."""
    r = r_by_model(metrics, models, genome_order)
    pairs = list(combinations(models, 2))
    if not pairs:
        return {}
    differences = np.column_stack([r[:, models.index(a)] - r[:, models.index(b)] for a, b in pairs])
    found: dict[tuple[str, str], tuple[float | None, float | None]] = {}
    ends = mean_intervals(differences, None if genome_order is not None else 1)
    for (a, b), (low, high) in zip(pairs, ends.T.tolist(), strict=True):
        # one resampling for both directions, so that they agree
        found[a, b], found[b, a] = ((low, high), (-high, -low)) if low <= high else ((None, None),) * 2
    return found


def signed_rank_p(delta: Float64Array) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test on differences `(n_pairs,)`.

    Zero differences are left out, as in Wilcoxon (1945); p is 1 if all differences are zero.
    """
    differing = delta[delta != 0]
    return float(wilcoxon(differing).pvalue) if differing.size else 1.0
