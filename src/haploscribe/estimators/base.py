"""Define what an estimator is: parameters, capabilities, fit, predict, and a state that can be saved."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from haploscribe.errors import InputError
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.utils.types import BoolArray, Float32Array, Float64Array

Parameter = bool | int | float | str | None
"""What a parameter of an estimator may be: what JSON holds exactly."""


@dataclass(frozen=True, slots=True)
class State:
    """All that `predict` needs of a fitted estimator, and nothing of the samples it was fitted on.

    Attributes
    ----------
    numbers
        Single numbers by name; counts are whole.
    arrays
        Arrays by name, in the precision that prediction uses, so that a restored estimator predicts the same.
    parts
        States of what the estimator is made of, by name.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    parts: Mapping[str, "State"] = field(default_factory=dict)

    def without(self, part: str) -> Self:
        """Return the state without a part, if it is there."""
        return replace(self, parts={name: state for name, state in self.parts.items() if name != part})


@dataclass(frozen=True, slots=True)
class LinearWeights:
    """A model that is linear in dosages: a weight for each variant, and an intercept.

    Attributes
    ----------
    weights
        float64 `(n_variants,)`; change in expression with each copy of ALT.
    intercept
        Expression without any ALT allele.
    """

    weights: Float64Array
    intercept: float

    def predict(self, dosages: Float32Array) -> Float64Array:
        """Predict expression from dosages `(n_samples, n_variants)`; float64 `(n_samples,)`."""
        return np.asarray(self.intercept + dosages @ self.weights)


class Estimator(ABC):
    """Learns expression from the inputs of genes, in scikit-learn's manner.

    Parameters are set in `__init__`, each kept under its own name: a number, a text, true, false or None.
    They are saved with the model and never changed by `fit`. Learned attributes end in an underscore. An
    estimator sees only the samples it is given.

    Subclass `GeneEstimator`, or `MultiGeneEstimator` for one that learns from all genes together.

    Attributes
    ----------
    across_genes
        Whether `fit` takes all genes together; the estimator then predicts genes it was not trained on.
    reads_deltas
        Whether it reads `GeneInputs.tiles`; a run without such an estimator embeds nothing.
    reads_wide
        Whether it reads `GeneInputs.wide`, the dosages within 1 Mb of the TSS.
    uses_other_genes
        Whether it reads `GeneInputs.prior`. It is then fitted on expression without the heterogeneity that
        other genes show (`haploscribe.estimators.cross_gene`). May be set in `__init__`.
    reads_strand
        Whether what it learns or predicts depends on the gene's strand, and so on which way is downstream: a
        run names it where genes have none, and + is taken. As `uses_other_genes` unless a class sets it: the
        prior knows upstream from downstream.
    zero_shot
        Whether it only rescales what a sequence model predicts (`GeneInputs.zero_shot`).
    hard_calls
        Whether `GeneInputs.dosages` are to be the copies that its hard calls count, as for all that read
        deltas: the twin of one that does differs in nothing else. A parameter of models of dosages.
    annotations
        Whether `GeneInputs.annotations` are to be read, through the prior or otherwise. A parameter of models
        that do: where it is false, the model is its own twin with distance alone.
    """

    across_genes: ClassVar[bool] = False
    reads_deltas: ClassVar[bool] = False
    reads_wide: ClassVar[bool] = False
    uses_other_genes: bool = False
    zero_shot: ClassVar[bool] = False
    hard_calls: bool = False
    annotations: bool = True

    def select(self, inputs: GeneInputs) -> GeneInputs:
        """Return what `fit` and `predict` are given: hard calls as dosages, annotations or none."""
        selected = inputs.with_hard_calls() if self.hard_calls or self.reads_deltas else inputs
        return selected if self.annotations else replace(selected, annotations=None)

    @property
    def reads_strand(self) -> bool:
        """Whether it depends on the gene's strand; see the class."""
        return self.uses_other_genes

    @abstractmethod
    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression, float64 `(n_samples,)`, on the scale that `fit` was given.

        Predictions are additive over a sample's two haplotypes: the contribution of one does not depend on
        the other. The prediction of one sample does not depend on the other samples.
        """

    def standard_errors(self, inputs: GeneInputs) -> Float64Array | None:
        """Return the standard errors of the predicted mean expression of these genotypes.

        Returns
        -------
        float64 `(n_samples,)`; the standard deviation, given the data of `fit`, of the genetic part of
        expression and the intercept. None where the model gives none.
        """
        return None

    def linear_weights(self) -> LinearWeights | None:
        """Return weights of dosages that predict the same, of the wide window where `reads_wide`.

        None where the model is not linear in dosages: it is then not exported, and `explain` shows no effects
        of variants unless it reads deltas.
        """
        return None

    def state(self) -> State:
        """Return what `fit` learned: by default every attribute with a trailing underscore.

        Raises
        ------
        InputError
            When such an attribute is neither a number nor an array: then write `state` and `restore`.
        """
        arrays = {}
        for name, value in vars(self).items():
            if name.startswith("_") or not name.endswith("_"):
                continue
            if not isinstance(value, np.ndarray | np.generic | bool | int | float):
                raise InputError(
                    f"estimator {type(self).__name__}: {name} is a {type(value).__name__}, which cannot be "
                    "saved; make it a number or an array, or write `state` and `restore`"
                )
            arrays[name.removesuffix("_")] = np.asarray(value)
        return State(arrays=arrays)

    def restore(self, state: State) -> Self:
        """Set what `state` returned, in place of a fit; the parameters must be those of that estimator."""
        for name, array in state.arrays.items():
            setattr(self, f"{name}_", array if array.ndim else array.item())
        return self


class GeneEstimator(Estimator):
    """An estimator that learns each gene by itself; everything but `fit` and `predict` has a default."""

    @abstractmethod
    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Fit one gene in the training samples.

        Parameters
        ----------
        inputs
            The gene's inputs for the training samples.
        expression
            float64 `(n_samples,)`; normalised and covariate-corrected.
        validation
            bool `(n_samples,)`; the samples that a split file sets aside for early stopping or choosing
            hyper-parameters. Without it, an estimator draws its own inner split or folds.
        """


