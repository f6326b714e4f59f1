"""Prepare a gene's expression for estimators: normalise and regress out covariates, on training samples."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from haploscribe.config.options import Normalisation
from haploscribe.errors import InputError
from haploscribe.expression.covariates import fit_covariates, remove_covariates
from haploscribe.expression.table import ExpressionTable
from haploscribe.utils.types import BoolArray, Float64Array

# Blom's offset (Blom 1958, "Statistical Estimates and Transformed Beta-Variables"; compared with others by
# Beasley, Erickson & Allison 2009, Behavior Genetics 39:580).
_BLOM = 3 / 8

# Residuals below this share of the expression they are residuals of are rounding error.
_ROUNDING = 1e-9


class Normaliser(Protocol):
    """A transformation of expression, fitted on training samples."""

    def transform(self, expression: Float64Array) -> Float64Array:
        """Normalise float64 `(n_samples,)`, each value independently."""
        ...


@dataclass(frozen=True, slots=True)
class InverseNormal:
    """Rank-based inverse normal transformation.

    A training value becomes Φ⁻¹((rank − 3/8) / (n + 1/4)), with average ranks for ties. The rank of any
    other value is interpolated linearly between training values, and clipped to their range.

    Attributes
    ----------
    values
        float64 `(n_distinct,)`; the distinct training values, ascending.
    ranks
        float64 `(n_distinct,)`; their average ranks among the training values, 1-based.
    n_training
        Number of training values.
    """

    values: Float64Array
    ranks: Float64Array
    n_training: int

    def transform(self, expression: Float64Array) -> Float64Array:
        """Normalise float64 `(n_samples,)`, each value independently."""
        ranks = np.interp(expression, self.values, self.ranks)
        scores: Float64Array = ndtri((ranks - _BLOM) / (self.n_training + 1 - 2 * _BLOM))
        return scores


@dataclass(frozen=True, slots=True)
class Log2PlusOne:
    """Transform x to log2(x + 1); nothing is fitted."""

    def transform(self, expression: Float64Array) -> Float64Array:
        """Normalise float64 `(n_samples,)`, each value independently."""
        if expression.min(initial=0.0) < 0:
            raise InputError(_negative_message("an expression value", float(expression.min())))
        return np.log2(expression + 1)


@dataclass(frozen=True, slots=True)
class Identity:
    """Leave expression unchanged."""

    def transform(self, expression: Float64Array) -> Float64Array:
        """Return float64 `(n_samples,)` unchanged."""
        return expression


def fit_normaliser(training: Float64Array, method: Normalisation) -> Normaliser:
    """Fit a normalisation on training samples.

    Parameters
    ----------
    training
        float64 `(n_training,)`; one gene's expression.
    method
        `inverse-normal`, `log2p1` or `none`.
    """
    if method == "inverse-normal":
        values, first = np.unique(training, return_index=True)
        return InverseNormal(values, rankdata(training)[first], training.size)
    return Log2PlusOne() if method == "log2p1" else Identity()


def prepare(
    expression: Float64Array, covariates: Float64Array | None, training: BoolArray, method: Normalisation
) -> Float64Array:
    """Normalise, regress out covariates, centre and scale, with everything fitted on the training samples.

    Unit variance gives an estimator's penalties and stopping rules the same meaning for every gene, and a
    prediction of 0 is the training mean.

    Parameters
    ----------
    expression
        float64 `(n_samples,)`; one gene, finite, as in the table.
    covariates
        float64 `(n_samples, n_covariates)`, or None.
    training
        bool `(n_samples,)`; True for training samples.
    method
        The normalisation.

    Returns
    -------
    float64 `(n_samples,)`; mean 0 and variance 1 (divisor n) over the training samples. All 0 if expression
    does not vary among the training samples, or the covariates explain all of it.

    Raises
    ------
    InputError
        When there are more covariates than training samples minus 2, or `log2p1` meets negative values.
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
    if scale <= _ROUNDING * np.abs(normalised[training]).max():
        return np.zeros_like(normalised)
    prepared: Float64Array = residuals / scale
    return prepared


def check_normalisation(table: ExpressionTable, method: Normalisation) -> None:
    """Check that a table suits the normalisation, before any work.

    Raises
    ------
    InputError
        For `log2p1` and negative expression; names the gene and the sample.
    """
    if method == "log2p1" and table.values.min(initial=0.0) < 0:
        gene, sample = np.unravel_index(table.values.argmin(), table.values.shape)
        where = f"gene {table.genes[gene].gene_id}, sample {table.sample_ids[sample]}"
        raise InputError(_negative_message(where, float(table.values[gene, sample])))


def _negative_message(where: str, value: float) -> str:
    return (
        f"--normalize log2p1 takes no negative expression, but {where} is {value:g}; "
        "use none where the table is already on a log scale, or inverse-normal"
    )
