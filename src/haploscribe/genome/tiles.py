"""Tile the reference on one genome-wide grid, and cut cis windows out of it.

Each tile is embedded as one sequence. A window is exact: in a tile that its edge cuts, haplotypes are spelled
with the window's variants only, so the size of the tiles does not decide which variants a model reads.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from haploscribe.utils.types import BoolArray, Int64Array

TILES_PER_BLOCK = 16
"""Tiles of a block; an interrupted run loses at most one: about 16 × 17 forward passes for 358 samples."""

NO_LIMIT = 2**63 - 1
"""`Tile.variants_to` of a tile that is not cut: larger than any position."""


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """A part of a contig, such as a cis window.

    Attributes
    ----------
    contig
        Name as in the reference FASTA.
    start, end
        0-based half-open, in base pairs.
    """

    contig: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """An interval of a contig, `[number · size, (number + 1) · size)`, clipped at the contig's end.

    Attributes
    ----------
    contig
        Name as in the reference FASTA.
    number
        0-based index on the contig's grid.
    start, end
        0-based half-open, in base pairs.
    variants_from, variants_to
        The tile's haplotypes are spelled with the records that start in `[variants_from, variants_to)`,
        0-based, as if there were no others. A whole tile has no such limits: 0 and `NO_LIMIT`.
    """

    contig: str
    number: int
    start: int
    end: int
    variants_from: int = 0
    variants_to: int = NO_LIMIT

    @property
    def is_whole(self) -> bool:
        """Whether the tile is spelled with all records."""
        return self.variants_from == 0 and self.variants_to == NO_LIMIT

    def whole(self) -> "Tile":
        """Return the tile as all records spell it."""
        return Tile(self.contig, self.number, self.start, self.end)

    def cut(self, window: Interval) -> "Tile":
        """Return the tile as the records of a window spell it."""
        return replace(self, variants_from=window.start, variants_to=window.end)

    def overlaps(self, window: Interval) -> bool:
        """Return whether the tile has a base of a window of its contig."""
        return self.start < window.end and window.start < self.end


def overlapping_tiles(contig: str, start: int, end: int, size: int, contig_length: int) -> tuple[Tile, ...]:
    """Return the whole tiles that overlap a region, in genome order.

    Parameters
    ----------
    contig
        Name as in the reference FASTA.
    start, end
        Region, 0-based half-open; clipped to the contig.
    size
        Tile size in base pairs.
    contig_length
        Length of the contig in base pairs.

    Returns
    -------
    tuple of Tile
        Empty if the region contains no base of the contig.

    Raises
    ------
    ValueError
        When `size` is not positive.
    """
    if size <= 0:
        raise ValueError(f"tile size must be positive, not {size}")
    start, end = max(start, 0), min(end, contig_length)
    if start >= end:
        return ()
    return tuple(
        Tile(contig, number, number * size, min((number + 1) * size, contig_length))
        for number in range(start // size, -(-end // size))
    )


def cis_window(contig: str, tss: int, window: int, contig_length: int) -> Interval:
    """Return a gene's cis window, clipped to the contig: positions at most `window // 2` from the TSS.

    Every estimator reads exactly the variants whose position, the first base of REF, lies in it.

    Parameters
    ----------
    contig
        Name as in the reference FASTA.
    tss
        0-based position of the transcription start site.
    window
        Width of the cis window in base pairs.
    contig_length
        Length of the contig in base pairs.

    Raises
    ------
    ValueError
        When the TSS lies outside the contig.
    """
    if not 0 <= tss < contig_length:
        raise ValueError(f"TSS {tss} lies outside {contig} (0 to {contig_length})")
    half = window // 2
    return Interval(contig, max(tss - half, 0), min(tss + half + 1, contig_length))


def window_tiles(window: Interval, size: int, contig_length: int) -> tuple[Tile, ...]:
    """Return the tiles that overlap a window, as its records spell them, in genome order.

    Parameters
    ----------
    window
        Not empty, on the contig.
    size
        Tile size in base pairs.
    contig_length
        Length of the contig in base pairs.
    """
    tiles = overlapping_tiles(window.contig, window.start, window.end, size, contig_length)
    return tuple(tile.cut(window) for tile in tiles)


@dataclass(frozen=True, slots=True)
class TileBlock:
    """Up to `TILES_PER_BLOCK` consecutive tiles that are read, embedded and stored together.

    Attributes
    ----------
    contig
        As the reference names it.
    number
        0-based index on the contig: tile number // `TILES_PER_BLOCK`.
    tiles
        All tiles of the block, whole, in order.
    windows
        The windows that overlap the block, in order, each once; at least one.
    """

    contig: str
    number: int
    tiles: tuple[Tile, ...]
    windows: tuple[Interval, ...]

    @property
    def start(self) -> int:
        """0-based start in base pairs."""
        return self.tiles[0].start

    @property
    def end(self) -> int:
        """End in base pairs, exclusive."""
        return self.tiles[-1].end

    @property
    def n_wanted(self) -> int:
        """Number of the block's tiles that a window overlaps."""
        return sum(any(tile.overlaps(window) for window in self.windows) for tile in self.tiles)

    def window_tiles(self) -> tuple[Tile, ...]:
        """Return the block's tiles of each window, as that window's records spell them, in order."""
        return tuple(
            tile.cut(window) for tile in self.tiles for window in self.windows if tile.overlaps(window)
        )

    def in_windows(self, positions: Int64Array) -> BoolArray:
        """Return which positions lie in the block and in a window; bool, of the same shape."""
        inside = np.zeros(positions.shape, dtype=np.bool_)
        for window in self.windows:
            inside |= (positions >= window.start) & (positions < window.end)
        return inside & (positions >= self.start) & (positions < self.end)


def tile_blocks(
    windows: Iterable[Interval], size: int, contig_lengths: Mapping[str, int]
) -> Iterator[TileBlock]:
    """List the blocks that windows overlap, in genome order.

    Parameters
    ----------
    windows
        Windows of any contigs, not empty.
    size
        Tile size in base pairs.
    contig_lengths
        Length of each contig in base pairs.
    """
    span = TILES_PER_BLOCK * size
    members: dict[tuple[str, int], list[Interval]] = {}
    for window in sorted(set(windows)):
        for number in range(window.start // span, (window.end - 1) // span + 1):
            members.setdefault((window.contig, number), []).append(window)
    for (contig, number), found in sorted(members.items()):
        start = number * span
        tiles = overlapping_tiles(contig, start, start + span, size, contig_lengths[contig])
        yield TileBlock(contig, number, tiles, tuple(found))
