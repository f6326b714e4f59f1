"""The alleles of the chosen samples, on the reference: what the embedding and the linear models share."""

from collections.abc import Sequence
from dataclasses import dataclass

from haploscribe.genome.haplotypes import TileHaplotypes, read_for_tiles, tile_haplotypes
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import Tile
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

    def close(self) -> None:
        """Close the variants file and the FASTA."""
        self.reader.close()
        self.reference.close()

    def read(self, tiles: Sequence[Tile]) -> Variants:
        """Read all records that decide the sequences of neighbouring tiles, rare ones included.

        Parameters
        ----------
        tiles
            Neighbouring tiles of one contig, in order; at least one.
        """
        return read_for_tiles(self.reader, tiles, self.sample_ids)

    def common(self, variants: Variants) -> Variants:
        """Keep the variants above the frequency floor."""
        if self.minimum_maf == 0:
            return variants
        return variants.take(minor_allele_frequencies(variants) >= self.minimum_maf)

    def haplotypes(self, variants: Variants, tiles: Sequence[Tile]) -> list[TileHaplotypes]:
        """Build the unique haplotype sequences of tiles.

        Parameters
        ----------
        variants
            All records that decide these tiles' sequences.
        tiles
            Tiles of one contig, in order.
        """
        references = [self.reference.fetch(tile.contig, tile.start, tile.end) for tile in tiles]
        return tile_haplotypes(references, variants, tiles)
