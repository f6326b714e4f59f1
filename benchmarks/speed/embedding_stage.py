"""Run the embedding stage on neighbouring tiles of the cohort, from the VCF to the store."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.common.measuring import Seconds, seconds_of, timed
from haploscribe.cohort.cohort import Cohort
from haploscribe.embedding.backbones.base import Backbone
from haploscribe.embedding.deltas import DeltaReader, EmbeddedTile
from haploscribe.embedding.engine import embed_block
from haploscribe.embedding.store import EmbeddingStore
from haploscribe.genome.haplotypes import TileHaplotype, TileHaplotypes
from haploscribe.genome.tiles import TILES_PER_BLOCK, Interval, tile_blocks
from haploscribe.utils.types import Float32Array


class TimedBackbone:
    """Backbone that adds up the time spent in it."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self.name, self.settings = backbone.name, backbone.settings
        self.tile_multiple, self.max_tile = backbone.tile_multiple, backbone.max_tile
        self.seconds = 0.0

    def embed(self, haplotypes: Sequence[TileHaplotype]) -> Float32Array:
        """Embed haplotypes."""
        found: list[Float32Array] = []
        self.seconds += seconds_of(lambda: found.append(self._backbone.embed(haplotypes)))
        return found[0]


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of the embedding stage on tiles that no store holds yet."""

    taken: Seconds
    model_seconds: float
    passes: int
    tiles: list[EmbeddedTile]


def run_stage(cohort: Cohort, haplotypes: Sequence[TileHaplotypes], backbone: Backbone) -> Stage:
    """Embed tiles into a new store, from the VCF on."""
    taken, watched = Seconds(), TimedBackbone(backbone)
    with tempfile.TemporaryDirectory() as folder:
        store, size = EmbeddingStore(Path(folder) / "embeddings.zarr"), cohort.options.tile_size
        (block,) = tile_blocks(windows_of(haplotypes), size, cohort.genotypes.reference.contigs)
        with timed(taken):
            address, counts = embed_block(block, cohort.genotypes, watched, store, size)
        stored = DeltaReader(store, [address])
        tiles = [stored.tile(each.tile) for each in haplotypes]
    return Stage(taken, watched.seconds, counts.forward_passes, [tile for tile in tiles if tile is not None])


def windows_of(haplotypes: Sequence[TileHaplotypes]) -> list[Interval]:
    """Return each tile as a window of its own."""
    return [Interval(each.tile.contig, each.tile.start, each.tile.end) for each in haplotypes]


def typical_stretch(haplotypes: Sequence[TileHaplotypes], n_tiles: int) -> list[TileHaplotypes]:
    """Return neighbouring tiles, within one block of the store, of the most typical mean count.

    Tiles with N or of another length make token lists of other lengths, which a plain loop would have to
    pad; they are left to the rest of the cohort.
    """
    size = haplotypes[0].tile.end - haplotypes[0].tile.start
    carriers = [
        tile
        for tile in haplotypes
        if tile.tile.is_whole
        and len(tile.sequences) > 1
        and all(len(s) == size and b"N" not in s for s in tile.sequences)
    ]
    counts = np.array([len(tile.sequences) for tile in carriers])
    stretches = [
        np.arange(first, first + n_tiles)
        for first in range(len(carriers) - n_tiles + 1)
        if carriers[first + n_tiles - 1].tile.number // TILES_PER_BLOCK
        == carriers[first].tile.number // TILES_PER_BLOCK
    ]
    nearest = min(stretches, key=lambda rows: abs(float(counts[rows].mean() - counts.mean())))
    return [carriers[row] for row in nearest]
