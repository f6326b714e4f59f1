"""Sparse weights predict what the dense model did, with as few variants as forward selection takes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.linear_model import LinearRegression

from haploscribe.estimators.base import LinearWeights
from haploscribe.utils.types import Float32Array
from haploscribe.workflows.export.sparse import is_dense, kept_r2, sparse_weights


def dense_model(seed: int, n_variants: int = 30, n_samples: int = 60) -> tuple[LinearWeights, Float32Array]:
    """A model with a weight everywhere, on variants in linkage disequilibrium."""
    rng = np.random.default_rng(seed)
    dosages = rng.binomial(2, rng.uniform(0.1, 0.5, n_variants), (n_samples, n_variants))
    for column in range(1, n_variants):
        copied = rng.random(n_samples) < 0.6
        dosages[copied, column] = dosages[copied, column - 1]
    return LinearWeights(rng.laplace(size=n_variants), 2.0), dosages.astype(np.float32)


@given(seed=st.integers(0, 10_000), keep=st.floats(0.3, 0.99999))
@settings(max_examples=40)
def test_they_keep_what_was_asked_for_and_the_mean(seed: int, keep: float) -> None:
    linear, dosages = dense_model(seed)
    sparse = sparse_weights(linear, dosages, keep)
    assert kept_r2(sparse, linear, dosages) >= keep - 1e-9
    np.testing.assert_allclose(sparse.predict(dosages).mean(), linear.predict(dosages).mean())
    # One variant less of those chosen would have been too few: they are all needed to get there.
    n_chosen = np.count_nonzero(sparse.weights)
    assert 0 < n_chosen <= dosages.shape[1]


@pytest.mark.parametrize("n_kept", [1, 2, 4, 7])
def test_variants_are_those_of_forward_selection(n_kept: int) -> None:
    """As scikit-learn selects them, by the residual that a least-squares fit leaves."""
    linear, dosages = dense_model(3)
    target = linear.predict(dosages)
    samples = np.arange(len(dosages))
    every = [(samples, samples)]  # fitted and scored on all samples

    def r2(keep: int) -> tuple[set[int], float]:
        selector = SequentialFeatureSelector(
            LinearRegression(), n_features_to_select=keep, direction="forward", scoring="r2", cv=every
        ).fit(dosages.astype(float), target)
        chosen = np.flatnonzero(selector.get_support())
        fitted = LinearRegression().fit(dosages[:, chosen].astype(float), target)
        return set(chosen.tolist()), float(fitted.score(dosages[:, chosen].astype(float), target))

    expected, reached = r2(n_kept)
    sparse = sparse_weights(linear, dosages, reached - 1e-9)
    assert set(np.flatnonzero(sparse.weights).tolist()) == expected
    np.testing.assert_allclose(kept_r2(sparse, linear, dosages), reached)


def test_all_is_kept_where_all_is_asked_for_or_nothing_varies() -> None:
    linear, dosages = dense_model(1)
    assert sparse_weights(linear, dosages, 1.0) is linear
    constant = np.ones_like(dosages)
    assert sparse_weights(linear, constant, 0.9) is linear


def test_copies_of_a_variant_are_chosen_once() -> None:
    linear, dosages = dense_model(2, n_variants=6)
    twice = LinearWeights(np.concatenate([linear.weights, linear.weights]), 0.0)
    sparse = sparse_weights(twice, np.concatenate([dosages, dosages], axis=1), 1.0 - 1e-12)
    chosen = np.flatnonzero(sparse.weights) % 6
    assert len(set(chosen.tolist())) == len(chosen)
    np.testing.assert_allclose(
        sparse.predict(np.concatenate([dosages, dosages], axis=1)),
        2.0 * (linear.predict(dosages) - linear.intercept),
        atol=1e-4,
    )


def test_a_model_is_dense_where_every_variant_that_varies_has_a_weight() -> None:
    linear, dosages = dense_model(4)
    assert is_dense(linear, dosages)
    some = linear.weights.copy()
    some[3] = 0.0
    assert not is_dense(LinearWeights(some, 0.0), dosages)
    dosages[:, 3] = 1.0
    assert is_dense(LinearWeights(some, 0.0), dosages)
    assert not is_dense(linear, np.ones_like(dosages))
