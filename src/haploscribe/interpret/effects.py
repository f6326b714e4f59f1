"""Compute how much each tile contributes to the predictions of a fitted model."""

from dataclasses import replace
from typing import Protocol

import numpy as np

from haploscribe.estimators.inputs import GeneInputs
from haploscribe.utils.types import Float32Array, Float64Array, Int64Array

_TILES_AT_ONCE = 8  # set to the reference in one prediction: unchanged tiles are scored once


class Predictor(Protocol):
    """A fitted model of one gene or of all."""

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression, float64 `(n_samples,)`."""
        ...


def tile_weights(model: Predictor, inputs: GeneInputs, spans: Int64Array) -> Float64Array:
    """Compute how much each tile contributes to a model's predictions.

    Parameters
    ----------
    model
        A fitted model.
    inputs
        Of the training samples.
    spans
        int64 `(n_tiles, 2)`; start and end of the tiles.

    Returns
    -------
    float64 `(n_tiles,)`
        Standard deviation over samples of the change in prediction when all carry the reference in the tile.
    """
    whole = model.predict(inputs)
    weights = [np.zeros(0)]
    for first in range(0, len(spans), _TILES_AT_ONCE):
        some = spans[first : first + _TILES_AT_ONCE]
        without = model.predict(_without(inputs, some)).reshape(len(some), whole.size)
        weights.append((whole - without).std(axis=1))
    return np.concatenate(weights)


def _without(inputs: GeneInputs, spans: Int64Array) -> GeneInputs:
    """Repeat the samples once per tile, and set that tile to the reference in its repeat."""
    n_samples = len(inputs.sample_ids)
    wide = inputs.wide
    if wide is not None:
        wide = replace(wide, dosages=_emptied(wide.dosages, wide.positions, spans))
    tiles = []
    for tile in inputs.tiles:
        index = np.tile(tile.index, (len(spans), 1))
        for turn in np.flatnonzero(spans[:, 0] == tile.start).tolist():
            index[turn * n_samples : (turn + 1) * n_samples] = 0
        tiles.append(replace(tile, index=index))
    return replace(
        inputs,
        sample_ids=inputs.sample_ids * len(spans),
        dosages=_emptied(inputs.dosages, inputs.positions, spans),
        tiles=tuple(tiles),
        wide=wide,
        zero_shot={},
    )


def _emptied(dosages: Float32Array, positions: Int64Array, spans: Int64Array) -> Float32Array:
    """Repeat dosages once per tile, and set those of that tile's variants to 0 in its repeat."""
    repeated = np.tile(dosages, (len(spans), 1)).reshape(len(spans), *dosages.shape)
    for turn, (start, end) in zip(repeated, spans.tolist(), strict=True):
        turn[:, (positions >= start) & (positions < end)] = 0.0
    return repeated.reshape(len(spans) * len(dosages), dosages.shape[1])
