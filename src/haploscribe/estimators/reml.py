"""Variance components of one kernel by restricted maximum likelihood."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.optimize import minimize_scalar

from haploscribe.utils.types import Float64Array

_LOG_RATIO_BOUNDS = (np.log(1e-5), np.log(1e5))  # those of GEMMA (-lmin, -lmax)
_GRID_POINTS = 51  # the likelihood may have several peaks; the best grid point picks one
_NO_VARIANCE = 1e-12
_NULL = 1e-11  # of a kernel's trace: far below the least δ, 1e-5 of the mean eigenvalue


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The eigenvalues of a kernel that are not 0, and their eigenvectors.

    Attributes
    ----------
    values
        float64 `(rank,)`; positive, rising.
    vectors
        float64 `(n_samples, rank)`; orthonormal columns.
    """

    values: Float64Array
    vectors: Float64Array

    @classmethod
    def of(cls, kernel: Float64Array) -> Self:
        """Decompose a kernel.

        Parameters
        ----------
        kernel
            float64 `(n_samples, n_samples)`; symmetric, positive semi-definite.
        """
        values, vectors = np.linalg.eigh(kernel)
        kept = values > _NULL * np.trace(kernel)
        return cls(values[kept], vectors[:, kept])

    @classmethod
    def of_features(cls, features: Float64Array) -> Self:
        """Decompose the kernel ZZᵀ by the smaller side of Z.

        ZᵀZ has its eigenvalues, s, and eigenvectors V that give those of ZZᵀ, ZV / √s: the sum is over
        features, which are fewer than samples in a large cohort.

        Parameters
        ----------
        features
            float64 `(n_samples, n_features)`.
        """
        if features.shape[1] >= len(features):
            return cls.of(features @ features.T)
        turned = cls.of(features.T @ features)
        return cls(turned.values, (features @ turned.vectors) / np.sqrt(turned.values))


@dataclass(frozen=True, slots=True)
class RemlFit:
    """What a kernel explains of an outcome.

    Attributes
    ----------
    heritability
        Share of variance that the kernel explains, 0 to 1: σ²_g / (σ²_g + σ²_e) with the kernel scaled to a
        mean diagonal of 1.
    variance_ratio
        σ²_e / σ²_g for the kernel as given; infinite where the kernel or the outcome is constant.
    dual
        float64 `(n_samples,)`; (K + δI)⁻¹y on the contrasts: weights whose product with the centred kernel of
        new against training samples is their deviation from the training mean.
    mean_precision
        The mean eigenvalue of (K + δI)⁻¹ on the contrasts.
    """

    heritability: float
    variance_ratio: float
    dual: Float64Array
    mean_precision: float


def fit_reml(kernel: Spectrum, outcome: Float64Array, n_fixed_effects: int = 1) -> RemlFit:
    """Estimate the variance components of y = µ + g + e, g ~ N(0, σ²_g K), e ~ N(0, σ²_e I).

    With K centred, K = U S Uᵀ on the m = n − 1 contrasts orthogonal to the mean, and the restricted
    likelihood of δ = σ²_e / σ²_g is (Patterson & Thompson 1971; diagonalised as in Kang et al. 2008)

        ℓ(δ) = −½ [m log Σ (uᵢᵀy)² / (sᵢ + δ) + Σ log (sᵢ + δ)] + constant,

    maximised over 1e-5 ≤ δ / mean(s) ≤ 1e5. The prediction is the same with K not centred and µ estimated
    by generalised least squares, as both depend on contrasts alone.

    Parameters
    ----------
    kernel
        Spectrum of a kernel whose rows and columns have mean 0.
    outcome
        float64 `(n_samples,)`.
    n_fixed_effects
        1 for the mean alone. Where there are f of them, rows and columns of the kernel, and the outcome, must
        be orthogonal to all; then m = n − f.
    """
    n_contrasts = len(outcome) - n_fixed_effects
    # A kernel of rounded numbers may have more directions, the least of which are the fixed effects'.
    values, vectors = kernel.values[-n_contrasts:], kernel.vectors[:, -n_contrasts:]
    n_null = n_contrasts - len(values)
    deviation = outcome - outcome.mean()
    mean_eigenvalue = float(values.sum()) / max(n_contrasts, 1)
    total = float(deviation @ deviation)
    if mean_eigenvalue <= 0.0 or total <= _NO_VARIANCE * float(outcome @ outcome):
        return RemlFit(0.0, float("inf"), np.zeros(len(outcome)), 1.0)
    spectrum = values / mean_eigenvalue
    along = vectors.T @ deviation
    apart = deviation - vectors @ along
    squares, rest = along**2, float(apart @ apart)

    def negative_likelihood(log_ratio: float) -> float:
        ratio = float(np.exp(log_ratio))
        spread = spectrum + ratio
        log_determinant = float(np.sum(np.log(spread))) + n_null * log_ratio
        residual = float(np.sum(squares / spread)) + rest / ratio
        return (n_contrasts * float(np.log(residual)) + log_determinant) / 2.0

    grid = np.linspace(*_LOG_RATIO_BOUNDS, _GRID_POINTS)
    heights = [negative_likelihood(float(point)) for point in grid]
    best = int(np.argmin(heights))
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, _GRID_POINTS - 1)])
    peak = minimize_scalar(negative_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-8})
    ratio = float(np.exp(peak.x if peak.fun <= heights[best] else grid[best]))
    dual = (vectors @ (along / (spectrum + ratio)) + apart / ratio) / mean_eigenvalue
    precision = (float(np.sum(1.0 / (spectrum + ratio))) + n_null / ratio) / n_contrasts / mean_eigenvalue
    return RemlFit(1.0 / (1.0 + ratio), ratio * mean_eigenvalue, dual, precision)
