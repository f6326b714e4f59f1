"""Phased variants of a region, in the form that every genotype reader returns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import numpy as np

from haploscribe.errors import InputError
from haploscribe.genome.reference import Reference
from haploscribe.utils.file_lists import Files
from haploscribe.utils.types import BoolArray, Float32Array, Int8Array, Int64Array

_RSID = re.compile(r"rs\d+", re.ASCII)
_ALLELE = re.compile(
    r"(?P<contig>.+):(?P<position>[0-9,]{0,18}[0-9]):(?P<ref>[ACGT]+):(?P<alt>[ACGT]+)", re.IGNORECASE
)


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
    n_missing_dosages
        Those of them that have no dosage either.
    n_uncertain_calls
        Calls whose dosage is not the count of their alleles.
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
    n_missing_dosages: int = 0
    n_uncertain_calls: int = 0
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
    missing
        bool `(n_variants, n_samples)`; calls with at least one missing allele. None if there are none.
    alt_dosages
        float32 `(n_columns, n_samples, 2)`; expected copies of each ALT allele on haplotype 0 and 1, 0 to 1,
        one row per column of `dosages`; NaN for both where call and dosage are missing. None where the file
        has no dosages: `genotypes` and `missing` then say all.
    """

    contig: str
    positions: Int64Array
    identifiers: tuple[str, ...]
    alleles: tuple[tuple[bytes, ...], ...]
    genotypes: Int8Array
    sample_ids: tuple[str, ...]
    counts: VariantCounts
    imputed_mask: BoolArray | None = None
    missing: BoolArray | None = None
    alt_dosages: Float32Array | None = None

    @property
    def n_alternates(self) -> Int64Array:
        """int64 `(n_variants,)`; ALT alleles, and so dosage columns, of each record."""
        return np.array([len(record) - 1 for record in self.alleles], dtype=np.int64)

    def columns(self) -> tuple[Int64Array, Int8Array]:
        """Return the record of each dosage column, and the number of its ALT allele in that."""
        rows = np.repeat(np.arange(len(self.alleles), dtype=np.int64), self.n_alternates)
        allele_of = [allele for record in self.alleles for allele in range(1, len(record))]
        return rows, np.array(allele_of, dtype=np.int8)

    def haplotype_dosages(self) -> Float32Array:
        """Return `alt_dosages`; the copies in the calls, NaN where missing, where the file has no dosages."""
        if self.alt_dosages is not None:
            return self.alt_dosages
        rows, allele_of = self.columns()
        copies: Float32Array = (self.genotypes[rows] == allele_of[:, None, None]).astype(np.float32)
        if self.missing is not None:
            copies[self.missing[rows]] = np.nan
        return copies

    @property
    def ends(self) -> Int64Array:
        """int64 `(n_variants,)`; the 0-based end (exclusive) of each REF allele."""
        return self.positions + np.array([len(record[0]) for record in self.alleles], dtype=np.int64)

    def take(self, keep: BoolArray) -> Self:
        """Return the variants where `keep`, bool `(n_variants,)`, is true."""
        rows = np.flatnonzero(keep).tolist()
        kept = self.alt_dosages
        return replace(
            self,
            positions=self.positions[rows],
            identifiers=tuple(self.identifiers[row] for row in rows),
            alleles=tuple(self.alleles[row] for row in rows),
            genotypes=self.genotypes[rows],
            imputed_mask=None if self.imputed_mask is None else self.imputed_mask[rows],
            missing=None if self.missing is None else self.missing[rows],
            alt_dosages=None if kept is None else kept[np.repeat(keep, self.n_alternates)],
        )

    def take_samples(self, samples: Int64Array) -> Self:
        """Return the calls of some samples, int64 `(n_kept,)` indices, in the order given."""
        return replace(
            self,
            genotypes=self.genotypes[:, samples],
            sample_ids=tuple(self.sample_ids[sample] for sample in samples.tolist()),
            imputed_mask=None if self.imputed_mask is None else self.imputed_mask[:, samples],
            missing=None if self.missing is None else self.missing[:, samples],
            alt_dosages=None if self.alt_dosages is None else self.alt_dosages[:, samples],
        )

    def with_genotypes(self, genotypes: Int8Array, sample_ids: tuple[str, ...]) -> Self:
        """Return the records with complete calls of other samples, and no dosages besides."""
        return replace(
            self,
            genotypes=genotypes,
            sample_ids=sample_ids,
            imputed_mask=None,
            missing=None,
            alt_dosages=None,
        )

    def starting_in(self, start: int, end: int) -> Self:
        """Return the variants that start in `[start, end)`, 0-based half-open; arrays are views."""
        first, last = np.searchsorted(self.positions, (start, end)).tolist()
        return self.consecutive(first, last)

    def consecutive(self, first: int, last: int) -> Self:
        """Return the variants of the indices `[first, last)`; arrays are views."""
        kept = self.alt_dosages
        if kept is not None:
            before, here = (self.n_alternates[part].sum() for part in (slice(first), slice(first, last)))
            kept = kept[before : before + here]
        return replace(
            self,
            positions=self.positions[first:last],
            identifiers=self.identifiers[first:last],
            alleles=self.alleles[first:last],
            genotypes=self.genotypes[first:last],
            imputed_mask=None if self.imputed_mask is None else self.imputed_mask[first:last],
            missing=None if self.missing is None else self.missing[first:last],
            alt_dosages=kept,
        )


