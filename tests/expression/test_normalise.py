"""Normalisation and preparation of expression: against scipy, and fitted on training samples only."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, rankdata

from haploscribe.config.options import NORMALISATIONS, Normalisation
from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.expression.normalise import check_normalisation, fit_normaliser, prepare
from haploscribe.expression.table import ExpressionTable

finite = st.floats(allow_nan=False, allow_infinity=False)
expressions = st.lists(st.one_of(finite, st.sampled_from([0.0, 1.0])), min_size=1, max_size=30).map(np.array)
every_method = pytest.mark.parametrize("method", NORMALISATIONS)


@given(expressions)
def test_training_values_get_bloms_scores(training: np.ndarray) -> None:
    scores = fit_normaliser(training, "inverse-normal").transform(training)
    expected = norm.ppf((rankdata(training) - 0.375) / (len(training) + 0.25))
    assert np.allclose(scores, expected, rtol=1e-12, atol=1e-12)


@given(expressions, expressions)
def test_held_out_values_keep_their_order_within_the_training_range(
    training: np.ndarray, held_out: np.ndarray
) -> None:
    normaliser = fit_normaliser(training, "inverse-normal")
    scores = normaliser.transform(np.sort(held_out))
    assert (np.diff(scores) >= -1e-12).all()
    assert scores.min() >= normaliser.transform(training).min()
    assert scores.max() <= normaliser.transform(training).max()


def test_held_out_values_are_interpolated_and_clipped() -> None:
    scores = fit_normaliser(np.array([10.0, 0.0, 20.0, 20.0]), "inverse-normal").transform(
        np.array([-5.0, 5.0, 15.0, 99.0])
    )
    assert np.allclose(scores, norm.ppf((np.array([1.0, 1.5, 2.75, 3.5]) - 0.375) / 4.25))


def test_log2p1_and_none() -> None:
    values = np.array([0.0, 1.0, 3.0])
    assert fit_normaliser(values, "log2p1").transform(values).tolist() == [0.0, 1.0, 2.0]
    assert fit_normaliser(values, "none").transform(values).tolist() == values.tolist()
    with pytest.raises(InputError, match="log2p1 takes no negative expression"):
        fit_normaliser(values, "log2p1").transform(np.array([-0.5]))


def test_a_negative_table_is_refused_before_any_work() -> None:
    genes = (Gene("G1", "1", 0), Gene("G2", "1", 5))
    table = ExpressionTable(genes, ("A", "B"), np.array([[1.0, 0.0], [2.0, -0.5]]))
    with pytest.raises(InputError, match=r"gene G2, sample B is -0\.5; use none"):
        check_normalisation(table, "log2p1")
    methods: tuple[Normalisation, ...] = ("inverse-normal", "none")
    for method in methods:
        check_normalisation(table, method)


def cohort(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.gamma(2.0, size=30), rng.normal(size=(30, 4)), rng.permutation(30) < 22


@every_method
def test_training_samples_are_centred_scaled_and_free_of_covariates(method: Normalisation) -> None:
    expression, covariates, training = cohort()
    prepared = prepare(expression, covariates, training, method)
    assert abs(prepared[training].mean()) < 1e-12
    assert abs(prepared[training].std() - 1) < 1e-12
    assert np.abs(covariates[training].T @ prepared[training]).max() < 1e-10


@every_method
@settings(deadline=None)
@given(data=st.data())
def test_held_out_expression_changes_nothing_for_anyone_else(
    method: Normalisation, data: st.DataObject
) -> None:
    expression, covariates, training = cohort()
    changed = expression.copy()
    someone = data.draw(st.sampled_from(np.flatnonzero(~training).tolist()))
    changed[someone] = data.draw(st.floats(0, 1e6))
    others = np.arange(30) != someone
    before = prepare(expression, covariates, training, method)
    after = prepare(changed, covariates, training, method)
    assert np.array_equal(before[others], after[others])


@every_method
def test_held_out_covariates_change_nothing_for_training_samples(method: Normalisation) -> None:
    expression, covariates, training = cohort()
    changed = np.where(training[:, None], covariates, covariates * 100 + 3)
    before = prepare(expression, covariates, training, method)
    after = prepare(expression, changed, training, method)
    assert np.array_equal(before[training], after[training])
    assert not np.array_equal(before[~training], after[~training])


def test_expression_that_does_not_vary_or_is_all_explained_is_zero() -> None:
    expression, covariates, training = cohort()
    unexpressed = np.where(training, 0.0, expression)
    assert not prepare(unexpressed, covariates, training, "inverse-normal").any()
    assert not prepare(np.full(30, 0.1), None, training, "none").any()
    assert not prepare(covariates @ [1.0, 2.0, 0.0, -1.0] + 7, covariates, training, "none").any()
