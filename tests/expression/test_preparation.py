"""Preparation: what estimators learn from, and that it is learned from training samples alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.config.options import NORMALISATIONS, Normalisation
from haploscribe.expression.normalise import prepare

every_method = pytest.mark.parametrize("method", NORMALISATIONS)


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
