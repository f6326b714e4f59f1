"""A ridge regression on dosages with a fixed penalty."""

from typing import ClassVar, Self

import numpy as np

from haploscribe.arrays import BoolArray, Float64Array
from haploscribe.estimators.inputs import GeneInputs


class Ridge:
    """Every variant has a small effect; `penalty` is λ of |y - Xb|² + λ|b|²."""

    reads_deltas: ClassVar[bool] = False  # dosages only: nothing need be embedded
    reads_wide: ClassVar[bool] = False  # the cis window is enough
    uses_other_genes: bool = False  # does not read `GeneInputs.prior`

    def __init__(self, penalty: float = 100.0) -> None:
        self.penalty = penalty

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Solve among samples, fewer than variants: b = X'(XX' + λI)⁻¹(y - mean)."""
        self.mean_: Float64Array = inputs.dosages.mean(axis=0, dtype=np.float64)
        self.intercept_ = float(expression.mean())
        x = inputs.dosages - self.mean_
        kernel = x @ x.T + self.penalty * np.eye(len(x))
        self.effects_: Float64Array = x.T @ np.linalg.solve(kernel, expression - self.intercept_)
        return self

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression from the same variants, in the same order."""
        x: Float64Array = inputs.dosages - self.mean_
        return self.intercept_ + x @ self.effects_

    # Here go `state` and `restore`, which save a fitted model, once the protocol has them.
