"""Phased variants of a region, in the form that every genotype reader returns."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import numpy as np

from haploscribe.errors import InputError
from haploscribe.genome.reference import Reference
from haploscribe.utils.file_lists import Files
from haploscribe.utils.types import BoolArray, Float32Array, Float64Array, Int8Array, Int64Array


@dataclass(frozen=True, slots=True)
class VariantCounts:
    """Counts of records and calls read in a region.

    Attributes
    ----------
    n_records
        Records that overlap the region.
    n_monomorphic
        Records skipped because they have no ALT allele.
    n_symbolic
        ALT alleles skipped: symbolic (`<DEL>`), breakend, or `*` (deleted by another record). Its
        carriers count as reference there.
    n_calls
        Genotype calls in the records used: records × samples.
    n_missing_calls
        Calls with at least one missing allele; that allele counts as reference.
    n_haploid_calls
        Calls of a single allele (chrX, chrY, chrM); the absent second copy counts as reference.
    n_unphased_heterozygous
        Calls of two different alleles in unknown order.
    """

    n_records: int = 0
    n_monomorphic: int = 0
    n_symbolic: int = 0
    n_calls: int = 0
    n_missing_calls: int = 0
    n_haploid_calls: int = 0
    n_unphased_heterozygous: int = 0


def sum_counts(*counts: VariantCounts) -> VariantCounts:
    """Add the counts of several regions."""
    names = [field.name for field in fields(VariantCounts)]
    return VariantCounts(*(sum(getattr(each, name) for each in counts) for name in names))


@dataclass(frozen=True, slots=True)
class Variants:
    """Variants of one region and the alleles that each sample carries.

    Attributes
    ----------
    contig
        As the caller named it.
    positions
        int64 `(n_variants,)`; 0-based, sorted; records at one position in file order.
    identifiers
        `n_variants` names, `.` where the file has none.
    alleles
        REF first, for each variant; upper-case A, C, G, T and N.
    genotypes
        int8 `(n_variants, n_samples, 2)`; index of the allele on haplotype 0 and 1. Missing alleles and
        the absent second copy of a haploid call are 0, as in `bcftools consensus -H`.
    sample_ids
        `n_samples` names.
    counts
        Counts of the records read; not changed by `take`.
    imputed_mask
        bool `(n_variants, n_samples, 2)`; where a 0 of `genotypes` was imputed: the allele is missing, the
        absent second copy of a haploid call, or skipped. None if none was.
    """

    contig: str
    positions: Int64Array
    identifiers: tuple[str, ...]
    alleles: tuple[tuple[bytes, ...], ...]
    genotypes: Int8Array
    sample_ids: tuple[str, ...]
    counts: VariantCounts
    imputed_mask: BoolArray | None = None

    @property
    def ends(self) -> Int64Array:
        """int64 `(n_variants,)`; the 0-based end (exclusive) of each REF allele."""
        return self.positions + np.array([len(record[0]) for record in self.alleles], dtype=np.int64)

    def take(self, keep: BoolArray) -> Self:
        """Return the variants where `keep`, bool `(n_variants,)`, is true."""
        rows = np.flatnonzero(keep).tolist()
        return replace(
            self,
            positions=self.positions[rows],
            identifiers=tuple(self.identifiers[row] for row in rows),
            alleles=tuple(self.alleles[row] for row in rows),
            genotypes=self.genotypes[rows],
            imputed_mask=None if self.imputed_mask is None else self.imputed_mask[rows],
        )

    def starting_in(self, start: int, end: int) -> Self:
        """Return the variants that start in `[start, end)`, 0-based half-open; arrays are views."""
        first, last = np.searchsorted(self.positions, (start, end)).tolist()
        return self.consecutive(first, last)

    def consecutive(self, first: int, last: int) -> Self:
        """Return the variants of the indices `[first, last)`; arrays are views."""
        return replace(
            self,
            positions=self.positions[first:last],
            identifiers=self.identifiers[first:last],
            alleles=self.alleles[first:last],
            genotypes=self.genotypes[first:last],
            imputed_mask=None if self.imputed_mask is None else self.imputed_mask[first:last],
        )


class AltAllele(NamedTuple):
    """One ALT allele of a record.

    Attributes
    ----------
    position
        0-based.
    reference, alternate
        The record's REF, and the allele.
    identifier
        The record's, `.` where it has none.
    """

    position: int
    reference: bytes
    alternate: bytes
    identifier: str = "."

    def name(self, contig: str) -> str:
        """Return the identifier, or `chr:pos:ref:alt` (1-based) if there is none."""
        if self.identifier != ".":
            return self.identifier
        return f"{contig}:{self.position + 1}:{self.reference.decode()}:{self.alternate.decode()}"


class VariantReader(Protocol):
    """An open genotype file.

    Attributes
    ----------
    sample_ids
        All samples, in file order.
    contigs
        Contigs that have records, named as in the file.
    """

    sample_ids: tuple[str, ...]
    contigs: tuple[str, ...]

    @property
    def path(self) -> Path | Files:
        """The file, or several."""
        ...

    def read(self, contig: str, start: int, end: int, samples: Sequence[str]) -> Variants:
        """Read the records that overlap a region.

        Parameters
        ----------
        contig
            Its name; `22` and `chr22` match.
        start, end
            0-based half-open. A deletion that starts before `start` and extends into the region is read.
        samples
            Sample identifiers, in the order wanted.

        Raises
        ------
        InputError
            If the file is damaged or not sorted, lacks the contig or a sample, has too many missing calls
            in the region, or unphased heterozygotes (unless phase is assumed).
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def check_reference(variants: Variants, reference: Reference) -> None:
    """Check the REF allele of every variant against the FASTA.

    Raises
    ------
    InputError
        If any differs; names how many, the first three sites, and the likely cause.
    """
    if not len(variants.positions):
        return
    contig = reference.resolve(variants.contig)
    start, end = int(variants.positions[0]), int(variants.ends.max())
    length = reference.contigs[contig]
    sequence = reference.fetch(contig, min(start, length), min(end, length))
    wrong: list[str] = []
    n_swapped = 0
    for position, record in zip(variants.positions.tolist(), variants.alleles, strict=True):
        here = sequence[position - start : position - start + len(record[0])]
        if here == record[0]:
            continue
        wrong.append(f"{contig}:{position + 1} REF {_short(record[0])} but FASTA {_short(here) or 'ends'}")
        n_swapped += any(
            sequence[position - start : position - start + len(other)] == other for other in record[1:]
        )
    if not wrong:
        return
    n_variants = len(variants.positions)
    if end > length:
        cause = f"variants lie beyond the end of {contig} ({length} bp): the files are of different builds"
    elif n_swapped == len(wrong) and len(wrong) > 1:
        cause = "the FASTA has the ALT allele there: REF and ALT are swapped, or the builds differ"
    elif len(wrong) > n_variants / 4:
        cause = f"the files are of different genome builds, or {variants.contig} is another contig"
    else:
        cause = "the files are of slightly different builds, or the variants were altered"
    raise InputError(
        f"REF differs from {reference.path} at {len(wrong)} of {n_variants} variants "
        f"({'; '.join(wrong[:3])}): {cause}; use the FASTA that the variants were called on"
    )


