"""Rankings, signs and slopes are those of scikit-learn, NumPy and plain counting."""

from itertools import permutations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score

from benchmarks.interpretation.allele_measures import (
    PROXY_R2,
    average_precision,
    effect_measures,
    found_in_top,
    ranking_measures,
    ratio,
    ratio_interval,
    rows_of,
    standing_for,
    summed,
    tied_scores,
)
from benchmarks.interpretation.explained_runs import ExplainedGene, causal_alleles, halves
from benchmarks.interpretation.explanations import Lead, lead_of, sign_rows
from haploscribe.evaluation.bootstrap import mean_intervals
from haploscribe.expression.genes import Gene
from haploscribe.interpret.association import MarginalAssociation, marginal_association
from haploscribe.interpret.explanation import AlleleNames
from haploscribe.utils.types import BoolArray, Float32Array, Float64Array

TIED = st.sampled_from([0.0, 0.25, 0.5, 1.0])  # few values, so that there are ties


@given(arrays(np.bool_, 7).filter(np.any), arrays(np.float64, 7, elements=TIED))
def test_average_precision_is_that_of_scikit_learn(hits: BoolArray, scores: Float64Array) -> None:
    assert average_precision(hits, scores) == pytest.approx(average_precision_score(hits, scores))


@given(arrays(np.bool_, (2, 5)), arrays(np.float64, 5, elements=TIED), st.integers(1, 6))
def test_found_in_top_is_the_mean_over_all_orders_of_ties(
    stands_for: BoolArray, scores: Float64Array, top: int
) -> None:
    counts = []
    for order in permutations(range(5)):
        first = sorted(order, key=lambda variant: -scores[variant])[:top]  # stable: ties stay as in `order`
        claimed = [variant for variant in first if scores[variant] > 0]
        counts.append(sum(bool(stands_for[i, claimed].any()) for i in range(2)))
    assert found_in_top(stands_for, scores, top) == pytest.approx(np.mean(counts))


def test_scores_that_differ_by_rounding_are_tied() -> None:
    tied = tied_scores(np.array([3.0, 1.0, 1.0 + 1e-13, 1.001, 0.0]))
    assert tied[1] == tied[2] < tied[3]


@pytest.mark.parametrize("scores", [np.zeros(3), np.zeros(0)])
def test_no_effect_at_all_stays_none(scores: Float64Array) -> None:
    assert tied_scores(scores).tolist() == scores.tolist()


def people(n_variants: int = 6) -> Float32Array:
    random = np.random.default_rng(3)
    dosages = random.integers(0, 3, (40, n_variants)).astype(np.float32)
    dosages[:, 1] = 2 - dosages[:, 0]  # says the same the other way round
    dosages[1:, 2] = dosages[1:, 0]  # nearly the same
    return dosages


def test_proxies_are_those_of_numpys_correlation() -> None:
    dosages, causal = people(), np.array([0, 4])
    expected = np.asarray(np.corrcoef(dosages.T.astype(np.float64)))[causal] ** 2 >= PROXY_R2
    np.testing.assert_array_equal(standing_for(dosages, causal), expected)
    assert expected.sum(axis=1).tolist() == [3, 1]


def test_a_proxy_counts_in_lenient_measures_alone() -> None:
    causal = np.array([0])
    found = ranking_measures(standing_for(people(), causal), causal, np.array([0, 9, 0, 0, 5.0, 0]))
    assert found["top 1 strict"] == (0.0, 1.0)
    assert found["top 1 lenient"] == (1.0, 1.0)


@given(
    arrays(np.float64, 5, elements=st.sampled_from([-2.0, -0.5, 0.5, 1.0])),
    arrays(np.float64, 5, elements=st.floats(-3, 3)),
)
def test_slope_is_least_squares_through_zero(truth: Float64Array, estimates: Float64Array) -> None:
    above, below = effect_measures(truth, estimates, 3.0)["slope"]
    assert above / below == pytest.approx(np.linalg.lstsq(truth[:, None], estimates)[0][0], abs=1e-12)


