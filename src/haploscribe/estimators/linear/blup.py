"""BLUP: every variant, or every direction of the embedding, has a small random effect."""

from dataclasses import replace
from typing import ClassVar, Self

import numpy as np

from haploscribe.estimators.base import GeneEstimator, State, require_complete
from haploscribe.estimators.delta_scores import (
    DeltaWhitening,
    TileScores,
    bin_variances,
    fit_delta_whitening,
)
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.linear.dosage_model import DosageModel
from haploscribe.estimators.linear.posterior import POSTERIOR, BlupSummary, EffectPosterior
from haploscribe.estimators.solvers.reml import KernelEigen, fit_haplotype_effects, fit_reml
from haploscribe.utils.types import BoolArray, Float64Array


class DosageBlup(DosageModel):
    """Best linear unbiased prediction from the dosages of a gene's variants.

    y = µ + Zb + e, with Z the dosages standardised by the training samples' mean and standard deviation
    (variance 1/n) and b_j ~ N(0, w_j σ²_b): a rare variant's copy weighs more than a common one's. With w = 1
    each variant explains as much variance as any other beforehand (as in GCTA; Yang et al. 2011). Variance
    components by REML on all samples given; a validation set is not needed, and is trained on.

    Parameters
    ----------
    by_distance
        Let w be the variance that `GeneInputs.prior` expects of a variant.
    hard_calls
        See `DosageModel`.
    annotations
        Read what annotations say of variants, where a run has them; see `Estimator.annotations`.

    Attributes
    ----------
    h2_
        Heritability: the share of variance that the variants explain together, by REML.
    """

    def __init__(
        self, *, by_distance: bool = False, hard_calls: bool = False, annotations: bool = True
    ) -> None:
        super().__init__(hard_calls=hard_calls)
        self.by_distance = by_distance
        self.annotations = annotations
        self.uses_other_genes = by_distance

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Estimate variance components and effects; see `Estimator.fit`."""
        require_complete(inputs, expression)
        dosages = inputs.dosages.astype(np.float64)
        mean = dosages.mean(axis=0)
        varying = np.any(dosages != dosages[0], axis=0)
        variance = np.mean((dosages[:, varying] - mean[varying]) ** 2, axis=0)
        weights = np.ones(varying.sum())
        if self.by_distance:
            weights = inputs.prior_variances()[varying]
        scale = np.sqrt(variance * weights.sum() / weights)
        standardised = (dosages[:, varying] - mean[varying]) / scale
        spectrum = KernelEigen.of_features(standardised)
        fit = fit_reml(spectrum, expression)
        self.h2_ = fit.heritability
        self.coefficients_ = np.zeros(dosages.shape[1])
        self.coefficients_[varying] = standardised.T @ fit.dual / scale
        self.intercept_ = float(expression.mean() - self.coefficients_ @ mean)
        self._posterior: EffectPosterior | None = None
        self._summary: BlupSummary | None = None
        if np.isfinite(fit.variance_ratio):
            scales = np.zeros(dosages.shape[1])
            scales[varying] = scale
            explained = float((expression - expression.mean()) @ fit.dual)
            self._summary = BlupSummary(standardised, spectrum, scales, mean, fit, explained)
        return self

    def standard_errors(self, inputs: GeneInputs) -> Float64Array | None:
        """Return the posterior standard deviation; see `Estimator.standard_errors`."""
        posterior = self._known_posterior()
        return None if posterior is None else posterior.standard_errors(inputs.dosages)

    def state(self) -> State:
        """Return coefficients, heritability and the posterior; see `Estimator.state`."""
        posterior, state = self._known_posterior(), super().state()
        state = replace(state, numbers={**state.numbers, "h2": self.h2_})
        return state if posterior is None else replace(state, parts={POSTERIOR: posterior.state()})

    def restore(self, state: State) -> Self:
        """Set what `state` returned; see `Estimator.restore`."""
        super().restore(state)
        self.h2_ = state.numbers.get("h2", float("nan"))  # earlier versions did not save it
        self._summary = None
        kept = state.parts.get(POSTERIOR)
        self._posterior = None if kept is None else EffectPosterior.restored(kept)
        return self

    def _known_posterior(self) -> EffectPosterior | None:
        if self._summary is not None:
            self._posterior, self._summary = EffectPosterior.of(self._summary), None
        return self._posterior


class DeltaBlup(GeneEstimator):
    """Best linear unbiased prediction from the deltas of a gene's tiles.

    The twin of `DosageBlup`: deltas become scores, decorrelated and of equal variance in each tile
    (`haploscribe.estimators.delta_scores`), and all scores of all tiles, summed over a sample's two
    haplotypes, have effects of the same variance.

    Parameters
    ----------
    by_distance
        Let that variance be what `GeneInputs.prior` expects of the bin: see `bin_variances`.
    annotations
        Read what annotations say of variants, where a run has them; see `Estimator.annotations`.

    Attributes
    ----------
    effects_
        For each tile of `basis_`: float64 `(n_bins, n_scores)`; the product of a haplotype's scores with it
        is what that haplotype adds to expression.
    basis_
        What turns deltas into scores; None where the training samples do not differ.
    intercept_
        Mean of the training samples' expression.
    h2_
        Heritability: the share of variance that the deltas explain together, by REML.
    """

    reads_deltas: ClassVar[bool] = True

    def __init__(self, *, by_distance: bool = False, annotations: bool = True) -> None:
        self.by_distance = by_distance
        self.annotations = annotations
        self.uses_other_genes = by_distance

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Estimate variance components and effects; see `Estimator.fit`."""
        require_complete(inputs, expression)
        self.intercept_ = float(expression.mean())
        self.h2_ = 0.0
        self.effects_: tuple[Float64Array, ...] = ()
        self.basis_ = fit_delta_whitening(inputs)
        if self.basis_ is not None:
            tiles = self.basis_.scored(inputs)
            scales = [self._scale(tile, inputs) for tile in tiles]
            scaled = [
                _flat(tile) * np.repeat(scale, tile.scores.shape[2])
                for tile, scale in zip(tiles, scales, strict=True)
            ]
            fit, effects = fit_haplotype_effects(scaled, [tile.index for tile in tiles], expression)
            self.h2_ = fit.heritability
            self.effects_ = tuple(
                effect.reshape(tile.scores.shape[1:]) * scale[:, None]
                for effect, tile, scale in zip(effects, tiles, scales, strict=True)
            )
        return self

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression; see `Estimator.predict`.

        The samples may come with a dictionary of their own. A tile that `fit` did not see adds nothing; one
        that is missing here is taken as reference in all samples.

        Raises
        ------
        InputError
            If deltas have another shape than those of `fit`.
        """
        prediction = np.full(len(inputs.sample_ids), self.intercept_)
        if self.basis_ is not None:
            for tile, effects in zip(self.basis_.scored(inputs), self.effects_, strict=True):
                prediction += (_flat(tile) @ effects.ravel())[tile.index].sum(axis=1)
        return prediction

    def state(self) -> State:
        """Return level, basis and effects, the bins of all tiles one after another; see `Estimator.state`."""
        numbers = {"intercept": self.intercept_, "h2": self.h2_}
        if self.basis_ is None:
            return State(numbers)
        return State(numbers, {"effects": np.concatenate(self.effects_)}, {"basis": self.basis_.state()})

    def restore(self, state: State) -> Self:
        """Set what `state` returned; see `Estimator.restore`."""
        self.intercept_, self.h2_ = state.numbers["intercept"], state.numbers["h2"]
        self.basis_, self.effects_ = None, ()
        if "basis" in state.parts:
            self.basis_ = DeltaWhitening.restored(state.parts["basis"])
            self.effects_ = tuple(self.basis_.split(state.arrays["effects"]))
        return self

    def _scale(self, tile: TileScores, inputs: GeneInputs) -> Float64Array:
        """Root of the prior variance of each bin's effects, float64 `(n_bins,)`."""
        if not self.by_distance:
            return np.ones(tile.scores.shape[1])
        return np.sqrt(bin_variances(tile, inputs))


def _flat(tile: TileScores) -> Float64Array:
    """Scores as float64 `(n_unique, n_bins × n_scores)`."""
    return tile.scores.reshape(len(tile.scores), -1).astype(np.float64)
