"""Cis windows of genes: their tiles, and the variants of the samples in them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from haploscribe.expression.genes import Gene
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.cache import GenotypeCache
from haploscribe.genome.tiles import Interval, Tile, cis_window, window_tiles
from haploscribe.genome.variant_filter import ALL_VARIANTS
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
        # Variants that are not used were dropped when the blocks were written.
        return replace(self, genotypes=replace(self.genotypes, reader=reader, filter=ALL_VARIANTS))

    def genome_order(self) -> list[int]:
        """Return the indices of the genes in genome order, in which neighbours share tiles."""
        return sorted(range(len(self.genes)), key=lambda i: (self.genes[i].contig, self.genes[i].tss))

    def cis_window(self, gene: Gene) -> Interval:
        """Return the cis window of a gene, clipped to the contig: every model reads its variants."""
        return self._window(gene, self.window)

    def wide_window(self, gene: Gene) -> Interval:
        """Return the wide window of a gene, clipped to the contig."""
        return self._window(gene, WIDE_WINDOW)

    def tiles(self, gene: Gene) -> tuple[Tile, ...]:
        """List the tiles that overlap a gene's cis window, as its variants spell them."""
        length = self.genotypes.reference.contigs[gene.contig]
        return window_tiles(self.cis_window(gene), self.tile_size, length)

    def cis_windows(self) -> list[Interval]:
        """List the cis windows of all genes."""
        return [self.cis_window(gene) for gene in self.genes]

    def windows_to_read(self) -> list[Interval]:
        """List for each gene the widest window whose variants are read; it contains the others."""
        widest = max(self._inputs_window(), 2 * self.flank)
        return [self._window(gene, widest) for gene in self.genes]

    def cis_variants(self, gene: Gene) -> Variants:
        """Read the variants of a gene's cis window: those whose position, REF's first base, lies in it."""
        return self._read(self.cis_window(gene))

    def variants(self, gene: Gene) -> Variants:
        """Read the variants of the widest window whose dosages are an input of the gene."""
        return self._read(self._window(gene, self._inputs_window()))

    def _read(self, window: Interval) -> Variants:
        return self.genotypes.used(self.genotypes.read_window(window))

    def _inputs_window(self) -> int:
        """Return the width of the widest window whose dosages are an input, in base pairs."""
        return max(self.window, WIDE_WINDOW if self.wide else 0)

    def _window(self, gene: Gene, width: int) -> Interval:
        return cis_window(gene.contig, gene.tss, width, self.genotypes.reference.contigs[gene.contig])
