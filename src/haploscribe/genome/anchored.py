"""Haplotypes of an exact length around one reference base, which keeps its place behind indels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.haplotypes import TileHaplotypes
from haploscribe.genome.tiles import Tile
from haploscribe.utils.types import Int32Array, Int64Array

_COMPLEMENT = bytes.maketrans(b"ACGTN", b"TGCAN")


@dataclass(frozen=True, slots=True)
class AnchoredHaplotypes:
    """The haplotypes around one base, dictionary-encoded.

    Attributes
    ----------
    sequences
        `n_unique` different sequences of one length. The first is always the reference's, even where
        nobody carries it; the others are sorted.
    index
        int32 `(n_samples, 2)`; the sequence that haplotype 0 and 1 of each sample carry.
    """

    sequences: tuple[bytes, ...]
    index: Int32Array


@dataclass(frozen=True, slots=True)
class CentredWindow:
    """A reference base and how much sequence is wanted around it.

    Attributes
    ----------
    contig
        Name as in the reference FASTA.
    position
        0-based; inside the contig.
    reverse
        Read the reverse strand: upstream is then where coordinates rise.
    upstream, downstream
        Base pairs before the base, and from the base on (itself included), along the strand; upstream is
        0 or more, downstream 1 or more.
    """

    contig: str
    position: int
    reverse: bool
    upstream: int
    downstream: int

    @property
    def left(self) -> int:
        """Base pairs needed where coordinates fall, should the base itself be deleted."""
        return self.downstream if self.reverse else self.upstream

    @property
    def right(self) -> int:
        """Base pairs needed where coordinates rise, should the base itself be deleted."""
        return self.upstream if self.reverse else self.downstream


def reverse_complement(sequence: bytes) -> bytes:
    """Read a sequence of A, C, G, T and N on the other strand."""
    return sequence.translate(_COMPLEMENT)[::-1]


def anchored_haplotypes(genotypes: Genotypes, anchor: CentredWindow) -> AnchoredHaplotypes:
    """Find the unique sequences around a base and who carries them.

    A haplotype's sequence is `upstream` bases, the base itself, and `downstream - 1` bases more, all as
    the haplotype has them: an insertion pushes the far end out of the sequence, a deletion pulls in what
    lies beyond the reference's stretch. What is inserted next to the base lies upstream or downstream of
    it as it does on the chromosome. On a haplotype that lacks the base, its first base downstream takes
    its place. Beyond an end of the contig there are Ns.

    It is a part of the contig's haplotype as `bcftools consensus -H` writes it, with the exclusions of
    `haploscribe.genome.haplotypes.tile_haplotypes`.

    Parameters
    ----------
    genotypes
        Who carries which alleles; rare ones are left out as `Genotypes.common` says.
    anchor
        The base, and how much is wanted around it.

    Raises
    ------
    InputError
        When a file is damaged there.
    ValueError
        When the base lies outside the contig.
    """
    left, base, right = _stretches(genotypes, anchor)
    carried = np.column_stack([part.index.ravel() for part in (left, base, right)])
    reference = np.zeros((1, 3), dtype=carried.dtype)
    patterns, places = _unique_rows(np.concatenate([reference, carried]))
    spelled = [
        _cropped(left.sequences[i], base.sequences[j], right.sequences[k], anchor)
        for i, j, k in patterns.tolist()
    ]
    first = spelled[int(places[0])]
    sequences = (first, *sorted(set(spelled) - {first}))
    number = {sequence: place for place, sequence in enumerate(sequences)}
    numbers = np.array([number[sequence] for sequence in spelled], dtype=np.int32)
    return AnchoredHaplotypes(sequences, numbers[places[1:]].reshape(left.index.shape))


def _stretches(genotypes: Genotypes, anchor: CentredWindow) -> tuple[TileHaplotypes, TileHaplotypes, TileHaplotypes]:
    """Find the haplotypes left of the base, at it, and right of it, long enough or to the contig's end.

    Deletions make some too short, so the stretch grows by what the shortest lacks until none lacks any.
    """
    length = genotypes.reference.contigs[anchor.contig]
    if not 0 <= anchor.position < length:
        raise ValueError(f"position {anchor.position} lies outside {anchor.contig} (0 to {length})")
    start = max(anchor.position - anchor.left, 0)
    end = min(anchor.position + 1 + anchor.right, length)
    while True:
        tiles = _three_tiles(anchor, start, end)
        variants = genotypes.common(genotypes.read(tiles))
        left, base, right = genotypes.haplotypes(variants, tiles)
        # An insertion behind the base would count for the right; a few bases too many are cut off later.
        lacking_left = anchor.left - min(map(len, left.sequences))
        lacking_right = anchor.right - min(map(len, right.sequences))
        wider = max(start - max(lacking_left, 0), 0), min(end + max(lacking_right, 0), length)
        if wider == (start, end):
            return left, base, right
        start, end = wider


def _three_tiles(anchor: CentredWindow, start: int, end: int) -> Sequence[Tile]:
    borders = (start, anchor.position, anchor.position + 1, end)
    return [Tile(anchor.contig, i, borders[i], borders[i + 1]) for i in range(3)]


def _cropped(left: bytes, base: bytes, right: bytes, anchor: CentredWindow) -> bytes:
    """Join and cut one haplotype; `base` may have an insertion behind the base, or be deleted."""
    base, right = base[:1], base[1:] + right
    if anchor.reverse:
        before, after = reverse_complement(right), reverse_complement(left + base)
    else:
        before, after = left, base + right
    before = before[max(len(before) - anchor.upstream, 0) :].rjust(anchor.upstream, b"N")
    return before + after[: anchor.downstream].ljust(anchor.downstream, b"N")


def _unique_rows(rows: Int32Array) -> tuple[Int32Array, Int64Array]:
    """Find the distinct rows of int32 `(n_rows, 3)`, and which of them each row equals."""
    distinct, places = np.unique(rows, axis=0, return_inverse=True)
    return distinct, np.asarray(places, dtype=np.int64).ravel()
