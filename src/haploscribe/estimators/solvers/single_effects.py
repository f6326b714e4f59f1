"""SuSiE, the sum of single effects, fitted by iterative Bayesian stepwise selection.

Wang, Sarkar, Carbonetto & Stephens, "A simple new approach to variable selection in regression, with
application to genetic fine mapping", JRSS B 82:1273-1300, 2020. Hyper-parameters, starting values and the
rule for stopping are those of the authors' R package susieR. One step is done more thoroughly: where the
marginal likelihood of an effect has two peaks, R's one-dimensional search may settle on the lower.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from haploscribe.utils.types import Float64Array

# susieR's defaults: `tol`, `max_iter`, `residual_variance_lowerbound`, `prior_tol`.
_LEAST_GAIN = 1e-3  # in the evidence lower bound, to go on
_MOST_ITERATIONS = 100
_LEAST_RESIDUAL_VARIANCE = 1e-4  # of the outcome's variance
_NEGLIGIBLE_PRIOR_VARIANCE = 1e-9  # of the outcome's variance: the effect is not there
_FIRST_RATIO = 1e-2
_GRID_POINTS = 12
_MOST_NEWTON_STEPS = 60
_NEWTON_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class SusieFit:
    """The posterior of L single effects; effects are changes in outcome with one standard deviation.

    Attributes
    ----------
    alpha
        float64 `(n_effects, n_features)`; the probability that this effect is that feature's; rows sum to 1,
        with 0 for features that are constant or have no prior weight.
    mean
        float64 `(n_effects, n_features)`; posterior mean of the effect, were it that feature's.
    variance
        float64 `(n_effects,)`; its posterior variance, the same whichever feature's it is.
    prior_variance
        float64 `(n_effects,)`; as estimated, 0 where the effect is not there.
    coefficients
        float64 `(n_features,)`; posterior mean of the change in outcome with one unit of the feature.
    intercept
        Outcome where all features are 0.
    pip
        float64 `(n_features,)`; posterior inclusion probability, that any effect is this feature's, of those
        that are there.
    residual_variance
        As estimated; 0 where the outcome is constant.
    elbo
        float64 `(n_iterations,)`; the evidence lower bound after each pass over the effects.
    converged
        Whether the bound had settled when iteration stopped.
    """

    alpha: Float64Array
    mean: Float64Array
    variance: Float64Array
    prior_variance: Float64Array
    coefficients: Float64Array
    intercept: float
    pip: Float64Array
    residual_variance: float
    elbo: Float64Array
    converged: bool


def fit_susie(
    features: Float64Array, outcome: Float64Array, prior_weights: Float64Array, n_effects: int = 5
) -> SusieFit:
    """Fit y = µ + Σₗ X bₗ + e, where each bₗ has one entry that is not zero (Wang et al. 2020, section 3).

    Features are standardised (variance by n − 1). An effect is feature j's with probability πⱼ beforehand,
    and N(0, Vₗ) then; e ~ N(0, σ²). Effects are refitted in turn to what the others leave (algorithm 1), with
    Vₗ at the peak of that effect's marginal likelihood, or 0 where that is no better, and σ² the expected
    mean squared residual, until a pass adds less than .001 to the evidence lower bound.

    Parameters
    ----------
    features
        float64 `(n_samples, n_features)`; finite.
    outcome
        float64 `(n_samples,)`; finite.
    prior_weights
        float64 `(n_features,)`; proportional to π; not negative.
    n_effects
        L; fewer are fitted where fewer features vary and have weight.
    """
    n_samples, n_features = features.shape
    assert outcome.shape == (n_samples,)
    assert prior_weights.shape == (n_features,)
    usable = np.flatnonzero((np.ptp(features, axis=0) > 0.0) & (prior_weights > 0.0))
    centre, scale = features[:, usable].mean(axis=0), features[:, usable].std(axis=0, ddof=1)
    # In Fortran's order, so that both products with it run along memory.
    design = np.asfortranarray((features[:, usable] - centre) / scale)
    weights = prior_weights[usable] / prior_weights[usable].sum()
    fit = _iterate(design, outcome - outcome.mean(), weights, min(n_effects, usable.size))

    alpha, mean = np.zeros((2, len(fit.effects), n_features))
    for row, effect in enumerate(fit.effects):
        alpha[row, usable], mean[row, usable] = effect.alpha, effect.mean
    coefficients = np.zeros(n_features)
    coefficients[usable] = (alpha * mean).sum(axis=0)[usable] / scale
    prior_variance = np.array([effect.prior_variance for effect in fit.effects])
    present = prior_variance > _NEGLIGIBLE_PRIOR_VARIANCE * outcome.var()
    return SusieFit(
        alpha=alpha,
        mean=mean,
        variance=np.array([effect.variance for effect in fit.effects]),
        prior_variance=prior_variance,
        coefficients=coefficients,
        intercept=float(outcome.mean() - coefficients[usable] @ centre),
        pip=1.0 - np.prod(1.0 - alpha[present], axis=0),
        residual_variance=fit.residual_variance,
        elbo=np.array(fit.elbo),
        converged=fit.converged,
    )


@dataclass(frozen=True, slots=True)
class _SingleEffect:
    """The posterior of one effect, its `(n_samples,)` fitted values, and KL(posterior, prior)."""

    alpha: Float64Array
    mean: Float64Array
    variance: float
    prior_variance: float
    fitted: Float64Array
    divergence: float

    @property
    def second_moment(self) -> float:
        """E Σⱼ bⱼ²."""
        return float(self.alpha @ self.mean**2) + self.variance

    @classmethod
    def absent(cls, weights: Float64Array, n_samples: int) -> Self:
        return cls(weights, np.zeros(weights.size), 0.0, 0.0, np.zeros(n_samples), 0.0)


@dataclass(frozen=True, slots=True)
class _Iterated:
    effects: list[_SingleEffect]
    residual_variance: float
    elbo: list[float]
    converged: bool


def _iterate(
    design: Float64Array, deviation: Float64Array, weights: Float64Array, n_effects: int
) -> _Iterated:
    """Refit the effects in turn until the evidence lower bound settles: algorithm 1 (IBSS)."""
    n_samples = len(design)
    effects = [_SingleEffect.absent(weights, n_samples) for _ in range(n_effects)]
    variance = float(deviation @ deviation) / max(n_samples - 1, 1)
    if not effects or variance <= 0.0:
        return _Iterated(effects, variance, [], converged=True)
    residual_variance, residual = variance, deviation.copy()
    elbo: list[float] = []
    for _ in range(_MOST_ITERATIONS):
        for place, effect in enumerate(effects):
            residual += effect.fitted
            effects[place] = _single_effect(design, residual, weights, residual_variance)
            residual -= effects[place].fitted
        squares = float(residual @ residual) + sum(
            (n_samples - 1) * effect.second_moment - float(effect.fitted @ effect.fitted)
            for effect in effects
        )
        likelihood = -0.5 * (n_samples * np.log(2 * np.pi * residual_variance) + squares / residual_variance)
        elbo.append(float(likelihood) - sum(effect.divergence for effect in effects))
        if len(elbo) > 1 and elbo[-1] - elbo[-2] < _LEAST_GAIN:
            return _Iterated(effects, residual_variance, elbo, converged=True)
        residual_variance = max(squares / n_samples, _LEAST_RESIDUAL_VARIANCE * variance)
    return _Iterated(effects, residual_variance, elbo, converged=False)


def _single_effect(
    design: Float64Array, outcome: Float64Array, weights: Float64Array, residual_variance: float
) -> _SingleEffect:
    """Regress on the one feature that matters, whichever it is (Wang et al. 2020, section 2, appendix A).

    All features have the sum of squares n − 1, so that the least-squares estimates b̂ⱼ have the same variance
    s² = σ² / (n − 1). With v = V / s² and zⱼ = b̂ⱼ / s, the Bayes factor of feature j is
    exp(½ zⱼ² v / (1 + v)) / √(1 + v), and the effect is N(b̂ⱼ v / (1 + v), s² v / (1 + v)) afterwards.
    """
    freedom = len(design) - 1
    estimates = outcome @ design / freedom
    error = residual_variance / freedom
    squared_z = estimates**2 / error
    ratio = _best_variance_ratio(squared_z, weights)
    if ratio == 0.0:
        return _SingleEffect.absent(weights, len(design))
    shrinkage = ratio / (1.0 + ratio)
    alpha, log_bayes_factor = _tilted(squared_z, weights, ratio)
    mean = shrinkage * estimates
    fitted = design @ (alpha * mean)
    variance = shrinkage * error
    second_moment = float(alpha @ mean**2) + variance
    # The likelihood's expected logarithm, less what it is without the effect.
    gain = (float(outcome @ fitted) - 0.5 * freedom * second_moment) / residual_variance
    return _SingleEffect(alpha, mean, variance, ratio * error, fitted, gain - log_bayes_factor)


def _tilted(squared_z: Float64Array, weights: Float64Array, ratio: float) -> tuple[Float64Array, float]:
    """Posterior inclusion of each feature, and the logarithm of the single effect's Bayes factor."""
    exponent = 0.5 * squared_z * (ratio / (1.0 + ratio))
    largest = exponent.max()
    tilted = weights * np.exp(exponent - largest)
    total = tilted.sum()
    return tilted / total, float(largest + np.log(total) - 0.5 * np.log1p(ratio))


