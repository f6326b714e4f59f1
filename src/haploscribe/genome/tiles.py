"""Tile the reference on one genome-wide grid; each tile is embedded as one sequence."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

TILES_PER_BLOCK = 16
"""Tiles of a block; an interrupted run loses at most one: about 16 × 17 forward passes for 358 samples."""


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
    """

    contig: str
    number: int
    start: int
    end: int


def overlapping_tiles(contig: str, start: int, end: int, size: int, contig_length: int) -> tuple[Tile, ...]:
    """Return the tiles that overlap a region, in genome order.

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
        _tile(contig, number, size, contig_length) for number in range(start // size, -(-end // size))
    )


def cis_tiles(contig: str, tss: int, window: int, size: int, contig_length: int) -> tuple[Tile, ...]:
    """Return the tiles of a gene's cis window: those centred in it, and always the one with the TSS.

    Every estimator uses exactly the variants that start in these tiles, so all models see the same
    variants. A tile's centre is `(start + end) / 2`; the window is `[tss - window // 2, tss + window // 2)`.

    Parameters
    ----------
    contig
        Name as in the reference FASTA.
    tss
        0-based position of the transcription start site.
    window
        Width of the cis window in base pairs.
    size
        Tile size in base pairs.
    contig_length
        Length of the contig in base pairs.

    Returns
    -------
    tuple of Tile
        Consecutive tiles in genome order, at least one.

    Raises
    ------
    ValueError
        When the TSS lies outside the contig, or `size` is not positive.
    """
    if not 0 <= tss < contig_length:
        raise ValueError(f"TSS {tss} lies outside {contig} (0 to {contig_length})")
    half = window // 2
    return tuple(
        tile
        for tile in overlapping_tiles(contig, tss - half, max(tss + half, tss + 1), size, contig_length)
        if 2 * (tss - half) <= tile.start + tile.end < 2 * (tss + half) or tile.start <= tss < tile.end
    )


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
        All tiles of the block, in order.
    wanted
        The tiles that the run needs, in order; at least one.
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


def tile_blocks(wanted: Iterable[Tile], size: int, contig_lengths: Mapping[str, int]) -> Iterator[TileBlock]:
    """Group tiles into blocks, in genome order.

    Parameters
    ----------
    wanted
        Tiles, without duplicates.
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
        tiles = overlapping_tiles(contig, start, end, size, contig_lengths[contig])
        yield TileBlock(contig, number, tiles, tuple(members))


def _tile(contig: str, number: int, size: int, contig_length: int) -> Tile:
    return Tile(contig, number, number * size, min((number + 1) * size, contig_length))
