"""The one variant that is associated best."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Self

import numpy as np

from haploscribe.arrays import BoolArray, Float32Array, Float64Array
from haploscribe.estimators.checks import require_complete
from haploscribe.estimators.dosage_model import DosageModel
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.state import State

_ROUNDING = 1e-9  # variants whose r² differ by less, relatively, are tied: copies do, by rounding


class TopSnp(DosageModel):
    """Simple regression on the variant with the smallest marginal p among the samples given.

    The smallest p is the largest squared correlation. Of variants that tie, as those in complete linkage
    disequilibrium do, the first along the contig is taken. A validation set is not needed, and is trained on.

    Attributes
    ----------
    variant_
        The variant's place among those of the inputs; None where no variant or no expression varies.
    """

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Find the variant and regress on it; see `Estimator.fit`."""
        require_complete(inputs, expression)
        dosages = inputs.dosages.astype(np.float64)
        centred = dosages - dosages.mean(axis=0)
        deviation = expression - expression.mean()
        self.variant_: int | None = None
        self._regression: _Regression | None = None
        self.coefficients_ = np.zeros(inputs.positions.size)
        self.intercept_ = float(expression.mean())
        varying = np.flatnonzero(np.any(dosages != dosages[0], axis=0))
        if np.ptp(expression) > 0.0 and varying.size:
            explained = (deviation @ centred[:, varying]) ** 2 / np.sum(centred[:, varying] ** 2, axis=0)
            tied = varying[explained >= (1.0 - _ROUNDING) * explained.max()]
            self.variant_ = int(tied[np.argmin(inputs.positions[tied])])
            column = centred[:, self.variant_]
            self.coefficients_[self.variant_] = deviation @ column / (column @ column)
            self.intercept_ -= float(self.coefficients_ @ dosages.mean(axis=0))
            self._regression = _Regression.of(dosages[:, self.variant_], deviation)
        return self

    def standard_errors(self, inputs: GeneInputs) -> Float64Array | None:
        """Give those of the regression line; see `Estimator.standard_errors`."""
        if self.variant_ is None or self._regression is None:
            return None
        return self._regression.standard_errors(inputs.dosages[:, self.variant_])

    def state(self) -> State:
        """Give the line and its error; see `Estimator.state`."""
        state = super().state()
        if self.variant_ is None or self._regression is None:
            return state
        line = {"variant": self.variant_, **asdict(self._regression)}
        return replace(state, numbers={**state.numbers, **line})

    def restore(self, state: State) -> Self:
        """Take what `state` gave; see `Estimator.restore`."""
        super().restore(state)
        self.variant_, self._regression = None, None
        if "variant" in state.numbers:
            self.variant_ = int(state.numbers["variant"])
            names = (field.name for field in fields(_Regression))
            self._regression = _Regression(**{name: state.numbers[name] for name in names})
        return self


@dataclass(frozen=True, slots=True)
class _Regression:
    """What the standard error of a regression line takes."""

    n_samples: float
    mean: float
    squares: float
    residual_variance: float

    @classmethod
    def of(cls, dosages: Float64Array, deviation: Float64Array) -> Self | None:
        """Fit it; None where no degree of freedom is left."""
        column = dosages - dosages.mean()
        squares = float(column @ column)
        residual = deviation - column * (deviation @ column / squares)
        if dosages.size <= 2:
            return None
        variance = float(residual @ residual) / (dosages.size - 2)
        return cls(dosages.size, float(dosages.mean()), squares, variance)

    def standard_errors(self, dosages: Float32Array) -> Float64Array:
        """Of the line at some dosages, s √(1/n + (x − x̄)² / Sxx)."""
        spread = 1.0 / self.n_samples + np.square(dosages - self.mean) / self.squares
        return np.asarray(np.sqrt(self.residual_variance * spread), dtype=np.float64)
