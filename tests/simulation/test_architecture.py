"""Causal terms and genetic values, held against plain loops and scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from haploscribe.simulation.architecture import (
    NO_PARTNER,
    CausalTerms,
    additive_share,
    draw_epistatic,
    draw_noise,
    draw_polygenic,
    draw_sparse,
    haplotype_values,
    scale_to_heritability,
    term_copies,
    usable_pairs,
)
from haploscribe.utils.types import BoolArray

CARRIED = hnp.arrays(bool, st.tuples(st.integers(1, 8), st.integers(2, 12), st.just(2)))


def people(n_candidates: int, n_samples: int, seed: int = 0) -> BoolArray:
    """Independent alleles of frequency near a half."""
    return np.random.default_rng(seed).random((n_candidates, n_samples, 2)) < 0.5


def dosage_variances(copies: BoolArray) -> list[float]:
    return [float(np.var(copy.sum(axis=1), ddof=1)) for copy in copies]


@settings(deadline=None)
@given(carried=CARRIED, data=st.data())
def test_values_are_the_sum_over_the_alleles_of_one_haplotype(
    carried: BoolArray, data: st.DataObject
) -> None:
    rows = st.integers(0, len(carried) - 1)
    term = st.tuples(rows, st.one_of(st.just(NO_PARTNER), rows), st.floats(-2, 2))
    terms = data.draw(st.lists(term, max_size=5))
    alleles, partners, effects = ([row[i] for row in terms] for i in range(3))
    drawn = CausalTerms(
        np.array(alleles, dtype=np.int64), np.array(partners, dtype=np.int64), np.array(effects)
    )
    found = haplotype_values(carried, drawn)
    for sample in range(carried.shape[1]):
        for haplotype in range(2):
            here = carried[:, sample, haplotype]
            expected = sum(
                effect
                for allele, partner, effect in terms
                if here[allele] and (partner == NO_PARTNER or here[partner])
            )
            assert found[sample, haplotype] == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(carried=CARRIED, tiles=st.data(), floor=st.sampled_from([0.0, 0.05, 0.25]))
def test_usable_pairs_are_those_with_four_common_gametes(
    carried: BoolArray, tiles: st.DataObject, floor: float
) -> None:
    tile = np.sort(tiles.draw(hnp.arrays(np.int64, len(carried), elements=st.integers(0, 2))))
    expected = []
    for first in range(len(carried)):
        for second in range(first + 1, len(carried)):
            gametes = list(zip(carried[first].ravel(), carried[second].ravel(), strict=True))
            counts = [gametes.count((a, b)) for a in (False, True) for b in (False, True)]
            if tile[first] == tile[second] and min(counts) >= max(1, floor * len(gametes)):
                expected.append([first, second])
    assert usable_pairs(carried, tile, floor).tolist() == expected


@pytest.mark.parametrize("h2", [0.05, 0.5, 1.0])
def test_scaled_effects_give_the_variance_asked_for(h2: float) -> None:
    carried = people(20, 100)
    drawn = draw_sparse(carried, 4, np.random.default_rng(1))
    assert drawn is not None
    terms = scale_to_heritability(carried, drawn, h2)
    assert terms is not None
    assert np.var(haplotype_values(carried, terms).sum(axis=1), ddof=1) == pytest.approx(h2, rel=1e-12)


def test_no_heritability_leaves_no_causal_term() -> None:
    carried = people(20, 100)
    drawn = draw_sparse(carried, 4, np.random.default_rng(1))
    assert drawn is not None
    terms = scale_to_heritability(carried, drawn, 0.0)
    assert terms is not None
    assert len(term_copies(carried, terms)) == 0


def test_effects_that_cancel_are_refused() -> None:
    allele = people(1, 50)
    carried = np.concatenate([allele, ~allele])
    terms = CausalTerms(np.array([0, 1]), np.full(2, NO_PARTNER), np.ones(2))
    assert scale_to_heritability(carried, terms, 0.5) is None


@settings(deadline=None)
@given(n_samples=st.integers(2, 40), variance=st.floats(0, 10), seed=st.integers(0, 100))
def test_noise_has_its_variance_exactly(n_samples: int, variance: float, seed: int) -> None:
    noise = draw_noise(n_samples, variance, np.random.default_rng(seed))
    assert noise.mean() == pytest.approx(0, abs=1e-9)
    assert np.var(noise, ddof=1) == pytest.approx(variance, rel=1e-9)


def test_sparse_shares_add_up_to_one_and_differ() -> None:
    carried = people(30, 200)
    terms = draw_sparse(carried, 5, np.random.default_rng(3))
    assert terms is not None
    shares = terms.effects**2 * dosage_variances(carried[terms.alleles])
    assert shares.sum() == pytest.approx(1)
    assert len(set(np.round(shares, 6))) == 5


def test_sparse_shares_are_flat_dirichlet() -> None:
    from scipy import stats

    carried = people(3, 30)
    shares = []
    for seed in range(400):
        terms = draw_sparse(carried, 3, np.random.default_rng(seed))
        assert terms is not None
        shares.append(terms.effects[0] ** 2 * dosage_variances(carried[:1])[0])
    assert stats.kstest(shares, stats.beta(1, 2).cdf).pvalue > 0.01


@settings(deadline=None)
@given(carried=CARRIED, n_causal=st.integers(1, 4), seed=st.integers(0, 50))
def test_sparse_takes_alleles_that_can_be_told_apart(carried: BoolArray, n_causal: int, seed: int) -> None:
    carried = carried[[np.ptp(allele.sum(axis=1)) > 0 for allele in carried]]  # as candidates are
    distinct = {min(row.tobytes(), (~row).tobytes()) for row in carried}
    terms = draw_sparse(carried, n_causal, np.random.default_rng(seed))
    if terms is None:
        assert len(distinct) < n_causal
    else:
        chosen = {min(row.tobytes(), (~row).tobytes()) for row in carried[terms.alleles]}
        assert len(chosen) == n_causal


def test_polygenic_effects_are_standard_normal_on_the_scale_of_the_dosage() -> None:
    from scipy import stats

    carried = np.random.default_rng(0).random((2000, 60, 2)) < 0.1
    carried = carried[np.ptp(carried.sum(axis=2), axis=1) > 0]
    terms = draw_polygenic(carried, np.random.default_rng(5))
    assert terms is not None
    standard = terms.effects * np.sqrt(len(carried) * np.array(dosage_variances(carried)))
    assert stats.kstest(standard, "norm").pvalue > 0.01


def test_polygenic_needs_a_candidate() -> None:
    assert draw_polygenic(people(0, 5), np.random.default_rng(0)) is None


@settings(deadline=None)
@given(main_effects=st.booleans(), n_pairs=st.integers(1, 4), seed=st.integers(0, 50))
def test_epistatic_pairs_share_a_tile_and_no_allele(main_effects: bool, n_pairs: int, seed: int) -> None:
    carried, tiles = people(12, 60), np.repeat([3, 7, 8], 4)
    terms = draw_epistatic(
        carried, tiles, n_pairs, 0.01, np.random.default_rng(seed), main_effects=main_effects
    )
    assert terms is not None
    paired = terms.partners != NO_PARTNER
    first, second = terms.alleles[paired], terms.partners[paired]
    assert np.array_equal(tiles[first], tiles[second])
    assert len(set(first) | set(second)) == 2 * n_pairs
    alone = sorted(terms.alleles[~paired].tolist())
    assert alone == (sorted({*first.tolist(), *second.tolist()}) if main_effects else [])


def test_epistatic_is_none_without_enough_disjoint_pairs() -> None:
    assert (
        draw_epistatic(people(3, 60), np.zeros(3, dtype=np.int64), 2, 0.01, np.random.default_rng(0)) is None
    )


def test_pairs_are_beyond_the_reach_of_dosages() -> None:
    carried = people(2, 4000)
    terms = CausalTerms(np.array([0]), np.array([1]), np.ones(1))
    # x = Σ over haplotypes of a·b, a and b fair coins: var(ab) = 3/16 of a haplotype, of which the line
    # a/2 + b/2 explains 2 · (1/2)² · 1/4 = 2/16.
    assert additive_share(carried, terms) == pytest.approx(2 / 3, abs=0.03)


def test_single_alleles_are_wholly_in_reach_of_dosages() -> None:
    terms = CausalTerms(np.array([0, 1]), np.full(2, NO_PARTNER), np.array([1.0, -0.3]))
    assert additive_share(people(2, 50), terms) == 1.0


@pytest.mark.parametrize("absent", [(False, True), (True, False), (False, False)])
@settings(deadline=None)
@given(seed=st.integers(0, 1000))
def test_three_gametes_are_within_reach_of_dosages(absent: tuple[bool, bool], seed: int) -> None:
    """Why pairs need four: with three, a line through the dosages tells the product."""
    carried = people(2, 30, seed)
    carried[:, (carried[0] == absent[0]) & (carried[1] == absent[1])] = True
    terms = CausalTerms(np.array([0]), np.array([1]), np.ones(1))
    assert additive_share(carried, terms) == pytest.approx(1)
