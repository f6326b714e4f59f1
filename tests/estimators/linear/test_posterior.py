"""Standard errors against mixed-model equations, and against draws from the posterior."""

import numpy as np
import pytest

from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.linear.blup import DosageBlup
from haploscribe.estimators.linear.susie import Susie
from haploscribe.estimators.solvers.reml import KernelEigen, fit_reml
from haploscribe.estimators.solvers.single_effects import fit_susie
from haploscribe.utils.types import Float64Array
from tests.fixtures.gene_inputs import made_inputs

TRAINING, NEW = np.arange(100), np.arange(100, 150)


def drawn(seed: int) -> tuple[GeneInputs, Float64Array]:
    inputs = made_inputs(seed)
    effects = np.zeros(inputs.dosages.shape[1])
    effects[[3, 8]] = [0.8, -0.6]
    return inputs, inputs.dosages @ effects + np.random.default_rng(seed).normal(size=150)


@pytest.mark.parametrize("by_distance", [False, True])
def test_blup_has_the_prediction_error_variance_of_hendersons_equations(by_distance: bool) -> None:
    """The inverse of the mixed-model equations (Henderson 1975), level among the unknowns."""
    inputs, expression = drawn(1)
    train = inputs.take(TRAINING)
    model = DosageBlup(by_distance=by_distance).fit(train, expression[:100])
    found = model.standard_errors(inputs.take(NEW))

    dosages = train.dosages.astype(np.float64)
    weights = inputs.prior.variances(inputs.distances()) if by_distance else np.ones(dosages.shape[1])
    scale = dosages.std(axis=0) * np.sqrt(weights.sum() / weights)
    features = (dosages - dosages.mean(axis=0)) / scale
    fit = fit_reml(KernelEigen.of_features(features), expression[:100])
    design = np.column_stack([np.ones(100), features])
    penalty = np.diag([0.0] + [fit.variance_ratio] * features.shape[1])
    deviation = expression[:100] - expression[:100].mean()
    kernel = features @ features.T + fit.variance_ratio * np.eye(100)
    genetic = deviation @ np.linalg.solve(kernel, deviation) / 99
    covariance = np.linalg.inv(design.T @ design + penalty) * genetic * fit.variance_ratio
    new = np.column_stack([np.ones(50), (inputs.dosages[NEW] - dosages.mean(axis=0)) / scale])
    expected = np.sqrt(np.einsum("ij,jk,ik->i", new, covariance, new))
    assert found is not None
    np.testing.assert_allclose(found, expected, rtol=0.006)
    assert (found >= expected * (1 - 1e-6)).all(), "what is left out must not make it look surer"


def test_susie_has_the_spread_of_draws_from_its_posterior() -> None:
    inputs, expression = drawn(3)
    train, new = inputs.take(TRAINING), inputs.take(NEW)
    found = Susie().fit(train, expression[:100]).standard_errors(new)
    dosages = train.dosages.astype(np.float64)
    fit = fit_susie(dosages, expression[:100], inputs.prior.variances(inputs.distances()))
    z = (new.dosages - dosages.mean(axis=0)) / dosages.std(axis=0, ddof=1)
    rng, n_draws = np.random.default_rng(0), 40_000
    level = rng.normal(scale=np.sqrt(fit.residual_variance / 100), size=(n_draws, 1))
    drawn_sums = np.repeat(level, 50, axis=1)
    for effect in range(len(fit.alpha)):
        variant = rng.choice(z.shape[1], size=n_draws, p=fit.alpha[effect])
        size = rng.normal(fit.mean[effect, variant], np.sqrt(fit.variance[effect]))
        drawn_sums += size[:, None] * z[:, variant].T
    assert found is not None
    np.testing.assert_allclose(found, drawn_sums.std(axis=0), rtol=0.03)
