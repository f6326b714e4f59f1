"""Read the genotypes of samples, and compute their haplotypes on the reference."""

from collections.abc import Sequence
from dataclasses import dataclass

from haploscribe.genome.haplotypes import (
    TileHaplotypes,
    merge_equal_tiles,
    read_for_tiles,
    tile_haplotypes,
)
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import Interval, Tile, TileBlock
from haploscribe.genome.variant_filter import ALL_VARIANTS, VariantFilter, Verdict
from haploscribe.genome.variants import VariantReader, Variants


@dataclass(frozen=True, slots=True)
class Genotypes:
    """Phased genotypes of chosen samples at chosen variants.

    Attributes
    ----------
    reference
        The reference FASTA.
    reader
        The open genotype file.
    sample_ids
        The samples to read, in the order of every sample axis.
    filter
        Which variants are used; others are dropped from haplotypes and dosages alike, so that every model
        sees the same variants. Frequencies are those in `sample_ids`.
    """

    reference: Reference
    reader: VariantReader
    sample_ids: Sequence[str]
    filter: VariantFilter = ALL_VARIANTS

    def close(self) -> None:
        """Close the variants file and the FASTA."""
        self.reader.close()
        self.reference.close()

    def read(self, tiles: Sequence[Tile]) -> Variants:
        """Read all records that determine the sequences of consecutive tiles, also those left out.

        Parameters
        ----------
        tiles
            Consecutive tiles of one contig, in order; at least one.
        """
        return read_for_tiles(self.reader, tiles, self.sample_ids)

    def read_window(self, window: Interval) -> Variants:
        """Read all records that start in a window, also those left out."""
        found = self.reader.read(window.contig, window.start, window.end, self.sample_ids)
        return found.starting_in(window.start, window.end)

    def used(self, variants: Variants) -> Variants:
        """Return the variants that are used."""
        verdicts = self.filter.judge(variants)
        return variants.take(verdicts == Verdict.USED) if verdicts.any() else variants

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

    def block_haplotypes(self, block: TileBlock) -> list[TileHaplotypes]:
        """Read a block, and compute the unique haplotypes of its windows' tiles; equal tiles once."""
        variants = self.used(self.read(block.tiles))
        return self.haplotypes(variants, merge_equal_tiles(variants, block.window_tiles()))
