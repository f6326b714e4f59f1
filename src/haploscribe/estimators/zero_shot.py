"""A sequence model's own prediction as an estimator that learns no effects."""

from typing import ClassVar, Self

import numpy as np

from haploscribe.estimators.base import GeneEstimator, State
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.utils.types import BoolArray, Float64Array


class ZeroShot(GeneEstimator):
    """What a sequence model predicts for each sample, moved and stretched to the scale of expression.

    The prediction `x` becomes `mean(y) + (x - mean(x)) * sd(y) / sd(x)`, mean and standard deviation over
    the samples of `fit`. Whether `x` and expression `y` go together is never asked: a regression would turn
    a model around that has the sign wrong, and so hide it. So the correlation is the sequence model's own,
    while `r2`, which also judges the spread, is near `2 r - 1`: the model does not say how sure it is.

    Where the prediction is one number for all samples of `fit`, the mean is predicted for all. A
    validation set is not needed, and is taken with the rest.

    Parameters
    ----------
    model
        Name of the sequence model, as in `GeneInputs.zero_shot`.

    Attributes
    ----------
    intercept_
        Mean expression.
    centre_
        Mean of the sequence model's predictions.
    scale_
        What differences from `centre_` are multiplied by; 0 or more.
    """

    zero_shot: ClassVar[bool] = True
    reads_strand = True

    def __init__(self, model: str) -> None:
        self.model = model

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Learn mean and standard deviation; see `Estimator.fit`."""
        predicted = inputs.zero_shot[self.model]
        assert predicted.shape == expression.shape
        # Exact: the same sequences give the same number, to the bit.
        self.scale_ = float(expression.std() / predicted.std()) if np.ptp(predicted) > 0 else 0.0
        self.intercept_, self.centre_ = float(expression.mean()), float(predicted.mean())
        return self

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression; see `Estimator.predict`."""
        deviation = inputs.zero_shot[self.model] - self.centre_
        predicted: Float64Array = self.intercept_ + self.scale_ * deviation
        return predicted

    def state(self) -> State:
        """Return level and stretch; see `Estimator.state`."""
        return State({"intercept": self.intercept_, "centre": self.centre_, "scale": self.scale_})

    def restore(self, state: State) -> Self:
        """Set what `state` returned; see `Estimator.restore`."""
        self.intercept_, self.centre_ = state.numbers["intercept"], state.numbers["centre"]
        self.scale_ = state.numbers["scale"]
        return self
