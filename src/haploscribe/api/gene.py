"""Return one gene's data as arrays, and as the `X` and `y` of scikit-learn."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt
import polars as pl

from haploscribe.api.results import html_table
from haploscribe.cohort.windows import GeneWindows
from haploscribe.errors import InputError
from haploscribe.estimators.inputs import GeneInputs, TileDeltas
from haploscribe.expression.genes import Gene
from haploscribe.expression.normalise import prepare
from haploscribe.genome.alleles import AlleleEdit, allele_edits, applied_alleles
from haploscribe.genome.dosages import mean_dosages
from haploscribe.genome.haplotypes import TileHaplotype, TileHaplotypes
from haploscribe.genome.variants import AltAllele, Variants, alt_alleles
from haploscribe.interpret.association import marginal_association
from haploscribe.interpret.explanation import RegionTracks
from haploscribe.parallel.threads import threads
from haploscribe.utils.types import Float32Array, Float64Array, Int8Array, Int32Array, Int64Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = int | slice | Sequence[int] | npt.NDArray[np.integer | np.bool_]
"""What picks rows of a numpy array."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class GeneSamples:
    """The `X` of one gene: one row per sample, indexed, split and shuffled like an array.

    A row holds a sample's dosages, tile deltas and covariates, so that no split takes them apart.
    `np.asarray(X)` is `dosages`, so scikit-learn's own models take `X` too.

    Attributes
    ----------
    inputs
        Dosages, tile deltas and their positions.
    covariates
        float64 `(n_samples, n_covariates)`, or None.
    """

    inputs: GeneInputs
    covariates: Float64Array | None = None

    @property
    def gene(self) -> Gene:
        """The gene: ID, contig, TSS (0-based), strand, and what is known of it from a GTF."""
        return self.inputs.gene

    @property
    def sample_ids(self) -> tuple[str, ...]:
        """`n_samples` names, in the order of the rows."""
        return self.inputs.sample_ids

    @property
    def shape(self) -> tuple[int, int]:
        """`(n_samples, n_variants)`."""
        return len(self), self.inputs.positions.size

    @property
    def dosages(self) -> Float32Array:
        """float32 `(n_samples, n_variants)`; expected copies of each ALT allele; NaN where missing."""
        return self.inputs.dosages

    @overload
    def deltas(self, dense: Literal[True] = True) -> Float32Array: ...
    @overload
    def deltas(self, dense: Literal[False]) -> tuple[TileDeltas, ...]: ...
    def deltas(self, dense: bool = True) -> Float32Array | tuple[TileDeltas, ...]:
        """Return the deltas of both haplotypes: their embeddings minus the reference's.

        Parameters
        ----------
        dense
            True for one array; False for one dictionary per tile, which takes a fraction of the memory.

        Returns
        -------
        numpy.ndarray or tuple of TileDeltas
            float32 `(n_samples, 2, n_tiles, n_bins, dimension)`; or, for each tile,
            `deltas`, float32 `(n_unique, n_bins, dimension)`, and `index`, int32 `(n_samples, 2)`: haplotype
            h of sample i has `deltas[index[i, h]]`. Tiles in genome order, those that carry no variant left
            out: all their deltas are 0.

        Raises
        ------
        InputError
            When the gene was collected without embeddings.
        """
        tiles = self.inputs.tiles
        if not self.has_deltas:
            raise InputError(
                f"{self.gene.gene_id} has no deltas: cohort.gene(gene_id, embedded) takes what "
                "cohort.embed or Embeddings.from_arrays returned"
            )
        if not dense:
            return tiles
        sizes = tiles[0].deltas.shape[1:] if tiles else (0, 0)
        expanded = np.zeros((len(self), 2, len(tiles), *sizes), dtype=np.float32)
        for number, tile in enumerate(tiles):
            expanded[:, :, number] = tile.deltas[tile.index]
        return expanded

    @property
    def has_deltas(self) -> bool:
        """Whether tiles are embedded, or no sample carries a variant that could be in one."""
        # Any variant that a sample carries is in an embedded tile.
        return bool(self.inputs.tiles) or not self.inputs.with_hard_calls().dosages.any()

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return the dosages, for `np.asarray`."""
        if copy is False and dtype not in (None, self.dosages.dtype):
            raise ValueError(f"dosages are float32: {dtype} needs a copy")
        return self.dosages.astype(dtype or self.dosages.dtype, copy=bool(copy))

    def __len__(self) -> int:
        return len(self.inputs.sample_ids)

    def __getitem__(self, rows: Rows | tuple[Rows, EllipsisType]) -> "GeneSamples":
        """Return some samples; a single one stays a table of one row.

        Parameters
        ----------
        rows
            As for the first axis of an array: indices, a boolean mask or a slice.
        """
        # scikit-learn from 1.6 on asks for `X[rows, ...]`.
        if isinstance(rows, tuple) and len(rows) == 2 and rows[1] is Ellipsis:
            rows = rows[0]
        if isinstance(rows, tuple):
            raise IndexError("X is indexed by samples alone; for columns take np.asarray(X)")
        kept: Int64Array = np.atleast_1d(np.arange(len(self), dtype=np.int64)[rows])
        covariates = None if self.covariates is None else self.covariates[kept]
        return GeneSamples(self.inputs.take(kept), covariates)

    def __repr__(self) -> str:
        n_samples, n_variants = self.shape
        n_covariates = 0 if self.covariates is None else self.covariates.shape[1]
        tiles = f"{len(self.inputs.tiles)} embedded tiles"
        return (
            f"<{self.gene.gene_id}: {n_samples} samples, {n_variants} variants, {tiles}, "
            f"{n_covariates} covariates>"
        )


@dataclass(frozen=True, slots=True)
class GeneTile:
    """The unique haplotype sequences of one tile, and the samples that carry them.

    Attributes
    ----------
    contig
        As the reference names it.
    start, end
        The tile on the reference, 0-based half-open; it may extend beyond the cis window.
    haplotypes
        `n_unique` sequences, with the edits that change their length: what a backbone embeds. The first is
        the reference's.
    alleles
        For each of `haplotypes`, the ALT alleles (0-based) that change the tile's reference into its
        sequence, in genome order. Where several sets of alleles make the same sequence, one of those with
        the fewest. A deletion that starts before the tile, but in the cis window, is among them.
    index
        int32 `(n_samples, 2)`; the row of `haplotypes` on haplotype 0 and 1 of each sample.
    """

    contig: str
    start: int
    end: int
    haplotypes: tuple[TileHaplotype, ...]
    alleles: tuple[tuple[AltAllele, ...], ...]
    index: Int32Array

    @property
    def sequences(self) -> tuple[str, ...]:
        """`n_unique` sequences of A, C, G, T and N, all different."""
        return tuple(haplotype.sequence.decode() for haplotype in self.haplotypes)

    def __repr__(self) -> str:
        where = f"{self.contig}:{self.start + 1}-{self.end}"
        return f"<tile {where}: {len(self.haplotypes)} sequences, {len(self.index)} samples>"


class GeneData:
    """One gene of a cohort, as arrays; `X, y = cohort.gene(gene_id)` unpacks it for scikit-learn.

    Parameters
    ----------
    X
        The samples' inputs.
    y
        Their expression.
    windows
        Returns the open cohort that `variants` and `tiles` are read from; raises InputError when closed.

    Attributes
    ----------
    X
        One row per sample: dosages, deltas, covariates.
    y
        float64 `(n_samples,)`; expression as read, in the unit of the file. Nothing is fitted to it.
    """

    def __init__(self, X: GeneSamples, y: Float64Array, windows: Callable[[], GeneWindows]) -> None:
        self.X, self.y = X, y
        self._windows = windows

    def __iter__(self) -> Iterator[Any]:
        return iter((self.X, self.y))

    def __repr__(self) -> str:
        return repr(self.X)

    def _repr_html_(self) -> str:
        gene, (n_samples, n_variants) = self.X.gene, self.X.shape
        heading = ("Gene", "TSS", "Strand", "Samples", "Variants", "Embedded tiles")
        where, n_tiles = f"{gene.contig}:{gene.tss + 1:,}", len(self.X.inputs.tiles)
        row = (gene.label, where, gene.strand, f"{n_samples:,}", f"{n_variants:,}", f"{n_tiles:,}")
        return html_table(heading, [row])

    def plot_region(self, ax: "Axes | None" = None) -> "Axes":
        """Draw −log10 p of each variant of the cis window, and mark the TSS.

        Each variant's dosage is tested alone, against expression in all samples, normalised to
        `inverse-normal` and with covariates regressed out, as the report does. A missing dosage is the mean.

        Parameters
        ----------
        ax
            Axes to draw on; None for those of a new figure, whose axis is the position on the contig in Mb.

        Examples
        --------
        >>> import haploscribe
        >>> cohort = haploscribe.example_cohort(genes="ENSG00000099899", window=50_000, maf=0.05)
        >>> cohort.gene("ENSG00000099899").plot_region().get_xlabel()
        'Position on chr22, Mb'
        """
        from haploscribe.report.region_plots import plot_associations  # noqa: PLC0415 - for plots alone

        return plot_associations(self._tracks(), ax=ax)

    def _tracks(self) -> RegionTracks:
        """Return the region with the marginal associations of its variants."""
        gene, everyone = self.X.gene, np.arange(len(self.y), dtype=np.int64)
        training = np.ones(len(self.y), dtype=np.bool_)
        with threads(1):
            expression = prepare(self.y, self.X.covariates, training, "inverse-normal")
            association = marginal_association(self.X.inputs.imputed(everyone).dosages, expression)
        alleles, window = alt_alleles(self._records), self._windows().cis_window(gene)
        return RegionTracks(
            gene=gene,
            neighbours=(),
            contig=gene.contig,
            start=window.start,
            end=window.end,
            positions=self.X.inputs.positions,
            names=tuple(allele.label(gene.contig) for allele in alleles),
            log10_p=-association.log10_p,
            effects={},
            tiles=np.empty((0, 2), dtype=np.int64),
            tile_weights={},
        )

    @property
    def gene_id(self) -> str:
        """The gene's ID, as in the expression table."""
        return self.X.gene.gene_id

    @property
    def sample_ids(self) -> tuple[str, ...]:
        """`n_samples` names, in the order of every sample axis."""
        return self.X.sample_ids

    @property
    def dosages(self) -> Float32Array:
        """float32 `(n_samples, n_variants)`; expected copies of each ALT allele, 0 to 2; NaN where missing.

        Columns are those of `variants`. `GeneRegressor` imputes the mean of the samples that it is fitted on.
        """
        return self.X.dosages

    @cached_property
    def variants(self) -> pl.DataFrame:
        """The variants of the cis window, one row per ALT allele, in the order of the columns of `dosages`.

        Columns are `chrom` as the reference names it, `pos` (1-based, as in VCF), `id` (that of the file, or
        `chrom:pos:ref:alt`), `ref`, `alt`, `frequency` (float64; half the mean dosage of the ALT
        allele) and `distance` (int64; base pairs from the TSS to `pos`, positive downstream along the
        gene's strand).
        """
        gene = self.X.gene
        alleles = alt_alleles(self._records)
        positions = self.X.inputs.positions
        return pl.DataFrame(
            {
                "chrom": pl.repeat(gene.contig, len(alleles), eager=True, dtype=pl.String),
                "pos": positions + 1,
                "id": pl.Series([allele.name(gene.contig) for allele in alleles], dtype=pl.String),
                "ref": pl.Series([allele.reference.decode() for allele in alleles], dtype=pl.String),
                "alt": pl.Series([allele.alternate.decode() for allele in alleles], dtype=pl.String),
                "frequency": mean_dosages(self.dosages) / 2,
                "distance": self.X.inputs.distances().astype(np.int64),
            }
        )

    @overload
    def deltas(self, dense: Literal[True] = True) -> Float32Array: ...
    @overload
    def deltas(self, dense: Literal[False]) -> tuple[TileDeltas, ...]: ...
    def deltas(self, dense: bool = True) -> Float32Array | tuple[TileDeltas, ...]:
        """Return the deltas of both haplotypes of each sample, on the tiles of `tiles`: `GeneSamples.deltas`.

        Raises
        ------
        InputError
            When the gene was collected without embeddings.
        """
        return self.X.deltas() if dense else self.X.deltas(dense=False)

    @cached_property
    def tiles(self) -> tuple[GeneTile, ...]:
        """The tiles of the cis window that carry variants, in genome order, with their unique sequences."""
        records = self._records
        applied = applied_alleles(records.positions, records.alleles, records.genotypes)
        applied = applied.reshape(len(applied), -1)
        edits = allele_edits(records.positions, records.alleles)
        return tuple(
            GeneTile(
                found.tile.contig,
                found.tile.start,
                found.tile.end,
                found.haplotypes,
                _alleles_of_sequences(found, records, edits, applied),
                found.index,
            )
            for found in varied_tiles(self._windows(), self.X.gene, records)
        )

    @cached_property
    def _records(self) -> Variants:
        """The records of the cis window."""
        return self._windows().cis_variants(self.X.gene)


