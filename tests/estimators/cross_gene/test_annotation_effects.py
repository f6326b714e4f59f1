"""What genes say of annotations: derivatives of the likelihood, and effects that are found again."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize, minimize_scalar
from scipy.stats import multivariate_normal

from haploscribe.estimators.cross_gene.annotation_effects import (
    PRIOR_DEVIATION,
    AnnotationMoments,
    annotation_moments,
)
from haploscribe.estimators.cross_gene.learners import AnnotationLearner
from haploscribe.utils.types import Float32Array, Float64Array

N_SAMPLES, N_VARIANTS = 40, 12


def case(
    seed: int, effects: Float64Array, n_samples: int = N_SAMPLES, n_variants: int = N_VARIANTS
) -> tuple[Float32Array, Float64Array, Float32Array, Float64Array]:
    """Dosages, variances by distance, features and expression of a gene."""
    rng = np.random.default_rng(seed)
    dosages = rng.binomial(2, 0.4, (n_samples, n_variants)).astype(np.float32)
    variances = rng.uniform(0.2, 1.0, n_variants)
    features = rng.normal(size=(n_variants, len(effects))).astype(np.float32)
    spread = np.sqrt(variances * np.exp(features @ effects) / n_variants)
    genetic = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0) @ (rng.normal(size=n_variants) * spread)
    return dosages, variances, features, genetic + rng.normal(size=n_samples)


class Likelihood:
    """The restricted likelihood of one gene on contrasts, by scipy, at any effects and variances."""

    def __init__(
        self, dosages: Float32Array, variances: Float64Array, features: Float32Array, expression: Float64Array
    ) -> None:
        n = len(expression)
        contrasts = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, : n - 1]]))[0][:, 1:]
        chosen = dosages.astype(np.float64)
        self.z = contrasts.T @ ((chosen - chosen.mean(axis=0)) / chosen.std(axis=0))
        self.y = contrasts.T @ expression
        self.variances, self.features = variances, features.astype(np.float64)

    def covariance(self, parameters: Float64Array) -> Float64Array:
        """At effects, log σ²_b and log σ²_e."""
        weights = self.variances * np.exp(self.features @ parameters[:-2] + parameters[-2])
        return np.asarray((self.z * weights) @ self.z.T + np.exp(parameters[-1]) * np.eye(len(self.y)))

    def __call__(self, parameters: Float64Array) -> float:
        return float(multivariate_normal.logpdf(self.y, cov=self.covariance(parameters)))

    def information(self, parameters: Float64Array) -> Float64Array:
        """½ tr(V⁻¹ V_k V⁻¹ V_l), from derivatives by differences; the components projected out."""
        inverse = np.linalg.inv(self.covariance(parameters))
        steps = 1e-5 * np.eye(len(parameters))
        slopes = [
            inverse @ (self.covariance(parameters + step) - self.covariance(parameters - step)) / 2e-5
            for step in steps
        ]
        whole = 0.5 * np.array([[np.trace(one @ other) for other in slopes] for one in slopes])
        kept, shared, nuisance = whole[:-2, :-2], whole[:-2, -2:], whole[-2:, -2:]
        return np.asarray(kept - shared @ np.linalg.solve(nuisance, shared.T))


@pytest.mark.parametrize("n_variants", [12, 60])
def test_score_and_information_are_those_of_the_likelihood(n_variants: int) -> None:
    """With more variants than samples, too; at effects that are not 0."""
    start = np.array([0.4, -0.2])
    dosages, variances, features, expression = case(3, start, n_variants=n_variants)
    likelihood = Likelihood(dosages, variances, features, expression)
    best = minimize(
        lambda own: -likelihood(np.concatenate([start, own])), np.zeros(2), options={"gtol": 1e-8}
    ).x
    at = np.concatenate([start, best])
    found = annotation_moments(dosages, variances * np.exp(features @ start), features, expression)
    np.testing.assert_allclose(found.score, approx_fprime(at, likelihood, 1e-6)[:2], rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(found.information, likelihood.information(at), rtol=2e-3, atol=2e-4)


def test_many_genes_find_the_effects_and_know_how_well() -> None:
    truth = np.array([0.8, 0.0])
    genes = [case(seed, truth, n_samples=150, n_variants=40) for seed in range(150)]
    start, errors = np.zeros(2), np.zeros(2)
    for _ in range(3):
        moments = [
            annotation_moments(dosages, variances * np.exp(features @ start), features, expression)
            for dosages, variances, features, expression in genes
        ]
        found = AnnotationLearner(start).combine(moments).effects()
        assert found is not None
        start, errors = found.effects, found.standard_errors
    assert (np.abs(start - truth) < 3.0 * errors).all()
    assert (errors < 0.15).all()


def marked_case(seed: int) -> tuple[Float32Array, Float64Array, Float32Array, Float64Array]:
    """One variant in twenty is marked, and has an effect a thousand times as large in variance."""
    rng = np.random.default_rng(seed)
    dosages = rng.binomial(2, 0.4, (60, 40)).astype(np.float32)
    marked = rng.permutation(40) < 2
    features = np.where(marked, 3.0, -0.1).astype(np.float32)[:, None]
    genetic = (dosages - dosages.mean(axis=0)) @ (rng.normal(size=40) * np.where(marked, 1.0, 0.03))
    return dosages, np.ones(40), features, genetic + rng.normal(size=60)


def test_a_rare_strong_annotation_does_not_lead_too_far() -> None:
    """Three rounds come to the top of the likelihood, found by scipy; whole Newton steps leap over it."""
    genes = [marked_case(seed) for seed in range(12)]
    likelihoods = [Likelihood(*gene) for gene in genes]

    def joint(effect: float) -> float:
        def best(likelihood: Likelihood) -> float:
            found = minimize(lambda own: -likelihood(np.array([effect, *own])), np.zeros(2))
            return -float(found.fun)

        return sum(map(best, likelihoods)) - 0.5 * (effect / PRIOR_DEVIATION) ** 2

    top = minimize_scalar(lambda effect: -joint(effect), bounds=(0.0, 4.0), method="bounded").x
    start = np.zeros(1)
    for _ in range(3):
        moments = [
            annotation_moments(dosages, variances * np.exp(features @ start), features, expression)
            for dosages, variances, features, expression in genes
        ]
        found = AnnotationLearner(start, min_genes=1).combine(moments).effects()
        assert found is not None
        assert np.abs(found.effects - start) <= 1.0 + 1e-12
        start = found.effects
    assert start[0] == pytest.approx(top, abs=0.1)


def test_genes_that_say_nothing_leave_no_effect() -> None:
    dosages, variances, features, expression = case(1, np.zeros(1))
    nothing = annotation_moments(dosages, variances, features, np.ones_like(expression))
    assert not nothing.information.any()
    assert nothing.effects(np.zeros(1)).effects == 0.0
    assert not annotation_moments(np.ones_like(dosages), variances, features, expression).information.any()


def test_a_gene_uses_the_far_genes_alone_and_none_where_they_are_few() -> None:
    moments = [AnnotationMoments(np.array([float(i)]), np.eye(1)) for i in range(4)]
    model = AnnotationLearner(np.zeros(1), min_genes=2).combine(moments)
    far = np.array([True, False, True, False])
    expected = AnnotationMoments(np.array([2.0]), 2.0 * np.eye(1)).effects(np.zeros(1)).effects
    assert model.adjustment(far).effects == tuple(expected.tolist())
    assert model.adjustment(np.array([True, False, False, False])).effects == ()
