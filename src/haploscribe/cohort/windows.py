"""The DNA of samples around genes: a gene's tiles and variants, and who carries what there."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from haploscribe.expression.genes import Gene
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.cache import GenotypeCache
from haploscribe.genome.tiles import Tile, cis_tiles
from haploscribe.genome.variants import Variants

WIDE_WINDOW = 2_000_000
"""Width of the wide window in base pairs: 1 Mb to either side of the TSS, as PrediXcan has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneWindows:
    """Samples' alleles around genes.

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
        Base pairs to either side of each TSS whose variants are read besides: what zero-shot models see.
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

    def reading_from(self, folder: Path) -> Self:
        """Read variants from the blocks that a survey left in a folder.

        The file that they came from stays open in what was opened.
        """
        reader = GenotypeCache(folder, self.tile_size)
        # What is rarer than the floor was left out when the blocks were written.
        return replace(self, genotypes=replace(self.genotypes, reader=reader, minimum_maf=0.0))

    def genome_order(self) -> list[int]:
        """List the indices of the genes along the genome: neighbours share tiles."""
        return sorted(range(len(self.genes)), key=lambda i: (self.genes[i].contig, self.genes[i].tss))

    def tiles(self, gene: Gene) -> tuple[Tile, ...]:
        """List the tiles of a gene's cis window."""
        return self._window_tiles(gene, self.window)

    def all_tiles(self) -> list[Tile]:
        """List the tiles of all genes' cis windows, each once, in order."""
        return sorted({tile for gene in self.genes for tile in self.tiles(gene)})

    def wide_tiles(self, gene: Gene) -> tuple[Tile, ...]:
        """List the tiles of a gene's wide window."""
        return self._window_tiles(gene, WIDE_WINDOW)

    def tiles_to_read(self) -> list[Tile]:
        """List the tiles whose variants any gene's inputs hold, each once, in order."""
        return sorted({tile for gene in self.genes for tile in self._tiles_to_read(gene)})

    def _tiles_to_read(self, gene: Gene) -> tuple[Tile, ...]:
        """Tiles of the widest of a gene's windows: all are about the TSS, so one holds the others."""
        return self._window_tiles(gene, max(self._inputs_window(), 2 * self.flank))

    def _inputs_window(self) -> int:
        """Width of the widest window whose dosages are an input."""
        return max(self.window, WIDE_WINDOW if self.wide else 0)

    def _window_tiles(self, gene: Gene, window: int) -> tuple[Tile, ...]:
        length = self.genotypes.reference.contigs[gene.contig]
        return cis_tiles(gene.contig, gene.tss, window, self.tile_size, length)

    def variants(self, gene: Gene) -> Variants:
        """Read the variants of the widest window whose dosages are an input of the gene."""
        tiles = self._window_tiles(gene, self._inputs_window())
        return self.genotypes.common(self.genotypes.read(tiles))
