"""Pooling short tiles into tokens, against sums over each haplotype."""

from dataclasses import replace

import numpy as np
import pytest

from haploscribe.estimators.delta_scores import TileScores, fit_delta_whitening
from haploscribe.estimators.inputs import GeneInputs, TileDeltas
from haploscribe.estimators.transformer.gene_model import Transformer
from haploscribe.estimators.transformer.token_pooling import grouped, pooled, scaled_for_pooling
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float64Array

TSS, WINDOW = 1_000_123, 98_304
GENE = Gene("GENE", "22", TSS, "+")


def tiles_of(size: int, n_samples: int = 40, n_bins: int = 1) -> tuple[TileDeltas, ...]:
    """All tiles of a window; five haplotypes each, and much linkage disequilibrium between neighbours."""
    rng = np.random.default_rng(size)
    ancestors = rng.choice(5, (n_samples, 2))
    made = []
    for start in range((TSS - WINDOW) // size * size, TSS + WINDOW, size):
        deltas = rng.normal(size=(5, n_bins, 7)).astype(np.float32)
        deltas[0] = 0.0
        other = rng.choice(5, (n_samples, 2))
        index = np.where(rng.random((n_samples, 2)) < 0.9, ancestors, other).astype(np.int32)
        made.append(TileDeltas(start, start + size, deltas, index))
    return tuple(made)


def inputs_of(tiles: tuple[TileDeltas, ...]) -> GeneInputs:
    n_samples = len(tiles[0].index)
    return GeneInputs(
        gene=GENE,
        sample_ids=tuple(f"S{sample}" for sample in range(n_samples)),
        positions=np.empty(0, dtype=np.int64),
        dosages=np.empty((n_samples, 0), dtype=np.float32),
        tiles=tiles,
    )


def as_scores(tiles: tuple[TileDeltas, ...]) -> list[TileScores]:
    return [TileScores(tile.start, tile.end, tile.deltas, tile.index) for tile in tiles]


def haplotypes(tile: TileScores) -> Float64Array:
    """The scores of each sample's two haplotypes, `(n_samples, 2, n_bins, n_scores)`."""
    return tile.scores.astype(np.float64)[tile.index]


@pytest.mark.parametrize("size", [3_000, 5_994, 8_192, 11_994])
def test_long_tiles_stay_as_they_are(size: int) -> None:
    tiles = as_scores(tiles_of(size))
    found = pooled(tiles, GENE)
    assert len(found) == len(tiles)
    assert all(one is other for one, other in zip(found, tiles, strict=True))
    basis = fit_delta_whitening(inputs_of(tiles_of(size)))
    assert basis is not None
    scaled = scaled_for_pooling(basis, inputs_of(tiles_of(size)))
    assert [tile.scale for tile in scaled.tiles] == [tile.scale for tile in basis.tiles]


def test_tiles_of_several_bins_stay_as_they_are() -> None:
    tiles = as_scores(tiles_of(1_998, n_bins=2))
    assert [group for group in grouped(tiles, GENE) if len(group) > 1] == []


@pytest.mark.parametrize("size", [300, 600, 1_002, 1_998, 2_400])
def test_tokens_are_as_long_as_is_said(size: int) -> None:
    tiles = as_scores(tiles_of(size))
    groups = grouped(tiles, GENE)
    assert [tile for group in groups for tile in group] == tiles
    for group in groups[1:-1]:
        start, end = group[0].start, group[-1].end
        assert end - start == sum(tile.end - tile.start for tile in group)
        near = start < TSS + 10_000 and end > TSS - 10_000
        assert end - start <= (max(1_998, size) if near else 5_994)
    assert len(groups) < 2 * WINDOW / 3_000 + 10
    # Whoever lacks a tile has the same others in a token.
    some = [tile for tile in tiles if tile.start % 7]
    by_start = {tile.start: group[0].start // (5_994 // size * size) for group in groups for tile in group}
    for group in grouped(some, GENE):
        assert len({by_start[tile.start] for tile in group}) == 1


def test_a_token_is_the_sum_of_its_tiles() -> None:
    tiles = as_scores(tiles_of(1_998))
    groups, tokens = grouped(tiles, GENE), pooled(tiles, GENE)
    assert max(len(group) for group in groups) == 3
    for group, token in zip(groups, tokens, strict=True):
        assert (token.start, token.end) == (group[0].start, group[-1].end)
        expected = sum(haplotypes(tile) for tile in group)
        np.testing.assert_allclose(haplotypes(token), expected, atol=1e-5)


def test_a_token_has_the_variance_of_as_many_independent_tiles() -> None:
    inputs = inputs_of(tiles_of(1_998, n_samples=300))
    basis = fit_delta_whitening(inputs)
    assert basis is not None
    scored = scaled_for_pooling(basis, inputs).scored(inputs)
    for group, token in zip(grouped(scored, GENE), pooled(scored, GENE), strict=True):
        variance = haplotypes(token).var(axis=(0, 1)).sum()
        np.testing.assert_allclose(variance, len(group), rtol=1e-4)


def test_a_sample_is_predicted_the_same_whoever_comes_with_it() -> None:
    inputs = inputs_of(tiles_of(1_998, n_samples=80))
    expression = np.random.default_rng(0).normal(size=80)
    model = Transformer(max_epochs=2, width=8).fit(inputs, expression)
    alone = [model.predict(inputs.take(np.array([sample])))[0] for sample in range(5)]
    np.testing.assert_allclose(alone, model.predict(inputs)[:5], atol=1e-5)
    restored = Transformer(width=8).restore(model.state())
    assert restored.predict(inputs).tobytes() == model.predict(inputs).tobytes()


def test_tiles_of_a_token_share_its_attention() -> None:
    inputs = inputs_of(tiles_of(1_998))
    model = Transformer(max_epochs=1, width=8).fit(inputs, np.random.default_rng(0).normal(size=40))
    attention = model.attention(inputs)
    assert list(attention) == [tile.start for tile in inputs.tiles]
    np.testing.assert_allclose(sum(attention.values()), 1.0, atol=1e-6)
    some = replace(inputs, tiles=inputs.tiles[:-1])
    assert list(model.attention(some)) == list(attention)
    for group in grouped(as_scores(inputs.tiles), GENE):
        assert len({attention[tile.start] for tile in group}) == 1
