"""Out-of-fold predictions: the only place where `fit` and `predict` meet folds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from haploscribe.config.options import Normalisation
from haploscribe.estimators.base import Estimator, SharedEstimator, fitted
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.evaluation.cross_gene import Lesson
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

`observed` and `predicted` are on the fold's own scale: normalised, covariates taken out, mean 0 and
variance 1 over the fold's training samples (`haploscribe.expression.normalise.prepare`).
"""


def evaluate_gene(
    inputs: GeneInputs,
    expression: Float64Array,
    covariates: Float64Array | None,
    folds: Sequence[Fold],
    *,
    estimators: Mapping[str, Callable[[], Estimator]],
    normalisation: Normalisation,
    lessons: Sequence[Lesson] | None = None,
) -> pl.DataFrame:
    """Predict a gene's expression in every fold's test samples, from its other samples.

    In each fold, expression is prepared with what the training samples teach; each estimator is then
    made afresh, fitted on the training samples (and those of validation, marked as such, where the fold
    has some; a fit that two models share is made once), and asked for the test samples. It is given nothing
    of the test samples before that, and their expression never.

    Parameters
    ----------
    inputs
        The gene's inputs for all samples.
    expression
        float64 `(n_samples,)`; raw, in the order of `inputs.sample_ids`.
    covariates
        float64 `(n_samples, n_covariates)` in the same order, or None.
    folds
        The folds; their places are on the sample axis of `inputs`.
    estimators
        For each model's name, what makes a fresh estimator.
    normalisation
        How to normalise expression.
    lessons
        What other genes teach about this one, one item a fold; None where nothing is to be learned from
        them.

    Returns
    -------
    One row a fold, model and test sample, in that order, with the columns of `PREDICTION_SCHEMA`.

    Raises
    ------
    InputError
        When there are too many covariates for a fold's training samples.
    RuntimeError
        When an estimator's predictions have the wrong shape or are not finite: a defect in it.
    """
    assert expression.shape == (len(inputs.sample_ids),)
    tables = []
    for place, fold in enumerate(folds):
        prepared = prepare_fold(expression, covariates, fold, normalisation)
        lesson = None if lessons is None else lessons[place]
        test_inputs = inputs.take(fold.test)
        for model, estimator in fit_fold(inputs, prepared, fold, estimators, lesson):
            where = f"{model}, gene {inputs.gene.gene_id}, fold {fold.number}"
            predicted = checked_predictions(estimator.predict(test_inputs), fold.test, where)
            tables.append(prediction_rows(test_inputs, fold, model, prepared[fold.test], predicted))
    return pl.concat(tables) if tables else pl.DataFrame(schema=PREDICTION_SCHEMA)


def fit_fold(
    inputs: GeneInputs,
    prepared: Float64Array,
    fold: Fold,
    estimators: Mapping[str, Callable[[], Estimator]],
    lesson: Lesson | None,
) -> Iterator[tuple[str, Estimator]]:
    """Fit every estimator on a fold's training and validation samples, one after another.

    Parameters
    ----------
    inputs
        The gene's inputs for all samples; those of the fold are taken.
    prepared
        float64 `(n_samples,)`; the gene's expression as `prepare_fold` gives it.
    fold
        The fold.
    estimators
        For each model's name, what makes a fresh estimator.
    lesson
        What other genes teach about this one in this fold, or None.

    Yields
    ------
    The model's name and the fitted estimator, for prediction only.
    """
    validation = validation_mask(fold)
    fit_inputs = inputs.take(fold.fitted)
    alone = prepared[fold.fitted]
    taught = alone
    if lesson is not None:
        fit_inputs = replace(fit_inputs, prior=lesson.prior)
        taught = lesson.expression
        assert taught.shape == alone.shape
    for model, make in estimators.items():
        estimator = make()
        expression = taught if estimator.uses_other_genes else alone
        yield model, fitted(estimator, fit_inputs, expression, validation)


def validation_mask(fold: Fold) -> BoolArray | None:
    """Which of the training-then-validation samples are for validation; None where none is."""
    if not fold.validation.size:
        return None
    return np.arange(fold.training.size + fold.validation.size) >= fold.training.size


