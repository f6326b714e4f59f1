"""Out-of-fold predictions of estimators that learn from many genes at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from haploscribe.arrays import Float64Array, Int64Array
from haploscribe.config.options import Normalisation
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.shared_protocol import SharedEstimator
from haploscribe.evaluation.cross_validation import (
    PREDICTION_SCHEMA,
    checked_predictions,
    prediction_rows,
    validation_mask,
)
from haploscribe.evaluation.folds import Fold, prepare_fold
from haploscribe.expression.gene_blocks import GeneBlock


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
    genes: ManyGenes, fold: Fold, block: GeneBlock, make: Callable[[], SharedEstimator]
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
    genes: ManyGenes, fold: Fold, block: GeneBlock, model: str, make: Callable[[], SharedEstimator]
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
