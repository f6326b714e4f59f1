"""How sure a model with a random effect for every variant is of what it predicts."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from haploscribe.estimators.base import State
from haploscribe.estimators.solvers.reml import KernelEigen, RemlFit
from haploscribe.utils.types import Float32Array, Float64Array

POSTERIOR = "posterior"
"""Name of the part of an estimator's state that only standard errors need."""

_LEAST_SHRINKAGE = 0.01  # of a direction's variance; leaving the others out adds at most .5 % to an error


@dataclass(frozen=True, slots=True)
class BlupSummary:
    """What the posterior is worked out from, which takes a while and is asked for once.

    Attributes
    ----------
    features
        float64 `(n_samples, n_varying)`; Z, columns of mean 0.
    spectrum
        That of ZZᵀ.
    scale
        float64 `(n_variants,)`; what centred dosages were divided by; 0 where they do not vary.
    means
        float64 `(n_variants,)`; what was taken off the dosages.
    fit
        What `fit_reml` said of the kernel ZZᵀ; it must have found variance.
    expression_sum
        (y − ȳ)ᵀ(ZZᵀ + δI)⁻¹(y − ȳ); over n − 1, the REML estimate of σ²_g.
    """

    features: Float64Array
    spectrum: KernelEigen
    scale: Float64Array
    means: Float64Array
    fit: RemlFit
    expression_sum: float


@dataclass(frozen=True, slots=True)
class EffectPosterior:
    """The posterior covariance of effects b ~ N(0, σ²_g D) behind y = µ + Xb + e, in the form of its factors.

    With Z = XD^½, centred, of singular values s and right singular vectors V, and δ = σ²_e / σ²_g, it is
    σ²_g D^½ (I − V diag(s² / (s² + δ)) Vᵀ) D^½ (Henderson 1975; prediction error variance). The level has the
    variance σ²_e / n, apart from it as Z is centred.

    Attributes
    ----------
    means
        float64 `(n_variants,)`; mean dosage of the training samples.
    prior_scale
        float64 `(n_variants,)`; prior standard deviation of an effect per copy, σ_g D^½; 0 where the training
        samples do not differ.
    learned
        float32 `(n_directions, n_variants)`; σ_g diag(s / √(s² + δ)) Vᵀ D^½.
    level_variance
        σ²_e / n.
    """

    means: Float64Array
    prior_scale: Float64Array
    learned: Float32Array
    level_variance: float

    @classmethod
    def of(cls, summary: "BlupSummary") -> Self:
        """Compute it for a fit of the kernel ZZᵀ."""
        features, fit = summary.features, summary.fit
        n_samples, varying = len(features), summary.scale > 0.0
        values, vectors = summary.spectrum.values, summary.spectrum.vectors
        shrinkage = values / (values + fit.variance_ratio)
        kept = shrinkage >= _LEAST_SHRINKAGE
        directions = (vectors[:, kept] / np.sqrt(values[kept])).T @ features
        variance = summary.expression_sum / max(n_samples - 1, 1)
        prior_scale = np.zeros(len(summary.scale))
        prior_scale[varying] = np.sqrt(variance) / summary.scale[varying]
        learned = np.zeros((len(directions), len(prior_scale)), dtype=np.float32)
        learned[:, varying] = np.sqrt(shrinkage[kept])[:, None] * directions * prior_scale[varying]
        return cls(summary.means, prior_scale, learned, fit.variance_ratio * variance / n_samples)

    def standard_errors(self, dosages: Float32Array) -> Float64Array:
        """Return the posterior standard deviation of µ + Xb, float64 `(n_samples,)`.

        Parameters
        ----------
        dosages
            float32 `(n_samples, n_variants)`.
        """
        deviation = dosages - self.means
        prior = np.square(deviation * self.prior_scale).sum(axis=1)
        learned = np.square(deviation @ self.learned.T.astype(np.float64)).sum(axis=1)
        return np.asarray(np.sqrt(np.maximum(prior - learned, 0.0) + self.level_variance))

    def state(self) -> State:
        """Return the factors."""
        return State(
            {"level_variance": self.level_variance},
            {"means": self.means, "prior_scale": self.prior_scale, "learned": self.learned},
        )

    @classmethod
    def restored(cls, state: State) -> Self:
        """Restore the posterior from what `state` returned."""
        arrays = state.arrays
        return cls(arrays["means"], arrays["prior_scale"], arrays["learned"], state.numbers["level_variance"])
