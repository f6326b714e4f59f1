"""A sequence model's prediction as an estimator: its correlation is kept, whatever its sign."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.zero_shot import ZeroShot
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float64Array


def inputs_with(predicted: Float64Array) -> GeneInputs:
    n_samples = predicted.size
    return GeneInputs(
        Gene("G", "1", 50_000),
        tuple(f"S{i:03d}" for i in range(n_samples)),
        np.zeros(0, dtype=np.int64),
        np.zeros((n_samples, 0), dtype=np.float32),
        zero_shot={"xpresso": predicted},
    )


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    slope=st.floats(-2, 2),
    spread=st.floats(1e-6, 1e6),
    centre=st.floats(-1e3, 1e3),
)
def test_correlation_in_new_people_is_the_sequence_models_own(
    seed: int, slope: float, spread: float, centre: float
) -> None:
    rng = np.random.default_rng(seed)
    predicted = rng.choice([-1.0, 0.0, 0.3, 1.0], 50)
    expression = slope * predicted + rng.normal(size=50)
    assume(np.ptp(predicted[:30]) > 0 and np.ptp(predicted[30:]) > 0)
    inputs = inputs_with(centre + spread * predicted)
    training, test = np.arange(30), np.arange(30, 50)
    fitted = ZeroShot("xpresso").fit(inputs.take(training), expression[training])
    found = pearsonr(fitted.predict(inputs.take(test)), expression[test]).statistic
    assert found == pytest.approx(pearsonr(predicted[test], expression[test]).statistic, abs=1e-5)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_people_it_was_fitted_on_get_the_mean_and_spread_of_their_expression(sign: float) -> None:
    rng = np.random.default_rng(1)
    predicted = rng.normal(3.0, 0.01, 40)
    expression = 5.0 + sign * 200.0 * (predicted - 3.0) + rng.normal(size=40)
    inputs = inputs_with(predicted)
    found = ZeroShot("xpresso").fit(inputs, expression).predict(inputs)
    assert (found.mean(), found.std()) == pytest.approx((expression.mean(), expression.std()))


def test_one_prediction_for_all_in_training_is_the_mean_for_everyone() -> None:
    inputs = inputs_with(np.array([0.7, 0.7, 0.7, 0.9]))
    expression = np.array([1.0, 2.0, 6.0])
    fitted = ZeroShot("xpresso").fit(inputs.take(np.arange(3)), expression)
    assert fitted.predict(inputs).tolist() == [3.0] * 4
