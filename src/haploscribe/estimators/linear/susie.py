"""SuSiE on the dosages of a gene's variants: a few effects, each of one variant not known for certain."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from haploscribe.estimators.base import State, require_complete
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.linear.dosage_model import DosageModel
from haploscribe.estimators.linear.posterior import POSTERIOR
from haploscribe.estimators.solvers.single_effects import SusieFit, fit_susie
from haploscribe.utils.types import BoolArray, Float32Array, Float64Array


class Susie(DosageModel):
    """The sum of single effects (Wang et al., JRSS B 2020), likelier where other genes have theirs.

    A variant's prior inclusion weight is the variance that `GeneInputs.prior` expects of it. Variances are
    estimated on all samples given; a validation set is not needed, and is trained on. The method:
    `haploscribe.estimators.solvers.single_effects`.

    Parameters
    ----------
    n_effects
        L, the number of effects at most; those that do not help vanish.
    hard_calls
        See `DosageModel`.
    annotations
        Read what annotations say of variants, where a run has them; see `Estimator.annotations`.

    Attributes
    ----------
    pip_
        float64 `(n_variants,)`; posterior inclusion probability.
    """

    uses_other_genes: bool = True

    def __init__(self, n_effects: int = 5, *, hard_calls: bool = False, annotations: bool = True) -> None:
        super().__init__(hard_calls=hard_calls)
        self.annotations = annotations
        self.n_effects = n_effects

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Estimate variances and the posterior of the effects; see `Estimator.fit`."""
        require_complete(inputs, expression)
        weights = inputs.prior_variances()
        fit = fit_susie(inputs.dosages.astype(np.float64), expression, weights, self.n_effects)
        self.coefficients_ = fit.coefficients
        self.intercept_ = fit.intercept
        self.pip_: Float64Array = fit.pip
        self._posterior: SusiePosterior | None = SusiePosterior.of(fit, inputs.dosages)
        return self

    def standard_errors(self, inputs: GeneInputs) -> Float64Array | None:
        """Return the posterior standard deviation; see `Estimator.standard_errors`."""
        return None if self._posterior is None else self._posterior.standard_errors(inputs.dosages)

    def state(self) -> State:
        """Return coefficients, inclusion probabilities and the posterior; see `Estimator.state`."""
        state = super().state()
        return replace(
            state,
            arrays={**state.arrays, "pip": self.pip_},
            parts={} if self._posterior is None else {POSTERIOR: self._posterior.state()},
        )

    def restore(self, state: State) -> Self:
        """Set what `state` returned; see `Estimator.restore`."""
        super().restore(state)
        self.pip_ = state.arrays["pip"]
        kept = state.parts.get(POSTERIOR)
        self._posterior = None if kept is None else SusiePosterior.restored(kept)
        return self


@dataclass(frozen=True, slots=True)
class SusiePosterior:
    """Posterior of the sum of single effects, effects being independent of each other.

    An effect is βz_j with probability α_j, and β ~ N(µ_j, v) then, z standardised dosages; so its product
    with z has the variance Σ α_j (µ_j² + v) z_j² − (Σ α_j µ_j z_j)². The level adds σ² / n.

    Attributes
    ----------
    means
        float64 `(n_variants,)`; mean dosage of the training samples.
    first_moments
        float64 `(n_effects, n_variants)`; α µ of each effect, per copy.
    second_moments
        float64 `(n_variants,)`; the sum over effects of α (µ² + v), per copy squared.
    level_variance
        σ² / n.
    """

    means: Float64Array
    first_moments: Float64Array
    second_moments: Float64Array
    level_variance: float

    @classmethod
    def of(cls, fit: SusieFit, dosages: Float32Array) -> Self:
        """Compute it for a fit to these dosages, float32 `(n_samples, n_variants)`."""
        spread = dosages.std(axis=0, ddof=1, dtype=np.float64)
        scale = np.where(spread > 0.0, 1.0 / np.where(spread > 0.0, spread, 1.0), 0.0)
        return cls(
            dosages.mean(axis=0, dtype=np.float64),
            fit.alpha * fit.mean * scale,
            (fit.alpha * (fit.mean**2 + fit.variance[:, None])).sum(axis=0) * scale**2,
            fit.residual_variance / len(dosages),
        )

    def standard_errors(self, dosages: Float32Array) -> Float64Array:
        """Return the posterior standard deviation, float64 `(n_samples,)`."""
        deviation = dosages - self.means
        squares = np.square(deviation) @ self.second_moments
        squares -= np.square(deviation @ self.first_moments.T).sum(axis=1)
        return np.asarray(np.sqrt(np.maximum(squares, 0.0) + self.level_variance))

    def state(self) -> State:
        """Return the moments."""
        arrays = {
            "means": self.means,
            "first_moments": self.first_moments,
            "second_moments": self.second_moments,
        }
        return State({"level_variance": self.level_variance}, arrays)

    @classmethod
    def restored(cls, state: State) -> Self:
        """Restore the posterior from what `state` returned."""
        arrays = state.arrays
        return cls(
            arrays["means"],
            arrays["first_moments"],
            arrays["second_moments"],
            state.numbers["level_variance"],
        )
