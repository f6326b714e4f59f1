"""Apply ALT alleles to the reference, resolve overlaps, trim alleles, and tell which are ambiguous."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from haploscribe.utils.types import BoolArray, Int8Array, Int64Array

AlleleKey: TypeAlias = tuple[int, bytes, bytes]
"""0-based position, REF and ALT as `trim_allele` returns them: equal for equal alleles."""

_COMPLEMENTS = frozenset({(b"A", b"T"), (b"T", b"A"), (b"C", b"G"), (b"G", b"C")})


@dataclass(frozen=True, slots=True)
class AlleleEdit:
    """One ALT allele as a replacement of reference bases.

    Attributes
    ----------
    position
        0-based position of the record.
    reference_length
        Length of REF in base pairs.
    alternate
        The ALT allele, upper-case.
    anchored
        True for an insertion or deletion that begins with REF's first base (VCF's padding base). The
        record then leaves that base alone and changes only what follows it.
    """

    position: int
    reference_length: int
    alternate: bytes
    anchored: bool

    def clipped(self, start: int, end: int) -> tuple[int, int, bytes]:
        """Return the replacement clipped to `[start, end)`.

        ALT is aligned to REF from the first base; bases beyond REF's length stay with REF's last base. A tile
        thus holds the part of ALT that is aligned to its own part of REF, and a deletion that extends into
        the next tile removes bases there.

        Returns
        -------
        tuple
            `(first, last, sequence)`: the reference bases `[first, last)` are replaced by `sequence`.
        """
        record_end = self.position + self.reference_length
        begin = max(self.position + self.anchored, start)
        stop = min(record_end, end)
        upto = len(self.alternate) if record_end <= end else end - self.position
        return begin, max(begin, stop), self.alternate[max(begin - self.position, 0) : max(upto, 0)]


def is_anchored(reference: bytes, alternate: bytes) -> bool:
    """Return whether an allele is a pure insertion or deletion after a first base shared with REF.

    Pure means that one allele is empty once the common prefix, and then the common suffix, are removed;
    htslib classes this as an indel, as opposed to a complex substitution such as ACG>AT.
    """
    if len(reference) == len(alternate) or reference[:1] != alternate[:1]:
        return False
    shorter, longer = sorted((reference, alternate), key=len)
    prefix = 0
    while prefix < len(shorter) and shorter[prefix] == longer[prefix]:
        prefix += 1
    return longer.endswith(shorter[prefix:])


def allele_edits(
    positions: Int64Array, alleles: tuple[tuple[bytes, ...], ...]
) -> list[tuple[AlleleEdit, ...]]:
    """Return the edit of each ALT allele of each record; allele `a` is entry `a - 1`."""
    return [
        tuple(
            AlleleEdit(position, len(record[0]), alternate, is_anchored(record[0], alternate))
            for alternate in record[1:]
        )
        for position, record in zip(positions.tolist(), alleles, strict=True)
    ]


def applied_alleles(
    positions: Int64Array, alleles: tuple[tuple[bytes, ...], ...], genotypes: Int8Array
) -> Int8Array:
    """Return genotypes with every allele set to 0 that an earlier, overlapping one excludes.

    This is the rule of `bcftools consensus`, for each haplotype separately, in file order. An applied ALT
    occupies its record's REF bases. A later ALT is skipped when its position lies on an occupied base,
    with one exception: an anchored insertion or deletion (see `AlleleEdit`) may sit on the last occupied
    base, unless the allele that occupies it is longer than its REF (an insertion). REF calls occupy nothing.

    Parameters
    ----------
    positions
        int64 `(n_variants,)`, sorted; 0-based.
    alleles
        REF first, for each variant.
    genotypes
        int8 `(n_variants, n_samples, 2)`.

    Returns
    -------
    int8 `(n_variants, n_samples, 2)`; `genotypes` itself, not a copy, where no records overlap.
    """
    lengths = np.array([len(record[0]) for record in alleles], dtype=np.int64)
    chains = _overlap_chains(positions, positions + lengths)
    if not chains:
        return genotypes
    applied = genotypes.copy()
    flat = applied.reshape(len(applied), 2 * applied.shape[1])
    for first, last in chains:
        _apply_chain(positions[first:last], alleles[first:last], flat[first:last])
    return applied


def trim_allele(position: int, reference: bytes, alternate: bytes) -> AlleleKey:
    """Trim the common suffix of two alleles, then their common prefix, leaving at least one base of each.

    Parameters
    ----------
    position
        0-based.
    reference, alternate
        The alleles.

    Returns
    -------
    The position and the two alleles after trimming.
    """
    shortest = min(len(reference), len(alternate))
    behind = 0
    while behind < shortest - 1 and reference[-1 - behind] == alternate[-1 - behind]:
        behind += 1
    reference, alternate = reference[: len(reference) - behind], alternate[: len(alternate) - behind]
    before = 0
    while before < shortest - behind - 1 and reference[before] == alternate[before]:
        before += 1
    return position + before, reference[before:], alternate[before:]


def is_ambiguous(reference: bytes, alternate: bytes) -> bool:
    """Return whether two alleles are A and T, or C and G: each other's complement, which tells no strand."""
    return (reference, alternate) in _COMPLEMENTS


