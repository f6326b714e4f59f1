"""How the variance of effects goes with annotations, learned from many genes at once by REML."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from haploscribe.estimators.solvers.reml import KernelEigen, fit_reml
from haploscribe.utils.types import Float32Array, Float64Array

PRIOR_DEVIATION = 0.5
"""Standard deviation expected of an annotation's effect beforehand, which keeps few genes from much."""

LONGEST_STEP = 1.0
"""Most by which a Newton step moves an effect: of a rare, strong annotation a whole one leads far too far."""

_RIDGE = 1e-9  # of the nuisance parameters' own information


@dataclass(frozen=True, slots=True)
class AnnotationEffects:
    """What annotations do to the variance expected of a variant's effect.

    Attributes
    ----------
    effects
        float64 `(n_features,)`; the change of the log variance with one standard deviation of each feature.
    standard_errors
        float64 `(n_features,)`.
    """

    effects: Float64Array
    standard_errors: Float64Array


@dataclass(frozen=True, slots=True)
class AnnotationMoments:
    """Score and information of the effects of annotations, summed over genes.

    The model of a gene is y = µ + Σ_j z_j b_j + e, b_j ~ N(0, σ²_b w_j exp(θᵀf_j)), with z_j standardised
    dosages, w_j the variances expected by distance, and f_j features of annotations. At θ₀, with P the
    projection of REML and u_j = σ²_b w_j exp(θ₀ᵀf_j), the restricted likelihood has the score

        ½ Σ_j f_jk u_j [(z_jᵀPy)² − z_jᵀPz_j]

    in θ_k and the expected information ½ Σ_ij f_ik f_jl u_i u_j (z_iᵀPz_j)² (Patterson & Thompson 1971);
    those of both variance components are projected out, as these are estimated gene by gene. What many
    genes say adds up, and one Newton step from θ₀ is their joint estimate.

    Attributes
    ----------
    score
        float64 `(n_features,)`.
    information
        float64 `(n_features, n_features)`.
    """

    score: Float64Array
    information: Float64Array

    @classmethod
    def none(cls, n_features: int) -> Self:
        """Start a sum."""
        return cls(np.zeros(n_features), np.zeros((n_features, n_features)))

    def effects(self, start: Float64Array) -> AnnotationEffects:
        """Return the estimate under a prior N(0, `PRIOR_DEVIATION`²) of each effect.

        A step from `start` that would move an effect by more than `LONGEST_STEP` is shortened, all of it.

        Parameters
        ----------
        start
            float64 `(n_features,)`; θ₀.
        """
        precision = self.information + np.eye(len(self.score)) / PRIOR_DEVIATION**2
        covariance = np.linalg.inv(precision)
        found = covariance @ (self.score + self.information @ start)
        longest = float(np.abs(found - start).max(initial=0.0))
        if longest > LONGEST_STEP:
            found = start + (found - start) * (LONGEST_STEP / longest)
        return AnnotationEffects(found, np.sqrt(np.diag(covariance)))


def annotation_moments(
    dosages: Float32Array, variances: Float64Array, features: Float32Array, expression: Float64Array
) -> AnnotationMoments:
    """Measure what one gene says about the effects of annotations.

    Parameters
    ----------
    dosages
        float32 `(n_samples, n_variants)`.
    variances
        float64 `(n_variants,)`; w_j exp(θ₀ᵀf_j), of any scale.
    features
        float32 `(n_variants, n_features)`.
    expression
        float64 `(n_samples,)`.

    Returns
    -------
    All 0 where no dosage or no expression varies, or variants explain nothing.
    """
    n_samples, n_features = len(expression), features.shape[1]
    varying = np.ptp(dosages, axis=0) > 0.0 if dosages.size else np.zeros(dosages.shape[1], dtype=np.bool_)
    if not varying.any() or not np.ptp(expression):
        return AnnotationMoments.none(n_features)
    chosen = dosages[:, varying].astype(np.float64)
    weights = variances[varying] / variances[varying].sum()
    weighted = (chosen - chosen.mean(axis=0)) * (np.sqrt(weights) / chosen.std(axis=0))
    kernel = KernelEigen.of_features(weighted)
    fit = fit_reml(kernel, expression)
    if not np.isfinite(fit.variance_ratio):
        return AnnotationMoments.none(n_features)
    variance = float((expression - expression.mean()) @ fit.dual) / (n_samples - 1)
    # (K + δI)⁻¹Z and the diagonal of Zᵀ(K + δI)⁻¹Z: P is that inverse over the variance, on the contrasts.
    precision = 1.0 / (kernel.values + fit.variance_ratio)
    along = kernel.vectors.T @ weighted
    solved = kernel.vectors @ (along * (precision - 1.0 / fit.variance_ratio)[:, None])
    solved += weighted / fit.variance_ratio
    slopes = ((weighted.T @ fit.dual) ** 2 / variance - np.einsum("ij,ij->j", weighted, solved)) / 2.0
    # The last two parameters are the logarithm of σ²_b, a feature that is 1 everywhere, and σ²_e.
    columns = np.column_stack([features[varying], np.ones(len(weights))]).astype(np.float64)
    squared = np.square(weighted.T @ solved)
    noise = columns.T @ np.einsum("ij,ij->j", solved, solved)
    n_null = n_samples - 1 - len(kernel.values)
    noise_alone = float(np.sum(precision**2)) + n_null / fit.variance_ratio**2
    information = np.empty((n_features + 2, n_features + 2))
    information[:-1, :-1] = columns.T @ squared @ columns
    information[:-1, -1] = information[-1, :-1] = noise
    information[-1, -1] = noise_alone
    information /= 2.0
    nuisance = information[n_features:, n_features:]
    nuisance = nuisance + _RIDGE * np.trace(nuisance) * np.eye(2)
    shared = information[:n_features, n_features:]
    return AnnotationMoments(
        columns[:, :n_features].T @ slopes,
        information[:n_features, :n_features] - shared @ np.linalg.solve(nuisance, shared.T),
    )
