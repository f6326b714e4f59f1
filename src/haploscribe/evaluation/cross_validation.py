"""Fit estimators on folds and predict held-out samples: only here do `fit` and `predict` meet folds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar, cast

import numpy as np
import polars as pl

from haploscribe.config.options import Normalisation
from haploscribe.estimators.base import (
    CompositeEstimator,
    Estimator,
    GeneEstimator,
    MultiGeneEstimator,
    parameters_of,
)
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.evaluation.cross_gene import CrossGeneTraining, adjust_gene
from haploscribe.evaluation.folds import Fold, prepare_fold
from haploscribe.expression.genes import GeneSplit
from haploscribe.utils.types import BoolArray, Float64Array, Int64Array

PREDICTION_SCHEMA = pl.Schema(
    {
        "gene_id": pl.String,
        "sample_id": pl.String,
        "model": pl.String,
        "fold": pl.Int64,
        "observed": pl.Float64,
        "predicted": pl.Float64,
    }
)
"""The columns of out-of-fold predictions, in order.

`observed` and `predicted` are on the fold's own scale: normalised, covariates regressed out, mean 0 and
variance 1 over the fold's training samples (`haploscribe.expression.normalise.prepare`).
"""

_GeneEstimatorT = TypeVar("_GeneEstimatorT", bound=GeneEstimator)


class TrainingSet:
    """One gene's training and validation samples in one fold; equal fits are made once.

    Parameters
    ----------
    inputs
        The gene's inputs for these samples.
    expression
        float64 `(n_samples,)`; its prepared expression.
    validation
        bool `(n_samples,)`; which are for validation; None where none is.
    cross_gene
        What other genes show about this one, in the same samples; None where nothing is learned from them.
    """

    def __init__(
        self,
        inputs: GeneInputs,
        expression: Float64Array,
        validation: BoolArray | None = None,
        cross_gene: CrossGeneTraining | None = None,
    ) -> None:
        self.inputs, self.expression, self.validation = inputs, expression, validation
        self._cross_gene = cross_gene
        self._fits: dict[object, GeneEstimator] = {}

    @cached_property
    def adjusted(self) -> tuple[GeneInputs, Float64Array]:
        """Inputs and expression for estimators that use other genes."""
        if self._cross_gene is None:
            return self.inputs, self.expression
        inputs, expression = adjust_gene(self.inputs, self.expression, self._cross_gene)
        assert expression.shape == self.expression.shape
        return inputs, expression

    def fit(self, estimator: _GeneEstimatorT) -> _GeneEstimatorT:
        """Fit an estimator, or return an equal one: of the same class, parameters and inputs, fitted before.

        Returns
        -------
        The fitted estimator, for prediction only: other models may hold it too.
        """
        inputs, expression = self.inputs, self.expression
        if estimator.uses_other_genes:
            inputs, expression = self.adjusted
        return self._fit(estimator, estimator.select(inputs), expression)

    def _fit(
        self, estimator: _GeneEstimatorT, inputs: GeneInputs, expression: Float64Array
    ) -> _GeneEstimatorT:
        parameters = tuple(sorted(parameters_of(estimator).items()))
        prior = id(inputs.annotations) if estimator.uses_other_genes else None
        read = (id(inputs.dosages), prior)
        key = (type(estimator), parameters, read, expression.tobytes())
        if key not in self._fits:
            if isinstance(estimator, CompositeEstimator):
                parts = {
                    name: self._fit(part, inputs, expression) for name, part in estimator.parts().items()
                }
                self._fits[key] = estimator.fit_on(parts, inputs, expression)
            else:
                self._fits[key] = estimator.fit(inputs, expression, self.validation)
        return cast("_GeneEstimatorT", self._fits[key])


@dataclass(frozen=True, slots=True)
class GeneDataset:
    """Inputs and expression of genes for the same samples.

    Attributes
    ----------
    inputs
        Reads the inputs of a gene, for all samples, by the gene's index.
    expression
        float64 `(n_genes, n_samples)`; raw, samples in the order of the inputs.
    covariates
        float64 `(n_samples, n_covariates)` in the same order, or None.
    normalisation
        How to normalise expression.
    cross_gene
        Returns what other genes show about one, by its index, in a fold; None where nothing is learned from
        them.
    """

    inputs: Callable[[int], GeneInputs]
    expression: Float64Array
    covariates: Float64Array | None
    normalisation: Normalisation
    cross_gene: Callable[[int, Fold], CrossGeneTraining] | None = None
    _last: dict[int, GeneInputs] = field(default_factory=dict, init=False, repr=False, compare=False)

    def gene(self, index: int) -> GeneInputs:
        """Return the inputs of a gene for all samples; those of the last gene are not read again."""
        if index not in self._last:
            self._last.clear()
            self._last[index] = self.inputs(index)
        return self._last[index]

    def samples_of(self, index: int, fold: Fold, samples: Int64Array) -> GeneInputs:
        """Return a gene's inputs for some samples, missing dosages imputed by a fold's training mean.

        Parameters
        ----------
        index
            Of the gene.
        fold
            The fold, whose training and validation samples give the means.
        samples
            int64; indices on the sample axis.
        """
        return self.gene(index).imputed(fold.fitted).take(samples)

    def prepared(self, index: int, fold: Fold) -> Float64Array:
        """Normalise and correct a gene's expression with a fold's training samples; `(n_samples,)`."""
        return prepare_fold(self.expression[index], self.covariates, fold, self.normalisation)

    def training_set(self, index: int, fold: Fold) -> TrainingSet:
        """Return what estimators of one gene are fitted on in a fold."""
        return TrainingSet(
            self.samples_of(index, fold, fold.fitted),
            self.prepared(index, fold)[fold.fitted],
            validation_mask(fold),
            None if self.cross_gene is None else self.cross_gene(index, fold),
        )


class _TrainingGenes:
    """An estimator's inputs of some genes for a fold's training samples, read anew in each iteration."""

    def __init__(self, dataset: GeneDataset, genes: Int64Array, fold: Fold, estimator: Estimator) -> None:
        self._dataset, self._genes, self._samples = dataset, genes, fold.fitted
        self._select = estimator.select

    def __iter__(self) -> Iterator[GeneInputs]:
        for index in self._genes.tolist():
            yield self._select(self._dataset.inputs(index).imputed(self._samples).take(self._samples))


def fit_fold(
    dataset: GeneDataset, genes: Int64Array, fold: Fold, estimators: Mapping[str, Callable[[], Estimator]]
) -> Iterator[tuple[str, Estimator]]:
    """Fit every estimator on a fold's training and validation samples, one after another.

    Parameters
    ----------
    dataset
        All genes.
    genes
        int64; indices of the genes to train on: one, unless all estimators learn across genes.
    fold
        The fold.
    estimators
        For each model's name, what makes a fresh estimator.

    Yields
    ------
    The model's name and the fitted estimator, for prediction only.
    """
    training = None
    for model, make in estimators.items():
        estimator = make()
        if isinstance(estimator, MultiGeneEstimator):
            expression = [dataset.prepared(index, fold)[fold.fitted] for index in genes.tolist()]
            yield (
                model,
                estimator.fit(
                    _TrainingGenes(dataset, genes, fold, estimator), expression, validation_mask(fold)
                ),
            )
        else:
            (index,) = genes.tolist()
            training = training or dataset.training_set(index, fold)
            yield model, training.fit(cast("GeneEstimator", estimator))


def evaluate(
    dataset: GeneDataset,
    split: GeneSplit,
    folds: Sequence[Fold],
    estimators: Mapping[str, Callable[[], Estimator]],
) -> pl.DataFrame:
    """Predict a split's held-out genes in every fold's test samples, from its training genes in the others.

    For each fold, normalise expression and regress out covariates with the training samples only, fit a new
    estimator on the training (and validation) samples of the training genes, and predict the test samples of
    the held-out genes. Nothing fitted sees a test sample.

    Parameters
    ----------
    dataset
        All genes.
    split
        The genes to train on and to predict; one and the same for estimators that learn each gene by itself.
    folds
        The folds; their indices are on the sample axis of the dataset.
    estimators
        For each model's name, what makes a fresh estimator.

    Returns
    -------
    One row per fold, model, held-out gene and test sample, in that order, with the columns of
    `PREDICTION_SCHEMA`.

    Raises
    ------
    InputError
        When there are too many covariates for a fold's training samples.
    RuntimeError
        When an estimator's predictions have the wrong shape or are not finite: a defect in it.
    """
    tables = [pl.DataFrame(schema=PREDICTION_SCHEMA)]
    for fold in folds:
        for model, estimator in fit_fold(dataset, split.training, fold, estimators):
            for index in split.held_out.tolist():
                inputs = estimator.select(dataset.samples_of(index, fold, fold.test))
                where = f"{model}, gene {inputs.gene.gene_id}, fold {fold.number}"
                predicted = checked_predictions(estimator.predict(inputs), fold.test, where)
                observed = dataset.prepared(index, fold)[fold.test]
                tables.append(prediction_rows(inputs, fold, model, observed, predicted))
    return pl.concat(tables)


def one_gene(index: int) -> GeneSplit:
    """Return the split that trains on one gene and predicts it in other samples."""
    gene = np.array([index], dtype=np.int64)
    return GeneSplit(1, gene, gene)


def validation_mask(fold: Fold) -> BoolArray | None:
    """Return which of the training, then validation samples are for validation; None where none is."""
    if not fold.validation.size:
        return None
    return np.arange(fold.training.size + fold.validation.size) >= fold.training.size


def checked_predictions(predicted: Float64Array, test: Int64Array, where: str) -> Float64Array:
    """Raise RuntimeError unless predictions are one finite number per test sample."""
    if predicted.shape != test.shape:
        raise RuntimeError(f"{where}: predictions have shape {predicted.shape}, not {test.shape}")
    if not np.isfinite(predicted).all():
        raise RuntimeError(f"{where}: {np.count_nonzero(~np.isfinite(predicted))} predictions not finite")
    return np.asarray(predicted, dtype=np.float64)


def prediction_rows(
    inputs: GeneInputs, fold: Fold, model: str, observed: Float64Array, predicted: Float64Array
) -> pl.DataFrame:
    """Return the rows of one gene, fold and model, with the columns of `PREDICTION_SCHEMA`.

    Parameters
    ----------
    inputs
        Of the fold's test samples; their names and the gene's are read.
    fold, model
        Where the predictions belong.
    observed, predicted
        float64 `(n_test,)`.
    """
    columns = {
        "gene_id": inputs.gene.gene_id,
        "sample_id": list(inputs.sample_ids),
        "model": model,
        "fold": fold.number,
        "observed": observed,
        "predicted": predicted,
    }
    return pl.DataFrame(columns, schema=PREDICTION_SCHEMA)
