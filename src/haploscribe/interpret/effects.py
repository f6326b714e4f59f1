"""Compute effects of alleles and weights of tiles from the predictions of fitted models."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from haploscribe.estimators.inputs import GeneInputs, WideDosages
from haploscribe.utils.types import Float32Array, Float64Array, Int64Array

_COLUMNS_AT_ONCE = 512  # samples with one allele each, in memory at a time
_TILES_AT_ONCE = 8  # set to the reference in one prediction: unchanged tiles are scored once


class Predictor(Protocol):
    """A fitted model of one gene or of all."""

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression, float64 `(n_samples,)`."""
        ...


@runtime_checkable
class Attentive(Protocol):
    """A model that attends to tiles."""

    def attention(self, inputs: GeneInputs) -> dict[int, float]:
        """Return the attention to each tile, by its start, averaged over samples."""
        ...


def dosage_effects(model: Predictor, inputs: GeneInputs) -> Float64Array:
    """Compute the effect of each dosage column of the cis window with a model of dosages.

    Parameters
    ----------
    model
        A fitted model that reads `GeneInputs.dosages` and no deltas.
    inputs
        Of any samples; only the gene and the positions are used.

    Returns
    -------
    float64 `(n_variants,)`
        Prediction with one copy of ALT minus the prediction with none.
    """
    reference = _samples_of(inputs, np.zeros((1, inputs.positions.size), dtype=np.float32))
    base = model.predict(reference)[0]
    parts = (
        model.predict(_samples_of(inputs, dosages)) - base
        for dosages in _one_copy_each(inputs.positions.size)
    )
    return np.concatenate([np.zeros(0), *parts])


def wide_effects(model: Predictor, inputs: GeneInputs) -> Float64Array:
    """Compute `dosage_effects` of a model of the wide window; float64 `(n_wide_variants,)`."""
    assert inputs.wide is not None
    return dosage_effects(_OfWide(model), inputs.widened())


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


def _samples_of(inputs: GeneInputs, dosages: Float32Array) -> GeneInputs:
    names = tuple(str(number) for number in range(len(dosages)))
    return replace(inputs, sample_ids=names, dosages=dosages, tiles=(), wide=None, zero_shot={})


def _one_copy_each(n_columns: int) -> Iterator[Float32Array]:
    for first in range(0, n_columns, _COLUMNS_AT_ONCE):
        n_here = min(_COLUMNS_AT_ONCE, n_columns - first)
        yield np.eye(n_here, n_columns, first, dtype=np.float32)


class _OfWide:
    """Adapt a model of the wide window to take its dosages in place of those of the cis window."""

    def __init__(self, model: Predictor) -> None:
        self._model = model

    def predict(self, inputs: GeneInputs) -> Float64Array:
        wide = WideDosages(inputs.positions, inputs.dosages)
        return self._model.predict(replace(inputs, wide=wide))