def varied_tiles(windows: GeneWindows, gene: Gene, variants: Variants) -> list[TileHaplotypes]:
    """Compute the unique sequences of the tiles of a gene's cis window that carry variants.

    Parameters
    ----------
    windows
        The samples' alleles around genes.
    gene
        One of their genes.
    variants
        `windows.cis_variants(gene)`.
    """
    found = windows.genotypes.haplotypes(variants, windows.tiles(gene))
    return [tile for tile in found if len(tile.haplotypes) > 1]


def _alleles_of_sequences(
    found: TileHaplotypes, records: Variants, edits: Sequence[Sequence[AlleleEdit]], applied: Int8Array
) -> tuple[tuple[AltAllele, ...], ...]:
    """List the alleles that make each unique sequence; `applied` is int8 `(n_variants, n_haplotypes)`."""
    tile, reference = found.tile, found.haplotypes[0].sequence
    rows = np.flatnonzero((records.positions < tile.end) & (records.ends > tile.start))

    def changing(pattern: Int8Array) -> tuple[tuple[int, int], ...]:
        carried = [(row, int(number)) for row, number in zip(rows.tolist(), pattern, strict=True) if number]
        clipped = [edits[row][number - 1].clipped(tile.start, tile.end) for row, number in carried]
        return tuple(
            one
            for one, (first, last, sequence) in zip(carried, clipped, strict=True)
            if sequence != reference[first - tile.start : last - tile.start]
        )

    alleles: list[tuple[AltAllele, ...]] = [()]
    for number in range(1, len(found.haplotypes)):
        carriers = np.flatnonzero(found.index.reshape(-1) == number)
        patterns = np.unique(applied[np.ix_(rows, carriers)], axis=1).T
        chosen = min((changing(pattern) for pattern in patterns), key=lambda one: (len(one), one))
        alleles.append(
            tuple(
                AltAllele(
                    int(records.positions[row]),
                    records.alleles[row][0],
                    records.alleles[row][allele],
                    records.identifiers[row],
                )
                for row, allele in chosen
            )
        )
    return tuple(alleles)
