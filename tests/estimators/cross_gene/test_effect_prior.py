"""The prior: what it says by distance, and that many genes together teach it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from haploscribe.estimators.cross_gene.effect_prior import (
    DEFAULT_PRIOR,
    N_SHAPES,
    REACHES,
    EffectVariancePrior,
    HasemanElstonMoments,
    distance_shapes,
    variance_moments,
)
from haploscribe.utils.types import Float32Array, Float64Array


def weights(
    *, upstream: float = 0.0, downstream: float = 0.0, everywhere: float = 0.0
) -> EffectVariancePrior:
    """A prior of one reach, 10 kb, on either side."""
    place = REACHES.index(10_000.0)
    found = [0.0] * N_SHAPES
    found[place], found[len(REACHES) + place], found[-1] = upstream, downstream, everywhere
    return EffectVariancePrior(tuple(found))


def test_variances_are_relative_to_the_tss_fall_by_e_over_the_reach_and_keep_a_floor() -> None:
    prior = weights(upstream=1.0, downstream=3.0, everywhere=1.0)
    found = prior.variances(np.array([0.0, 10_000.0, -10_000.0, 1e9]))
    expected = [1.0, (3.0 * np.exp(-1.0) + 1.0) / 4.0, (np.exp(-1.0) + 1.0) / 4.0, 0.25]
    np.testing.assert_allclose(found, np.array(expected) + 0.001)


@given(st.lists(st.floats(0.0, 1.0), min_size=N_SHAPES, max_size=N_SHAPES).filter(any))
def test_no_variant_is_shut_out(drawn: list[float]) -> None:
    distances = np.linspace(-1e8, 1e8, 41)
    assert (EffectVariancePrior(tuple(drawn)).variances(distances) >= 0.001).all()


def case(
    seed: int, prior: EffectVariancePrior, n_samples: int = 80
) -> tuple[Float32Array, Float64Array, Float64Array]:
    """Dosages, distances and expression of a gene whose effects come from a prior."""
    rng = np.random.default_rng(seed)
    distances = np.sort(rng.uniform(-60_000, 60_000, 60))
    dosages = rng.binomial(2, 0.3, (n_samples, 60)).astype(np.float32)
    features = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0)
    genetic = features @ (rng.normal(size=60) * np.sqrt(prior.variances(distances)))
    expression = genetic / genetic.std() + rng.normal(size=n_samples)
    return dosages, distances, expression


def test_moments_of_genes_give_the_least_squares_over_all_pairs_of_samples() -> None:
    total, rows, products = HasemanElstonMoments.none(), [], []
    for seed in range(3):
        dosages, distances, expression = case(seed, weights(upstream=1.0, downstream=1.0))
        total += variance_moments(dosages, distances, expression)
        features = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0)
        deviation = expression - expression.mean()
        kernels = [(features * shape) @ features.T for shape in distance_shapes(distances)]
        noise = np.eye(len(expression)) - 1.0 / len(expression)
        rows.append(np.stack([kernel.ravel() for kernel in [*kernels, noise]]).T)
        products.append(np.outer(deviation, deviation).ravel())
    expected = nnls(np.concatenate(rows), np.concatenate(products))[0][:-1]
    prior = total.prior()
    assert prior is not None
    np.testing.assert_allclose(prior.weights, expected, atol=2e-4 * expected.max())


def test_variants_too_close_to_tell_shapes_apart_give_a_prior_all_the_same() -> None:
    """Within a few hundred base pairs all shapes are one, and their moments singular but for rounding."""
    rng = np.random.default_rng(3)
    total = HasemanElstonMoments.none()
    for _ in range(4):
        dosages = rng.binomial(2, 0.4, (40, 14)).astype(np.float32)
        distances = np.sort(rng.uniform(-200.0, 200.0, 14))
        expression = dosages[:, :3].sum(axis=1) + rng.normal(size=40)
        total += variance_moments(dosages, distances, expression)
    prior = total.prior()
    assert prior is not None
    assert np.isfinite(prior.weights).all()


def test_a_planted_prior_is_found_from_many_genes() -> None:
    planted = weights(downstream=1.0)
    total = HasemanElstonMoments.none()
    for seed in range(300):
        total += variance_moments(*case(seed, planted))
    prior = total.prior()
    assert prior is not None
    distances = np.array([1_000.0, 10_000.0, -10_000.0, -50_000.0])
    # The standard error over 300 genes is about .05 of the variance at the TSS.
    np.testing.assert_allclose(prior.variances(distances), planted.variances(distances), atol=0.2)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_gene_counts_the_same_whatever_the_order_and_coding_of_its_alleles(seed: int) -> None:
    dosages, distances, expression = case(seed, DEFAULT_PRIOR, n_samples=30)
    order = np.random.default_rng(seed).permutation(60)
    one = variance_moments(dosages, distances, expression)
    other = variance_moments((2 - dosages)[:, order], distances[order], expression)
    np.testing.assert_allclose(one.kernels, other.kernels, rtol=1e-3)
    np.testing.assert_allclose(one.outcomes, other.outcomes, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("dosages", "expression"),
    [
        (np.zeros((20, 0)), np.arange(20.0)),
        (np.ones((20, 3)), np.arange(20.0)),
        (np.arange(60.0).reshape(20, 3) % 3, np.full(20, 9.5)),
    ],
    ids=["no variants", "constant variants", "constant expression"],
)
def test_a_gene_without_variation_says_nothing(dosages: Float64Array, expression: Float64Array) -> None:
    distances = np.arange(dosages.shape[1], dtype=np.float64)
    moments = variance_moments(dosages.astype(np.float32), distances, expression)
    assert not moments.kernels.any()
    assert moments.prior() is None
