"""Bootstrap intervals against scipy (genes one by one) and R's boot package (blocks of genes)."""

import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from haploscribe.evaluation.bootstrap import (
    block_length,
    genome_order,
    interval,
    mean_intervals,
    ratio_of_means,
    resampled_means,
    tail_probability,
)
from haploscribe.expression.genes import Gene
from tests.fixtures.peers import require_r


def skewed(n_genes: int, n_columns: int = 1, seed: int = 0) -> np.ndarray:
    """Values with a long upper tail, neighbours alike."""
    rng = np.random.default_rng(seed)
    drawn = rng.exponential(size=(n_genes + 3, n_columns))
    return drawn[:-3] + drawn[1:-2] + drawn[2:-1]


def test_genes_one_by_one_equal_scipys_percentile_interval() -> None:
    values = skewed(80)
    ours = mean_intervals(values, block=1)[:, 0]
    # scipy's own draws, at the level that our wider ends amount to
    level = 1 - 2 * tail_probability(80.0)
    theirs = stats.bootstrap(
        (values[:, 0],), np.mean, n_resamples=40_000, method="percentile", confidence_level=level, rng=1
    ).confidence_interval
    # Monte Carlo error of a quantile near the 2.5 % one: √(α(1 − α) / B) over the density, in standard errors
    standard_error = values.std() / np.sqrt(80)
    error = np.sqrt(0.024 * 0.976 / 10_000) / stats.norm.pdf(stats.norm.ppf(0.024)) * standard_error
    np.testing.assert_allclose(ours, theirs, atol=4 * error)


@pytest.mark.parametrize("block", [4, 10])
def test_blocks_equal_rs_circular_block_bootstrap(block: int) -> None:
    rscript = require_r("boot")
    values = skewed(60, seed=3)
    code = (
        f"library(boot); set.seed(1); x <- c({','.join(map(repr, values[:, 0].tolist()))}); "
        f"b <- tsboot(x, mean, R=8000, l={block}, sim='fixed', endcorr=TRUE)$t[,1]; "
        "cat(format(c(sd(b), quantile(b, c(.025, .975))), digits=10))"
    )
    printed = subprocess.run([rscript, "-e", code], capture_output=True, text=True, check=True).stdout
    deviation, *ends = (float(word) for word in printed.split())
    ours = resampled_means(values, block)[:, 0]
    assert ours.std() == pytest.approx(deviation, rel=4 * np.sqrt(1 / 20_000 + 1 / 16_000))
    np.testing.assert_allclose(np.quantile(ours, [0.025, 0.975]), ends, atol=0.16 * deviation)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_resampled_means_have_the_variance_of_their_blocks(n_genes: int, block: int, seed: int) -> None:
    block = min(block, n_genes)
    values = skewed(n_genes, seed=seed)
    around = np.concatenate([values[:, 0], values[: block - 1, 0]])
    blocks = [around[i : i + block].mean() for i in range(n_genes)]
    ours = resampled_means(values, block, seed=seed)[:, 0]
    n_blocks = -(-n_genes // block)
    error = np.std(blocks) / np.sqrt(n_blocks)
    assert ours.mean() == pytest.approx(values.mean(), abs=5 * error / np.sqrt(10_000) + 1e-12)
    assert ours.std() == pytest.approx(error, rel=0.1, abs=1e-12)
    assert min(blocks) - 1e-9 <= ours.min() <= ours.max() <= max(blocks) + 1e-9


def test_columns_are_resampled_together() -> None:
    values = skewed(60, 2)
    paired = resampled_means(np.column_stack([values, values[:, 0] - values[:, 1]]), 4)
    np.testing.assert_allclose(paired[:, 2], paired[:, 0] - paired[:, 1], atol=1e-12)


def test_the_same_seed_gives_the_same_resamples_and_another_does_not() -> None:
    values = skewed(50)
    assert np.array_equal(resampled_means(values, 3), resampled_means(values, 3))
    assert not np.array_equal(resampled_means(values, 3), resampled_means(values, 3, seed=1))


def test_batches_do_not_change_the_spread() -> None:
    values = np.random.default_rng(0).normal(size=(20_000, 1))  # 209 resamples a batch
    assert resampled_means(values, 1, n_resamples=1_000).std() == pytest.approx(20_000**-0.5, rel=0.1)


@pytest.mark.parametrize("n", [2, 5, 30])
def test_ends_of_normal_resamples_are_those_of_the_t_interval(n: int) -> None:
    values = np.random.default_rng(n).normal(3, 2, n)
    # The normal distribution that resampled means tend to: the variance of values over n, divided by n.
    end = stats.norm.ppf(tail_probability(n), values.mean(), values.std() / np.sqrt(n))
    assert end == pytest.approx(stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))[0])


