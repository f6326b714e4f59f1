"""The DNA of people around genes: a gene's tiles and variants, and who carries what there."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from haploscribe.arrays import Float32Array, Int64Array
from haploscribe.embedding.deltas import DeltaReader
from haploscribe.estimators.inputs import WIDE_WINDOW, GeneInputs, TileDeltas, WideDosages
from haploscribe.expression.genes import Gene
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.tiles import Tile, cis_tiles
from haploscribe.genome.variant_blocks import VariantBlocks
from haploscribe.genome.variants import Variants, dosages


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneWindows:
    """People's alleles around genes.

    Attributes
    ----------
    genotypes
        Alleles of the people on the reference.
    genes
        `n_genes` genes, on contigs as the reference names them.
    window
        Width of the cis window in base pairs.
    tile_size
        Size of the tile grid in base pairs.
    wide
        Whether the dosages of the genes' wide windows are read too.
    reach
        Base pairs to either side of each TSS whose variants are read besides: what zero-shot models see.
    """

    genotypes: Genotypes
    genes: tuple[Gene, ...]
    window: int
    tile_size: int
    wide: bool = False
    reach: int = 0

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
        reader = VariantBlocks(folder, self.tile_size)
        # What is rarer than the floor was left out when the blocks were written.
        return replace(self, genotypes=replace(self.genotypes, reader=reader, minimum_maf=0.0))

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

    def gene_inputs(self, gene: Gene, stored: DeltaReader | None) -> GeneInputs:
        """Collect what estimators read of one gene.

        Parameters
        ----------
        gene
            One of `genes`.
        stored
            The embedded tiles; None where no estimator of the run reads deltas.
        """
        variants = self._variants(gene)
        return self._inputs(gene, variants, tuple(self.genotypes.sample_ids), self._deltas(gene, stored))

    def haplotype_inputs(self, gene: Gene, stored: DeltaReader | None) -> GeneInputs:
        """Collect the inputs of made-up people who each carry one haplotype, and the reference beside it.

        Parameters
        ----------
        gene, stored
            As for `gene_inputs`.

        Returns
        -------
        GeneInputs
            Of 2 `n_samples` + 1 people: haplotype 0 and 1 of the first sample, of the second, and so on,
            named `ID_0` and `ID_1`; and one who carries the reference on both haplotypes, last.
        """
        names = [f"{sample}_{copy}" for sample in self.genotypes.sample_ids for copy in (0, 1)]
        variants = self._variants(gene)
        tiles = tuple(replace(tile, index=_alone(tile.index)) for tile in self._deltas(gene, stored))
        variants = replace(variants, genotypes=_alone(variants.genotypes))
        return self._inputs(gene, variants, (*names, "reference"), tiles)

    def _tiles_to_read(self, gene: Gene) -> tuple[Tile, ...]:
        """Tiles of the widest of a gene's windows: all are about the TSS, so one holds the others."""
        return self._window_tiles(gene, max(self._inputs_window(), 2 * self.reach))

    def _inputs_window(self) -> int:
        """Width of the widest window whose dosages are an input."""
        return max(self.window, WIDE_WINDOW if self.wide else 0)

    def _window_tiles(self, gene: Gene, window: int) -> tuple[Tile, ...]:
        length = self.genotypes.reference.contigs[gene.contig]
        return cis_tiles(gene.contig, gene.tss, window, self.tile_size, length)

    def _variants(self, gene: Gene) -> Variants:
        tiles = self._window_tiles(gene, self._inputs_window())
        return self.genotypes.common(self.genotypes.read(tiles))

    def _deltas(self, gene: Gene, stored: DeltaReader | None) -> tuple[TileDeltas, ...]:
        if stored is None:
            return ()
        found = [stored.tile(tile.contig, tile.number) for tile in self.tiles(gene)]
        return tuple(
            TileDeltas(tile.start, tile.end, tile.deltas, tile.index) for tile in found if tile is not None
        )

    def _inputs(
        self, gene: Gene, variants: Variants, names: tuple[str, ...], tiles: tuple[TileDeltas, ...]
    ) -> GeneInputs:
        positions, copies = _dosages_of_tiles(variants, self.tiles(gene))
        return GeneInputs(
            gene=gene,
            sample_ids=names,
            positions=positions,
            dosages=copies,
            tiles=tiles,
            wide=WideDosages(*_dosages_of_tiles(variants, self.wide_tiles(gene))) if self.wide else None,
        )


def _alone(carried: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Put each copy beside 0, and 0 twice last: `(…, n_samples, 2)` to `(…, 2 n_samples + 1, 2)`."""
    *leading, n_samples, copies = carried.shape
    alone = np.zeros((*leading, copies * n_samples + 1, 2), dtype=carried.dtype)
    alone[..., :-1, 0] = carried.reshape(*leading, copies * n_samples)
    return alone


def _dosages_of_tiles(variants: Variants, tiles: tuple[Tile, ...]) -> tuple[Int64Array, Float32Array]:
    """Dosages of the variants that start in neighbouring tiles: see `dosages`."""
    return dosages(variants.between(tiles[0].start, tiles[-1].end))
