"""Models made linear, and what that loses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haploscribe.workflows.export.linearise import LinearisingLoss, linear_approximation


def made(seed: int, n_samples: int = 50, n_variants: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.binomial(2, 0.3, (n_samples, n_variants)).astype(np.float32), rng.normal(size=n_variants)


@given(st.integers(0, 2**32), st.floats(-100, 100))
def test_a_linear_model_stays_what_it_is(seed: int, intercept: float) -> None:
    dosages, weights = made(seed)
    predicted = intercept + dosages @ weights
    linear = linear_approximation(weights, dosages, predicted)
    assert linear.intercept == pytest.approx(intercept, abs=1e-9)
    loss = LinearisingLoss.of(linear, dosages, predicted)
    assert (loss.lost, loss.rmse) == pytest.approx((0.0, 0.0), abs=1e-9)


@given(st.integers(0, 2**32))
def test_the_loss_is_what_numpy_says(seed: int) -> None:
    dosages, weights = made(seed)
    predicted = dosages @ weights + np.random.default_rng(seed).normal(size=len(dosages))
    linear = linear_approximation(2.0 * weights, dosages, predicted)
    found = linear.predict(dosages)
    loss = LinearisingLoss.of(linear, dosages, predicted)
    assert found.mean() == pytest.approx(predicted.mean())
    assert loss.lost == pytest.approx(1 - np.corrcoef(found, predicted)[0, 1] ** 2)
    assert loss.rmse == pytest.approx(np.std(found - predicted) / np.std(predicted))


@pytest.mark.parametrize(
    ("scale", "flat", "expected"), [(0.0, False, (1.0, 1.0)), (1.0, True, (np.nan, np.nan))]
)
def test_constant_predictions(scale: float, flat: bool, expected: tuple[float, float]) -> None:
    dosages, weights = made(1)
    predicted = np.full(len(dosages), 1e3) if flat else dosages @ weights
    loss = LinearisingLoss.of(linear_approximation(scale * weights, dosages, predicted), dosages, predicted)
    np.testing.assert_allclose((loss.lost, loss.rmse), expected, rtol=1e-12)
