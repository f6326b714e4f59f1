"""Cis windows of genes: their tiles and the variants of the samples in them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from haploscribe.expression.genes import Gene
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.cache import GenotypeCache
from haploscribe.genome.tiles import Tile, cis_tiles
from haploscribe.genome.variants import Variants

WIDE_WINDOW = 2_000_000
"""Width of the wide window in base pairs: 1 Mb to either side of the TSS, as PrediXcan uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneWindows:
    """Genes, their cis windows and the samples' genotypes in them.

    Attributes
    ----------
    genotypes
        Alleles of the samples on the reference.
    genes
        `n_genes` genes, on contigs as the reference names them.
    window
        Width of the cis window in base pairs.
    tile_size
        Size of the tile grid in base pairs.
    wide
        Whether the dosages of the genes' wide windows are read too.
    flank
        Base pairs on either side of each TSS whose variants are also read, for zero-shot models.
    """

    genotypes: Genotypes
    genes: tuple[Gene, ...]
    window: int
    tile_size: int
    wide: bool = False
    flank: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the variants file and the FASTA."""
        self.genotypes.close()

    def with_cached_genotypes(self, folder: Path) -> Self:
        """Return these windows with variants read from a genotype cache (`scan_block`).

        The variants file stays open in the original object.
        """
        reader = GenotypeCache(folder, self.tile_size)
        # Variants below the frequency floor were dropped when the blocks were written.
        return replace(self, genotypes=replace(self.genotypes, reader=reader, minimum_maf=0.0))

    def genome_order(self) -> list[int]:
        """Return the indices of the genes in genome order, in which neighbours share tiles."""
        return sorted(range(len(self.genes)), key=lambda i: (self.genes[i].contig, self.genes[i].tss))

    def tiles(self, gene: Gene) -> tuple[Tile, ...]:
        """List the tiles of a gene's cis window."""
        return self._window_tiles(gene, self.window)

    def all_tiles(self) -> list[Tile]:
        """List the tiles of the cis windows of all genes, each once, in order."""
        return sorted({tile for gene in self.genes for tile in self.tiles(gene)})

    def wide_tiles(self, gene: Gene) -> tuple[Tile, ...]:
        """List the tiles of a gene's wide window."""
        return self._window_tiles(gene, WIDE_WINDOW)

    def tiles_to_read(self) -> list[Tile]:
        """List the tiles whose variants are read for any gene, each once, in order."""
        return sorted({tile for gene in self.genes for tile in self._tiles_to_read(gene)})

    def _tiles_to_read(self, gene: Gene) -> tuple[Tile, ...]:
        """Return the tiles of a gene's widest window, which contains the others: all are about the TSS."""
        return self._window_tiles(gene, max(self._inputs_window(), 2 * self.flank))

    def _inputs_window(self) -> int:
        """Return the width of the widest window whose dosages are an input, in base pairs."""
        return max(self.window, WIDE_WINDOW if self.wide else 0)

    def _window_tiles(self, gene: Gene, window: int) -> tuple[Tile, ...]:
        length = self.genotypes.reference.contigs[gene.contig]
        return cis_tiles(gene.contig, gene.tss, window, self.tile_size, length)

    def variants(self, gene: Gene) -> Variants:
        """Read the variants of the widest window whose dosages are an input of the gene."""
        tiles = self._window_tiles(gene, self._inputs_window())
        return self.genotypes.common(self.genotypes.read(tiles))
