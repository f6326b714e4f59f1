"""What every estimator that learns from many genes at once offers."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Protocol, Self

from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.state import State
from haploscribe.utils.types import BoolArray, Float64Array


class SharedEstimator(Protocol):
    """Learns the expression of all genes together, and so can speak of a gene it never saw.

    The counterpart of `haploscribe.estimators.protocol.Estimator`, with the same manners: parameters are
    set in `__init__`, what is learned gets a trailing underscore, and the estimator sees only the genes and
    the samples it is given.

    Attributes
    ----------
    reads_deltas
        True if the estimator needs `GeneInputs.tiles`; a run without such an estimator embeds nothing.
    """

    reads_deltas: ClassVar[bool]

    def fit(
        self,
        genes: Iterable[GeneInputs],
        expression: Sequence[Float64Array],
        validation: BoolArray | None = None,
    ) -> Self:
        """Learn from training samples at training genes.

        Parameters
        ----------
        genes
            Inputs of the training samples, the same samples in the same order for every gene. They may be
            gone through several times, and are read from the disk each time: keep only what is small.
        expression
            float64 `(n_samples,)` a gene; normalised and covariate-corrected.
        validation
            bool `(n_samples,)`; the samples that a split file sets aside for stopping early or choosing
            parameters. Without it, an estimator draws its own inner split.
        """
        ...

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict a gene's expression, float64 `(n_samples,)`, on the scale that `fit` was given.

        Parameters
        ----------
        inputs
            Of any samples, for a gene of `fit` or any other gene. What is predicted for one sample does not
            depend on the others.
        """
        ...

    def state(self) -> State:
        """Give what `fit` learned."""
        ...

    def restore(self, state: State) -> Self:
        """Take what `state` gave, in place of a fit; the parameters must be those of that estimator."""
        ...
