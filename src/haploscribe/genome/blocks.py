"""Blocks: neighbouring tiles that are read, embedded and stored together."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from haploscribe.genome.tiles import Tile, tiles_between

TILES_PER_BLOCK = 16
"""A stopped run loses at most one block: about 16 × 17 forward passes on 358 people."""


@dataclass(frozen=True, slots=True)
class Block:
    """Up to `TILES_PER_BLOCK` neighbouring tiles at a fixed place of a contig's grid.

    Attributes
    ----------
    contig
        As the reference names it.
    number
        Number of its tiles // `TILES_PER_BLOCK`.
    tiles
        All its tiles, in order.
    wanted
        Those of them that a run needs, in order; at least one.
    """

    contig: str
    number: int
    tiles: tuple[Tile, ...]
    wanted: tuple[Tile, ...]

    @property
    def start(self) -> int:
        """0-based start in base pairs."""
        return self.tiles[0].start

    @property
    def end(self) -> int:
        """End in base pairs, exclusive."""
        return self.tiles[-1].end


def blocks_of(wanted: Iterable[Tile], size: int, contig_lengths: Mapping[str, int]) -> Iterator[Block]:
    """Group tiles into blocks, in genome order.

    Parameters
    ----------
    wanted
        Tiles, each once.
    size
        Tile size in base pairs.
    contig_lengths
        Length of each contig in base pairs.
    """
    for (contig, number), members in groupby(
        sorted(wanted), key=lambda tile: (tile.contig, tile.number // TILES_PER_BLOCK)
    ):
        start = number * TILES_PER_BLOCK * size
        end = start + TILES_PER_BLOCK * size
        tiles = tiles_between(contig, start, end, size, contig_lengths[contig])
        yield Block(contig, number, tiles, tuple(members))
