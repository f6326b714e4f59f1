"""Pool short neighbouring tiles into one token, so that a network costs the same whatever the tile is."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from itertools import groupby

import numpy as np

from haploscribe.estimators.delta_scores import DeltaWhitening, TileScores
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.expression.genes import Gene

_LONGEST, _LONGEST_NEAR = 5_994, 1_998  # base pairs of a token; one tile at least
_NEAR = 10_000  # base pairs from the TSS within which tokens are finer
_NEGLIGIBLE = 1e-6  # variances this much smaller than a tile's are float32 rounding error


def grouped(tiles: Sequence[TileScores], gene: Gene) -> list[list[TileScores]]:
    """Group the tiles that make one token, in genome order.

    As many tiles as fit 5,994 bp, aligned on the genome-wide grid; 1,998 bp within 10 kb of the TSS. Tiles
    of several bins stay as they are: who asks for bins wants that resolution.

    Parameters
    ----------
    tiles
        Of one grid, in genome order; some may be missing.
    gene
        Its TSS.
    """
    size = max((tile.end - tile.start for tile in tiles), default=1)

    def token_of(tile: TileScores) -> tuple[int, int]:
        number = tile.start // size
        if tile.scores.shape[1] > 1:
            return number, 0
        wide = max(_LONGEST // size, 1)
        start = number // wide * wide * size
        near = start < gene.tss + _NEAR and start + wide * size > gene.tss - _NEAR
        return number // wide, number // max(_LONGEST_NEAR // size, 1) if near else -1

    return [list(group) for _, group in groupby(tiles, key=token_of)]


def pooled(tiles: Sequence[TileScores], gene: Gene) -> list[TileScores]:
    """Sum the scores of each group of tiles; a row for each combination that samples carry."""
    return [reduce(_joined, group) for group in grouped(tiles, gene)]


def scaled_for_pooling(basis: DeltaWhitening, inputs: GeneInputs) -> DeltaWhitening:
    """Scale tiles so that a token has the variance of as many independent tiles as it pools.

    In strong linkage disequilibrium, the sum of m tiles of variance 1 has a variance of up to m².

    Parameters
    ----------
    basis
        Of the training samples, from `fit_delta_whitening`.
    inputs
        Of the training samples.
    """
    scales = []
    for group in grouped(basis.scored(inputs), inputs.gene):
        factor = 1.0
        if len(group) > 1:
            token = reduce(_joined, group)
            rows = token.scores[:, 0].astype(np.float64)
            share = np.bincount(token.index.ravel(), minlength=len(rows)) / token.index.size
            variance = float(share @ np.square(rows - share @ rows).sum(axis=1))
            if variance > _NEGLIGIBLE:
                factor = float(np.sqrt(len(group) / variance))
        scales += [factor] * len(group)
    tiles = (
        replace(tile, scale=tile.scale * factor) for tile, factor in zip(basis.tiles, scales, strict=True)
    )
    return replace(basis, tiles=tuple(tiles))


def _joined(first: TileScores, second: TileScores) -> TileScores:
    """Sum the scores of two neighbours."""
    n_second = len(second.scores)
    pairs, index = np.unique(first.index.astype(np.int64) * n_second + second.index, return_inverse=True)
    scores = first.scores[pairs // n_second] + second.scores[pairs % n_second]
    index = index.reshape(first.index.shape).astype(first.index.dtype)
    return TileScores(first.start, second.end, scores, index)