def concatenate(parts: Sequence[Variants]) -> Variants:
    """Concatenate variants of consecutive regions and the same samples, in genome order; at least one."""
    if len(parts) == 1:
        return parts[0]
    masks, missing, kept = None, None, None
    if any(part.imputed_mask is not None for part in parts):
        masks = np.concatenate([_mask(part.imputed_mask, part.genotypes.shape) for part in parts])
    if any(part.missing is not None for part in parts):
        missing = np.concatenate([_mask(part.missing, part.genotypes.shape[:2]) for part in parts])
    if any(part.alt_dosages is not None for part in parts):
        kept = np.concatenate([part.haplotype_dosages() for part in parts])
    return Variants(
        contig=parts[0].contig,
        positions=np.concatenate([part.positions for part in parts]),
        identifiers=tuple(name for part in parts for name in part.identifiers),
        alleles=tuple(record for part in parts for record in part.alleles),
        genotypes=np.concatenate([part.genotypes for part in parts]),
        sample_ids=parts[0].sample_ids,
        counts=sum_counts(*(part.counts for part in parts)),
        imputed_mask=masks,
        missing=missing,
        alt_dosages=kept,
    )


def _mask(mask: BoolArray | None, shape: tuple[int, ...]) -> BoolArray:
    return np.zeros(shape, dtype=np.bool_) if mask is None else mask


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
        return self._coordinates(contig)

    def label(self, contig: str) -> str:
        """Return `chr:pos:ref:alt` (1-based), followed by the rsID in brackets if the record has one.

        Other identifiers are left out: they may be positions on another build of the genome.
        """
        rsid = next((name for name in self.identifier.split(";") if _RSID.fullmatch(name)), None)
        return self._coordinates(contig) + ("" if rsid is None else f" ({rsid})")

    def _coordinates(self, contig: str) -> str:
        return f"{contig}:{self.position + 1}:{self.reference.decode()}:{self.alternate.decode()}"


def parse_allele(text: str) -> tuple[str, AltAllele] | None:
    """Return the contig and the allele that `chr:pos:ref:alt` names, in any case; None for another text.

    `pos` is 1-based; commas in it are ignored.
    """
    match = _ALLELE.fullmatch(text)
    if match is None:
        return None
    position = int(match["position"].replace(",", "")) - 1
    ref, alt = (match[name].upper().encode() for name in ("ref", "alt"))
    return match["contig"], AltAllele(position, ref, alt)


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
