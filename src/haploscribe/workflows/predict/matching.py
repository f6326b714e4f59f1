"""Match target samples' variants with those that models were trained on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from haploscribe.genome.alleles import AlleleKey, trim_allele
from haploscribe.genome.reference import Reference
from haploscribe.genome.variants import Variants, check_reference
from haploscribe.results.known_variants import KnownVariants
from haploscribe.utils.types import BoolArray, Int64Array


@dataclass(frozen=True, slots=True)
class MatchedVariants:
    """Alleles of target samples at the variants that models know.

    Attributes
    ----------
    variants
        The known records, with the target samples' alleles.
    found
        bool `(n_variants,)`; whether the file has the record. If not, all samples get the allele of most
        training haplotypes, or the reference.
    swapped
        bool `(n_variants,)`; whether the file has it with REF and ALT swapped.
    extra
        int64 `(n_extra,)`; 0-based position of each ALT allele that target samples carry and no model knows.
    """

    variants: Variants
    found: BoolArray
    swapped: BoolArray
    extra: Int64Array


def match_variants(
    known: KnownVariants, read: Variants, reference: Reference, *, absent_is_reference: bool
) -> MatchedVariants:
    """Find known variants among those read from the target file.

    Two alleles are the same if they are equal once the bases that REF and ALT share are trimmed, from the
    right and then from the left; so multi-allelic records match biallelic ones. A record whose only ALT, but
    not its REF, is what the FASTA has is swapped, and is flipped. A multi-allelic record is found if the file
    has any of its ALT alleles; no sample then carries the others.

    Indels are not left-aligned: use `bcftools norm -f`. A swapped indel whose REF the FASTA has too cannot be
    distinguished from another indel, and is not found.

    Parameters
    ----------
    known
        Records of the training samples.
    read
        Records of the same region, in the target samples.
    reference
        The FASTA.
    absent_is_reference
        Where the file lacks a record, give all samples the reference rather than the most common allele.

    Raises
    ------
    InputError
        When REF of a known record, or of a record at its position, differs from the FASTA.
    """
    sites = known.sites
    check_reference(sites, reference)
    flipped, swapped_rows = _flip_to_reference(read, reference)
    near = np.isin(flipped.positions, sites.positions)
    check_reference(flipped.take(near), reference)

    columns: dict[AlleleKey, list[tuple[int, int]]] = {}
    for key, row, allele in _alternates(flipped):
        columns.setdefault(key, []).append((row, allele))
    genotypes = np.zeros((len(sites.positions), len(read.sample_ids), 2), dtype=np.int8)
    missing = None if read.missing is None else np.zeros(genotypes.shape[:2], dtype=np.bool_)
    target_columns = np.concatenate(([0], np.cumsum(flipped.n_alternates)))
    from_columns: list[tuple[int, int]] = []
    found, swapped = np.zeros((2, len(sites.positions)), dtype=np.bool_)
    seen: dict[AlleleKey, int] = {}
    for column, (key, row, allele) in enumerate(_alternates(sites)):
        if key in columns:
            # The second of equal records is the second in the file, if it has two.
            occurrence = min(seen.get(key, 0), len(columns[key]) - 1)
            seen[key] = seen.get(key, 0) + 1
            target_row, target_allele = columns[key][occurrence]
            carried = (flipped.genotypes[target_row] == target_allele) & (genotypes[row] == 0)
            genotypes[row][carried] = allele
            found[row] = True
            if missing is not None and flipped.missing is not None:
                missing[row] |= flipped.missing[target_row]
            from_columns.append((column, int(target_columns[target_row]) + target_allele - 1))
            swapped[row] |= bool(swapped_rows[target_row])
    if not absent_is_reference:
        genotypes[~found] = known.major_alleles()[~found, None, None]
    extra = [
        flipped.positions[row]
        for key, alleles in columns.items()
        if key not in seen
        for row, allele in alleles
        if (flipped.genotypes[row] == allele).any()
    ]
    variants = replace(
        sites, genotypes=genotypes, sample_ids=read.sample_ids, counts=read.counts, missing=missing
    )
    if flipped.alt_dosages is not None:
        expected = variants.haplotype_dosages()
        if from_columns:
            known_columns, read_columns = np.array(from_columns).T
            expected[known_columns] = flipped.alt_dosages[read_columns]
        variants = replace(variants, alt_dosages=expected)
    return MatchedVariants(variants, found, swapped, np.array(sorted(extra), dtype=np.int64))


def _flip_to_reference(read: Variants, reference: Reference) -> tuple[Variants, BoolArray]:
    """Flip records whose only ALT, but not their REF, is what the FASTA has; also return which these are."""
    swapped = np.zeros(len(read.positions), dtype=np.bool_)
    if not len(read.positions):
        return read, swapped
    contig = reference.resolve(read.contig)
    start = int(read.positions[0])
    longest = max(len(allele) for record in read.alleles for allele in record)
    end = min(int(read.positions[-1]) + longest, reference.contigs[contig])
    sequence = reference.fetch(contig, min(start, end), end)
    for row, (position, record) in enumerate(zip(read.positions.tolist(), read.alleles, strict=True)):
        here = position - start
        swapped[row] = (
            len(record) == 2
            and not sequence.startswith(record[0], here)
            and sequence.startswith(record[1], here)
        )
    if not swapped.any():
        return read, swapped
    alleles = tuple(
        record[::-1] if flip else record for record, flip in zip(read.alleles, swapped.tolist(), strict=True)
    )
    genotypes = read.genotypes.copy()
    genotypes[swapped] = 1 - genotypes[swapped]
    if read.imputed_mask is not None:  # what counts as reference does so whichever way the record is written
        genotypes[read.imputed_mask & swapped[:, None, None]] = 0
    expected = read.alt_dosages
    if expected is not None:
        columns = np.repeat(swapped, read.n_alternates)
        expected = expected.copy()
        expected[columns] = 1.0 - expected[columns]
        if read.imputed_mask is not None:  # likewise the absent copy of a haploid call
            absent = (
                read.imputed_mask if read.missing is None else read.imputed_mask & ~read.missing[..., None]
            )
            expected[columns] = np.where(absent[swapped], 0.0, expected[columns])
    return replace(read, alleles=alleles, genotypes=genotypes, alt_dosages=expected), swapped


def _alternates(variants: Variants) -> Iterator[tuple[AlleleKey, int, int]]:
    """Yield a key that equal ALT alleles share, the index of the record, and that of the allele from 1."""
    for row, (position, record) in enumerate(zip(variants.positions.tolist(), variants.alleles, strict=True)):
        for allele, alternate in enumerate(record[1:], start=1):
            yield trim_allele(position, record[0], alternate), row, allele
