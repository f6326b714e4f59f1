"""The alleles of the chosen samples, on the reference: what the embedding and the linear models share."""

from collections.abc import Sequence
from dataclasses import dataclass

from haploscribe.genome.reference import Reference
from haploscribe.genome.variants import VariantReader, Variants, minor_allele_frequencies


@dataclass(frozen=True, slots=True)
class Genotypes:
    """Phased alleles of chosen samples above a frequency floor.

    Attributes
    ----------
    reference
        The reference FASTA.
    reader
        The opened variants file.
    sample_ids
        The samples to read, in the order of every sample axis.
    minimum_maf
        Variants whose minor allele is rarer than this among `sample_ids` are left out, of haplotypes
        and of dosages alike, so that every model sees the same variants. Only genotypes decide it.
    """

    reference: Reference
    reader: VariantReader
    sample_ids: Sequence[str]
    minimum_maf: float = 0.0

    def variants(self, contig: str, start: int, end: int) -> Variants:
        """Read the variants that overlap a region.

        Parameters
        ----------
        contig
            As the reference names it.
        start, end
            The region, 0-based half-open.
        """
        found = self.reader.read(contig, start, end, self.sample_ids)
        if self.minimum_maf == 0:
            return found
        return found.take(minor_allele_frequencies(found) >= self.minimum_maf)
