"""How much a variant may matter by where it lies and what is known of it, learned from many genes at once."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.optimize import nnls

from haploscribe.utils.types import Float32Array, Float64Array

REACHES = (1_000.0, 3_000.0, 10_000.0, 30_000.0, 100_000.0)
"""Base pairs over which the shapes that a prior is made of fall by e."""

N_SHAPES = 2 * len(REACHES) + 1
_FLOOR = 1e-3  # of the variance at the TSS: no variant is shut out beforehand
_RIDGE = 1e-9  # of each moment's own size: neighbouring shapes are nearly collinear
_BLOCK = 512  # variants whose products with all others are in memory at a time


@dataclass(frozen=True, slots=True)
class EffectVariancePrior:
    """The variance expected of a standardised variant's effect, by its distance to the TSS and annotations.

    Attributes
    ----------
    weights
        `N_SHAPES` weights of the shapes that `distance_shapes` gives, not negative, not all 0.
    annotation_effects
        What each feature of the annotations adds to the log variance; empty without annotations.
    """

    weights: tuple[float, ...]
    annotation_effects: tuple[float, ...] = ()

    def variances(self, distances: Float32Array | Float64Array) -> Float64Array:
        """Return the expected variances of variants or tiles, relative to those of a variant at the TSS.

        Parameters
        ----------
        distances
            float32 or float64 `(n,)`; base pairs from the TSS, positive downstream.

        Returns
        -------
        float64 `(n,)`; all positive.
        """
        n_reaches = len(REACHES)
        at_tss = max(sum(self.weights[:n_reaches]), sum(self.weights[n_reaches:-1])) + self.weights[-1]
        return np.asarray(np.array(self.weights) @ distance_shapes(distances) / at_tss + _FLOOR)

    def factors(self, annotations: Float32Array) -> Float64Array:
        """Return what annotations multiply the variances of variants by.

        Parameters
        ----------
        annotations
            float32 `(n_variants, n_features)`; see `haploscribe.annotations.features`.

        Returns
        -------
        float64 `(n_variants,)`; all positive, 1 where no effect of annotations is known.
        """
        if not self.annotation_effects:
            return np.ones(len(annotations))
        return np.asarray(np.exp(annotations.astype(np.float64) @ np.array(self.annotation_effects)))


def distance_shapes(distances: Float32Array | Float64Array) -> Float64Array:
    """Return the shapes of which a prior is a sum: exp(−|d| / reach) on either side of the TSS, and 1.

    Parameters
    ----------
    distances
        `(n,)`; base pairs from the TSS, positive downstream.

    Returns
    -------
    float64 `(N_SHAPES, n)`; those upstream, those from the TSS on, and the constant.
    """
    signed = distances.astype(np.float64)
    falling = np.exp(-np.abs(signed) / np.array(REACHES)[:, None])
    upstream = signed < 0.0
    return np.concatenate([falling * upstream, falling * ~upstream, np.ones((1, signed.size))])


DEFAULT_PRIOR = EffectVariancePrior(
    (0.0, 0.0, 0.0, 3.292e-4, 2.296e-5, 1.089e-2, 0.0, 0.0, 7.549e-4, 6.464e-5, 0.0)
)
"""For runs of too few genes to learn one: learned on 262 genes of chromosome 22 in 358 samples (Geuvadis),
those at least 1 Mb from every gene of the bundled example. `tools/learn_variance_prior.py` prints it."""


@dataclass(frozen=True, slots=True)
class HasemanElstonMoments:
    """What genes say about the prior, summed over genes: the normal equations of Haseman & Elston.

    With K_a = Z diag(shape_a) Zᵀ for standardised dosages Z and K_0 = I, the products of two samples'
    expression, y_i y_j, have the expectation Σ_a w_a K_a,ij where w are the prior's weights and the noise's
    variance. Least squares over all pairs of samples (Haseman & Elston 1972; as moments, Zhou 2017) needs the
    inner products of the kernels and those of yyᵀ with them alone, and those of many genes add up.

    Attributes
    ----------
    kernels
        float64 `(N_SHAPES + 1, N_SHAPES + 1)`; tr(K_a K_b), the noise last.
    outcomes
        float64 `(N_SHAPES + 1,)`; yᵀ K_a y.
    """

    kernels: Float64Array
    outcomes: Float64Array

    @classmethod
    def none(cls) -> Self:
        """Start a sum."""
        return cls(np.zeros((N_SHAPES + 1, N_SHAPES + 1)), np.zeros(N_SHAPES + 1))

    def __add__(self, other: Self) -> Self:
        """Sum over genes."""
        return type(self)(self.kernels + other.kernels, self.outcomes + other.outcomes)

    def prior(self) -> EffectVariancePrior | None:
        """Find the weights ≥ 0 that fit best; None where no variance at all is found."""
        size = np.sqrt(np.diag(self.kernels))
        if not size[-1] or not size[:-1].any():
            return None
        scale = np.where(size > 0.0, size, 1.0)
        scaled = self.kernels / scale[:, None] / scale + _RIDGE * np.eye(len(scale))
        # min wᵀAw − 2bᵀw is a least-squares problem in the root of A. Where all variants lie so close that
        # the shapes are one, rounding makes the least eigenvalues of A negative.
        values, vectors = np.linalg.eigh(scaled)
        root = np.sqrt(np.maximum(values, _RIDGE))
        found = nnls(root[:, None] * vectors.T, (vectors.T @ (self.outcomes / scale)) / root)[0] / scale
        weights = tuple(float(weight) for weight in found[:-1])
        return EffectVariancePrior(weights) if any(weights) else None


def variance_moments(
    dosages: Float32Array, distances: Float64Array, expression: Float64Array
) -> HasemanElstonMoments:
    """Measure what one gene says about the prior.

    Parameters
    ----------
    dosages
        float32 `(n_samples, n_variants)`.
    distances
        float64 `(n_variants,)`; base pairs from the TSS, positive downstream.
    expression
        float64 `(n_samples,)`; genes count in proportion to its variance squared, so standardise it.

    Returns
    -------
    All 0 where no dosage or no expression varies.
    """
    found = HasemanElstonMoments.none()
    varying = np.ptp(dosages, axis=0) > 0.0 if dosages.size else np.zeros(dosages.shape[1], dtype=np.bool_)
    if not varying.any() or not np.ptp(expression):
        return found
    chosen = dosages[:, varying]
    features = (chosen - chosen.mean(axis=0)) / chosen.std(axis=0)
    shapes = distance_shapes(distances[varying])
    deviation = expression - expression.mean()
    # tr(K_a K_b) = Σ_ij shape_a,i shape_b,j (zᵢᵀzⱼ)²: squared products of variants, block by block.
    for block in range(0, len(features.T), _BLOCK):
        columns = slice(block, block + _BLOCK)
        squared = np.square(features.T @ features[:, columns], dtype=np.float64)
        found.kernels[:-1, :-1] += shapes @ squared @ shapes[:, columns].T
    found.kernels[-1, :-1] = found.kernels[:-1, -1] = shapes.sum(axis=1) * len(expression)
    found.kernels[-1, -1] = len(expression) - 1
    found.outcomes[:-1] = shapes @ (features.T @ deviation) ** 2
    found.outcomes[-1] = deviation @ deviation
    return found
