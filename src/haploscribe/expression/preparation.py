"""From a gene's raw expression to what estimators learn, with nothing fitted on held-out samples."""

import numpy as np

from haploscribe.arrays import BoolArray, Float64Array
from haploscribe.config.options import Normalisation
from haploscribe.expression.covariates import fit_covariates, remove_covariates
from haploscribe.expression.normalise import fit_normaliser

# Residuals smaller than this part of what they are residuals of are rounding, not expression.
_NOTHING_LEFT = 1e-9


def prepare(
    expression: Float64Array, covariates: Float64Array | None, training: BoolArray, method: Normalisation
) -> Float64Array:
    """Normalise, take out covariates, centre and scale; all of it learned from the training samples.

    Centred and scaled to unit variance, so that every gene is alike to an estimator's penalties and
    stopping rules, and a prediction of 0 means the training mean.

    Parameters
    ----------
    expression
        float64 `(n_samples,)`; one gene, finite, as in the table.
    covariates
        float64 `(n_samples, n_covariates)`, or None.
    training
        bool `(n_samples,)`; the samples to learn from.
    method
        The normalisation.

    Returns
    -------
    float64 `(n_samples,)`; mean 0 and variance 1 (divisor n) over the training samples; all 0 in every
    sample where the training samples do not vary or the covariates explain all of their expression.

    Raises
    ------
    InputError
        When there are more covariates than training samples less 2, or `log2p1` meets negative values.
    """
    assert expression.shape == training.shape
    normalised = fit_normaliser(expression[training], method).transform(expression)
    if covariates is None:
        residuals = normalised - normalised[training].mean()
    else:
        coefficients = fit_covariates(covariates[training], normalised[training])
        residuals = remove_covariates(covariates, normalised, coefficients)
        residuals -= residuals[training].mean()
    scale = residuals[training].std()
    if scale <= _NOTHING_LEFT * np.abs(normalised[training]).max():
        return np.zeros_like(normalised)
    prepared: Float64Array = residuals / scale
    return prepared
