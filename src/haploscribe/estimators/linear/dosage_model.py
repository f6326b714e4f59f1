"""What a fitted model that is linear in dosages knows, and how it predicts."""

from typing import ClassVar, Self

from haploscribe.estimators.base import State
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.utils.types import Float64Array


class DosageModel:
    """An intercept and one coefficient a variant.

    Attributes
    ----------
    coefficients_
        float64 `(n_variants,)`; change in expression with each copy of the ALT allele.
    intercept_
        Expression of a sample without any ALT allele.
    """

    reads_deltas: ClassVar[bool] = False
    reads_wide: ClassVar[bool] = False
    uses_other_genes: bool = False

    coefficients_: Float64Array
    intercept_: float

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression; see `Estimator.predict`. Variants must be those of `fit`, in that order."""
        assert inputs.dosages.shape[1] == self.coefficients_.size
        prediction: Float64Array = self.intercept_ + inputs.dosages @ self.coefficients_
        return prediction

    def standard_errors(self, inputs: GeneInputs) -> Float64Array | None:
        """See `Estimator.standard_errors`."""
        return None

    def state(self) -> State:
        """Give intercept and coefficients; see `Estimator.state`."""
        return State({"intercept": self.intercept_}, {"coefficients": self.coefficients_})

    def restore(self, state: State) -> Self:
        """Take what `state` gave; see `Estimator.restore`."""
        self.intercept_, self.coefficients_ = state.numbers["intercept"], state.arrays["coefficients"]
        return self
