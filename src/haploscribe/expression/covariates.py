"""Read covariates of expression, and regress them out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from haploscribe.errors import InputError
from haploscribe.expression.text_tables import finite_numbers, listed, read_text_table, refuse_duplicates
from haploscribe.utils.types import Float64Array

# A covariate whose standard deviation is below this share of its largest value is constant.
_CONSTANT_SPREAD = 1e-12


@dataclass(frozen=True, slots=True)
class CovariateTable:
    """Covariates of samples.

    Attributes
    ----------
    names
        `n_covariates` names, in the order of the file.
    sample_ids
        `n_samples` names, in the order of the file.
    values
        float64 `(n_samples, n_covariates)`; finite.
    """

    names: tuple[str, ...]
    sample_ids: tuple[str, ...]
    values: Float64Array

    def take_samples(self, sample_ids: Sequence[str]) -> Self:
        """Return the table of the given samples, in their order; each must be in the table."""
        row = {sample_id: i for i, sample_id in enumerate(self.sample_ids)}
        rows = np.array([row[sample_id] for sample_id in sample_ids], dtype=np.int64)
        return replace(self, sample_ids=tuple(sample_ids), values=self.values[rows])


def read_covariates(path: Path) -> CovariateTable:
    """Read covariates in tensorQTL's layout: a header of sample IDs, then one line per covariate.

    The first column holds the covariates' names, whatever its own name is. The file may be compressed.

    Raises
    ------
    InputError
        When the file cannot be read, has no or duplicate samples or covariates, or a cell is missing or not
        a finite number.
    """
    text = read_text_table(path)
    sample_ids = text.header[1:]
    names = tuple(text.cells["0"].fill_null("").str.strip_chars().to_list())
    if not sample_ids or not names:
        raise InputError(
            f"{path} has {len(names)} covariates for {len(sample_ids)} samples; "
            "give a header of sample ids, then one line per covariate"
        )
    refuse_duplicates(sample_ids, "sample ids", path)
    refuse_duplicates(names, "covariates", path)
    values = finite_numbers(
        text.cells.drop("0"),
        path,
        lambda row, column: (
            f"covariate {names[row]}, sample {sample_ids[column]} (line {row + text.first_line})"
        ),
        "code categories as 0 and 1, and fill what is missing",
    )
    return CovariateTable(names, sample_ids, np.ascontiguousarray(values.T))


def read_covariates_of(path: Path, sample_ids: Sequence[str], what: str) -> Float64Array:
    """Read the covariates of some samples, all of which the file must have.

    Parameters
    ----------
    path
        As for `read_covariates`.
    sample_ids
        `n_samples` names.
    what
        What the covariates are, for the message.

    Returns
    -------
    float64 `(n_samples, n_covariates)`.

    Raises
    ------
    InputError
        As `read_covariates`, and when a sample is not in the file.
    """
    table = read_covariates(path)
    missing = sorted(set(sample_ids) - set(table.sample_ids))
    if missing:
        raise InputError(
            f"{path} lacks {len(missing)} of the {len(sample_ids)} samples used ({listed(missing)}); "
            f"give {what} of all of them"
        )
    return table.take_samples(sample_ids).values


def fit_covariates(covariates: Float64Array, expression: Float64Array) -> Float64Array:
    """Regress expression on an intercept and covariates by least squares.

    Of collinear covariates, the minimum-norm solution (on covariates scaled to unit variance) is returned;
    the fitted values are the same for all solutions. A covariate that is constant in these samples has a
    coefficient of 0.

    Parameters
    ----------
    covariates
        float64 `(n_training, n_covariates)`.
    expression
        float64 `(n_training,)`.

    Returns
    -------
    float64 `(n_covariates + 1,)`; the intercept, then one coefficient per covariate.

    Raises
    ------
    InputError
        When there are more covariates than training samples minus 2, which leaves no degrees of freedom.
    """
    n_training, n_covariates = covariates.shape
    if n_covariates > n_training - 2:
        raise InputError(
            f"{n_covariates} covariates are too many for a fit on {n_training} samples; give a file of "
            f"{max(n_training - 2, 0)} at most, or more samples"
        )
    centre = covariates.mean(axis=0)
    centred = covariates - centre
    spread = np.sqrt(np.mean(centred**2, axis=0))
    varies = spread > _CONSTANT_SPREAD * np.abs(covariates).max(axis=0, initial=0.0)
    coefficients = np.zeros(n_covariates + 1)
    # Scaled first: lstsq drops directions by relative size, which must not depend on units.
    scaled = centred[:, varies] / spread[varies]
    coefficients[1:][varies] = np.linalg.lstsq(scaled, expression - expression.mean())[0] / spread[varies]
    coefficients[0] = expression.mean() - centre @ coefficients[1:]
    return coefficients


def remove_covariates(
    covariates: Float64Array, expression: Float64Array, coefficients: Float64Array
) -> Float64Array:
    """Return the residuals of expression after covariates, for any samples.

    Parameters
    ----------
    covariates
        float64 `(n_samples, n_covariates)`.
    expression
        float64 `(n_samples,)`.
    coefficients
        float64 `(n_covariates + 1,)`, from `fit_covariates`.

    Returns
    -------
    float64 `(n_samples,)`; residuals.
    """
    # Not a matrix product, whose last bits for a sample depend on which other samples are present.
    explained = np.einsum("ij,j->i", covariates, coefficients[1:])
    residuals: Float64Array = expression - coefficients[0] - explained
    return residuals