def _overlap_chains(starts: Int64Array, ends: Int64Array) -> list[tuple[int, int]]:
    """Return runs `[first, last)` of two or more records, each overlapping an earlier one of its run."""
    if len(starts) < 2:
        return []
    covered_upto = np.maximum.accumulate(ends)
    breaks = np.flatnonzero(starts[1:] >= covered_upto[:-1]) + 1
    borders = np.concatenate(([0], breaks, [len(starts)]))
    runs = zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True)
    return [(first, last) for first, last in runs if last - first > 1]


def _apply_chain(positions: Int64Array, alleles: tuple[tuple[bytes, ...], ...], applied: Int8Array) -> None:
    """Set skipped alleles of one chain to 0, in place; int8 `(n_variants, n_haplotypes)`."""
    occupied = np.full(applied.shape[1], -1, dtype=np.int64)
    inserted = np.zeros(applied.shape[1], dtype=np.bool_)
    for row, position, record in zip(applied, positions.tolist(), alleles, strict=True):
        for allele, alternate in enumerate(record[1:], start=1):
            carriers = np.flatnonzero(row == allele)  # mostly few
            free: BoolArray = occupied[carriers] < position
            if is_anchored(record[0], alternate):
                free |= (occupied[carriers] == position) & ~inserted[carriers]
            row[carriers[~free]] = 0
            applies = carriers[free]
            occupied[applies] = position + len(record[0]) - 1
            inserted[applies] = len(alternate) > len(record[0])


def substitute_alleles(
    spans: tuple[Int64Array, Int64Array], rows: Int64Array, numbers: Int8Array, background: Int8Array
) -> tuple[Int8Array, Int8Array]:
    """Return the genotypes of a sample without alleles, and with two copies of each, one allele at a time.

    Over the allele's REF they are the reference: of overlapping alleles a haplotype carries only the first,
    which would mask the allele.

    Parameters
    ----------
    spans
        int64 `(n_variants,)` each; start and end of the records' REF, 0-based half-open.
    rows, numbers
        `(n_alleles,)`; the record of each allele, and its number in that, from 1.
    background
        int8 `(n_variants, 2)`; what haplotypes 0 and 1 of the sample carry.

    Returns
    -------
    without, with_it
        int8 `(n_variants, n_alleles, 2)`.
    """
    starts, ends = spans
    overlapping = (starts[:, None] < ends[rows]) & (ends[:, None] > starts[rows])
    without = np.where(overlapping[:, :, None], np.int8(0), background[:, None])
    with_it = without.copy()
    with_it[rows, np.arange(len(rows))] = numbers[:, None]
    return without, with_it
