"""Deltas on axes that all genes share, so that one network can read the tiles of any gene."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from haploscribe.errors import InputError
from haploscribe.estimators.delta_scores import TileScores, signed
from haploscribe.estimators.inputs import GeneInputs, TileDeltas
from haploscribe.utils.types import Float32Array, Float64Array

_RIDGE = 0.1  # as `delta_scores`: of the mean variance of an axis, added before dividing by it
_NEGLIGIBLE = 1e-6  # variances this much smaller than the largest are float32 rounding error
_WIDEST = 1_280  # dimensions whose covariance is worked out whole; 6-mer counts have 4,096
_PROJECTED = 512  # what wider deltas are first projected to, at random


@dataclass(frozen=True, slots=True)
class MultiGeneAxes:
    """How the deltas of any tile become scores.

    A tile's own mean and variance are not used, unlike in `delta_scores.DeltaWhitening`: of a gene never seen
    they are not known. A score of 0 is the reference.

    Attributes
    ----------
    axes
        float32 `(dimension, n_scores)`; principal axes of what varies between the training samples within
        the tiles of all training genes, each divided by the root of its variance plus a tenth of the mean
        variance, and all by one number, so that a score has variance 1 in the mean over tiles and axes.
    """

    axes: Float32Array

    def scored(self, inputs: GeneInputs) -> list[TileScores]:
        """Score a gene's unique haplotypes, tile by tile.

        Raises
        ------
        InputError
            If a tile has another dimension than in training, or deltas that are not finite.
        """
        return [self._scored(tile, inputs.gene.gene_id) for tile in inputs.tiles]

    def _scored(self, tile: TileDeltas, gene_id: str) -> TileScores:
        _require_sound(tile, len(self.axes), gene_id)
        return TileScores(tile.start, tile.end, tile.deltas @ self.axes, tile.index)


def fit_multi_gene_axes(genes: Iterable[GeneInputs], n_scores: int) -> MultiGeneAxes | None:
    """Find the axes along which training samples differ, over the tiles of all genes, each tile once.

    Parameters
    ----------
    genes
        Inputs of the training samples; a row of deltas that none of them carries has no influence, nor a
        tile in which all carry the reference.
    n_scores
        Axes kept at most, those of largest variance. Of deltas wider than 1,280, axes are sought in a random
        space of 512 dimensions, the same every time, which keeps their products nearly as they are (Johnson &
        Lindenstrauss 1984): the covariance of 4,096 would take longer than all else.

    Returns
    -------
    The axes, or None if the samples carry the same deltas in every tile.

    Raises
    ------
    InputError
        If tiles differ in dimension or hold deltas that are not finite.
    """
    covariance: Float64Array | None = None
    space: Float32Array | None = None
    n_bins = 0
    for gene_id, tile in _each_tile_once(genes):
        if covariance is None or space is None:
            space = _space(tile.deltas.shape[2])
            covariance = np.zeros((space.shape[1],) * 2)
        _require_sound(tile, len(space), gene_id)
        carried, counts = np.unique(tile.index, return_counts=True)
        share = (counts / counts.sum()).astype(np.float32)
        centred = tile.deltas[carried] - np.einsum("u,ubd->bd", share, tile.deltas[carried])
        if len(carried) > 1:
            rows = (centred * np.sqrt(share)[:, None, None]).reshape(-1, len(space)) @ space
            covariance += rows.T @ rows
        n_bins += tile.deltas.shape[1]
    if covariance is None or space is None:
        return None
    values, vectors = np.linalg.eigh(covariance / n_bins)
    values, vectors = values[::-1][:n_scores], vectors[:, ::-1][:, :n_scores]
    kept = (values > _NEGLIGIBLE * values[0]) & (values > 0.0)
    if not kept.any():
        return None
    values, vectors = values[kept], vectors[:, kept]
    spread = values + _RIDGE * values.mean()
    scale = np.sqrt(np.mean(values / spread))
    axes = space @ (signed(vectors) / np.sqrt(spread) / scale)
    return MultiGeneAxes(np.ascontiguousarray(axes, dtype=np.float32))


def _space(dimension: int) -> Float32Array:
    """Return orthonormal columns, float32 `(dimension, n)`, that span where axes are sought."""
    if dimension <= _WIDEST:
        return np.eye(dimension, dtype=np.float32)
    drawn = np.random.default_rng(0).normal(size=(dimension, _PROJECTED))
    return np.linalg.qr(drawn)[0].astype(np.float32)


def _each_tile_once(genes: Iterable[GeneInputs]) -> Iterator[tuple[str, TileDeltas]]:
    """Iterate over the tiles in which anyone differs from the reference; with each, the first gene of it.

    Genes that lie close share tiles, except those that the edge of a window cuts.
    """
    seen: set[bytes] = set()
    for inputs in genes:
        for tile in inputs.drop_reference_tiles().tiles:
            key = _tile_digest(inputs.gene.contig, tile)
            if key not in seen:
                seen.add(key)
                yield inputs.gene.gene_id, tile


def _tile_digest(contig: str, tile: TileDeltas) -> bytes:
    """Digest all of a tile: genes may cut it differently."""
    digest = hashlib.blake2b(f"{contig}:{tile.start}-{tile.end}".encode(), digest_size=16)
    digest.update(tile.index.tobytes())
    digest.update(tile.deltas.tobytes())
    return digest.digest()


def _require_sound(tile: TileDeltas, dimension: int, gene_id: str) -> None:
    where = f"deltas of tile {tile.start}-{tile.end} at gene {gene_id}"
    if tile.deltas.shape[2] != dimension:
        raise InputError(
            f"{where}: dimension {tile.deltas.shape[2]} where {dimension} is expected; "
            "embed all tiles with one backbone and the same settings"
        )
    if not np.isfinite(tile.deltas).all():
        raise InputError(f"{where}: not finite numbers; embed the tile again")
