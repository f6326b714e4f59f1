"""Variance components of one kernel by restricted maximum likelihood."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.optimize import minimize_scalar

from haploscribe.utils.types import Float64Array, Int32Array, Int64Array

_LOG_RATIO_BOUNDS = (np.log(1e-5), np.log(1e5))  # those of GEMMA (-lmin, -lmax)
_GRID_POINTS = 51  # the likelihood may have several peaks; the best grid point picks one
_NO_VARIANCE = 1e-12
_NULL = 1e-11  # of a kernel's trace: far below the least δ, 1e-5 of the mean eigenvalue


@dataclass(frozen=True, slots=True)
class KernelEigen:
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


def fit_reml(kernel: KernelEigen, outcome: Float64Array, n_fixed_effects: int = 1) -> RemlFit:
    """Estimate the variance components of y = µ + g + e, g ~ N(0, σ²_g K), e ~ N(0, σ²_e I).

    With K centred, K = U S Uᵀ on the m = n − 1 contrasts orthogonal to the mean, and the restricted
    likelihood of δ = σ²_e / σ²_g is (Patterson & Thompson 1971; diagonalised as in Kang et al. 2008)

        ℓ(δ) = −½ [m log Σ (uᵢᵀy)² / (sᵢ + δ) + Σ log (sᵢ + δ)] + constant,

    maximised over 1e-5 ≤ δ / mean(s) ≤ 1e5. The prediction is the same with K not centred and µ estimated
    by generalised least squares, as both depend on contrasts alone.

    Parameters
    ----------
    kernel
        Eigendecomposition of a kernel whose rows and columns have mean 0.
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


_NOTHING_LEFT = 1e-9  # of what it is the residual of: rounding


def fixed_effects(n_samples: int, covariates: Float64Array | None) -> Float64Array:
    """Span the mean and the covariates, float64 `(n_samples, rank)`, by orthonormal columns.

    Parameters
    ----------
    n_samples
        Samples.
    covariates
        float64 `(n_samples, n_covariates)`, collinear and constant ones among them perhaps; or None.
    """
    columns = np.ones((n_samples, 1))
    if covariates is not None:
        columns = np.column_stack([columns, standardised(covariates)])
    vectors, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(vectors[:, sizes > _NOTHING_LEFT * sizes[0]])


def residuals(rows: Float64Array, fixed: Float64Array) -> Float64Array:
    """Take fixed effects out of every row, float64 `(n_rows, n_samples)`; rows of rounding error become 0."""
    left = rows - (rows @ fixed) @ fixed.T
    real = np.linalg.norm(left, axis=1) > _NOTHING_LEFT * np.linalg.norm(rows, axis=1)
    return np.asarray(left * real[:, None])


def standardised(columns: Float64Array) -> Float64Array:
    """Centre columns and scale them to variance 1 (1/n); 0 where a column is constant."""
    centred = columns - columns.mean(axis=0)
    spread = centred.std(axis=0)
    varies = spread > _NOTHING_LEFT * np.abs(columns).max(axis=0, initial=0.0)
    return np.asarray(np.where(varies, centred / np.where(varies, spread, 1.0), 0.0))


def fit_haplotype_effects(
    scores: Sequence[Float64Array], index: Sequence[Int32Array | Int64Array], expression: Float64Array
) -> tuple[RemlFit, list[Float64Array]]:
    """Estimate y = µ + Σ XB + e, with X the scores of a sample's two haplotypes, b ~ N(0, σ²_b I).

    X = CS, with C the centred counts of a part's unique haplotypes and S their scores. Any R with RRᵀ = SSᵀ
    gives CR the kernel of CS; where haplotypes are fewer than scores, R has one column per haplotype. Effects
    are Xᵀ(K + δI)⁻¹(y − ȳ), with δ by REML.

    Parameters
    ----------
    scores
        For each part of a window, a tile or a bin: float64 `(n_unique, n_scores)`.
    index
        For each part: `(n_samples, 2)`; the rows that a sample's haplotypes carry.
    expression
        float64 `(n_samples,)`.

    Returns
    -------
    What REML found, and for each part effects B, float64 `(n_scores,)`.
    """
    carried = [haplotype_counts(rows, len(part)) for rows, part in zip(index, scores, strict=True)]
    carried = [counts - counts.mean(axis=0) for counts in carried]
    features = [counts @ _narrow(part) for counts, part in zip(carried, scores, strict=True)]
    fit = fit_reml(KernelEigen.of_features(np.concatenate(features, axis=1)), expression)
    return fit, [part.T @ (counts.T @ fit.dual) for counts, part in zip(carried, scores, strict=True)]


def haplotype_counts(index: Int32Array | Int64Array, n_unique: int) -> Float64Array:
    """Count how many copies of each unique haplotype a sample carries.

    Parameters
    ----------
    index
        `(n_samples, 2)`; see `TileDeltas.index`.
    n_unique
        Number of unique haplotypes.

    Returns
    -------
    float64 `(n_samples, n_unique)`; rows sum to 2.
    """
    counts = np.zeros((len(index), n_unique))
    np.add.at(counts, (np.arange(len(index))[:, None], index), 1.0)
    return counts


def _narrow(scores: Float64Array) -> Float64Array:
    """Find R with RRᵀ = SSᵀ and no more columns than S has rows."""
    if len(scores) >= scores.shape[1]:
        return scores
    values, vectors = np.linalg.eigh(scores @ scores.T)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
