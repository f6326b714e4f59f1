"""Compute how much each tile contributes to the predictions of a fitted model."""

from dataclasses import replace
from typing import Protocol

import numpy as np

from haploscribe.estimators.inputs import GeneInputs
from haploscribe.utils.types import BoolArray, Float32Array, Float64Array, Int64Array

_ROWS_AT_ONCE = 8_192  # of one prediction, which scores unchanged tiles once for all of them


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
        Of the training samples, as the model reads them (`Estimator.select`).
    spans
        int64 `(n_tiles, 2)`; start and end of the tiles.

    Returns
    -------
    float64 `(n_tiles,)`
        Standard deviation over samples of the change in prediction when all carry the reference in the tile.
    """
    whole = model.predict(inputs)
    change = np.zeros((len(spans), whole.size))
    # The prediction of a sample does not depend on the others, and most carry the reference in a short tile.
    turns, samples = np.nonzero(_carriers(inputs, spans))
    for first in range(0, len(turns), _ROWS_AT_ONCE):
        some = slice(first, first + _ROWS_AT_ONCE)
        without = model.predict(_without(inputs, samples[some], spans[turns[some]]))
        change[turns[some], samples[some]] = whole[samples[some]] - without
    return np.asarray(change.std(axis=1))


def _carriers(inputs: GeneInputs, spans: Int64Array) -> BoolArray:
    """Return which samples carry anything but the reference in each tile, bool `(n_tiles, n_samples)`."""
    found = np.zeros((len(spans), len(inputs.sample_ids)), dtype=np.bool_)
    tiles = {tile.start: tile.index.any(axis=1) for tile in inputs.tiles}
    for row, (start, end) in enumerate(spans.tolist()):
        found[row] = tiles.get(start, False)
        for dosages in (inputs, inputs.wide):
            if dosages is not None:
                within = (dosages.positions >= start) & (dosages.positions < end)
                found[row] |= dosages.dosages[:, within].any(axis=1)
    return found


def _without(inputs: GeneInputs, samples: Int64Array, spans: Int64Array) -> GeneInputs:
    """Take samples, perhaps several times, each with the reference in a tile of its own.

    Parameters
    ----------
    inputs
        Of all samples.
    samples
        int64 `(n_taken,)`; indices on the sample axis.
    spans
        int64 `(n_taken, 2)`; start and end of the tile.
    """
    wide = inputs.wide
    if wide is not None:
        wide = replace(wide, dosages=_emptied(wide.dosages[samples], wide.positions, spans), hard_calls=None)
    tiles = [
        replace(tile, index=np.where((spans[:, :1] == tile.start), 0, tile.index[samples]))
        for tile in inputs.tiles
    ]
    return replace(
        inputs,
        sample_ids=tuple(inputs.sample_ids[sample] for sample in samples.tolist()),
        dosages=_emptied(inputs.dosages[samples], inputs.positions, spans),
        hard_calls=None,
        tiles=tuple(tiles),
        wide=wide,
        zero_shot={},
    )


def _emptied(dosages: Float32Array, positions: Int64Array, spans: Int64Array) -> Float32Array:
    """Set each row's dosages to 0 within its own span."""
    within = (positions >= spans[:, :1]) & (positions < spans[:, 1:])
    return np.where(within, np.float32(0.0), dosages)