class CompositeEstimator(GeneEstimator):
    """An estimator that starts from the fits of others; those that several models need are made once."""

    @abstractmethod
    def parts(self) -> Mapping[str, GeneEstimator]:
        """Return the estimators it starts from, not fitted, by name."""

    @abstractmethod
    def fit_on(
        self, parts: Mapping[str, GeneEstimator], inputs: GeneInputs, expression: Float64Array
    ) -> Self:
        """Fit, given the fitted `parts`, which other models may hold too; see `GeneEstimator.fit`."""

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Fit the parts, then this estimator; see `GeneEstimator.fit`."""
        fitted = {name: part.fit(inputs, expression, validation) for name, part in self.parts().items()}
        return self.fit_on(fitted, inputs, expression)


class MultiGeneEstimator(Estimator):
    """An estimator that learns from all genes together, and so can predict genes it was not trained on."""

    across_genes: ClassVar[bool] = True

    @abstractmethod
    def fit(
        self,
        genes: Iterable[GeneInputs],
        expression: Sequence[Float64Array],
        validation: BoolArray | None = None,
    ) -> Self:
        """Fit all training genes in the training samples.

        Parameters
        ----------
        genes
            Inputs of the training samples, the same samples in the same order for every gene. They can be
            iterated several times, and are read from disk each time: keep only what is small.
        expression
            float64 `(n_samples,)` for each gene; normalised and covariate-corrected.
        validation
            As for `GeneEstimator.fit`.
        """


@runtime_checkable
class HasAttention(Protocol):
    """A model with attention to tiles."""

    def attention(self, inputs: GeneInputs) -> dict[int, float]:
        """Return the attention to each tile, by its start, averaged over samples."""
        ...


def parameters_of(estimator: Estimator) -> dict[str, Parameter]:
    """Return all parameters of an estimator by name: those that its `__init__` takes.

    Raises
    ------
    InputError
        When one is not kept under its name, or is not a number, a text, true, false or None.
    """
    found: dict[str, Parameter] = {}
    for name in parameter_defaults(type(estimator)):
        if not hasattr(estimator, name):
            raise InputError(f"estimator {type(estimator).__name__}: keep parameter {name!r} as self.{name}")
        value = getattr(estimator, name)
        if not isinstance(value, bool | int | float | str | None):
            raise InputError(
                f"estimator {type(estimator).__name__}: parameter {name!r} is a {type(value).__name__}; only "
                "numbers, texts, true, false and None can be saved"
            )
        found[name] = value
    return found


def parameter_defaults(kind: type) -> dict[str, Any]:
    """Return the parameters of a class and their defaults; `inspect.Parameter.empty` where there is none."""
    parameters = inspect.signature(kind).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {one.name: one.default for one in parameters if one.kind not in variadic}


def require_complete(inputs: GeneInputs, expression: Float64Array) -> None:
    """Check that no value is missing, which would spread to every prediction.

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
