"""A ridge regression on dosages with a fixed penalty."""

from typing import Self

import numpy as np

from haploscribe.estimators.base import GeneEstimator, LinearWeights
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.utils.types import BoolArray, Float64Array


class Ridge(GeneEstimator):
    """Every variant has a small effect; `penalty` is λ of |y - Xb|² + λ|b|²."""

    def __init__(self, penalty: float = 100.0) -> None:
        self.penalty = penalty

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Solve among samples, fewer than variants: b = X'(XX' + λI)⁻¹(y - mean)."""
        mean: Float64Array = inputs.dosages.mean(axis=0, dtype=np.float64)
        x = inputs.dosages - mean
        kernel = x @ x.T + self.penalty * np.eye(len(x))
        self.coefficients_ = x.T @ np.linalg.solve(kernel, expression - expression.mean())
        self.intercept_ = float(expression.mean() - self.coefficients_ @ mean)
        return self

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict from dosages."""
        return np.asarray(self.intercept_ + inputs.dosages @ self.coefficients_)

    def linear_weights(self) -> LinearWeights:
        """Return the weights, for `explain` and `export`."""
        return LinearWeights(self.coefficients_, self.intercept_)
