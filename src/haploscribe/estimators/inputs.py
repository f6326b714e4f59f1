"""One gene's inputs: all that an estimator may read besides expression."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from haploscribe.estimators.variance_prior import SHIPPED_PRIOR, VariancePrior
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float32Array, Float64Array, Int32Array, Int64Array


@dataclass(frozen=True, slots=True)
class TileDeltas:
    """The deltas of one tile, dictionary-encoded.

    Attributes
    ----------
    start, end
        The tile on the reference, 0-based half-open.
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
        """Keep some samples, in the order given, and the rows that they carry, and that of the reference.

        Parameters
        ----------
        samples
            int64 `(n_kept,)`; places on the sample axis.
        """
        index = self.index[samples]
        rows = np.union1d(0, index)
        return replace(
            self, deltas=self.deltas[rows], index=np.searchsorted(rows, index).astype(self.index.dtype)
        )


WIDE_WINDOW = 2_000_000
"""Width of the wide window in base pairs: 1 Mb to either side of the TSS, as PrediXcan has it."""


@dataclass(frozen=True, slots=True)
class WideDosages:
    """The dosages of a gene's wide window, whatever the cis window of the run is.

    Attributes
    ----------
    positions
        int64 `(n_variants,)`; as `GeneInputs.positions`.
    dosages
        float32 `(n_samples, n_variants)`; as `GeneInputs.dosages`.
    """

    positions: Int64Array
    dosages: Float32Array


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
        column an ALT allele).
    dosages
        float32 `(n_samples, n_variants)`; copies of the ALT allele, 0 to 2.
    tiles
        The tiles of the cis window that carry variants, in genome order; empty where no estimator of
        the run reads deltas.
    wide
        Dosages of the wide window; None where no estimator of the run reads them.
    zero_shot
        float64 `(n_samples,)` for each zero-shot model of the run: what it predicts, on its own scale.
    prior
        What other genes say of where variants matter.
    fits
        What `haploscribe.estimators.fits` has fitted to exactly these inputs; empty in any copy.
    """

    gene: Gene
    sample_ids: tuple[str, ...]
    positions: Int64Array
    dosages: Float32Array
    tiles: tuple[TileDeltas, ...] = ()
    wide: WideDosages | None = None
    zero_shot: Mapping[str, Float64Array] = field(default_factory=dict)
    prior: VariancePrior = SHIPPED_PRIOR
    fits: dict[Hashable, object] = field(default_factory=dict, init=False, repr=False, compare=False)

    def distances(self) -> Float64Array:
        """Count base pairs from the TSS to each variant, positive downstream; float64 `(n_variants,)`."""
        downstream = 1.0 if self.gene.strand == "+" else -1.0
        return np.asarray(downstream * (self.positions - self.gene.tss), dtype=np.float64)

    def take(self, samples: Int64Array) -> Self:
        """Keep some samples, in the order given; nothing that the others alone carry remains.

        Parameters
        ----------
        samples
            int64 `(n_kept,)`; places on the sample axis.
        """
        return replace(
            self,
            sample_ids=tuple(np.asarray(self.sample_ids, dtype=object)[samples]),
            dosages=self.dosages[samples],
            tiles=tuple(tile.take(samples) for tile in self.tiles),
            wide=None if self.wide is None else replace(self.wide, dosages=self.wide.dosages[samples]),
            zero_shot={model: predicted[samples] for model, predicted in self.zero_shot.items()},
        )

    def carried(self) -> Self:
        """Leave out tiles in which all samples carry the reference: others decide whether they are there.

        What is learned must not tell of people that it was not learned from.
        """
        return replace(self, tiles=tuple(tile for tile in self.tiles if tile.index.any()))

    def widened(self) -> Self:
        """Put the dosages of the wide window in place of those of the cis window."""
        assert self.wide is not None
        return replace(self, positions=self.wide.positions, dosages=self.wide.dosages, wide=None)
