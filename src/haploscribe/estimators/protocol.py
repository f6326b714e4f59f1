"""What every estimator offers."""

from typing import ClassVar, Protocol, Self

from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.state import State
from haploscribe.utils.types import BoolArray, Float64Array


class Estimator(Protocol):
    """Learns a gene's expression from its inputs, in scikit-learn's manner.

    Parameters are set in `__init__`, are hashable, and never changed by `fit`; what is learned gets a
    trailing underscore. An estimator sees only the samples it is given: the caller takes the training samples
    of the inputs before `fit`.

    Attributes
    ----------
    reads_deltas
        True if the estimator needs `GeneInputs.tiles`; a run without such an estimator embeds nothing.
    reads_wide
        True if the estimator needs `GeneInputs.wide`; a run without such an estimator reads no variant
        outside the cis windows.
    uses_other_genes
        True if the estimator reads `GeneInputs.prior`; `fit` is then given expression without the
        heterogeneity that other genes show (`haploscribe.estimators.heterogeneity`). False for one that
        knows nothing but its own gene.
    """

    reads_deltas: ClassVar[bool]
    reads_wide: ClassVar[bool]
    uses_other_genes: bool

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Learn from training samples.

        Parameters
        ----------
        inputs
            The gene's inputs for the training samples.
        expression
            float64 `(n_samples,)`; normalised and covariate-corrected.
        validation
            bool `(n_samples,)`; the samples that a split file sets aside for stopping early or choosing
            parameters. Without it, an estimator draws its own inner split or folds.
        """
        ...

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression, float64 `(n_samples,)`, on the scale that `fit` was given.

        Additive over a sample's two haplotypes: what one of them adds does not depend on the other.
        """
        ...

    def standard_errors(self, inputs: GeneInputs) -> Float64Array | None:
        """Say how far the mean expression of people with these genotypes may lie from what is predicted.

        Returns
        -------
        float64 `(n_samples,)`; the standard deviation, given the data of `fit`, of the genetic part of
        expression and the level. None where the model does not say.
        """
        ...

    def state(self) -> State:
        """Give what `fit` learned."""
        ...

    def restore(self, state: State) -> Self:
        """Take what `state` gave, in place of a fit; the parameters must be those of that estimator."""
        ...
