"""What one ALT allele does to the reference, and which alleles of a haplotype can stand together."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from haploscribe.arrays import BoolArray, Int8Array, Int64Array

AlleleKey: TypeAlias = tuple[int, bytes, bytes]
"""0-based position, REF and ALT, trimmed: equal for equal alleles."""


@dataclass(frozen=True, slots=True)
class AlleleEdit:
    """One ALT allele as a replacement on the reference.

    Attributes
    ----------
    position
        0-based position of the record.
    reference_length
        Length of REF in base pairs.
    alternate
        The ALT allele, upper-case.
    anchored
        True for an insertion or deletion that begins with REF's first base. That base then belongs to
        whatever stood there before: the record changes only what follows it.
    """

    position: int
    reference_length: int
    alternate: bytes
    anchored: bool

    def clipped(self, start: int, end: int) -> tuple[int, int, bytes]:
        """Cut the replacement down to `[start, end)`.

        ALT is laid along REF from the first base on, and what is longer than REF stays with REF's last base.
        So a tile holds the part of ALT that faces its own part of REF; a deletion that reaches into the next
        tile removes its bases there.

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
    """Whether an allele is a pure insertion or deletion behind a first base shared with REF.

    Pure means that one allele is left empty once the common prefix, and then the common suffix, are
    taken off; this is what htslib classes as an indel, in contrast to a complex substitution such as
    ACG>AT.
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
    """List the edit of each ALT allele of each record; REF has none, so allele `a` is entry `a - 1`."""
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
    """Genotypes with the alleles set to 0 that cannot be applied because an earlier one overlaps them.

    The rule is that of `bcftools consensus`, for each haplotype on its own, in file order. An applied ALT
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
    """Take off the bases that both alleles end with, then those they begin with, but leave each one base.

    Parameters
    ----------
    position
        0-based.
    reference, alternate
        The alleles.

    Returns
    -------
    The position and the two alleles that are left.
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


def _overlap_chains(starts: Int64Array, ends: Int64Array) -> list[tuple[int, int]]:
    """Find runs `[first, last)` of two or more records of which each overlaps one before it in the run."""
    if len(starts) < 2:
        return []
    reached = np.maximum.accumulate(ends)
    breaks = np.flatnonzero(starts[1:] >= reached[:-1]) + 1
    borders = np.concatenate(([0], breaks, [len(starts)]))
    runs = zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True)
    return [(first, last) for first, last in runs if last - first > 1]


def _apply_chain(positions: Int64Array, alleles: tuple[tuple[bytes, ...], ...], applied: Int8Array) -> None:
    """Set skipped alleles of one chain to 0, in place; int8 `(n_variants, n_haplotypes)`."""
    occupied = np.full(applied.shape[1], -1, dtype=np.int64)
    inserted = np.zeros(applied.shape[1], dtype=np.bool_)
    for row, position, record in zip(applied, positions.tolist(), alleles, strict=True):
        for number, alternate in enumerate(record[1:], start=1):
            carriers = np.flatnonzero(row == number)  # mostly few
            free: BoolArray = occupied[carriers] < position
            if is_anchored(record[0], alternate):
                free |= (occupied[carriers] == position) & ~inserted[carriers]
            row[carriers[~free]] = 0
            applies = carriers[free]
            occupied[applies] = position + len(record[0]) - 1
            inserted[applies] = len(alternate) > len(record[0])
