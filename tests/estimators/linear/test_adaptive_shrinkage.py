"""Adaptive shrinkage against the exact posterior, which it finds where features are orthogonal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from haploscribe.errors import InputError
from haploscribe.estimators.linear.adaptive_shrinkage import (
    AdaptiveShrinkage,
    AdaptiveShrinkageFit,
    effect_sizes,
    fit_adaptive_shrinkage,
)
from haploscribe.utils.types import Float64Array
from tests.fixtures.gene_inputs import made_inputs

N_SAMPLES, N_FEATURES = 240, 40


def orthogonal_problem(seed: int) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Orthogonal features of mean 0 and variance 1, an outcome that five drive, weights that differ."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(N_SAMPLES, N_FEATURES))
    features = np.linalg.qr(drawn - drawn.mean(axis=0))[0] * np.sqrt(N_SAMPLES)
    effects = np.zeros(N_FEATURES)
    effects[:5] = [0.6, -0.5, 0.3, 0.2, -0.2]
    outcome = features @ effects + rng.normal(size=N_SAMPLES)
    return features, outcome - outcome.mean(), rng.uniform(0.5, 2.0, N_FEATURES)


def fitted(seed: int) -> tuple[Float64Array, Float64Array, Float64Array, AdaptiveShrinkageFit]:
    features, outcome, prior = orthogonal_problem(seed)
    fit = fit_adaptive_shrinkage(features, outcome, prior, np.zeros(N_FEATURES))
    return features.T @ outcome / N_SAMPLES, outcome, prior / prior.mean(), fit


def log_likelihood(
    least_squares: Float64Array,
    outcome: Float64Array,
    prior: Float64Array,
    shares: Float64Array,
    variance: float,
) -> float:
    """Exact marginal log-likelihood under orthogonal features."""
    spread = np.sqrt(variance * (1 / N_SAMPLES + effect_sizes() * prior[:, None]))
    density = stats.norm.pdf(least_squares[:, None], scale=spread) @ shares
    rest = outcome @ outcome - N_SAMPLES * (least_squares @ least_squares)
    n_rest = N_SAMPLES - N_FEATURES
    return float(np.log(density).sum() - 0.5 * (n_rest * np.log(variance) + rest / variance))


@pytest.mark.parametrize("seed", [1, 2])
def test_means_are_the_exact_posterior_means(seed: int) -> None:
    least_squares, _, prior, fit = fitted(seed)
    error = np.sqrt(fit.residual_variance / N_SAMPLES)
    sizes = np.sqrt(fit.residual_variance * effect_sizes()[1:])
    for j in (0, 2, 10, 30):

        def weighted(effect: float, power: int, j: int = j) -> float:
            slab = fit.shares[1:] @ stats.norm.pdf(effect, scale=sizes * np.sqrt(prior[j]))
            return float(effect**power * slab * stats.norm.pdf(least_squares[j], effect, error))

        spike = fit.shares[0] * stats.norm.pdf(least_squares[j], 0, error)
        moments = [
            integrate.quad(weighted, -3, 3, args=(power,), points=[0.0, least_squares[j]], limit=200)[0]
            for power in (0, 1)
        ]
        assert fit.means[j] == pytest.approx(moments[1] / (moments[0] + spike), abs=2e-4)


@pytest.mark.parametrize("seed", [1, 2])
def test_residual_variance_is_at_the_peak_of_the_likelihood(seed: int) -> None:
    least_squares, outcome, prior, fit = fitted(seed)
    peak = optimize.minimize_scalar(
        lambda variance: -log_likelihood(least_squares, outcome, prior, fit.shares, variance),
        bounds=(0.2, 3.0),
        method="bounded",
    )
    assert fit.residual_variance == pytest.approx(float(peak.x), rel=0.01)


def test_no_other_shares_are_likelier() -> None:
    least_squares, outcome, prior, fit = fitted(3)
    best = log_likelihood(least_squares, outcome, prior, fit.shares, fit.residual_variance)
    rng = np.random.default_rng(4)
    for shares in (*np.eye(20), *rng.dirichlet(np.full(20, 0.2), 300)):
        mixed = 0.7 * fit.shares + 0.3 * shares
        assert log_likelihood(least_squares, outcome, prior, mixed, fit.residual_variance) < best + 0.05


def test_predicts_new_people_where_few_variants_matter() -> None:
    inputs = made_inputs(6, n_samples=300)
    rng = np.random.default_rng(7)
    genetic = inputs.dosages[:, [3, 8]].astype(np.float64) @ [1.0, -1.0]
    expression = genetic + rng.normal(size=300)
    train, test = np.arange(200), np.arange(200, 300)
    model = AdaptiveShrinkage().fit(inputs.take(train), expression[train])
    assert np.corrcoef(model.predict(inputs.take(test)), genetic[test])[0, 1] > 0.95
    assert model.shares_[0] > 0.5


def test_which_allele_is_counted_does_not_matter() -> None:
    inputs = made_inputs(8)
    expression = inputs.dosages[:, 5] + np.random.default_rng(9).normal(size=150)
    swapped = made_inputs(8)
    swapped.dosages[:, ::2] = 2.0 - swapped.dosages[:, ::2]
    one, other = (AdaptiveShrinkage().fit(each, expression).predict(each) for each in (inputs, swapped))
    np.testing.assert_allclose(one, other, atol=1e-8)


@pytest.mark.parametrize("case", ["no variants", "constant variants", "constant expression"])
def test_nothing_to_learn_from_predicts_the_mean(case: str) -> None:
    inputs = made_inputs(10, n_variants=0 if case == "no variants" else 60)
    if case == "constant variants":
        inputs.dosages[:] = 1.0
    expression = np.full(150, 2.5) if case == "constant expression" else np.arange(150.0)
    model = AdaptiveShrinkage().fit(inputs, expression)
    np.testing.assert_allclose(model.predict(inputs), expression.mean())


def test_missing_expression_is_refused() -> None:
    with pytest.raises(InputError, match="expression of gene ENSG1"):
        AdaptiveShrinkage().fit(made_inputs(11), np.full(150, np.nan))


@settings(max_examples=25, deadline=None)
@given(
    n_samples=st.integers(3, 30),
    n_variants=st.integers(1, 40),
    seed=st.integers(0, 999),
    copies=st.booleans(),
)
def test_any_shape_gives_finite_predictions(
    n_samples: int, n_variants: int, seed: int, *, copies: bool
) -> None:
    inputs = made_inputs(seed, n_samples, n_variants)
    if copies:
        inputs.dosages[:] = inputs.dosages[:, :1]
    expression = np.random.default_rng(seed).normal(size=n_samples)
    assert np.isfinite(AdaptiveShrinkage().fit(inputs, expression).predict(inputs)).all()
