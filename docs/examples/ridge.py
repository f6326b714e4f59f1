"""A ridge regression on dosages with a fixed penalty."""

from typing import Self

import numpy as np

from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.linear.dosage_model import DosageModel
from haploscribe.utils.types import BoolArray, Float64Array


class Ridge(DosageModel):
    """Every variant has a small effect; `penalty` is λ of |y - Xb|² + λ|b|².

    `DosageModel` says that it reads dosages of the cis window alone, predicts from `intercept_` and
    `coefficients_`, and keeps these two in the folder of models.
    """

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
