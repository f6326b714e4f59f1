"""Compute bootstrap intervals over genes whose neighbours are not independent."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, stdtrit

from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float64Array

CONFIDENCE = 0.95
N_RESAMPLES = 10_000

_DRAWS_AT_ONCE = 1 << 22  # bounds the counts of one batch of resamples to 32 MiB


def genome_order(genes: Sequence[Gene]) -> list[str]:
    """Return the gene IDs in the order of their TSS along the genome."""
    return [gene.gene_id for gene in sorted(genes, key=lambda gene: (gene.contig, gene.tss))]


def block_length(n_genes: int) -> int:
    """Return the block length for genes in genome order: ∛n, the optimal rate for the variance of a mean.

    Hall, Horowitz & Jing 1995, Biometrika 82:561.
    """
    return max(1, round(float(np.cbrt(n_genes))))


def resampled_means(
    values: Float64Array, block: int, *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> Float64Array:
    """Average every column over resampled genes, the same genes for all columns.

    The circular block bootstrap (Politis & Romano 1992): a resample is n / `block` blocks, rounded up, drawn
    with replacement from the n blocks of `block` genes in a row, the last gene followed by the first. With
    a `block` of 1 it is the plain bootstrap.

    Blocks, because neighbouring genes share variants: where one model is better at a gene, it tends to be
    better at the next, the more so the closer they lie (measured in `benchmarks/results/anatomy.md`).

    Parameters
    ----------
    values
        float64 `(n_genes, n_columns)`; finite; rows in genome order if `block` is above 1.
    block
        Genes per block.
    n_resamples
        Number of resamples.
    seed
        Seed of the draws; the same seed gives the same resamples of as many genes.

    Returns
    -------
    float64 `(n_resamples, n_columns)`.
    """
    n_genes = len(values)
    assert 1 <= block <= n_genes
    # A resample's mean is the mean of its blocks' means, so each block is averaged once.
    cumulated = np.cumsum(np.vstack([np.zeros_like(values[:1]), values, values[: block - 1]]), axis=0)
    means = (cumulated[block:] - cumulated[:-block]) / block
    n_blocks = -(-n_genes // block)
    rng = np.random.default_rng(seed)
    found = np.empty((n_resamples, values.shape[1]))
    batch = max(1, _DRAWS_AT_ONCE // n_genes)
    for start in range(0, n_resamples, batch):
        size = min(batch, n_resamples - start)
        drawn = rng.integers(0, n_genes, (size, n_blocks)) + n_genes * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n_genes).reshape(size, n_genes)
        found[start : start + size] = counts.astype(np.float64) @ means / n_blocks
    return found


def tail_probability(n_blocks: float) -> float:
    """Return the quantile of the resampled means at which an interval ends, for `n_blocks` blocks.

    Φ(t √(n / (n − 1))), t the 2.5 % quantile of Student's t with n − 1 degrees of freedom (Hesterberg 2015,
    The American Statistician 69:371): otherwise percentile intervals of few blocks are as much too short as
    normal ones that neither divide the variance by n − 1 nor use t.
    """
    t = stdtrit(n_blocks - 1, (1 - CONFIDENCE) / 2)
    return float(ndtr(t * np.sqrt(n_blocks / (n_blocks - 1))))


def interval(resampled: Float64Array, n_blocks: float) -> Float64Array:
    """Return the ends of the 95 % interval, float64 `(2, n_columns)`, of a statistic resampled over genes.

    Expanded percentile intervals (`tail_probability`); BCa intervals have no agreed form for blocks.

    Parameters
    ----------
    resampled
        float64 `(n_resamples, n_columns)`.
    n_blocks
        Genes divided by the genes of a block; above 1.
    """
    tail = tail_probability(n_blocks)
    ends: Float64Array = np.quantile(resampled, [tail, 1 - tail], axis=0)
    return ends


def mean_intervals(values: Float64Array, block: int | None = None) -> Float64Array:
    """Compute the 95 % interval of every column's mean over genes.

    Parameters
    ----------
    values
        float64 `(n_genes, n_columns)`; rows in genome order, NaN where a column has no such gene.
    block
        Genes per block, 1 where their order is unknown; None for `block_length`.

    Returns
    -------
    float64 `(2, n_columns)`; lower and upper ends; NaN for a column with fewer than 2 genes.
    """
    ends = np.full((2, values.shape[1]), np.nan)
    patterns, pattern_of = np.unique(np.isfinite(values), axis=1, return_inverse=True)
    for number, present in enumerate(patterns.T):
        n_genes = int(np.count_nonzero(present))
        if n_genes < 2:
            continue
        columns = np.flatnonzero(pattern_of.ravel() == number)
        length = min(block or block_length(n_genes), n_genes // 2)
        ends[:, columns] = interval(
            resampled_means(values[np.ix_(present, columns)], length), n_genes / length
        )
    return ends


def ratio_of_means(values: Float64Array) -> tuple[float | None, float | None, float | None]:
    """Compute the ratio of two columns' means over genes, and the ends of its 95 % interval.

    Parameters
    ----------
    values
        float64 `(n_genes, 2)`; finite; numerator and denominator of each gene, rows in genome order.

    Returns
    -------
    The ratio, None where the denominator's mean is not above 0; and its interval, None likewise, with fewer
    than 2 genes, and where the denominator is not above 0 in so many resamples that the interval has no end.
    Fewer such resamples have no ratio, and are left out.
    """
    n_genes = len(values)
    numerator, denominator = values.sum(axis=0)
    if denominator <= 0:
        return None, None, None
    ratio = float(numerator / denominator)
    if n_genes < 2:
        return ratio, None, None
    block = min(block_length(n_genes), n_genes // 2)
    means = resampled_means(values, block)
    drawn = means[means[:, 1] > 0]
    if 1 - len(drawn) / len(means) > tail_probability(n_genes / block):
        return ratio, None, None
    low, high = interval(drawn[:, :1] / drawn[:, 1:], n_genes / block)[:, 0].tolist()
    return ratio, low, high
