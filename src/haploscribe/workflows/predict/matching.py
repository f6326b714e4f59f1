"""New people's alleles at the variants that models know."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from haploscribe.genome.alleles import AlleleKey, trim_allele
from haploscribe.genome.reference import Reference
from haploscribe.genome.variants import Variants, check_reference
from haploscribe.results.known_variants import KnownVariants
from haploscribe.utils.types import BoolArray, Int64Array


@dataclass(frozen=True, slots=True)
class Matched:
    """What a file of new people says of the variants that models know.

    Attributes
    ----------
    variants
        The known records, with the new people's alleles.
    found
        bool `(n_variants,)`; whether the file has the record. Where it has not, everyone is given the allele
        that most training haplotypes had, or the reference.
    swapped
        bool `(n_variants,)`; whether the file has it with REF and ALT in each other's place.
    extra
        int64 `(n_extra,)`; 0-based position of each ALT allele that new people carry and no model knows.
    """

    variants: Variants
    found: BoolArray
    swapped: BoolArray
    extra: Int64Array


def match_variants(
    known: KnownVariants, read: Variants, reference: Reference, *, absent_is_reference: bool
) -> Matched:
    """Find known variants among those read from new people's file.

    Two alleles are the same if they are equal once bases that REF and ALT share are trim_allele, from the
    right
    and then from the left; so records of several ALT alleles match records of one each. A record whose REF is
    not what the FASTA has, and whose only ALT is, has the two swapped, and is read the right way round. A
    record of several ALT alleles is found if the file has any of them; the others are then carried by nobody.

    Indels are not moved to the left: `bcftools norm -f` does that. A swapped indel whose REF the FASTA has
    too cannot be told from another indel, and is not found.

    Parameters
    ----------
    known
        Records of training.
    read
        Records of the same region, in new people.
    reference
        The FASTA.
    absent_is_reference
        Give new people the reference, rather than the commonest allele, where the file lacks a record.

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
    for key, row, number in _alternates(flipped):
        columns.setdefault(key, []).append((row, number))
    genotypes = np.zeros((len(sites.positions), len(read.sample_ids), 2), dtype=np.int8)
    found, swapped = np.zeros((2, len(sites.positions)), dtype=np.bool_)
    met: dict[AlleleKey, int] = {}
    for key, row, number in _alternates(sites):
        if key in columns:
            # The second of equal records is the second in the file, if it has two.
            occurrence = min(met.get(key, 0), len(columns[key]) - 1)
            met[key] = met.get(key, 0) + 1
            place, allele = columns[key][occurrence]
            carried = (flipped.genotypes[place] == allele) & (genotypes[row] == 0)
            genotypes[row][carried] = number
            found[row] = True
            swapped[row] |= bool(swapped_rows[place])
    if not absent_is_reference:
        genotypes[~found] = known.commonest()[~found, None, None]
    extra = [
        flipped.positions[row]
        for key, places in columns.items()
        if key not in met
        for row, number in places
        if (flipped.genotypes[row] == number).any()
    ]
    variants = replace(sites, genotypes=genotypes, sample_ids=read.sample_ids, counts=read.counts)
    return Matched(variants, found, swapped, np.array(sorted(extra), dtype=np.int64))


def _flip_to_reference(read: Variants, reference: Reference) -> tuple[Variants, BoolArray]:
    """Turn records round whose REF is not what the FASTA has, and whose only ALT is; and say which."""
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
        record[::-1] if turned else record
        for record, turned in zip(read.alleles, swapped.tolist(), strict=True)
    )
    genotypes = read.genotypes.copy()
    genotypes[swapped] = 1 - genotypes[swapped]
    if read.imputed_mask is not None:  # what counts as reference does so whichever way the record is written
        genotypes[read.imputed_mask & swapped[:, None, None]] = 0
    return replace(read, alleles=alleles, genotypes=genotypes), swapped


def _alternates(variants: Variants) -> Iterator[tuple[AlleleKey, int, int]]:
    """Go through ALT alleles: what equal ones share, the record's place, and the allele's number."""
    for row, (position, record) in enumerate(zip(variants.positions.tolist(), variants.alleles, strict=True)):
        for number, alternate in enumerate(record[1:], start=1):
            yield trim_allele(position, record[0], alternate), row, number
