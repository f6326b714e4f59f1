"""What fitted models say of single alleles and of tiles, asked through their predictions alone."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from haploscribe.arrays import Float32Array, Float64Array, Int64Array
from haploscribe.estimators.inputs import GeneInputs, WideDosages

_COLUMNS_AT_ONCE = 512  # people with one allele each, in memory at a time


class Predictor(Protocol):
    """A fitted model, of one gene or of all."""

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression, float64 `(n_samples,)`."""
        ...


@runtime_checkable
class Attentive(Protocol):
    """A model that attends to tiles."""

    def attention(self, inputs: GeneInputs) -> dict[int, float]:
        """Average the attention to each tile, by its start, over samples."""
        ...


def dosage_effects(model: Predictor, inputs: GeneInputs) -> Float64Array:
    """Ask a model of dosages for the effect of each column of the cis window.

    Parameters
    ----------
    model
        A fitted model that reads `GeneInputs.dosages` and no deltas.
    inputs
        Of any people; the gene and the positions are read.

    Returns
    -------
    float64 `(n_variants,)`; prediction of someone with one copy less that of someone with none.
    """
    nobody = _people_of(inputs, np.zeros((1, inputs.positions.size), dtype=np.float32))
    base = model.predict(nobody)[0]
    parts = (
        model.predict(_people_of(inputs, dosages)) - base for dosages in _one_copy_each(inputs.positions.size)
    )
    return np.concatenate([np.zeros(0), *parts])


def wide_effects(model: Predictor, inputs: GeneInputs) -> Float64Array:
    """Do as `dosage_effects` for a model of the wide window; float64 `(n_wide_variants,)`."""
    assert inputs.wide is not None
    return dosage_effects(_OfWide(model), inputs.widened())


def tile_weights(model: Predictor, inputs: GeneInputs, spans: Int64Array) -> Float64Array:
    """Measure how much of a model's prediction stems from each tile.

    Parameters
    ----------
    model
        A fitted model.
    inputs
        Of the training people.
    spans
        int64 `(n_tiles, 2)`; start and end of the tiles.

    Returns
    -------
    float64 `(n_tiles,)`; the standard deviation over people of what changes in their prediction when all of
    them carry the reference in the tile.
    """
    whole = model.predict(inputs)
    return np.array([(whole - model.predict(_without(inputs, *span))).std() for span in spans.tolist()])


def _without(inputs: GeneInputs, start: int, end: int) -> GeneInputs:
    """Give everyone the reference in a tile."""
    here = (inputs.positions >= start) & (inputs.positions < end)
    dosages = inputs.dosages.copy()
    dosages[:, here] = 0.0
    tiles = tuple(
        replace(tile, index=np.zeros_like(tile.index)) if tile.start == start else tile
        for tile in inputs.tiles
    )
    wide = inputs.wide
    if wide is not None:
        inside = (wide.positions >= start) & (wide.positions < end)
        emptied = wide.dosages.copy()
        emptied[:, inside] = 0.0
        wide = replace(wide, dosages=emptied)
    return replace(inputs, dosages=dosages, tiles=tiles, wide=wide)


def _people_of(inputs: GeneInputs, dosages: Float32Array) -> GeneInputs:
    names = tuple(str(number) for number in range(len(dosages)))
    return replace(inputs, sample_ids=names, dosages=dosages, tiles=(), wide=None, zero_shot={})


def _one_copy_each(n_columns: int) -> Iterator[Float32Array]:
    for first in range(0, n_columns, _COLUMNS_AT_ONCE):
        n_here = min(_COLUMNS_AT_ONCE, n_columns - first)
        yield np.eye(n_here, n_columns, first, dtype=np.float32)


class _OfWide:
    """A model of the wide window, given its dosages where others have those of the cis window."""

    def __init__(self, model: Predictor) -> None:
        self._model = model

    def predict(self, inputs: GeneInputs) -> Float64Array:
        wide = WideDosages(inputs.positions, inputs.dosages)
        return self._model.predict(replace(inputs, wide=wide))
