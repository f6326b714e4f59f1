"""One gene's inputs: all that an estimator may read besides expression."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from haploscribe.cohort.windows import GeneWindows
from haploscribe.embedding.deltas import DeltaReader
from haploscribe.estimators.cross_gene.effect_prior import DEFAULT_PRIOR, EffectVariancePrior
from haploscribe.expression.genes import Gene
from haploscribe.genome.dosages import dosages, hard_calls, mean_dosages
from haploscribe.genome.tiles import Interval
from haploscribe.genome.variants import Variants
from haploscribe.utils.types import Float32Array, Float64Array, Int32Array, Int64Array


@dataclass(frozen=True, slots=True)
class TileDeltas:
    """The deltas of one tile, dictionary-encoded.

    Attributes
    ----------
    start, end
        The tile on the reference, 0-based half-open. It may extend beyond the cis window, whose variants
        alone make its haplotypes.
    deltas
        float32 `(n_unique, n_bins, dimension)`; each unique haplotype's embedding minus the reference
        embedding. Row 0 is the reference itself, all zero.
    index
        int32 `(n_samples, 2)`; the row of `deltas` that haplotype 0 and 1 of each sample carry.
    """

    start: int
    end: int
    deltas: Float32Array
    index: Int32Array

    def take(self, samples: Int64Array) -> Self:
        """Return the deltas of some samples, in the order given: the rows that they carry, and the reference.

        Parameters
        ----------
        samples
            int64 `(n_kept,)`; indices on the sample axis.
        """
        index = self.index[samples]
        rows = np.union1d(0, index)
        return replace(
            self, deltas=self.deltas[rows], index=np.searchsorted(rows, index).astype(self.index.dtype)
        )


@dataclass(frozen=True, slots=True)
class Dosages1Mb:
    """The dosages within 1 Mb of a gene's TSS, whatever the cis window of the run is.

    Attributes
    ----------
    positions
        int64 `(n_variants,)`; as `GeneInputs.positions`.
    dosages
        float32 `(n_samples, n_variants)`; as `GeneInputs.dosages`.
    hard_calls
        As `GeneInputs.hard_calls`.
    """

    positions: Int64Array
    dosages: Float32Array
    hard_calls: Float32Array | None = None

    def take(self, samples: Int64Array) -> Self:
        """Return the dosages of some samples, int64 `(n_kept,)` indices, in the order given."""
        called = None if self.hard_calls is None else self.hard_calls[samples]
        return replace(self, dosages=self.dosages[samples], hard_calls=called)


class DosageMeans(NamedTuple):
    """The mean of each dosage column over training samples, float64 `(n_variants,)`, of both windows."""

    cis: Float64Array
    wide: Float64Array | None


@dataclass(frozen=True, slots=True)
class GeneInputs:
    """One gene's inputs for a list of samples.

    Attributes
    ----------
    gene
        The gene; its TSS and strand place the tiles and variants.
    sample_ids
        `n_samples` names; the order of every sample axis below.
    positions
        int64 `(n_variants,)`; 0-based position of each dosage column (multi-allelic sites have one
        column per ALT allele).
    dosages
        float32 `(n_samples, n_variants)`; expected copies of the ALT allele, 0 to 2. NaN where missing, until
        `imputed`: an estimator never sees one.
    hard_calls
        float32 `(n_samples, n_variants)`; copies that the calls count, missing ones as reference, as
        haplotypes are spelled. None where they are `dosages`.
    tiles
        The tiles that overlap the cis window and carry its variants, in genome order; empty where no
        estimator of the run reads deltas.
    wide
        Dosages of the wide window; None where no estimator of the run reads them.
    zero_shot
        float64 `(n_samples,)` for each zero-shot model of the run: what it predicts, on its own scale.
    prior
        The effect-size prior, learned from other genes.
    annotations
        float32 `(n_variants, n_features)`; what is known of each dosage column beside its position, as
        standardised features; None without annotations.
    """

    gene: Gene
    sample_ids: tuple[str, ...]
    positions: Int64Array
    dosages: Float32Array
    tiles: tuple[TileDeltas, ...] = ()
    wide: Dosages1Mb | None = None
    zero_shot: Mapping[str, Float64Array] = field(default_factory=dict)
    prior: EffectVariancePrior = DEFAULT_PRIOR
    annotations: Float32Array | None = None
    hard_calls: Float32Array | None = None

    def distances(self) -> Float64Array:
        """Return base pairs from the TSS to each variant, positive downstream; float64 `(n_variants,)`."""
        return np.asarray(self.gene.direction * (self.positions - self.gene.tss), dtype=np.float64)

    def prior_variances(self) -> Float64Array:
        """Return the variance that `prior` expects of each variant's effect, float64 `(n_variants,)`."""
        variances = self.prior.variances(self.distances())
        return variances if self.annotations is None else variances * self.prior.factors(self.annotations)

    def take(self, samples: Int64Array) -> Self:
        """Return the inputs of some samples, in the order given; nothing that only others carry remains.

        Parameters
        ----------
        samples
            int64 `(n_kept,)`; indices on the sample axis.
        """
        wide = self.wide
        return replace(
            self,
            sample_ids=tuple(np.asarray(self.sample_ids, dtype=object)[samples]),
            dosages=self.dosages[samples],
            hard_calls=None if self.hard_calls is None else self.hard_calls[samples],
            tiles=tuple(tile.take(samples) for tile in self.tiles),
            wide=None if wide is None else wide.take(samples),
            zero_shot={model: predicted[samples] for model, predicted in self.zero_shot.items()},
        )

    def drop_reference_tiles(self) -> Self:
        """Return the inputs without tiles in which all samples carry the reference.

        Samples outside the training set decide whether such tiles exist; nothing fitted may depend on them.
        """
        return replace(self, tiles=tuple(tile for tile in self.tiles if tile.index.any()))

    def with_wide_window(self) -> Self:
        """Return the inputs with the dosages of the wide window in place of those of the cis window."""
        assert self.wide is not None
        return replace(
            self,
            positions=self.wide.positions,
            dosages=self.wide.dosages,
            hard_calls=self.wide.hard_calls,
            wide=None,
        )

    def with_hard_calls(self) -> Self:
        """Return the inputs with the copies that the calls count in place of dosages, in both windows."""
        wide = self.wide
        if wide is not None and wide.hard_calls is not None:
            wide = replace(wide, dosages=wide.hard_calls, hard_calls=None)
        dosages = self.dosages if self.hard_calls is None else self.hard_calls
        return replace(self, dosages=dosages, hard_calls=None, wide=wide)

    def imputed(self, training: Int64Array) -> Self:
        """Fill missing dosages of all samples with the mean of training samples, variant by variant.

        Parameters
        ----------
        training
            int64; indices on the sample axis. Nothing of the other samples is used.
        """
        if self.hard_calls is None and (self.wide is None or self.wide.hard_calls is None):
            return self
        return self.filled(self.means(training))

    def means(self, training: Int64Array) -> DosageMeans:
        """Compute the mean dosage of training samples; 0 for a variant that all of them miss."""
        wide = None if self.wide is None else mean_dosages(self.wide.dosages[training])
        return DosageMeans(mean_dosages(self.dosages[training]), wide)

    def filled(self, means: DosageMeans, share: Float32Array | None = None) -> Self:
        """Fill missing dosages with the means, times the share of each sample.

        Parameters
        ----------
        means
            Of the variants of both windows.
        share
            float32 `(n_samples,)`; 0.5 for an in silico sample that carries one haplotype. None for 1.
        """
        wide = self.wide
        if wide is not None and means.wide is not None:
            wide = replace(
                wide,
                dosages=_filled(wide.dosages, means.wide, share),
                hard_calls=None if wide.hard_calls is None else _filled(wide.hard_calls, means.wide, share),
            )
        return replace(
            self,
            dosages=_filled(self.dosages, means.cis, share),
            hard_calls=None if self.hard_calls is None else _filled(self.hard_calls, means.cis, share),
            wide=wide,
        )