def _best_variance_ratio(squared_z: Float64Array, weights: Float64Array) -> float:
    """Find V / s² at the peak of the single effect's marginal likelihood; 0 where that is no better.

    Where the likelihood is stationary, 1 + v = E z², the mean under posterior inclusion, hence
    v ≤ max z² − 1. It may have several peaks: the best point of a grid picks one, and Newton's method, kept
    within the neighbours, climbs it. Points near 0 need no grid: there the slope at 0 tells.
    """
    if squared_z.max() <= 1.0:
        return 0.0
    grid = np.concatenate([[0.0], np.geomspace(_FIRST_RATIO, squared_z.max(), _GRID_POINTS)])
    heights = [_tilted(squared_z, weights, float(ratio))[1] for ratio in grid]
    best = int(np.argmax(heights))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, _GRID_POINTS)])
    ratio = float(grid[best])
    for _ in range(_MOST_NEWTON_STEPS):
        alpha, height = _tilted(squared_z, weights, ratio)
        expected = float(alpha @ squared_z)
        slope = expected - 1.0 - ratio
        if slope > 0.0:
            low = ratio
        else:
            high = ratio
        curvature = 0.5 * float(alpha @ (squared_z - expected) ** 2) / (1.0 + ratio) ** 2 - 1.0
        step = ratio - slope / curvature if curvature < 0.0 else low
        following = step if low < step < high else 0.5 * (low + high)
        if abs(following - ratio) <= _NEWTON_TOLERANCE * (1.0 + ratio):
            break
        ratio = following
    return ratio if height > 0.0 else 0.0
