"""From a gene's tile deltas to the tokens that the transformer reads."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from haploscribe.arrays import Float32Array, Float64Array, Int64Array
from haploscribe.errors import InputError
from haploscribe.estimators.inputs import GeneInputs, TileDeltas

_NEGLIGIBLE = 1e-6  # eigenvalues this much smaller than the largest are float32 rounding error


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of some samples, dictionary-encoded: nothing here is as large as samples × tokens × scores.

    Attributes
    ----------
    rows
        float32 `(n_rows, n_scores)`; one row for each bin of each unique haplotype of each tile.
    index
        int64 `(n_samples, 2, n_tokens)`; the rows that haplotype 0 and 1 of each sample carry.
    """

    rows: Tensor
    index: Tensor

    def take(self, samples: Int64Array) -> "Tokens":
        """Keep some samples; the rows stay, shared."""
        return Tokens(self.rows, self.index[torch.from_numpy(samples)])

    def pooled(self, weights: Tensor) -> Float64Array:
        """Sum the scores over tokens with fixed weights and over haplotypes, `(n_samples, n_scores)`."""
        total = torch.zeros(len(self.index), self.rows.shape[1])
        for weight, carried in zip(weights, self.index.unbind(dim=2), strict=True):
            total += weight * (self.rows[carried[:, 0]] + self.rows[carried[:, 1]])
        return total.numpy().astype(np.float64)


@dataclass(frozen=True, slots=True)
class TokenBasis:
    """Principal axes of a gene's deltas, fitted on the haplotypes of the training samples.

    Attributes
    ----------
    axes
        float32 `(dimension, n_scores)`; orthogonal, of one length, such that the variances of all scores of
        all tokens add up to 1.
    means
        float32 `(n_bins, n_scores)` for each tile; the scores of the mean training haplotype, taken off.
    extents
        `(start, end)` of each tile, 0-based half-open; the tiles of other inputs are matched by them.
    """

    axes: Float32Array
    means: tuple[Float32Array, ...]
    extents: tuple[tuple[int, int], ...]

    def distances(self, inputs: GeneInputs) -> Float32Array:
        """Count base pairs from the TSS to each token's centre, positive downstream."""
        centres = [
            start + (np.arange(len(mean)) + 0.5) * ((end - start) / len(mean)) - 0.5
            for (start, end), mean in zip(self.extents, self.means, strict=True)
        ]
        downstream = 1.0 if inputs.gene.strand == "+" else -1.0
        return (downstream * (np.concatenate(centres) - inputs.gene.tss)).astype(np.float32)

    def tokens(self, inputs: GeneInputs) -> Tokens:
        """Score unique haplotypes, seen in training or not.

        A tile that was not there in training is left out, as all training samples carry its reference; one
        that is missing here is taken as reference in all samples.

        Raises
        ------
        InputError
            If a tile has other bins or another dimension than in training, or deltas that are not finite.
        """
        tiles = {(tile.start, tile.end): tile for tile in inputs.tiles}
        rows: list[Float32Array] = []
        index: list[Int64Array] = []
        n_rows = 0
        for extent, mean in zip(self.extents, self.means, strict=True):
            shape = (len(mean), len(self.axes))
            tile = tiles.get(extent) or _all_reference(extent, shape, len(inputs.sample_ids))
            _require_shape(tile, shape, inputs.gene.gene_id)
            rows.append((tile.deltas @ self.axes - mean).reshape(-1, mean.shape[1]))
            index.append(n_rows + tile.index.astype(np.int64)[:, :, None] * len(mean) + np.arange(len(mean)))
            n_rows += len(rows[-1])
        return Tokens(torch.from_numpy(np.concatenate(rows)), torch.from_numpy(np.concatenate(index, axis=2)))


def fit_token_basis(inputs: GeneInputs, n_scores: int) -> TokenBasis | None:
    """Find the principal axes of the deltas that samples carry, centred by tile and bin.

    Parameters
    ----------
    inputs
        Of the training samples; a row that none of them carries has no influence.
    n_scores
        Axes kept at most.

    Returns
    -------
    The basis, or None if all samples carry the same deltas.

    Raises
    ------
    InputError
        If tiles differ in dimension or hold deltas that are not finite.
    """
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
    axes = _principal_axes(np.concatenate(centred), n_scores)
    if axes.shape[1] == 0:
        return None
    extents = tuple((tile.start, tile.end) for tile in inputs.tiles)
    return TokenBasis(axes, tuple(mean @ axes for mean in means), extents)


def _principal_axes(rows: Float32Array, n_axes: int) -> Float32Array:
    """Leading right singular vectors of rows, `(dimension, ≤ n_axes)`, through the smaller Gram matrix.

    They are divided by the square root of the variance they carry together.
    """
    wide = rows.shape[0] < rows.shape[1]
    values, vectors = np.linalg.eigh(rows @ rows.T if wide else rows.T @ rows)
    values, vectors = values[::-1][:n_axes], vectors[:, ::-1][:, :n_axes]
    kept = (values > _NEGLIGIBLE * values[0]) & (values > 0.0)
    axes = vectors[:, kept]
    if wide:
        axes = rows.T @ (axes / np.sqrt(values[kept]))
    return np.ascontiguousarray(axes / np.sqrt(values[kept].sum()), dtype=np.float32)


def _require_shape(tile: TileDeltas, shape: tuple[int, int], gene_id: str) -> None:
    where = f"deltas of tile {tile.start}-{tile.end} at gene {gene_id}"
    if tile.deltas.shape[1:] != shape:
        raise InputError(
            f"{where}: {tile.deltas.shape[1:]} bins and dimensions where {shape} are expected; "
            "embed all tiles with the backbone and the settings of training"
        )
    if not np.isfinite(tile.deltas).all():
        raise InputError(f"{where}: not finite numbers; embed the tile again")


def _all_reference(extent: tuple[int, int], shape: tuple[int, int], n_samples: int) -> TileDeltas:
    deltas = np.zeros((1, *shape), dtype=np.float32)
    return TileDeltas(*extent, deltas=deltas, index=np.zeros((n_samples, 2), dtype=np.int32))
