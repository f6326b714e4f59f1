"""Distinct columns of allele numbers, against numpy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from haploscribe.genome.patterns import unique_patterns
from haploscribe.utils.types import Int8Array


@st.composite
def _alleles(draw: st.DrawFn) -> Int8Array:
    """Few haplotypes, so that some agree, of up to 200 variants: more than 62 bits can hold."""
    n_variants, n_founders = draw(st.integers(1, 200)), draw(st.integers(1, 6))
    highest = draw(st.sampled_from((1, 1, 2, 15, 126)))
    founders = draw(arrays(np.int8, (n_variants, n_founders), elements=st.integers(0, highest)))
    return founders[:, draw(st.lists(st.integers(0, n_founders - 1), min_size=1, max_size=12))]


@settings(deadline=None)
@given(alleles=_alleles())
def test_patterns_are_the_distinct_columns(alleles: Int8Array) -> None:
    patterns, _ = unique_patterns(alleles)
    expected = {tuple(column) for column in np.unique(alleles, axis=1).T.tolist()}
    assert len(patterns) == len(expected)
    assert {tuple(pattern) for pattern in patterns.tolist()} == expected


@settings(deadline=None)
@given(alleles=_alleles())
def test_each_haplotype_has_its_pattern(alleles: Int8Array) -> None:
    patterns, carried = unique_patterns(alleles)
    np.testing.assert_array_equal(patterns[carried], alleles.T)


def test_columns_that_differ_in_the_last_of_many_rows_are_told_apart() -> None:
    alleles = np.zeros((5_000, 3), dtype=np.int8)
    alleles[-1, 1] = 1
    alleles[0, 2] = 1
    patterns, carried = unique_patterns(alleles)
    assert (len(patterns), len(set(carried.tolist()))) == (3, 3)


@pytest.mark.parametrize("highest", [1, 3])
@pytest.mark.parametrize("n_haplotypes", [20, 700])
def test_many_different_haplotypes_outgrow_the_table_and_are_told_apart(
    n_haplotypes: int, highest: int
) -> None:
    rng = np.random.default_rng(n_haplotypes)
    alleles = rng.integers(0, highest, (300, n_haplotypes), endpoint=True).astype(np.int8)
    alleles[:, -3:] = alleles[:, :3]
    alleles[-1, -1] ^= 1
    expected, number = np.unique(alleles, axis=1, return_inverse=True)
    patterns, carried = unique_patterns(alleles)
    assert len(patterns) == expected.shape[1] == n_haplotypes - 2
    np.testing.assert_array_equal(patterns[carried], expected.T[number])


@pytest.mark.parametrize(("n_haplotypes", "n_patterns"), [(0, 0), (4, 1)])
def test_without_variants_all_haplotypes_are_alike(n_haplotypes: int, n_patterns: int) -> None:
    patterns, carried = unique_patterns(np.zeros((0, n_haplotypes), dtype=np.int8))
    assert patterns.shape == (n_patterns, 0)
    assert carried.tolist() == [0] * n_haplotypes
