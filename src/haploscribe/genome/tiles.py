"""Tiles: the pieces of the reference, on one genome-wide grid, that are embedded at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """One piece of a contig, `[number · size, (number + 1) · size)`, cut at the contig's end.

    Attributes
    ----------
    contig
        Name as in the reference FASTA.
    number
        Place on the contig's grid, from 0.
    start, end
        0-based half-open, in base pairs.
    """

    contig: str
    number: int
    start: int
    end: int


def tiles_between(contig: str, start: int, end: int, size: int, contig_length: int) -> tuple[Tile, ...]:
    """All tiles that overlap a region, in genome order.

    Parameters
    ----------
    contig
        Name as in the reference FASTA.
    start, end
        Region, 0-based half-open; what lies outside the contig is ignored.
    size
        Tile size in base pairs.
    contig_length
        Length of the contig in base pairs.

    Returns
    -------
    tuple of Tile
        Empty where the region holds no base of the contig.

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
    """List the tiles of a gene's cis window: those whose centre lies in it, and always the TSS's own.

    Every estimator uses exactly the variants that start in these tiles, so that all models see the same
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
        Neighbouring tiles in genome order, at least one.

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
        for tile in tiles_between(contig, tss - half, max(tss + half, tss + 1), size, contig_length)
        if 2 * (tss - half) <= tile.start + tile.end < 2 * (tss + half) or tile.start <= tss < tile.end
    )


def _tile(contig: str, number: int, size: int, contig_length: int) -> Tile:
    return Tile(contig, number, number * size, min((number + 1) * size, contig_length))
