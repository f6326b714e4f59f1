"""Scores against singular vectors of all deltas, on haplotypes expanded one by one."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import linalg

from haploscribe.estimators.cross_gene.effect_prior import DEFAULT_PRIOR
from haploscribe.estimators.delta_scores import (
    DeltaWhitening,
    TileScores,
    bin_annotations,
    bin_variances,
    fit_delta_whitening,
    signed,
)
from haploscribe.estimators.inputs import GeneInputs, TileDeltas
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float64Array


def made_inputs(seed: int, *, dimension: int = 6, n_bins: int = 2, n_samples: int = 50) -> GeneInputs:
    """Three tiles, the later the larger their deltas, with directions of very unequal variance."""
    rng = np.random.default_rng(seed)
    size = np.geomspace(1.0, 0.05, dimension)
    tiles = []
    for number in range(3):
        deltas = (10.0**-number * size * rng.normal(size=(7, n_bins, dimension))).astype(np.float32)
        deltas[0] = 0.0
        index = rng.integers(0, 7, (n_samples, 2)).astype(np.int32)
        tiles.append(TileDeltas(1000 * number, 1000 * (number + 1), deltas, index))
    return GeneInputs(
        Gene("ENSG1", "chr1", 1500),
        tuple(f"S{sample}" for sample in range(n_samples)),
        np.empty(0, dtype=np.int64),
        np.empty((n_samples, 0), dtype=np.float32),
        tuple(tiles),
    )


def basis_of(inputs: GeneInputs, n_scores: int = 256) -> DeltaWhitening:
    basis = fit_delta_whitening(inputs, n_scores)
    assert basis is not None
    return basis


def expanded(inputs: GeneInputs) -> Float64Array:
    """Haplotypes × bins of all tiles × dimension, centred over haplotypes."""
    deltas = [tile.deltas[tile.index].astype(np.float64) for tile in inputs.tiles]
    joined = np.concatenate(deltas, axis=2)
    flat = joined.reshape(-1, *joined.shape[2:])
    return np.asarray(flat - flat.mean(axis=0))


@pytest.mark.parametrize("dimension", [6, 120])  # fewer and more than unique haplotypes
def test_axes_are_principal_components_over_the_root_of_variance_and_ridge(dimension: int) -> None:
    inputs = made_inputs(1, dimension=dimension)
    centred = expanded(inputs)
    _, lengths, directions = linalg.svd(centred.reshape(-1, dimension), full_matrices=False)
    variances = lengths[:4] ** 2 / len(centred)
    expected = directions[:4] / np.sqrt(variances + 0.1 * variances.mean())[:, None]

    axes = basis_of(inputs, n_scores=4).axes.T
    signs = np.sign(np.sum(axes * expected, axis=1))
    np.testing.assert_allclose(signs[:, None] * axes, expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())


def test_every_tile_has_mean_zero_and_variance_one_over_training_haplotypes() -> None:
    inputs = made_inputs(2)
    for tile in basis_of(inputs).scored(inputs):
        carried = tile.scores[tile.index].reshape(100, -1)
        np.testing.assert_allclose(carried.mean(axis=0), 0.0, atol=1e-5)
        assert np.square(carried).sum(axis=1).mean() == pytest.approx(1.0, rel=1e-4)


def test_unit_of_the_deltas_does_not_matter() -> None:
    inputs = made_inputs(3)
    for tile in inputs.tiles:
        tile.deltas[...] *= 2.0**10
    large = basis_of(inputs).scored(inputs)
    small = basis_of(made_inputs(3)).scored(made_inputs(3))
    for one, other in zip(large, small, strict=True):
        np.testing.assert_allclose(
            np.abs(one.scores[one.index].sum(axis=1)),
            np.abs(other.scores[other.index].sum(axis=1)),
            atol=1e-3,
        )


def test_tile_whose_training_samples_are_alike_scores_zero() -> None:
    inputs = made_inputs(4)
    tile = inputs.tiles[1]
    tile.index[:] = 3
    scored = basis_of(inputs).scored(inputs)[1]
    np.testing.assert_array_equal(scored.scores, 0.0)


def test_nothing_to_score_is_none() -> None:
    inputs = made_inputs(5)
    for tile in inputs.tiles:
        tile.index[:] = 3
    assert fit_delta_whitening(inputs) is None


def test_axes_have_the_same_sign_whichever_a_machine_gives_them() -> None:
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(40, 9)))[0]
    chance = np.where(np.arange(9) % 2, -1.0, 1.0)
    np.testing.assert_array_equal(signed(axes), signed(axes * chance))
    np.testing.assert_array_equal(np.abs(signed(axes)), np.abs(axes))


def annotated(annotations: bool = True) -> tuple[TileScores, GeneInputs]:
    """A tile of two bins, with variants in the first alone: two that vary and one that does not."""
    dosages = np.array([[0, 1, 0, 2], [1, 1, 2, 0], [2, 1, 1, 1]], dtype=np.float32)
    features = np.array([[1.0], [50.0], [-1.0], [9.0]], dtype=np.float32)
    inputs = GeneInputs(
        Gene("ENSG1", "chr1", 1500),
        ("a", "b", "c"),
        np.array([1000, 1100, 1499, 2600], dtype=np.int64),
        dosages,
        prior=replace(DEFAULT_PRIOR, annotation_effects=(0.5,)),
        annotations=features if annotations else None,
    )
    tile = TileScores(1000, 2000, np.zeros((1, 2, 3), dtype=np.float32), np.zeros((3, 2), dtype=np.int32))
    return tile, inputs


def test_a_bin_has_the_prior_of_its_variants_by_their_variance() -> None:
    """A bin without variants has the mean of all."""
    tile, inputs = annotated()
    by_distance = DEFAULT_PRIOR.variances(tile.distances(inputs.gene))
    factors = np.exp(0.5 * np.array([1.0, 50.0, -1.0, 9.0]))
    spread = inputs.dosages.var(axis=0)
    first = (factors[0] * spread[0] + factors[2] * spread[2]) / (spread[0] + spread[2])
    expected = by_distance * np.array([first, factors.mean()])
    np.testing.assert_allclose(bin_variances(tile, inputs), expected, rtol=1e-6)
    np.testing.assert_array_equal(bin_variances(*annotated(annotations=False)), by_distance)


def test_a_bin_has_the_mean_and_the_maximum_of_its_variants() -> None:
    np.testing.assert_allclose(bin_annotations(*annotated()), [[50.0 / 3.0, 50.0], [0.0, 0.0]], rtol=1e-6)
    assert bin_annotations(*annotated(annotations=False)).shape == (2, 0)