def gene_inputs(windows: GeneWindows, gene: Gene, deltas: DeltaReader | None) -> GeneInputs:
    """Read the inputs of one gene.

    Parameters
    ----------
    windows
        The samples' alleles around genes.
    gene
        One of their genes.
    deltas
        The embedded tiles; None where no estimator of the run reads deltas.
    """
    sample_ids = tuple(windows.genotypes.sample_ids)
    return _collect(windows, gene, windows.variants(gene), sample_ids, _tile_deltas(windows, gene, deltas))


def haplotype_inputs(windows: GeneWindows, gene: Gene, deltas: DeltaReader | None) -> GeneInputs:
    """Read the inputs of in silico samples that each carry one haplotype, and the reference as the other.

    Parameters
    ----------
    windows, gene, deltas
        As for `gene_inputs`.

    Returns
    -------
    GeneInputs
        Of 2 `n_samples` + 1 samples: haplotype 0 and 1 of the first sample, of the second, and so on,
        named `ID_0` and `ID_1`; and one that carries the reference on both haplotypes, last.
    """
    names = [f"{sample}_{copy}" for sample in windows.genotypes.sample_ids for copy in (0, 1)]
    variants = windows.variants(gene)
    tiles = tuple(replace(tile, index=_alone(tile.index)) for tile in _tile_deltas(windows, gene, deltas))
    missing, kept = variants.missing, variants.alt_dosages
    variants = replace(
        variants,
        genotypes=_alone(variants.genotypes),
        missing=None if missing is None else _alone(np.repeat(missing[..., None], 2, axis=2))[..., 0],
        alt_dosages=None if kept is None else _alone(kept),
    )
    return _collect(windows, gene, variants, (*names, "reference"), tiles)