def test_signs_count_where_there_is_an_effect() -> None:
    found = effect_measures(np.array([1.0, 1, -1, -1]), np.array([2.0, -0.5, -0.001, 0]), 2.0)
    assert found["effect"] == (2.0, 4.0)
    assert found["sign"] == (1.0, 2.0)


def test_sums_add_up_over_settings_gene_by_gene() -> None:
    rows = [
        {"index": place, **row}
        for place, sums in [(1, (1.0, 2.0)), (0, (3.0, 4.0)), (1, (5.0, 6.0))]
        for row in rows_of({"sign": sums}, model="blup")
    ]
    assert summed(pl.DataFrame(rows), "blup", "sign").tolist() == [[3.0, 4.0], [6.0, 8.0]]


def test_the_interval_of_a_ratio_to_one_is_that_of_the_mean() -> None:
    values = np.random.default_rng(1).random(12)
    sums = np.column_stack([values, np.ones(12)])
    assert ratio(sums) == pytest.approx(values.mean())
    assert ratio_interval(sums) == pytest.approx(mean_intervals(values[:, None])[:, 0])


@pytest.mark.parametrize("sums", [np.zeros((0, 2)), np.zeros((1, 2)), np.zeros((4, 2))])
def test_nothing_to_divide_by_is_no_number(sums: Float64Array) -> None:
    assert np.isnan([ratio(sums), *ratio_interval(sums)]).all()


NAMES = AlleleNames(np.array([9, 9, 19]), ("A", "A", "C"), ("G", "T", "T"), (".", ".", "."))


def truth_of(*rows: tuple[int, str, str, float, int | None, str | None, str | None]) -> pl.DataFrame:
    names = ("position", "ref", "alt", "effect", "partner_position", "partner_ref", "partner_alt")
    return pl.DataFrame(rows, schema=names, orient="row")


def test_causal_alleles_are_found_by_place_and_letters() -> None:
    truth = truth_of((20, "C", "T", -1.5, None, None, None), (10, "A", "T", 0.5, None, None, None))
    places, effects = causal_alleles(truth, NAMES)
    assert (places.tolist(), effects.tolist()) == ([1, 2], [0.5, -1.5])


def test_both_alleles_of_a_pair_are_causal_and_have_no_effect_alone() -> None:
    places, effects = causal_alleles(truth_of((10, "A", "G", 2.0, 20, "C", "T")), NAMES)
    assert places.tolist() == [0, 2]
    assert np.isnan(effects).all()


def test_the_lead_has_the_smallest_p_times_distinct_variants() -> None:
    dosages = np.array([[0, 0, 1], [1, 1, 0], [2, 2, 0], [0, 0, 2], [1, 1, 1]], dtype=np.float32)
    association = marginal_association(dosages, np.array([0.1, -0.9, -2.1, 0.2, -1.0]))
    lead = lead_of(association, dosages)
    assert (lead.index, lead.sign) == (0, -1.0)
    assert lead.p_value == pytest.approx(2 * 10 ** association.log10_p[0])  # the first two are the same


def explained(place: int, effects: list[float]) -> ExplainedGene:
    nothing = np.zeros(2)
    return ExplainedGene(
        Gene(f"G{place}", "22", place, "+"),
        place,
        AlleleNames(np.array([1, 2]), ("A", "A"), ("C", "C"), (".", ".")),
        np.array([[0, 2], [2, 0]], dtype=np.float32),
        {"blup": np.array(effects)},
        MarginalAssociation(nothing, nothing, nothing),
    )


def test_signs_are_compared_at_leads_that_pass() -> None:
    genes = [explained(0, [1.0, -1.0]), explained(1, [1.0, -1.0]), explained(2, [1.0, 1.0])]
    leads = [Lead(0, 1.0, 1e-6), Lead(1, 1.0, 1e-6), Lead(1, 1.0, 0.5)]
    rows = pl.DataFrame(sign_rows(genes, leads))
    assert summed(rows, "blup", "sign").tolist() == [[1.0, 1.0], [0.0, 1.0]]


def test_halves_are_of_everyone_and_meet_nowhere() -> None:
    names = [f"p{number}" for number in range(9)]
    first, second = halves(names, 0)
    assert sorted(first + second) == names
    assert halves(names[::-1], 0) == (first, second)
