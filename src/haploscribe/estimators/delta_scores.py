"""From a gene's tile deltas to scores: decorrelated directions, and tiles of equal variance."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np

from haploscribe.errors import InputError
from haploscribe.estimators.base import State
from haploscribe.estimators.inputs import GeneInputs, TileDeltas
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float32Array, Float64Array, Int32Array

N_SCORES = 256
"""Scores of a delta at most."""

_RIDGE = 0.1  # of the mean variance of an axis, added before dividing by it: the last axes are mostly noise
_NEGLIGIBLE = 1e-6  # variances this much smaller than the others are float32 rounding error


@dataclass(frozen=True, slots=True)
class TileScores:
    """The scores of one tile's unique haplotypes.

    Attributes
    ----------
    start, end
        The tile on the reference, 0-based half-open.
    scores
        float32 `(n_unique, n_bins, n_scores)`; zero for the mean haplotype of the training samples.
    index
        int32 `(n_samples, 2)`; the row of `scores` that haplotype 0 and 1 of each sample carry.
    """

    start: int
    end: int
    scores: Float32Array
    index: Int32Array

    def distances(self, gene: Gene) -> Float32Array:
        """Return base pairs from the gene's TSS to each bin's centre, positive downstream; `(n_bins,)`."""
        n_bins = self.scores.shape[1]
        centres = self.start + (np.arange(n_bins) + 0.5) * ((self.end - self.start) / n_bins) - 0.5
        return np.asarray(gene.direction * (centres - gene.tss), dtype=np.float32)


def bin_variances(tile: TileScores, inputs: GeneInputs) -> Float64Array:
    """Return the variance that a gene's prior expects of the effects of each bin of a tile.

    It is that of a variant at the bin's centre, times the mean of what annotations say of the bin's variants,
    each in proportion to the variance of its dosages; where none varies, of what they say of all variants.

    Returns
    -------
    float64 `(n_bins,)`.
    """
    variances = inputs.prior.variances(tile.distances(inputs.gene))
    if inputs.annotations is None:
        return variances
    factors = inputs.prior.factors(inputs.annotations)
    spread = inputs.dosages.var(axis=0, dtype=np.float64)
    means = np.array(
        [
            np.average(factors[inside], weights=spread[inside]) if spread[inside].any() else factors.mean()
            for inside in _variants_of_bins(tile, inputs)
        ]
    )
    return np.asarray(variances * means)


def bin_annotations(tile: TileScores, inputs: GeneInputs) -> Float32Array:
    """Return the mean and the maximum of each annotation's feature over the variants of each bin of a tile.

    Returns
    -------
    float32 `(n_bins, 2 n_features)`; 0, the mean of all variants, where a bin has none. `(n_bins, 0)` without
    annotations.
    """
    if inputs.annotations is None:
        return np.zeros((tile.scores.shape[1], 0), dtype=np.float32)
    found = [inputs.annotations[inside] for inside in _variants_of_bins(tile, inputs)]
    nothing = np.zeros((1, inputs.annotations.shape[1]), dtype=np.float32)
    parts = [part if len(part) else nothing for part in found]
    return np.stack([np.concatenate([part.mean(axis=0), part.max(axis=0)]) for part in parts])


def _variants_of_bins(tile: TileScores, inputs: GeneInputs) -> list[slice]:
    """Return which variants start in each bin of a tile."""
    n_bins = tile.scores.shape[1]
    edges = tile.start + np.arange(n_bins + 1) * (tile.end - tile.start) / n_bins
    bounds = np.searchsorted(inputs.positions, edges).tolist()
    return [slice(first, last) for first, last in pairwise(bounds)]


@dataclass(frozen=True, slots=True)
class TileCentre:
    """What the training samples carry in one tile.

    Attributes
    ----------
    start, end
        0-based half-open; tiles of other inputs are matched by them.
    mean
        float32 `(n_bins, n_scores)`; the mean training haplotype on the axes.
    scale
        What scores are multiplied by, so that they have variance 1 in this tile, all together; 0 where
        the training samples do not differ.
    """

    start: int
    end: int
    mean: Float32Array
    scale: float


@dataclass(frozen=True, slots=True)
class DeltaWhitening:
    """How the deltas of one gene become scores, fitted on the haplotypes of the training samples.

    An embedding is far from isotropic: a few directions carry most of what any variant changes, and some
    tiles move ten times as far as others, for reasons that have nothing to do with expression. So
    directions are decorrelated (whitened, with a ridge), and every tile is given the same variance, as
    dosages are standardised before BLUP.

    Attributes
    ----------
    axes
        float32 `(dimension, n_scores)`; principal axes of all tiles' deltas, orthogonal, each divided by
        the root of its variance plus a tenth of the mean variance.
    tiles
        The gene's tiles, in genome order.
    """

    axes: Float32Array
    tiles: tuple[TileCentre, ...]

    def scored(self, inputs: GeneInputs) -> list[TileScores]:
        """Score unique haplotypes, seen in training or not; one item for each of `tiles`.

        A tile that was not there in training is left out, as all training samples carry its reference; one
        that is missing here is taken as reference in all samples.

        Raises
        ------
        InputError
            If a tile has other bins or another dimension than in training, or deltas that are not finite.
        """
        tiles = {(tile.start, tile.end): tile for tile in inputs.tiles}
        found = []
        for centre in self.tiles:
            shape = (len(centre.mean), len(self.axes))
            tile = tiles.get((centre.start, centre.end)) or _all_reference(
                centre, shape, len(inputs.sample_ids)
            )
            _require_shape(tile, shape, inputs.gene.gene_id)
            scores = (tile.deltas @ self.axes - centre.mean) * np.float32(centre.scale)
            found.append(TileScores(centre.start, centre.end, scores, tile.index))
        return found

    def state(self) -> State:
        """Return axes and centres, the bins of all tiles one after another."""
        return State(
            arrays={
                "axes": self.axes,
                "starts": np.array([tile.start for tile in self.tiles], dtype=np.int64),
                "ends": np.array([tile.end for tile in self.tiles], dtype=np.int64),
                "n_bins": np.array([len(tile.mean) for tile in self.tiles], dtype=np.int64),
                "means": np.concatenate([tile.mean for tile in self.tiles]),
                "scales": np.array([tile.scale for tile in self.tiles], dtype=np.float64),
            }
        )

    @classmethod
    def restored(cls, state: State) -> Self:
        """Restore the basis from what `state` returned."""
        arrays = state.arrays
        means = np.split(arrays["means"], np.cumsum(arrays["n_bins"])[:-1])
        places = (arrays[name].tolist() for name in ("starts", "ends"))
        tiles = zip(*places, means, arrays["scales"].tolist(), strict=True)
        return cls(arrays["axes"], tuple(TileCentre(*tile) for tile in tiles))

    def split(self, rows: Float64Array) -> list[Float64Array]:
        """Split the rows of all tiles' bins, float64 `(n_all_bins, n_scores)`, into one array a tile."""
        return np.split(rows, np.cumsum([len(tile.mean) for tile in self.tiles])[:-1])