def _collect(
    windows: GeneWindows,
    gene: Gene,
    variants: Variants,
    sample_ids: tuple[str, ...],
    tiles: tuple[TileDeltas, ...],
) -> GeneInputs:
    positions, copies, called = _dosages_of_window(variants, windows.cis_window(gene))
    wide = Dosages1Mb(*_dosages_of_window(variants, windows.wide_window(gene))) if windows.wide else None
    return GeneInputs(gene, sample_ids, positions, copies, tiles, wide, hard_calls=called)


def _tile_deltas(windows: GeneWindows, gene: Gene, deltas: DeltaReader | None) -> tuple[TileDeltas, ...]:
    if deltas is None:
        return ()
    found = [deltas.tile(tile) for tile in windows.tiles(gene)]
    return tuple(
        TileDeltas(each.tile.start, each.tile.end, each.deltas, each.index)
        for each in found
        if each is not None
    )


def _alone(carried: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Put each copy beside 0, and 0 twice last: `(…, n_samples, 2)` to `(…, 2 n_samples + 1, 2)`."""
    *leading, n_samples, copies = carried.shape
    alone = np.zeros((*leading, copies * n_samples + 1, 2), dtype=carried.dtype)
    alone[..., :-1, 0] = carried.reshape(*leading, copies * n_samples)
    return alone


def _dosages_of_window(
    variants: Variants, window: Interval
) -> tuple[Int64Array, Float32Array, Float32Array | None]:
    """Return the positions and dosages of the variants that start in a window, and hard calls that differ."""
    here = variants.starting_in(window.start, window.end)
    positions, copies = dosages(here)
    same = here.alt_dosages is None and (here.missing is None or not here.missing.any())
    return positions, copies, None if same else hard_calls(here)[1]


def _filled(dosages: Float32Array, means: Float64Array, share: Float32Array | None) -> Float32Array:
    missing = np.isnan(dosages)
    if not missing.any():
        return dosages
    expected = means if share is None else share[:, None] * means
    return np.where(missing, expected, dosages).astype(np.float32)
