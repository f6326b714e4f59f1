"""The mean and covariates as fixed effects: what is left of anything once they are taken out."""

import numpy as np

from haploscribe.utils.types import Float64Array

_NOTHING_LEFT = 1e-9  # of what it is the residual of: rounding


def fixed_effects(n_samples: int, covariates: Float64Array | None) -> Float64Array:
    """Span the mean and the covariates, float64 `(n_samples, rank)`, by orthonormal columns.

    Parameters
    ----------
    n_samples
        Samples.
    covariates
        float64 `(n_samples, n_covariates)`, collinear and constant ones among them perhaps; or None.
    """
    columns = np.ones((n_samples, 1))
    if covariates is not None:
        columns = np.column_stack([columns, standardised(covariates)])
    vectors, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(vectors[:, sizes > _NOTHING_LEFT * sizes[0]])


def residuals(rows: Float64Array, fixed: Float64Array) -> Float64Array:
    """Take fixed effects out of every row, float64 `(n_rows, n_samples)`; rows of rounding error become 0."""
    left = rows - (rows @ fixed) @ fixed.T
    real = np.linalg.norm(left, axis=1) > _NOTHING_LEFT * np.linalg.norm(rows, axis=1)
    return np.asarray(left * real[:, None])


def standardised(columns: Float64Array) -> Float64Array:
    """Centre columns and scale them to variance 1 (1/n); 0 where a column is constant."""
    centred = columns - columns.mean(axis=0)
    spread = centred.std(axis=0)
    varies = spread > _NOTHING_LEFT * np.abs(columns).max(axis=0, initial=0.0)
    return np.asarray(np.where(varies, centred / np.where(varies, spread, 1.0), 0.0))