def test_neighbours_that_agree_widen_the_interval() -> None:
    values = np.repeat(np.random.default_rng(2).normal(size=60), 5)[:, None]
    widths = [np.ptp(mean_intervals(values, block), axis=0)[0] for block in (1, None)]
    # each value five times: the standard error is √5 that of 300 independent genes
    assert 1.8 < widths[1] / widths[0] < 2.4


@pytest.mark.parametrize("n_genes", [10, 40])
def test_intervals_of_independent_genes_cover_the_truth(n_genes: int) -> None:
    rng = np.random.default_rng(n_genes)
    n_repeats = 800
    covered = 0
    for repeat in range(n_repeats):
        values = rng.normal(size=(n_genes, 1))
        block = block_length(n_genes)
        low, high = interval(resampled_means(values, block, n_resamples=2_000, seed=repeat), n_genes / block)[
            :, 0
        ]
        covered += low <= 0 <= high
    assert 0.92 <= covered / n_repeats <= 0.975


def test_columns_without_some_genes_use_those_they_have() -> None:
    values = skewed(30, 3)
    values[4, 1] = values[1:, 2] = np.nan
    low, high = mean_intervals(values, block=1)
    np.testing.assert_array_equal([low[1], high[1]], mean_intervals(np.delete(values[:, :2], 4, 0), 1)[:, 1])
    np.testing.assert_array_equal([low[0], high[0]], mean_intervals(values[:, :1], 1)[:, 0])
    assert np.isnan([low[2], high[2]]).all()


@pytest.mark.parametrize("n_genes", [2, 3, 4, 5])
def test_few_genes_give_finite_ends_about_the_mean(n_genes: int) -> None:
    values = skewed(n_genes)
    low, high = mean_intervals(values)[:, 0]
    assert values.min() - 1e-9 <= low <= values.mean() <= high <= values.max() + 1e-9


@pytest.mark.parametrize(("n_genes", "block"), [(1, 1), (17, 3), (300, 7), (1000, 10), (20_000, 27)])
def test_blocks_grow_with_the_cube_root(n_genes: int, block: int) -> None:
    assert block_length(n_genes) == block


def test_genes_go_by_contig_and_then_by_tss() -> None:
    genes = [Gene("a", "chr2", 5), Gene("b", "chr1", 90), Gene("c", "chr1", 10), Gene("d", "chr2", 1)]
    assert genome_order(genes) == ["c", "b", "d", "a"]


def test_a_ratio_of_means_is_that_of_the_sums_within_its_resamples() -> None:
    values = skewed(60, 2, seed=5) + 1.0
    ratio, low, high = ratio_of_means(values)
    assert ratio == pytest.approx(values[:, 0].sum() / values[:, 1].sum())
    means = resampled_means(values, block_length(60))
    tail = tail_probability(60 / block_length(60))
    assert (low, high) == pytest.approx(tuple(np.quantile(means[:, 0] / means[:, 1], [tail, 1 - tail])))


def test_a_ratio_to_what_may_be_0_has_no_interval() -> None:
    """Half of the resamples have a denominator below 0: no number bounds the ratio."""
    values = np.column_stack([np.ones(20), np.tile([1.0, -0.99], 10)])
    ratio, low, high = ratio_of_means(values)
    assert ratio == pytest.approx(200.0)
    assert (low, high) == (None, None)


@pytest.mark.parametrize(
    ("values", "expected"), [([[1.0, -1.0]] * 3, None), ([[1.0, 0.0]] * 3, None), ([[1.0, 2.0]], 0.5)]
)
def test_no_positive_denominator_is_no_ratio_and_one_gene_no_interval(
    values: list[list[float]], expected: float | None
) -> None:
    assert ratio_of_means(np.array(values)) == (expected, None, None)
