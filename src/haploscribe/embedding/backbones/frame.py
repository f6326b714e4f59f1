"""Keep the k-mers of a haplotype on the reference's grid behind edits that change its length."""

from collections.abc import Iterator
from typing import NamedTuple

from haploscribe.genome.haplotypes import LengthEdit, TileHaplotype


class Piece(NamedTuple):
    """Consecutive bases of a haplotype that stand for whole cells of the reference's grid.

    Attributes
    ----------
    sequence
        The bases.
    cells
        Number of cells that they stand for; the last cell of a tile may be shorter than the others.
    edited
        Whether an edit changed the length of a cell. Otherwise the bases are the cells, one after the other.
    """

    sequence: bytes
    cells: int
    edited: bool


def pieces(haplotype: TileHaplotype, k: int) -> Iterator[Piece]:
    """Cut a haplotype at the reference's grid of cells of `k` bases, which starts at the tile's start.

    An edit touches the cells in which it replaces bases; an insertion, the cell that holds the base to its
    left. Cells touched by one edit, or by several that share a cell, make one edited piece. What lies between
    edited pieces is as long as the reference there, whatever its substitutions.

    Yields
    ------
    Piece
        In order; joined, the haplotype. None is empty, except an edited one whose bases are all deleted.
    """
    done, cell = 0, 0  # bases of the haplotype, and cells of the reference, that were yielded
    length = len(haplotype.sequence)
    for first, last, change in _edited_cells(haplotype.edits, k):
        start = done + (first - cell) * k
        # The last cell of a tile may be incomplete.
        end = min(start + (last - first) * k + change, length)
        if start > done:
            yield Piece(haplotype.sequence[done:start], first - cell, edited=False)
        yield Piece(haplotype.sequence[start:end], last - first, edited=True)
        done, cell = end, last
    if done < length:
        yield Piece(haplotype.sequence[done:], -(-(length - done) // k), edited=False)


def _edited_cells(edits: tuple[LengthEdit, ...], k: int) -> Iterator[tuple[int, int, int]]:
    """Yield each group of touched cells, half-open, and by how many bases edits change its length."""
    group: tuple[int, int, int] | None = None
    for start, removed, added in edits:
        first = (start if removed else max(start - 1, 0)) // k
        last = (
            (start + removed - 1) // k + 1 if start + removed else 0
        )  # nothing stands left of the first base
        if group is not None and first < group[1]:
            group = (group[0], max(group[1], last), group[2] + added - removed)
        else:
            if group is not None:
                yield group
            group = (first, last, added - removed)
    if group is not None:
        yield group
