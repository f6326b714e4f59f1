"""Adaptive shrinkage: effects of many sizes at once, how many of each learned from the data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from haploscribe.estimators.base import CompositeEstimator, GeneEstimator, require_complete
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.linear.blup import DosageBlup
from haploscribe.estimators.linear.dosage_model import DosageModel
from haploscribe.estimators.solvers.compiled import compiled, compiled_into_callers
from haploscribe.utils.types import Float64Array

_N_SIZES = 20
_MAX_SWEEPS = 500
_TOLERANCE = 1e-4  # of the outcome's standard deviation, for a feature of variance 1


@dataclass(frozen=True, slots=True)
class AdaptiveShrinkageFit:
    """The variational posterior of all effects.

    Attributes
    ----------
    means
        float64 `(n_features,)`; posterior mean effects.
    shares
        float64 `(20,)`; the part of all effects of each size, from none to large, adding up to 1.
    residual_variance
        σ².
    n_sweeps
        Sweeps over all effects until nothing moved.
    """

    means: Float64Array
    shares: Float64Array
    residual_variance: float
    n_sweeps: int


def effect_sizes() -> Float64Array:
    """Prior variances of an effect in units of σ²: (2^(k/20) − 1)², k = 0..19, the first a spike at 0."""
    return np.asarray((2.0 ** (np.arange(_N_SIZES) / _N_SIZES) - 1.0) ** 2)


def fit_adaptive_shrinkage(
    features: Float64Array, outcome: Float64Array, prior: Float64Array, start: Float64Array
) -> AdaptiveShrinkageFit:
    """Fit a multiple regression whose effects come from a mixture of normals.

        y = Xb + e,   e ~ N(0, σ²I),   b_j ~ Σ_k π_k N(0, σ² s_k w_j),   s_0 = 0

    by coordinate ascent on the variational lower bound, with π and σ² at their best values after each sweep
    (mr.ash: Kim, Wang, Carbonetto & Stephens 2024, "A flexible empirical Bayes approach to multiple linear
    regression", JMLR 25). New here are the weights w: an effect with twice the weight has twice the variance.
    The bound has several peaks; the start and the order of the features decide which is climbed.

    Parameters
    ----------
    features
        float64 `(n_samples, n_features)`; columns of mean 0 and variance 1 (1/n).
    outcome
        float64 `(n_samples,)`; of mean 0, not constant.
    prior
        float64 `(n_features,)`; w, of any scale: it is divided by its mean.
    start
        float64 `(n_features,)`; effects to start from.
    """
    columns = np.ascontiguousarray(features.T)
    squares = np.einsum("ji,ji->j", columns, columns)
    # Prior variance over the variance of an effect's own least-squares estimate, σ² / xⱼ'xⱼ: σ² cancels.
    ratios = effect_sizes() * (prior / prior.mean() * squares)[:, None]
    means, shares = start.copy(), np.full(_N_SIZES, 1.0 / _N_SIZES)
    residual = outcome - features @ means
    variance, n_sweeps = _ascend(
        columns,
        squares,
        np.log1p(ratios),
        ratios / (1.0 + ratios),
        residual,
        means,
        shares,
        max(float(np.mean(residual**2)), np.finfo(np.float64).tiny),
        _TOLERANCE * float(outcome.std()),
        _MAX_SWEEPS,
    )
    return AdaptiveShrinkageFit(means, shares, variance, n_sweeps)


@compiled_into_callers
def _weigh_sizes(
    log_shares: Float64Array,
    log_ratios: Float64Array,
    shrinkage: Float64Array,
    evidence: float,
    weight: Float64Array,
) -> None:
    """Write the posterior weights of the sizes of one effect, which add up to 1, into `weight`."""
    highest = -np.inf
    for k in range(weight.size):
        weight[k] = log_shares[k] - 0.5 * log_ratios[k] + evidence * shrinkage[k]
        highest = max(highest, weight[k])
    total = 0.0
    for k in range(weight.size):
        weight[k] = np.exp(weight[k] - highest)
        total += weight[k]
    for k in range(weight.size):
        weight[k] /= total


@compiled
def _ascend(
    columns: Float64Array,
    squares: Float64Array,
    log_ratios: Float64Array,
    shrinkage: Float64Array,
    residual: Float64Array,
    means: Float64Array,
    shares: Float64Array,
    variance: float,
    tolerance: float,
    max_sweeps: int,
) -> tuple[float, int]:
    """Sweep over the effects, changing residual, means and shares in place, until none moves."""
    n_features, n_samples = columns.shape
    n_sizes = shares.size
    weight = np.empty(n_sizes)
    n_sweeps = 0
    largest_step = np.inf
    while largest_step >= tolerance and n_sweeps < max_sweeps:
        n_sweeps += 1
        log_shares = np.log(np.maximum(shares, 1e-300))
        total = np.zeros(n_sizes)
        largest_step = 0.0
        spread = 0.0
        for j in range(n_features):
            product = 0.0
            for i in range(n_samples):
                product += columns[j, i] * residual[i]
            least_squares = product / squares[j] + means[j]
            evidence = 0.5 * least_squares * least_squares * squares[j] / variance
            _weigh_sizes(log_shares, log_ratios[j], shrinkage[j], evidence, weight)
            total += weight
            mean = np.sum(weight * shrinkage[j]) * least_squares
            step = mean - means[j]
            if step != 0.0:
                for i in range(n_samples):
                    residual[i] -= step * columns[j, i]
                means[j] = mean
                largest_step = max(largest_step, abs(step))
            spread += squares[j] * mean * (least_squares - mean)
        for k in range(n_sizes):  # numba takes seconds to compile the assignment of an array
            shares[k] = total[k] / n_features
        # σ²: the expected squared residual and, as effects are in units of σ², their expected size.
        n_effects = n_features - total[0]
        expected = np.sum(residual * residual) + spread
        variance = max((expected + variance * n_effects) / (n_samples + n_effects), 1e-300)
    return variance, n_sweeps


class AdaptiveShrinkage(DosageModel, CompositeEstimator):
    """Adaptive shrinkage of the effects of a gene's variants, larger beforehand near the TSS.

    Between BLUP, where every variant has a small effect, and SuSiE, where a few have one: a variant's effect
    may have any of 20 sizes, and the data say how many have which. The variance of all of them is in
    proportion to what `GeneInputs.prior` expects of the variant. Starts from BLUP under the same prior. A
    validation set is not needed, and is trained on.

    Parameters
    ----------
    hard_calls
        See `DosageModel`.
    annotations
        Read what annotations say of variants, where a run has them; see `Estimator.annotations`.

    Attributes
    ----------
    shares_
        float64 `(20,)`; the part of variants of each effect size, from none to large.
    """

    uses_other_genes: bool = True

    def __init__(self, *, hard_calls: bool = False, annotations: bool = True) -> None:
        super().__init__(hard_calls=hard_calls)
        self.annotations = annotations

    def parts(self) -> dict[str, DosageBlup]:
        """Return the BLUP whose effects are the start."""
        return {"blup": DosageBlup(by_distance=True)}

    def fit_on(
        self, parts: Mapping[str, GeneEstimator], inputs: GeneInputs, expression: Float64Array
    ) -> Self:
        """Estimate shares, variance and effects; see `CompositeEstimator.fit_on`."""
        require_complete(inputs, expression)
        blup = parts["blup"]
        assert isinstance(blup, DosageBlup)
        dosages = inputs.dosages.astype(np.float64)
        self.intercept_ = float(expression.mean())
        self.coefficients_ = np.zeros(dosages.shape[1])
        self.shares_: Float64Array = np.eye(1, _N_SIZES)[0]
        varying = np.any(dosages != dosages[0], axis=0)
        if np.ptp(expression) > 0.0 and varying.any():
            mean, scale = dosages[:, varying].mean(axis=0), dosages[:, varying].std(axis=0)
            fit = fit_adaptive_shrinkage(
                (dosages[:, varying] - mean) / scale,
                expression - expression.mean(),
                inputs.prior_variances()[varying],
                blup.coefficients_[varying] * scale,
            )
            self.shares_ = fit.shares
            self.coefficients_[varying] = fit.means / scale
            self.intercept_ -= float(self.coefficients_[varying] @ mean)
        return self
