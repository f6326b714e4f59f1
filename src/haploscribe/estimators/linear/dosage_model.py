"""Predict with a model that is linear in dosages."""

from typing import Self

from haploscribe.estimators.base import GeneEstimator, LinearWeights, State
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.utils.types import Float64Array


class DosageModel(GeneEstimator):
    """A model with an intercept and one coefficient per variant; subclasses write `fit`.

    Parameters
    ----------
    hard_calls
        Read the copies that hard calls count, in place of dosages; see `Estimator.hard_calls`.

    Attributes
    ----------
    coefficients_
        float64 `(n_variants,)`; change in expression with each copy of the ALT allele.
    intercept_
        Expression of a sample without any ALT allele.
    """

    coefficients_: Float64Array
    intercept_: float

    def __init__(self, *, hard_calls: bool = False) -> None:
        self.hard_calls = hard_calls

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression; see `Estimator.predict`. Variants must be those of `fit`, in that order."""
        assert inputs.dosages.shape[1] == self.coefficients_.size
        prediction: Float64Array = self.intercept_ + inputs.dosages @ self.coefficients_
        return prediction

    def linear_weights(self) -> LinearWeights:
        """Return coefficients and intercept; see `Estimator.linear_weights`."""
        return LinearWeights(self.coefficients_, self.intercept_)

    def state(self) -> State:
        """Return intercept and coefficients; see `Estimator.state`."""
        return State({"intercept": self.intercept_}, {"coefficients": self.coefficients_})

    def restore(self, state: State) -> Self:
        """Set what `state` returned; see `Estimator.restore`."""
        self.intercept_, self.coefficients_ = state.numbers["intercept"], state.arrays["coefficients"]
        return self