def minor_allele_frequencies(variants: Variants) -> Float64Array:
    """Return one minus the frequency of the most common allele, float64 `(n_variants,)`.

    Missing calls count as reference.
    """
    n_variants = len(variants.positions)
    n_haplotypes = 2 * variants.genotypes.shape[1]
    if n_haplotypes == 0:
        return np.zeros(n_variants)
    flat = variants.genotypes.reshape(n_variants, n_haplotypes)
    most = np.zeros(n_variants, dtype=np.int64)
    for allele in range(max((len(record) for record in variants.alleles), default=0)):
        most = np.maximum(most, np.count_nonzero(flat == allele, axis=1))
    return np.asarray(1.0 - most / n_haplotypes, dtype=np.float64)


def dosages(variants: Variants) -> tuple[Int64Array, Float32Array]:
    """Count the copies of each ALT allele that each sample carries.

    Returns
    -------
    positions
        int64 `(n_columns,)`; one column per ALT allele, in order.
    dosages
        float32 `(n_samples, n_columns)`; 0, 1 or 2.
    """
    rows = np.array([row for row, record in enumerate(variants.alleles) for _ in record[1:]], dtype=np.int64)
    allele_of = np.array(
        [allele for record in variants.alleles for allele in range(1, len(record))], dtype=np.int8
    )
    copies = np.count_nonzero(variants.genotypes[rows] == allele_of[:, None, None], axis=2)
    return variants.positions[rows], np.ascontiguousarray(copies.T, dtype=np.float32)


def alt_alleles(variants: Variants) -> list[AltAllele]:
    """Return the ALT alleles of all records, in the order of the columns of `dosages`."""
    return [
        AltAllele(position, record[0], alternate, name)
        for position, record, name in zip(
            variants.positions.tolist(), variants.alleles, variants.identifiers, strict=True
        )
        for alternate in record[1:]
    ]


def _short(allele: bytes) -> str:
    text = allele.decode()
    return text if len(text) <= 12 else f"{text[:12]}… ({len(text)} bp)"