def fit_delta_whitening(inputs: GeneInputs, n_scores: int = N_SCORES) -> DeltaWhitening | None:
    """Find the axes, means and scales of the deltas that samples carry.

    Parameters
    ----------
    inputs
        Of the training samples; a row that none of them carries has no influence, nor a tile in which
        all carry the reference.
    n_scores
        Axes kept at most, those of largest variance.

    Returns
    -------
    The basis, or None if all samples carry the same deltas.

    Raises
    ------
    InputError
        If tiles differ in dimension or hold deltas that are not finite.
    """
    inputs = inputs.drop_reference_tiles()
    if not inputs.tiles:
        return None
    dimension = inputs.tiles[0].deltas.shape[2]
    means: list[Float32Array] = []
    centred: list[Float32Array] = []
    for tile in inputs.tiles:
        _require_shape(tile, (tile.deltas.shape[1], dimension), inputs.gene.gene_id)
        carried, counts = np.unique(tile.index, return_counts=True)
        share = (counts / counts.sum()).astype(np.float32)
        mean = np.einsum("u,ubd->bd", share, tile.deltas[carried])
        weighted = (tile.deltas[carried] - mean) * np.sqrt(share)[:, None, None]
        # One unique haplotype: its centred row is rounding error at most, not a direction.
        centred.append(weighted.reshape(-1, dimension) * np.float32(len(carried) > 1))
        means.append(mean)
    axes = _whitening_axes(np.concatenate(centred), n_scores)
    if axes.shape[1] == 0:
        return None
    variances = np.array([np.square(rows @ axes, dtype=np.float64).sum() for rows in centred])
    varying = variances > _NEGLIGIBLE * variances.mean()
    scales = np.where(varying, 1.0 / np.sqrt(np.where(varying, variances, 1.0)), 0.0)
    return DeltaWhitening(
        axes,
        tuple(
            TileCentre(tile.start, tile.end, mean @ axes, float(scale))
            for tile, mean, scale in zip(inputs.tiles, means, scales, strict=True)
        ),
    )


def _whitening_axes(rows: Float32Array, n_axes: int) -> Float32Array:
    """Leading right singular vectors of rows, `(dimension, ≤ n_axes)`, over the root of their variance.

    They come from the smaller Gram matrix.
    """
    wide = rows.shape[0] < rows.shape[1]
    values, vectors = np.linalg.eigh(rows @ rows.T if wide else rows.T @ rows)
    values, vectors = values[::-1][:n_axes], vectors[:, ::-1][:, :n_axes]
    kept = (values > _NEGLIGIBLE * values[0]) & (values > 0.0)
    axes, variances = vectors[:, kept], values[kept]
    if wide:
        axes = rows.T @ (axes / np.sqrt(variances))
    if not variances.size:
        return axes
    axes = signed(axes)
    return np.ascontiguousarray(axes / np.sqrt(variances + _RIDGE * variances.mean()), dtype=np.float32)


def signed(axes: Float32Array | Float64Array) -> Float64Array:
    """Turn axes, `(dimension, n)`, so that none points away from one direction, drawn once for all.

    The sign of an eigenvector is chance, and differs between machines; a network whose first weights are
    drawn would be another one. A drawn direction is at right angles to none of them; a largest entry, the
    usual judge, may have a twin of the other sign, as counts of k-mers do.
    """
    direction = np.random.default_rng(0).normal(size=len(axes))
    return np.asarray(axes * np.where(direction @ axes < 0.0, -1.0, 1.0))


def _require_shape(tile: TileDeltas, shape: tuple[int, int], gene_id: str) -> None:
    where = f"deltas of tile {tile.start}-{tile.end} at gene {gene_id}"
    if tile.deltas.shape[1:] != shape:
        raise InputError(
            f"{where}: {tile.deltas.shape[1:]} bins and dimensions where {shape} are expected; "
            "embed all tiles with the backbone and the settings of training"
        )
    if not np.isfinite(tile.deltas).all():
        raise InputError(f"{where}: not finite numbers; embed the tile again")


def _all_reference(centre: TileCentre, shape: tuple[int, int], n_samples: int) -> TileDeltas:
    deltas = np.zeros((1, *shape), dtype=np.float32)
    return TileDeltas(centre.start, centre.end, deltas, np.zeros((n_samples, 2), dtype=np.int32))
