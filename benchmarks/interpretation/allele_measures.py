"""Measure how well effects of single alleles agree with the truth: rankings, signs and sizes over genes."""

from collections.abc import Mapping
from math import comb

import numpy as np
import polars as pl

from haploscribe.evaluation.bootstrap import block_length, interval, resampled_means
from haploscribe.utils.types import BoolArray, Float32Array, Float64Array, Int64Array

PROXY_R2 = 0.8
"""Squared correlation of dosages from which one variant is a proxy of another."""

NEGLIGIBLE = 0.01
"""Share of a model's largest effect at a gene below which an effect counts as none."""

TOPS = (1, 5, 10)
_DIGITS = 9  # scores that agree to as many are tied: columns that are the same differ in rounding

Sums = dict[str, tuple[float, float]]
"""Numerator and denominator of each measure of one gene."""


def tied_scores(scores: Float64Array) -> Float64Array:
    """Scale scores `(n_variants,)`, 0 or above, by the largest, and round away numerical differences."""
    largest = scores.max(initial=0.0)
    return np.round(scores / largest, _DIGITS) if largest > 0 else np.zeros_like(scores)


def average_precision(hits: BoolArray, scores: Float64Array) -> float:
    """Average the precision at each hit: the area under the precision-recall curve, not interpolated.

    Parameters
    ----------
    hits
        bool `(n_variants,)`, one at least.
    scores
        float64 `(n_variants,)`; ties are taken together.
    """
    distinct, group = np.unique(-scores, return_inverse=True)
    found = np.bincount(group, hits, distinct.size)
    precision = np.cumsum(found) / np.cumsum(np.bincount(group, minlength=distinct.size))
    return float(found @ precision / np.count_nonzero(hits))


def found_in_top(stands_for: BoolArray, scores: Float64Array, top: int) -> float:
    """Return the expected number of causal alleles with a proxy among the first of a ranking.

    Parameters
    ----------
    stands_for
        bool `(n_causal, n_variants)`.
    scores
        float64 `(n_variants,)`, 0 or above. Ties are broken at random; a score of 0 is
        never among the first.
    top
        How many variants are first.
    """
    ranked = np.sort(scores)[::-1]
    last = ranked[min(top, scores.size) - 1]
    above = scores > last
    tied = (scores == last) & (last > 0)
    n_left, n_tied = min(top, scores.size) - int(np.count_nonzero(above)), int(np.count_nonzero(tied))
    expected = 0.0
    for proxies in stands_for:
        if np.any(proxies & above):
            expected += 1.0
        elif n_tied:
            n_others = n_tied - int(np.count_nonzero(proxies & tied))
            expected += 1.0 - comb(n_others, n_left) / comb(n_tied, n_left)
    return expected


def standing_for(dosages: Float32Array, causal: Int64Array) -> BoolArray:
    """Return which variants are proxies of causal ones: r² of `PROXY_R2` or more.

    Parameters
    ----------
    dosages
        float32 `(n_samples, n_variants)`; none constant.
    causal
        int64 `(n_causal,)`; their columns.

    Returns
    -------
    bool `(n_causal, n_variants)`; a variant is its own proxy.
    """
    x = dosages.astype(np.float64)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    r = x[:, causal].T @ x / len(x)
    close = r**2 >= PROXY_R2
    close[np.arange(causal.size), causal] = True
    return np.asarray(close)


def ranking_measures(stands_for: BoolArray, causal: Int64Array, scores: Float64Array) -> Sums:
    """Measure how highly causal alleles rank, strictly and with their proxies.

    Parameters
    ----------
    stands_for
        bool `(n_causal, n_variants)`: see `standing_for`.
    causal
        int64 `(n_causal,)`; columns.
    scores
        float64 `(n_variants,)`, 0 or above.
    """
    scores = tied_scores(scores)
    itself = np.zeros_like(stands_for)
    itself[np.arange(causal.size), causal] = True
    found: Sums = {}
    for name, alike in (("strict", itself), ("lenient", stands_for)):
        found[f"precision {name}"] = (average_precision(np.asarray(alike.any(axis=0)), scores), 1.0)
        for top in TOPS:
            found[f"top {top} {name}"] = (found_in_top(alike, scores, top), float(causal.size))
    return found


def effect_measures(truth: Float64Array, estimates: Float64Array, largest: float) -> Sums:
    """Measure signs and sizes of estimated effects.

    Parameters
    ----------
    truth, estimates
        float64 `(n,)`; effects of the same alleles in the same unit, those of `truth` not 0.
    largest
        The model's largest absolute effect at the gene, in that unit.

    Returns
    -------
    `effect`: the share of alleles of which the model claims an effect; `sign`: the share of these with the
    right sign; `slope`: of the regression of estimates on truth through 0.
    """
    claimed = np.abs(estimates) > NEGLIGIBLE * largest
    n_claimed = int(np.count_nonzero(claimed))
    right = np.count_nonzero(claimed & (np.sign(estimates) == np.sign(truth)))
    return {
        "effect": (float(n_claimed), float(truth.size)),
        "sign": (float(right), float(n_claimed)),
        "slope": (float(estimates @ truth), float(truth @ truth)),
    }


def rows_of(sums: Sums, **names: str) -> list[Mapping[str, str | float]]:
    """Return sums as rows of a table: `names`, measure, numerator, denominator."""
    return [
        {**names, "measure": measure, "numerator": above, "denominator": below}
        for measure, (above, below) in sums.items()
    ]


def summed(rows: pl.DataFrame, model: str, measure: str) -> Float64Array:
    """Sum a model's numerators and denominators gene by gene, float64 `(n_genes, 2)`, in genome order.

    Parameters
    ----------
    rows
        Rows of `rows_of`, with a gene's `index` in genome order.
    model, measure
        Which.
    """
    of = rows.filter((pl.col("model") == model) & (pl.col("measure") == measure))
    by_gene = of.group_by("index").agg(pl.col("numerator", "denominator").sum()).sort("index")
    return by_gene.select("numerator", "denominator").to_numpy().astype(np.float64)


def ratio(sums: Float64Array) -> float:
    """Return the sum of numerators over that of denominators, float64 `(n_genes, 2)`; NaN without any."""
    above, below = sums.sum(axis=0) if len(sums) else (0.0, 0.0)
    return float(above / below) if below else float("nan")


def ratio_interval(sums: Float64Array) -> tuple[float, float]:
    """Return the 95 % interval of `ratio`, genes resampled in blocks; NaN with fewer than 2 genes.

    As `haploscribe.evaluation.bootstrap.mean_intervals`, for a ratio of two means.
    """
    if len(sums) < 2:
        return float("nan"), float("nan")
    length = min(block_length(len(sums)), len(sums) // 2)
    means = resampled_means(sums, length)
    means = means[means[:, 1] > 0]
    if not len(means):
        return float("nan"), float("nan")
    low, high = interval(means[:, :1] / means[:, 1:], len(sums) / length)[:, 0].tolist()
    return low, high
