"""Tile weights, against one prediction for each tile with all samples."""

from dataclasses import replace

import numpy as np
import pytest

from haploscribe.estimators.inputs import Dosages1Mb, GeneInputs, TileDeltas
from haploscribe.expression.genes import Gene
from haploscribe.interpret.effects import tile_weights
from haploscribe.utils.types import Float64Array, Int64Array

TILE, N_TILES, N_SAMPLES = 1_000, 12, 30
SPANS = np.array([(start, start + TILE) for start in range(0, N_TILES * TILE, TILE)], dtype=np.int64)


def made_inputs() -> GeneInputs:
    """Most samples carry the reference in most tiles; tile 3 is not there, tile 5 is the reference's."""
    rng = np.random.default_rng(0)
    tiles = []
    for number in range(N_TILES):
        deltas = rng.normal(size=(4, 1, 3)).astype(np.float32)
        deltas[0] = 0.0
        index = rng.choice(4, (N_SAMPLES, 2), p=[0.7, 0.1, 0.1, 0.1]).astype(np.int32)
        tiles.append(TileDeltas(number * TILE, (number + 1) * TILE, deltas, index * (number != 5)))
    positions = np.sort(rng.choice(N_TILES * TILE, 40, replace=False))
    wide = np.sort(rng.choice(2 * N_TILES * TILE, 60, replace=False))
    return GeneInputs(
        gene=Gene("GENE", "22", 6_200, "+"),
        sample_ids=tuple(f"S{sample}" for sample in range(N_SAMPLES)),
        positions=positions,
        dosages=rng.binomial(2, 0.1, (N_SAMPLES, 40)).astype(np.float32),
        tiles=(*tiles[:3], *tiles[4:]),
        wide=Dosages1Mb(wide, rng.binomial(2, 0.1, (N_SAMPLES, 60)).astype(np.float32)),
    )


class Interacting:
    """Reads tiles and both windows of dosages, and is linear in none of them."""

    def __init__(self) -> None:
        self.n_predicted = 0

    def predict(self, inputs: GeneInputs) -> Float64Array:
        self.n_predicted += len(inputs.sample_ids)
        rng = np.random.default_rng(1)
        copies = np.zeros((len(inputs.sample_ids), 2))
        for tile in inputs.tiles:
            copies += (tile.deltas.astype(np.float64) @ rng.normal(size=3))[tile.index][..., 0]
        assert inputs.wide is not None
        dosages = inputs.dosages @ rng.normal(size=40) + inputs.wide.dosages @ rng.normal(size=60)
        return np.asarray(np.tanh(copies).sum(axis=1) + np.sin(dosages))


def without(inputs: GeneInputs, span: Int64Array) -> GeneInputs:
    """Set one tile to the reference in all samples."""
    start, end = span.tolist()
    assert inputs.wide is not None

    def kept(positions: Int64Array) -> Int64Array:
        return np.asarray((positions < start) | (positions >= end), dtype=np.int64)

    return replace(
        inputs,
        tiles=tuple(replace(tile, index=tile.index * (tile.start != start)) for tile in inputs.tiles),
        dosages=inputs.dosages * kept(inputs.positions).astype(np.float32),
        wide=replace(
            inputs.wide, dosages=inputs.wide.dosages * kept(inputs.wide.positions).astype(np.float32)
        ),
    )


@pytest.mark.parametrize("at_once", [7, 8_192])
def test_weights_are_those_of_one_prediction_a_tile(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haploscribe.interpret.effects._ROWS_AT_ONCE", at_once)
    inputs, model = made_inputs(), Interacting()
    expected = [(model.predict(inputs) - model.predict(without(inputs, span))).std() for span in SPANS]
    np.testing.assert_allclose(tile_weights(model, inputs, SPANS), expected, rtol=0, atol=1e-12)
    assert min(expected) > 0.0


def test_only_samples_that_carry_a_tile_are_predicted_without_it() -> None:
    inputs, model = replace(made_inputs(), wide=None), Interacting()
    inputs = replace(inputs, wide=Dosages1Mb(np.arange(60) + N_TILES * TILE, np.ones((N_SAMPLES, 60), "f4")))
    inputs = replace(inputs, dosages=np.zeros_like(inputs.dosages))
    weights = tile_weights(model, inputs, SPANS)
    assert model.n_predicted == N_SAMPLES + sum(int(tile.index.any(axis=1).sum()) for tile in inputs.tiles)
    assert weights[[3, 5]].tolist() == [0.0, 0.0]
    assert np.delete(weights, [3, 5]).min() > 0.0
