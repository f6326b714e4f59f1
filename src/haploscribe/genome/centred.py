"""Compute haplotypes of an exact length, centred on a reference base whatever indels surround it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.haplotypes import TileHaplotypes, reverse_complement
from haploscribe.genome.tiles import Tile
from haploscribe.utils.types import Int32Array, Int64Array


@dataclass(frozen=True, slots=True)
class CentredHaplotypes:
    """Haplotypes around one base, dictionary-encoded.

    Attributes
    ----------
    sequences
        `n_unique` unique sequences of equal length, in which `CentredWindow.soft_masked` bases are in lower
        case. The first is always the reference's, even if no sample carries it; the others are sorted.
    index
        int32 `(n_samples, 2)`; index of the sequence of haplotype 0 and 1 of each sample.
    """

    sequences: tuple[bytes, ...]
    index: Int32Array


@dataclass(frozen=True, slots=True)
class CentredWindow:
    """A reference base and the lengths of sequence around it.

    Attributes
    ----------
    contig
        Name as in the reference FASTA.
    position
        0-based; inside the contig.
    reverse
        Read the reverse strand: upstream is then towards higher coordinates.
    upstream, downstream
        Base pairs before the base, and from the base on (inclusive), along the strand; upstream is 0 or
        more, downstream 1 or more.
    soft_masked
        Spans of the reference whose bases are written in lower case, 0-based half-open. They move with the
        indels of a haplotype, and have what is inserted behind one of their bases.
    """

    contig: str
    position: int
    reverse: bool
    upstream: int
    downstream: int
    soft_masked: tuple[tuple[int, int], ...] = ()

    @property
    def left(self) -> int:
        """Base pairs needed towards lower coordinates in case the base itself is deleted."""
        return self.downstream if self.reverse else self.upstream

    @property
    def right(self) -> int:
        """Base pairs needed towards higher coordinates in case the base itself is deleted."""
        return self.upstream if self.reverse else self.downstream


def centred_haplotypes(genotypes: Genotypes, window: CentredWindow) -> CentredHaplotypes:
    """Compute the unique sequences around a base and the samples that carry them.

    A haplotype's sequence is `upstream` bases, the base itself, and `downstream - 1` more bases, all from
    the haplotype: an insertion pushes the far end out of the sequence, a deletion pulls in bases from
    beyond the reference window. Bases inserted next to the base stay upstream or downstream of it, as on
    the chromosome. If a haplotype lacks the base, its next base downstream takes that position. Beyond
    the ends of the contig the sequence is N.

    It is a part of the contig's haplotype as `bcftools consensus -H` writes it, with the exclusions of
    `haploscribe.genome.haplotypes.tile_haplotypes`.

    Parameters
    ----------
    genotypes
        Genotypes; variants are left out as by `Genotypes.used`.
    window
        The base, and the lengths around it.

    Raises
    ------
    InputError
        If a file is damaged there.
    ValueError
        If the base lies outside the contig.
    """
    sides = _sides(genotypes, window)
    carried = np.column_stack([part.index.ravel() for part in sides])
    left, base, right = (_spelled(part, window) for part in sides)
    reference = np.zeros((1, 3), dtype=carried.dtype)
    patterns, pattern_of = _unique_rows(np.concatenate([reference, carried]))
    spelled = [_crop(left[i], base[j], right[k], window) for i, j, k in patterns.tolist()]
    first = spelled[int(pattern_of[0])]
    sequences = (first, *sorted(set(spelled) - {first}))
    index_of = {sequence: i for i, sequence in enumerate(sequences)}
    indices = np.array([index_of[sequence] for sequence in spelled], dtype=np.int32)
    return CentredHaplotypes(sequences, indices[pattern_of[1:]].reshape(sides[0].index.shape))


def _sides(
    genotypes: Genotypes, window: CentredWindow
) -> tuple[TileHaplotypes, TileHaplotypes, TileHaplotypes]:
    """Return the haplotypes left of the base, at it, and right of it, long enough or to the contig's end.

    Deletions shorten some haplotypes, so the window grows by what the shortest lacks until none does.
    """
    length = genotypes.reference.contigs[window.contig]
    if not 0 <= window.position < length:
        raise ValueError(f"position {window.position} lies outside {window.contig} (0 to {length})")
    start = max(window.position - window.left, 0)
    end = min(window.position + 1 + window.right, length)
    while True:
        tiles = _three_tiles(window, start, end)
        variants = genotypes.used(genotypes.read(tiles))
        left, base, right = genotypes.haplotypes(variants, tiles)
        # An insertion after the base would count for the right; surplus bases are cropped later.
        lacking_left = window.left - min(map(len, left.sequences))
        lacking_right = window.right - min(map(len, right.sequences))
        wider = max(start - max(lacking_left, 0), 0), min(end + max(lacking_right, 0), length)
        if wider == (start, end):
            return left, base, right
        start, end = wider


def _spelled(part: TileHaplotypes, window: CentredWindow) -> tuple[bytes, ...]:
    """Return the sequences of a tile, soft-masked."""
    if not window.soft_masked:
        return part.sequences
    masked = np.zeros(part.tile.end - part.tile.start, dtype=np.bool_)
    for start, end in window.soft_masked:
        masked[max(start - part.tile.start, 0) : max(end - part.tile.start, 0)] = True
    return tuple(haplotype.soft_masked(masked) for haplotype in part.haplotypes)


def _three_tiles(window: CentredWindow, start: int, end: int) -> Sequence[Tile]:
    borders = (start, window.position, window.position + 1, end)
    return [Tile(window.contig, i, borders[i], borders[i + 1]) for i in range(3)]


def _crop(left: bytes, base: bytes, right: bytes, window: CentredWindow) -> bytes:
    """Join and crop one haplotype; `base` may be deleted, or followed by an insertion."""
    base, right = base[:1], base[1:] + right
    if window.reverse:
        before, after = reverse_complement(right), reverse_complement(left + base)
    else:
        before, after = left, base + right
    before = before[max(len(before) - window.upstream, 0) :].rjust(window.upstream, b"N")
    return before + after[: window.downstream].ljust(window.downstream, b"N")


def _unique_rows(rows: Int32Array) -> tuple[Int32Array, Int64Array]:
    """Return the distinct rows of int32 `(n_rows, 3)`, and the index of each row among them."""
    distinct, indices = np.unique(rows, axis=0, return_inverse=True)
    return distinct, np.asarray(indices, dtype=np.int64).ravel()
