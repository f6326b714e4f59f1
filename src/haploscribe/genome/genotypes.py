"""Read the genotypes of samples, and compute their haplotypes on the reference."""

from collections.abc import Sequence
from dataclasses import dataclass

from haploscribe.genome.dosages import minor_allele_frequencies
from haploscribe.genome.haplotypes import TileHaplotypes, read_for_tiles, tile_haplotypes
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import Interval, Tile
from haploscribe.genome.variants import VariantReader, Variants


@dataclass(frozen=True, slots=True)
class Genotypes:
    """Phased genotypes of chosen samples, above a minor allele frequency.

    Attributes
    ----------
    reference
        The reference FASTA.
    reader
        The open genotype file.
    sample_ids
        The samples to read, in the order of every sample axis.
    minimum_maf
        Variants with a lower minor allele frequency in `sample_ids` are dropped from haplotypes and
        dosages alike, so that every model sees the same variants.
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
        """Read all records that determine the sequences of consecutive tiles, rare ones included.

        Parameters
        ----------
        tiles
            Consecutive tiles of one contig, in order; at least one.
        """
        return read_for_tiles(self.reader, tiles, self.sample_ids)

    def read_window(self, window: Interval) -> Variants:
        """Read all records that start in a window, rare ones included."""
        found = self.reader.read(window.contig, window.start, window.end, self.sample_ids)
        return found.starting_in(window.start, window.end)

    def common(self, variants: Variants) -> Variants:
        """Return the variants at or above the minimum minor allele frequency."""
        if self.minimum_maf == 0:
            return variants
        return variants.take(minor_allele_frequencies(variants) >= self.minimum_maf)

    def haplotypes(self, variants: Variants, tiles: Sequence[Tile]) -> list[TileHaplotypes]:
        """Compute the unique haplotype sequences of tiles.

        Parameters
        ----------
        variants
            All records that determine these tiles' sequences.
        tiles
            Tiles of one contig, in order.
        """
        references = [self.reference.fetch(tile.contig, tile.start, tile.end) for tile in tiles]
        return tile_haplotypes(references, variants, tiles)
