"""Define what an estimator is: its protocols, its saved state, and the checks and the memo that all share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, Self, TypeVar, cast

import numpy as np
import numpy.typing as npt

from haploscribe.errors import InputError
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.utils.types import BoolArray, Float64Array


@dataclass(frozen=True, slots=True)
class State:
    """All that `predict` needs of a fitted estimator, and nothing of the people it was fitted on.

    Attributes
    ----------
    numbers
        Single numbers by name; counts are whole.
    arrays
        Arrays by name, in the precision that prediction uses, so that what is read back predicts the same.
    parts
        States of what the estimator is made of, by name.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    parts: Mapping[str, "State"] = field(default_factory=dict)

    def without(self, part: str) -> Self:
        """Leave a part out, if it is there."""
        return replace(self, parts={name: state for name, state in self.parts.items() if name != part})


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
        heterogeneity that other genes show (`haploscribe.estimators.cross_gene.heterogeneity`). False for
        one that
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


class SharedEstimator(Protocol):
    """Learns the expression of all genes together, and so can speak of a gene it never saw.

    The counterpart of `haploscribe.estimators.base.Estimator`, with the same manners: parameters are
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


def require_complete(inputs: GeneInputs, expression: Float64Array) -> None:
    """Refuse missing values, which would silently spread to every prediction.

    Raises
    ------
    InputError
        If a dosage or an expression value is NaN or infinite.
    """
    assert expression.shape == (len(inputs.sample_ids),)
    assert inputs.dosages.shape == (len(inputs.sample_ids), inputs.positions.size)
    for name, complete in (
        ("expression", np.isfinite(expression)),
        ("dosages", np.isfinite(inputs.dosages).all(axis=1)),
    ):
        if not complete.all():
            sample_id = inputs.sample_ids[int(np.argmin(complete))]
            raise InputError(
                f"{name} of gene {inputs.gene.gene_id}: not a finite number in {np.sum(~complete)} samples, "
                f"the first {sample_id}; fill in or drop missing values"
            )


_Estimator = TypeVar("_Estimator", bound=Estimator)


def fitted(
    estimator: _Estimator,
    inputs: GeneInputs,
    expression: Float64Array,
    validation: BoolArray | None = None,
) -> _Estimator:
    """Fit an estimator, or return one of the same class and parameters that was fitted to the same data.

    The inputs must be the same object, expression and validation equal to the bit. The fits are kept as
    long as `inputs` are: those that cross-validation makes last for one fold of one gene.

    Parameters
    ----------
    estimator
        Not fitted yet; its class and its parameters, all of them hashable, say what it would learn.
    inputs, expression, validation
        As for `Estimator.fit`.

    Returns
    -------
    The fitted estimator, for prediction only: others may hold it too.
    """
    key = (
        type(estimator),
        tuple(sorted(vars(estimator).items())),
        expression.tobytes(),
        None if validation is None else validation.tobytes(),
    )
    if key not in inputs.fits:
        inputs.fits[key] = estimator.fit(inputs, expression, validation)
    return cast("_Estimator", inputs.fits[key])
