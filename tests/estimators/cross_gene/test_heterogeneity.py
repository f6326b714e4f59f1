"""Heterogeneity goes, the gene's own signal stays, and neighbours have no say."""

import numpy as np
import pytest
from scipy.linalg import null_space
from scipy.optimize import minimize

from haploscribe.estimators.cross_gene.heterogeneity import Heterogeneity
from haploscribe.utils.types import BoolArray, Float64Array

N_SAMPLES, N_GENES = 90, 40
ALL: BoolArray = np.ones(N_GENES, dtype=np.bool_)


def cohort(seed: int, n_genes: int = N_GENES) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Two factors, genes that they move, and three covariates."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(N_SAMPLES, 2))
    genes = rng.normal(size=(n_genes, 2)) @ factors.T + rng.normal(size=(n_genes, N_SAMPLES))
    covariates = rng.normal(size=(N_SAMPLES, 3)) * [1.0, 100.0, 1e-4]
    return factors, genes, covariates


def without_covariates(rows: Float64Array, covariates: Float64Array) -> Float64Array:
    design = np.column_stack([np.ones(N_SAMPLES), covariates])
    return np.asarray(rows - (design @ np.linalg.lstsq(design, rows.T)[0]).T)


def dense_mixed_model(
    expression: Float64Array, genes: Float64Array, factors: Float64Array | None, covariates: Float64Array
) -> Float64Array:
    """(K + δI)⁻¹y on explicit contrasts, δ where a general optimiser finds the likelihood's peak."""
    contrasts = null_space(np.column_stack([np.ones(N_SAMPLES), covariates]).T)
    sources = [without_covariates(genes, covariates)]
    if factors is not None:
        residual = without_covariates(((factors - factors.mean(0)) / factors.std(0)).T, covariates)
        sources.append(residual)
    kernel = sum(contrasts.T @ rows.T @ rows @ contrasts / np.sum(rows**2) for rows in sources)
    outcome = contrasts.T @ expression

    def negative_likelihood(log_ratio: Float64Array) -> float:
        variance = kernel + np.exp(log_ratio[0]) * np.eye(len(kernel))
        fitted = outcome @ np.linalg.solve(variance, outcome)
        return float(len(kernel) * np.log(fitted) + np.linalg.slogdet(variance)[1])

    starts = [minimize(negative_likelihood, [start], method="Nelder-Mead") for start in (-6.0, -3.0, 0.0)]
    ratio = np.exp(min(starts, key=lambda found: found.fun).x[0])
    inverse = np.linalg.inv(kernel + ratio * np.eye(len(kernel)))
    return np.asarray(contrasts @ inverse @ outcome * len(kernel) / np.trace(inverse))


@pytest.mark.parametrize("n_genes", [40, 150], ids=["fewer genes than samples", "more"])
@pytest.mark.parametrize("given", [False, True], ids=["genes alone", "with hidden factors"])
def test_what_is_left_equals_a_dense_mixed_model(given: bool, n_genes: int) -> None:
    factors, genes, covariates = cohort(1, n_genes)
    outside = factors + np.random.default_rng(2).normal(size=factors.shape) if given else None
    expression = genes[0] + np.random.default_rng(3).normal(size=N_SAMPLES)
    found = Heterogeneity.of(genes, covariates, outside).removed(expression, np.ones(n_genes, np.bool_))
    expected = dense_mixed_model(expression, genes, outside, covariates)
    np.testing.assert_allclose(found, expected, atol=2e-3 * expected.std())


def test_a_shared_factor_goes_and_a_signal_of_the_gene_alone_keeps_its_size() -> None:
    ours, plain = [], []
    for seed in range(20):
        factors, genes, covariates = cohort(seed)
        signal = np.random.default_rng(100 + seed).normal(size=N_SAMPLES)
        expression = 2.0 * factors[:, 0] + signal
        left = Heterogeneity.of(genes, covariates, None).removed(expression, ALL)
        ours.append(np.polyfit(signal, left, 1, cov=True))
        plain.append(np.corrcoef(signal, expression)[0, 1] ** 2)
        assert np.corrcoef(left, signal)[0, 1] > 0.8
    assert np.mean(plain) < 0.4
    # Three of the 93 contrasts' directions are taken by covariates, and two by the factors.
    assert np.mean([slope[0][0] for slope in ours]) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("n_genes", [40, 150], ids=["fewer genes than samples", "more"])
def test_genes_not_trusted_change_nothing(n_genes: int) -> None:
    _, genes, covariates = cohort(4, n_genes)
    trusted = np.arange(n_genes) >= 10
    expression = genes[0]
    changed = genes.copy()
    changed[:10] *= -3.0
    expected = Heterogeneity.of(genes[10:], covariates, None).removed(expression, trusted[10:])
    for table in (genes, changed):
        found = Heterogeneity.of(table, covariates, None).removed(expression, trusted)
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_nothing_shared_leaves_the_expression_as_it_is() -> None:
    expression = np.random.default_rng(5).normal(size=N_SAMPLES)
    heterogeneity = Heterogeneity.of(np.zeros((N_GENES, N_SAMPLES)), None, None)
    np.testing.assert_array_equal(heterogeneity.removed(expression, ALL), expression)
    _, genes, _ = cohort(6)
    nobody = Heterogeneity.of(genes, None, None).removed(expression, ~ALL)
    np.testing.assert_array_equal(nobody, expression)


def test_a_constant_gene_stays_constant() -> None:
    _, genes, covariates = cohort(7)
    zeros = np.zeros(N_SAMPLES)
    np.testing.assert_array_equal(Heterogeneity.of(genes, covariates, None).removed(zeros, ALL), zeros)