def checked_predictions(predicted: Float64Array, test: Int64Array, where: str) -> Float64Array:
    """Stop at predictions that are not one finite number a test sample: a defect in the estimator."""
    if predicted.shape != test.shape:
        raise RuntimeError(f"{where}: predictions have shape {predicted.shape}, not {test.shape}")
    if not np.isfinite(predicted).all():
        raise RuntimeError(f"{where}: {np.count_nonzero(~np.isfinite(predicted))} predictions not finite")
    return np.asarray(predicted, dtype=np.float64)


def prediction_rows(
    inputs: GeneInputs, fold: Fold, model: str, observed: Float64Array, predicted: Float64Array
) -> pl.DataFrame:
    """Make the rows of one gene, fold and model, with the columns of `PREDICTION_SCHEMA`.

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


@dataclass(frozen=True, slots=True)
class ManyGenes:
    """Expression of all genes, and how to come by a gene's inputs.

    Attributes
    ----------
    inputs
        Reads the inputs of a gene, for all samples, by the gene's place.
    expression
        float64 `(n_genes, n_samples)`; raw, samples in the order of the inputs.
    covariates
        float64 `(n_samples, n_covariates)` in the same order, or None.
    normalisation
        How to normalise expression.
    """

    inputs: Callable[[int], GeneInputs]
    expression: Float64Array
    covariates: Float64Array | None
    normalisation: Normalisation

    def prepared(self, gene: int, fold: Fold) -> Float64Array:
        """Prepare a gene's expression with what the fold's training samples teach; `(n_samples,)`."""
        return prepare_fold(self.expression[gene], self.covariates, fold, self.normalisation)


class _InputsOfSamples:
    """Inputs of some genes for some samples, read anew each time they are gone through."""

    def __init__(self, genes: ManyGenes, numbers: Int64Array, samples: Int64Array) -> None:
        self._genes = genes
        self._numbers = numbers
        self._samples = samples

    def __iter__(self) -> Iterator[GeneInputs]:
        return (self._genes.inputs(number).take(self._samples) for number in self._numbers.tolist())


def fit_shared_fold(
    genes: ManyGenes, fold: Fold, block: GeneSplit, make: Callable[[], SharedEstimator]
) -> SharedEstimator:
    """Fit an estimator on a fold's training and validation samples, at a block's training genes.

    Parameters
    ----------
    genes, fold, block, make
        As for `evaluate_shared`.
    """
    fitted = fold.fitted
    return make().fit(
        _InputsOfSamples(genes, block.training, fitted),
        [genes.prepared(number, fold)[fitted] for number in block.training.tolist()],
        validation_mask(fold),
    )


def evaluate_shared(
    genes: ManyGenes, fold: Fold, block: GeneSplit, model: str, make: Callable[[], SharedEstimator]
) -> pl.DataFrame:
    """Predict a block's held-out genes in a fold's test samples, from its training genes in the others.

    A fresh estimator is fitted on the training samples (and those of validation, marked as such, where the
    fold has some) of the training genes. It is given nothing of the test samples or of the held-out genes
    before it is asked for them, and their expression never.

    Parameters
    ----------
    genes
        All genes of the run.
    fold, block
        Which samples and which genes are learned from, and which are predicted.
    model
        The model's name.
    make
        Makes a fresh estimator.

    Returns
    -------
    One row a held-out gene and test sample, in that order, with the columns of `PREDICTION_SCHEMA`.

    Raises
    ------
    InputError
        When there are too many covariates for the fold's training samples.
    RuntimeError
        When predictions have the wrong shape or are not finite: a defect in the estimator.
    """
    estimator = fit_shared_fold(genes, fold, block, make)
    tables = []
    for number in block.held_out.tolist():
        inputs = genes.inputs(number).take(fold.test)
        where = f"{model}, gene {inputs.gene.gene_id}, fold {fold.number}"
        predicted = checked_predictions(estimator.predict(inputs), fold.test, where)
        observed = genes.prepared(number, fold)[fold.test]
        tables.append(prediction_rows(inputs, fold, model, observed, predicted))
    return pl.concat(tables) if tables else pl.DataFrame(schema=PREDICTION_SCHEMA)
