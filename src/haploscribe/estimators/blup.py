"""BLUP: every variant, or every direction of the embedding, has a small random effect."""

from typing import ClassVar, Self

import numpy as np

from haploscribe.arrays import BoolArray, Float64Array, Int32Array
from haploscribe.errors import InputError
from haploscribe.estimators.checks import require_complete
from haploscribe.estimators.inputs import GeneInputs, TileDeltas
from haploscribe.estimators.reml import fit_reml


class DosageBlup:
    """Best linear unbiased prediction from the dosages of a gene's variants.

    y = µ + Zb + e, with Z the dosages standardised by the training samples' mean and standard deviation
    (variance 1/n) and b ~ N(0, σ²_b): a rare variant's copy weighs more than a common one's, and each variant
    explains as much variance as any other beforehand (as in GCTA; Yang et al. 2011). Variance components by
    REML on all samples given; a validation set is not needed, and is trained on.

    Attributes
    ----------
    coefficients_
        float64 `(n_variants,)`; change in expression with each copy of the ALT allele.
    intercept_
        Expression of a sample without any ALT allele.
    h2_
        Heritability: the share of variance that the variants explain together, by REML.
    """

    reads_deltas: ClassVar[bool] = False

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Estimate variance components and effects; see `Estimator.fit`."""
        require_complete(inputs, expression)
        dosages = inputs.dosages.astype(np.float64)
        mean = dosages.mean(axis=0)
        varying = np.any(dosages != dosages[0], axis=0)
        scale = np.sqrt(np.mean((dosages[:, varying] - mean[varying]) ** 2, axis=0) * max(varying.sum(), 1))
        standardised = (dosages[:, varying] - mean[varying]) / scale
        fit = fit_reml(standardised @ standardised.T, expression)
        self.h2_ = fit.heritability
        self.coefficients_: Float64Array = np.zeros(dosages.shape[1])
        self.coefficients_[varying] = standardised.T @ fit.dual / scale
        self.intercept_ = float(expression.mean() - self.coefficients_ @ mean)
        return self

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression; see `Estimator.predict`. Variants must be those of `fit`, in that order."""
        assert inputs.dosages.shape[1] == self.coefficients_.size
        prediction: Float64Array = self.intercept_ + inputs.dosages.astype(np.float64) @ self.coefficients_
        return prediction


class DeltaBlup:
    """Best linear unbiased prediction from the deltas of a gene's tiles.

    The twin of `DosageBlup`: the features of a sample are, for each tile, the sum of its two haplotypes'
    deltas, all directions of all tiles with effects of the same variance. Deltas keep their size, so a tile
    where haplotypes differ more, as the backbone sees it, may explain more.

    Attributes
    ----------
    weights_
        For each tile of `fit`, by its (start, end): float64 `(n_bins, dimension)`; the product of a
        haplotype's delta with it is what that haplotype adds to expression.
    intercept_
        Expression of a sample that carries the reference everywhere.
    h2_
        Heritability: the share of variance that the deltas explain together, by REML.
    """

    reads_deltas: ClassVar[bool] = True

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Estimate variance components and effects; see `Estimator.fit`."""
        require_complete(inputs, expression)
        n_samples = len(inputs.sample_ids)
        counts = [haplotype_counts(tile.index, len(tile.deltas)) for tile in inputs.tiles]
        means = [count.mean(axis=0) for count in counts]
        kernel = np.zeros((n_samples, n_samples))
        for tile, count, mean in zip(inputs.tiles, counts, means, strict=True):
            flat = _flat(tile)
            kernel += (count - mean) @ (flat @ flat.T) @ (count - mean).T
        fit = fit_reml(kernel, expression)
        self.h2_ = fit.heritability
        self.weights_: dict[tuple[int, int], Float64Array] = {}
        self.intercept_ = float(expression.mean())
        for tile, count, mean in zip(inputs.tiles, counts, means, strict=True):
            weights = ((count - mean).T @ fit.dual) @ _flat(tile)
            self.weights_[tile.start, tile.end] = weights.reshape(tile.deltas.shape[1:])
            self.intercept_ -= float(mean @ _flat(tile) @ weights)
        return self

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression; see `Estimator.predict`.

        The samples may come with a dictionary of their own. A tile that `fit` did not see adds nothing; one
        that is missing here carries no variants, so its deltas are zero.

        Raises
        ------
        InputError
            If deltas have another shape than those of `fit`.
        """
        prediction = np.full(len(inputs.sample_ids), self.intercept_)
        for tile in inputs.tiles:
            weights = self.weights_.get((tile.start, tile.end))
            if weights is None:
                continue
            if weights.shape != tile.deltas.shape[1:]:
                raise InputError(
                    f"gene {inputs.gene.gene_id}: deltas of tile {tile.start}-{tile.end} are "
                    f"{tile.deltas.shape[1:]} (bins, dimension), the model's {weights.shape}: "
                    "embed with the backbone the model was trained on"
                )
            prediction += (_flat(tile) @ weights.ravel())[tile.index].sum(axis=1)
        return prediction


def haplotype_counts(index: Int32Array, n_unique: int) -> Float64Array:
    """Count how many copies of each unique haplotype a sample carries.

    Parameters
    ----------
    index
        int32 `(n_samples, 2)`; see `TileDeltas.index`.
    n_unique
        Number of unique haplotypes.

    Returns
    -------
    float64 `(n_samples, n_unique)`; rows sum to 2.
    """
    counts = np.zeros((len(index), n_unique))
    np.add.at(counts, (np.arange(len(index))[:, None], index), 1.0)
    return counts


def _flat(tile: TileDeltas) -> Float64Array:
    """Deltas as float64 `(n_unique, n_bins × dimension)`."""
    return tile.deltas.reshape(len(tile.deltas), -1).astype(np.float64)
