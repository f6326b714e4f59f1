"""Keep the k-mers of a haplotype on the reference's grid behind edits that change its length."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from haploscribe.genome.haplotypes import LengthEdit, TileHaplotype


class Piece(NamedTuple):
    """Consecutive bases of a haplotype that stand for whole cells of the reference's grid.

    Attributes
    ----------
    sequence
        The bases.
    edited
        Whether an edit changed their number. Otherwise they are the cells, one after the other.
    """

    sequence: bytes
    edited: bool


def pieces(haplotype: TileHaplotype, k: int) -> Iterator[Piece]:
    """Cut a haplotype at the reference's grid of cells of `k` bases, which starts at the tile's start.

    An edit touches the cells in which it replaces bases; an insertion, the cell that holds the base to its
    left, if any. Cells touched by one edit, or by several that share a cell, make one edited piece. What lies
    between edited pieces is as long as the reference there, whatever its substitutions.

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
            yield Piece(haplotype.sequence[done:start], edited=False)
        yield Piece(haplotype.sequence[start:end], edited=True)
        done, cell = end, last
    if done < length:
        yield Piece(haplotype.sequence[done:], edited=False)


def _edited_cells(edits: Sequence[LengthEdit], k: int) -> Iterator[tuple[int, int, int]]:
    """Yield each group of touched cells, half-open, and by how many bases edits change its length."""
    groups: list[tuple[int, int, int]] = []
    for start, removed, added in edits:
        first, last = (start if removed else start - 1) // k, (start + removed - 1) // k + 1
        change = added - removed
        if groups and first < groups[-1][1]:
            before, end, total = groups.pop()
            first, last, change = before, max(end, last), total + change
        groups.append((first, last, change))
    for first, last, change in groups:
        yield max(first, 0), last, change  # what is inserted before the first cell touches none
