"""Compute the unique haplotype sequences of tiles and regions, and the samples that carry them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from haploscribe.genome.alleles import AlleleEdit, allele_edits, applied_alleles
from haploscribe.genome.patterns import unique_patterns
from haploscribe.genome.tiles import Tile
from haploscribe.genome.variants import VariantReader, Variants
from haploscribe.utils.types import BoolArray, Int8Array, Int32Array, Int64Array

_COMPLEMENT = bytes.maketrans(b"ACGTNacgtn", b"TGCANtgcan")
_LOWER = np.uint8(ord("a") - ord("A"))


def reverse_complement(sequence: bytes) -> bytes:
    """Return the reverse complement of a sequence of A, C, G, T and N; bases keep their case."""
    return sequence.translate(_COMPLEMENT)[::-1]


class LengthEdit(NamedTuple):
    """A replacement within a tile that changes its length.

    Attributes
    ----------
    start
        First replaced base of the tile's reference sequence, 0-based; an insertion lies before it.
    reference_length
        Number of reference bases replaced: 0 for an insertion.
    alternate_length
        Number of bases that replace them: 0 for a deletion. Never equal to `reference_length`.
    """

    start: int
    reference_length: int
    alternate_length: int


@dataclass(frozen=True, slots=True)
class TileHaplotype:
    """One haplotype sequence of a tile, and where its length differs from the reference.

    Attributes
    ----------
    sequence
        Upper-case A, C, G, T and N.
    edits
        The edits that change the length, by `start`; empty where all alleles are as long as the reference.
    """

    sequence: bytes
    edits: tuple[LengthEdit, ...] = ()

    def reverse_complement(self) -> "TileHaplotype":
        """Return the same haplotype as the other strand reads it.

        Its edits replace the same bases, counted from the tile's other end. What was as far left as it could
        be is then as far right.
        """
        longer = sum(edit.alternate_length - edit.reference_length for edit in self.edits)
        end = len(self.sequence) - longer  # of the tile's reference sequence
        edits = tuple(
            LengthEdit(end - start - replaced, replaced, added) for start, replaced, added in self.edits[::-1]
        )
        return TileHaplotype(reverse_complement(self.sequence), edits)

    def soft_masked(self, masked: BoolArray) -> bytes:
        """Return the sequence with some bases in lower case.

        Parameters
        ----------
        masked
            bool `(n_bases,)`; which bases of the tile's reference sequence. What an edit puts in is masked
            where the base before it is.
        """
        pieces, done = [], 0
        for start, replaced, added in self.edits:
            pieces += [masked[done:start], np.repeat(masked[max(start - 1, 0) :][:1], added)]
            done = start + replaced
        lower = np.concatenate([*pieces, masked[done:]]).astype(np.uint8) * _LOWER
        return (np.frombuffer(self.sequence, dtype=np.uint8) | lower).tobytes()


@dataclass(frozen=True, slots=True)
class TileHaplotypes:
    """The haplotypes of one tile, dictionary-encoded.

    Attributes
    ----------
    tile
        The tile on the reference.
    haplotypes
        `n_unique` haplotypes of different sequences. The first is always the tile's reference sequence, even
        where no sample carries it; the others are sorted by sequence.
    index
        int32 `(n_samples, 2)`; index of the sequence of haplotype 0 and 1 of each sample.
    """

    tile: Tile
    haplotypes: tuple[TileHaplotype, ...]
    index: Int32Array

    @property
    def sequences(self) -> tuple[bytes, ...]:
        """The sequence of each of `haplotypes`."""
        return tuple(haplotype.sequence for haplotype in self.haplotypes)


def read_for_tiles(reader: VariantReader, tiles: Sequence[Tile], samples: Sequence[str]) -> Variants:
    """Read all records that determine the sequences of consecutive tiles.

    Whether a record is applied can depend on an earlier record that overlaps it, and so on to the left.
    The region is therefore extended to the left until no record spans its left border, so that tiles
    computed block by block agree with the whole contig computed at once.

    Parameters
    ----------
    reader
        Source of the variants.
    tiles
        Consecutive tiles of one contig, in genome order; at least one.
    samples
        Sample identifiers, in the order wanted.

    Returns
    -------
    Variants
        Records that overlap the tiles, and those to the left that overlap these, and so on.
    """
    contig, start, end = tiles[0].contig, tiles[0].start, tiles[-1].end
    while True:
        variants = reader.read(contig, start, end, samples)
        leftmost = int(variants.positions[0]) if len(variants.positions) else start
        if leftmost >= start:
            return variants
        start = leftmost


def tile_haplotypes(
    references: Sequence[bytes], variants: Variants, tiles: Sequence[Tile]
) -> list[TileHaplotypes]:
    """Compute the unique sequences of each tile and the samples that carry them.

    A sample's tiles, joined over a contig, are the sequence that `bcftools consensus -H` writes for that
    contig, with these exclusions:

    - `bcftools` applies `<DEL>`, stops at other symbolic alleles and writes `*` as a letter; here all of
      them are skipped, because a tile must be a sequence that a backbone can read. For the same reason
      every letter other than A, C, G and T is N here, while `bcftools` writes IUPAC codes.
    - `bcftools` takes a record's length from INFO/END where there is one, and stops at it when that is not
      the length of REF; here it is the length of REF.
    - On soft-masked reference, `bcftools` lets an insertion undo an SNV at the same position, because it
      compares REF with ALT in their letter case; here letter case never matters.

    Joined over a part of a contig they also hold what records that start to the left of it do to it,
    which `bcftools`, given only that part, may not (see `region_haplotypes`).

    Parameters
    ----------
    references
        The reference sequence of each tile, upper-case (`Reference.fetch`).
    variants
        From `read_for_tiles`, for the same or more tiles; records may have been taken out since.
    tiles
        `n_tiles` tiles of the variants' contig. A tile that a window cuts is spelled with the records that
        start in the window, as if the others were not in the file.

    Returns
    -------
    list of TileHaplotypes
        One for each tile, in the order given.
    """
    together: dict[tuple[int, int], list[int]] = {}
    for i, tile in enumerate(tiles):
        together.setdefault((tile.variants_from, tile.variants_to), []).append(i)
    found: dict[int, TileHaplotypes] = {}
    for (start, end), members in together.items():
        # Records outside a window are absent: left out before it is decided which alleles overlap.
        of_these = [tiles[i] for i in members]
        here = _that_decide(variants.starting_in(start, end), of_these)
        spelled = _spell_tiles([references[i] for i in members], here, of_these)
        found.update(zip(members, spelled, strict=True))
    return [found[i] for i in range(len(tiles))]


def _that_decide(variants: Variants, tiles: Sequence[Tile]) -> Variants:
    """Return the records that overlap a stretch of tiles or displace one that does, and so on to the left."""
    covered_upto = np.maximum.accumulate(variants.ends)
    first = int(np.searchsorted(covered_upto, min(tile.start for tile in tiles), side="right"))
    last = int(np.searchsorted(variants.positions, max(tile.end for tile in tiles)))
    apart = np.flatnonzero(variants.positions[1 : first + 1] >= covered_upto[:-1][:first]) + 1
    return variants.consecutive(int(apart[-1]) if apart.size else 0, max(last, first))


def _spell_tiles(
    references: Sequence[bytes], variants: Variants, tiles: Sequence[Tile]
) -> list[TileHaplotypes]:
    """Compute the unique sequences of tiles that the same records spell."""
    applied = applied_alleles(variants.positions, variants.alleles, variants.genotypes)
    replacements = allele_edits(variants.positions, variants.alleles)
    ends = variants.ends
    # Sorted by start, records that can overlap a tile lie between these two bounds.
    covered_upto = np.maximum.accumulate(ends) if len(ends) else ends
    flat = applied.reshape(len(applied), 2 * applied.shape[1])
    carried: BoolArray = flat.max(axis=1, initial=0) > 0
    result = []
    for tile, reference in zip(tiles, references, strict=True):
        assert len(reference) == tile.end - tile.start, (tile, len(reference))
        first = int(np.searchsorted(covered_upto, tile.start, side="right"))
        last = int(np.searchsorted(variants.positions, tile.end, side="left"))
        rows = np.arange(first, max(first, last))
        rows = rows[(ends[rows] > tile.start) & carried[rows]]
        result.append(_encode(tile, reference, [replacements[row] for row in rows], flat[rows]))
    return result


def merge_equal_tiles(variants: Variants, tiles: Iterable[Tile]) -> tuple[Tile, ...]:
    """Replace tiles by whole ones where no record outside their window can change their sequences.

    Neighbouring genes then share all tiles but those that the edges of their windows cut. A record before the
    window can change a tile that it does not reach, because it may displace one of the window that does.

    Parameters
    ----------
    variants
        From `read_for_tiles`, for all these tiles.
    tiles
        Tiles of the variants' contig, whole or of windows.

    Returns
    -------
    tuple of Tile
        Each tile once, in order; every tile given is spelled as itself or as its `Tile.whole` among these.
    """
    positions, ends = variants.positions, variants.ends
    covered_upto = np.maximum.accumulate(ends) if len(ends) else ends
    reached: dict[int, int] = {}
    found = set()
    for tile in tiles:
        start = tile.variants_from
        if start not in reached:
            reached[start] = _reach(positions, covered_upto, start)
        after, end = np.searchsorted(positions, [tile.variants_to, tile.end])
        found.add(tile if reached[start] > tile.start or after < end else tile.whole())
    return tuple(sorted(found))


def _reach(positions: Int64Array, covered_upto: Int64Array, start: int) -> int:
    """Return where the records end that start before `start` or overlap those, and so on to the right."""
    before = int(np.searchsorted(positions, start))
    if before == 0:
        return 0
    apart = np.flatnonzero(positions[before:] >= covered_upto[before - 1 : -1])
    last = before + int(apart[0]) if apart.size else len(positions)
    return int(covered_upto[last - 1])


def region_haplotypes(
    reference: bytes, variants: Variants, contig: str, start: int, end: int
) -> TileHaplotypes:
    """Compute both haplotypes of each sample over a region, as if it were one tile.

    With the variants that `read_for_tiles` returns for the region, this is the region's part of the whole
    contig's haplotype, and the same as `samtools faidx REFERENCE contig:start-end | bcftools consensus -H 1`
    (or 2) writes in release 1.24, with the exclusions of `tile_haplotypes` and these, which all concern
    records that cross the region's borders:

    - Older releases (1.16) ignore a record that starts before the region; here, as in 1.24, a deletion that
      extends into the region removes its bases there. Drop those records (`Variants.starting_in`) to get what
      older releases write.
    - 1.24 misplaces a base of a record that extends into the region and whose ALT has more than one base, and
      may crash on it; here the part of ALT that faces the region is used.
    - `bcftools` does not see that such a record is itself displaced by one further left; here it is.
    - `bcftools` may stop at a deletion that begins on the last base of another and crosses the region's end.

    Parameters
    ----------
    reference
        The region's reference sequence, upper-case (`Reference.fetch`).
    variants
        Variants of the region.
    contig, start, end
        The region, 0-based half-open.

    Returns
    -------
    TileHaplotypes
        The region as tile number 0.
    """
    return tile_haplotypes([reference], variants, [Tile(contig, 0, start, end)])[0]


def overlaps_skipped(variants: Variants) -> Int64Array:
    """Count the ALT alleles of each haplotype that are skipped because an earlier one overlaps them.

    Returns
    -------
    int64 `(n_samples, 2)`
    """
    applied = applied_alleles(variants.positions, variants.alleles, variants.genotypes)
    return np.asarray(np.count_nonzero(applied != variants.genotypes, axis=0), dtype=np.int64)


def _encode(
    tile: Tile, reference: bytes, replacements: Sequence[tuple[AlleleEdit, ...]], applied: Int8Array
) -> TileHaplotypes:
    """Build the sequence of each allele pattern once; different patterns may give the same sequence.

    Of the patterns that spell a sequence, the one with the fewest edits of length, then the leftmost, gives
    its `edits`, so that they depend neither on the order of samples nor on how often a pattern is carried.
    The reference sequence has none.

    `applied` is int8 `(n_variants, n_haplotypes)`, both haplotypes of a sample side by side.
    """
    clipped = [[edit.clipped(tile.start, tile.end) for edit in record] for record in replacements]
    patterns, carried = unique_patterns(applied)
    spelled = [_spell(tile.start, reference, clipped, pattern) for pattern in patterns]
    edits_of: dict[bytes, tuple[LengthEdit, ...]] = {reference: ()}
    for sequence, pattern in zip(spelled, patterns, strict=True):
        if sequence != reference:
            found = _length_edits(tile.start, reference, clipped, pattern)
            known = edits_of.get(sequence, found)
            edits_of[sequence] = min(known, found, key=lambda edits: (len(edits), edits))
    sequences = (reference, *sorted(edits_of.keys() - {reference}))
    haplotypes = tuple(TileHaplotype(sequence, edits_of[sequence]) for sequence in sequences)
    index_of = {sequence: i for i, sequence in enumerate(sequences)}
    indices = np.array([index_of[sequence] for sequence in spelled], dtype=np.int32)
    return TileHaplotypes(tile, haplotypes, indices[carried].reshape(-1, 2))


def _length_edits(
    start: int, reference: bytes, clipped: Sequence[Sequence[tuple[int, int, bytes]]], pattern: Int8Array
) -> tuple[LengthEdit, ...]:
    """List the edits of length of one allele pattern, each as short and as far left as it can be.

    Bases that an allele shares with the reference it replaces are taken off its end, then off its start. A
    pure insertion or deletion is then moved left while the sequence stays the same, up to the tile's start
    or the edit before it, as in the normalisation of variants (Tan et al., Bioinformatics 31:2202, 2015).
    """
    found = []
    free = 0  # the reference is as it was from here to the next edit
    rows = np.flatnonzero(pattern)
    for row, number in zip(rows.tolist(), pattern[rows].tolist(), strict=True):
        first, last, alternate = clipped[row][number - 1]
        first, last = first - start, last - start
        if len(alternate) != last - first:
            position, replaced, inserted = _trimmed(first, reference[first:last], alternate)
            letters = replaced or inserted
            while not (replaced and inserted) and position > free and letters[-1] == reference[position - 1]:
                position -= 1
                letters = letters[-1:] + letters[:-1]
            found.append(LengthEdit(position, len(replaced), len(inserted)))
        free = max(free, last)
    return tuple(found)


def _trimmed(first: int, replaced: bytes, inserted: bytes) -> tuple[int, bytes, bytes]:
    """Trim shared bases off the end, then off the start, of a replacement at `first`."""
    shared = _prefix_length(replaced[::-1], inserted[::-1])
    replaced, inserted = replaced[: len(replaced) - shared], inserted[: len(inserted) - shared]
    shared = _prefix_length(replaced, inserted)
    return first + shared, replaced[shared:], inserted[shared:]


def _prefix_length(one: bytes, other: bytes) -> int:
    """Return the length of the common prefix."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _spell(
    start: int, reference: bytes, clipped: Sequence[Sequence[tuple[int, int, bytes]]], pattern: Int8Array
) -> bytes:
    """Return the sequence from `start` for one allele pattern, int8 `(n_variants,)`."""
    pieces: list[bytes] = []
    done = 0
    rows = np.flatnonzero(pattern)
    for row, number in zip(rows.tolist(), pattern[rows].tolist(), strict=True):
        first, last, sequence = clipped[row][number - 1]
        pieces += (reference[done : first - start], sequence)
        done = max(done, last - start)
    pieces.append(reference[done:])
    return b"".join(pieces)
