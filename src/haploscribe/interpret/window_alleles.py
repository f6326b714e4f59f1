"""List ALT alleles of a gene's cis window: observed alleles, user-given ones, and all substitutions."""

from dataclasses import dataclass

import numpy as np

from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.genome.alleles import trim_allele
from haploscribe.genome.contigs import match_contig, parse_region
from haploscribe.genome.reference import Reference
from haploscribe.genome.variants import AltAllele, Variants, alt_alleles, parse_allele
from haploscribe.utils.types import BoolArray

LONGEST_STRETCH = 10_000
"""Maximum base pairs of a saturation map: each base takes three forward passes."""


def parse_variant(text: str, gene: Gene, start: int, end: int) -> AltAllele:
    """Parse an allele `chr:pos:ref:alt`, 1-based, and check that it lies in a window of a gene.

    Parameters
    ----------
    text
        The allele.
    gene
        The gene.
    start, end
        The window, 0-based half-open.

    Raises
    ------
    InputError
        When the format is wrong, or it lies outside the window.
    """
    named = parse_allele(text.strip())
    if named is None:
        raise InputError(f"--variant {text}: write it as chr:pos:ref:alt, such as chr22:20091001:A:G")
    contig, allele = named
    position, ref, alt = allele[:3]
    # Where REF and ALT begin alike, the allele is read as the record of the first base that differs.
    last = trim_allele(position, ref, alt)[0]
    _require_inside(f"--variant {text}", gene, (start, end), contig, (position, last + 1))
    return allele


def parse_stretch(stretch: str, gene: Gene, start: int, end: int) -> tuple[int, int]:
    """Parse a stretch `chr:start-end`, 1-based, and check that it lies in a window of a gene.

    Parameters
    ----------
    stretch
        The stretch.
    gene, start, end
        As for `parse_variant`.

    Returns
    -------
    Start and end, 0-based half-open.

    Raises
    ------
    InputError
        When the format is wrong, or it lies outside the window or is too long.
    """
    contig, first, last = parse_region(stretch, "--saturate")
    _require_inside(f"--saturate {stretch}", gene, (start, end), contig, (first, last))
    if last - first > LONGEST_STRETCH:
        raise InputError(f"--saturate {stretch}: {last - first:,} bp; give {LONGEST_STRETCH:,} at most")
    return first, last


def _require_inside(
    what: str, gene: Gene, window: tuple[int, int], contig: str, part: tuple[int, int]
) -> None:
    inside = window[0] <= part[0] < part[1] <= window[1]
    if match_contig(contig, [gene.contig]) is None or not inside:
        raise InputError(
            f"{what}: lies outside the window of {gene.gene_id}, {gene.contig}:{window[0] + 1}-{window[1]}"
        )


@dataclass(frozen=True, slots=True)
class WindowAlleles:
    """A gene's cis window and its records.

    Attributes
    ----------
    gene
        The gene.
    start, end
        The window, 0-based half-open.
    reference
        The FASTA.
    variants
        All records that affect the window's sequences, with genotypes that give the backgrounds.
    """

    gene: Gene
    start: int
    end: int
    reference: Reference
    variants: Variants

    def observed(self) -> list[AltAllele]:
        """List the alleles of records that start in the window, in the order of its dosage columns."""
        return alt_alleles(self.variants.starting_in(self.start, self.end))

    def parsed(self, text: str) -> AltAllele:
        """Parse an allele `chr:pos:ref:alt`, 1-based, and check it against the FASTA.

        Raises
        ------
        InputError
            When the format is wrong, it lies outside the window, or REF differs from the FASTA.
        """
        allele = parse_variant(text, self.gene, self.start, self.end)
        position, ref, alt = allele[:3]
        length = self.reference.contigs[self.gene.contig]
        found = self.reference.fetch(self.gene.contig, position, min(position + len(ref), length))
        if ref == alt or found != ref:
            raise InputError(
                f"--variant {text}: the reference has {found.decode()} there; give its REF and another ALT"
            )
        return allele

    def substitutions(self, stretch: str) -> list[AltAllele]:
        """List every single-base substitution of a stretch, `chr:start-end`, 1-based; an N has none.

        Raises
        ------
        InputError
            When the format is wrong, or the stretch lies outside the window or is too long.
        """
        start, end = parse_stretch(stretch, self.gene, self.start, self.end)
        sequence = self.reference.fetch(self.gene.contig, start, end)
        bases = [bytes([base]) for base in sequence]
        return [
            AltAllele(start + i, base, other)
            for i, base in enumerate(bases)
            if base != b"N"
            for other in (b"A", b"C", b"G", b"T")
            if other != base
        ]

    def columns(self, variants: Variants, known: BoolArray) -> BoolArray:
        """Return which dosage columns of the window existed before records were added.

        Parameters
        ----------
        variants
            Records of the window, including added ones.
        known
            bool; which of all their columns existed before.
        """
        n_alternates = np.array([len(record) - 1 for record in variants.alleles], dtype=np.int64)
        positions = np.repeat(variants.positions, n_alternates)
        return known[(positions >= self.start) & (positions < self.end)]
