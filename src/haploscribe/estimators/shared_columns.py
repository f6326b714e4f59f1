"""What the elastic-net paths of cross-validation share, and what each of them fits."""

from typing import NamedTuple

import numpy as np

from haploscribe.utils.types import Float64Array, Int64Array


class SharedColumns(NamedTuple):
    """The columns of all samples, and their products as far as a path has asked for them.

    Attributes
    ----------
    values
        float64 `(n_columns, n_samples)`, C-contiguous; a row for each column of X, about centred, so that
        sums of products lose no digits.
    products
        float64 `(n_columns, n_columns)`; rows of `values @ values.T`, as they were asked for one after the
        other. Memory is taken by rows in use only.
    place
        int64 `(n_columns,)`; a column's row of `products`, -1 where there is none yet.
    """

    values: Float64Array
    products: Float64Array
    place: Int64Array


def shared_columns(values: Float64Array) -> SharedColumns:
    """Take columns, a row each as in `SharedColumns.values`, with no product known yet."""
    return SharedColumns(values, np.empty((len(values), len(values))), np.full(len(values), -1))


class FittedSamples(NamedTuple):
    """The samples of one fit: all but those left out.

    Attributes
    ----------
    left_out
        float64 `(n_columns, n_left_out)`, C-contiguous; `SharedColumns.values` in the samples left out.
    n_samples
        How many samples remain.
    means, scales
        float64 `(n_columns,)`; mean and standard deviation (1/n) in those samples; infinite scale for a
        column that is constant there, which so is left out of the fit.
    correlation
        float64 `(n_columns,)`; of each column with y, whose variance is 1; 0 for a constant one.
    """

    left_out: Float64Array
    n_samples: int
    means: Float64Array
    scales: Float64Array
    correlation: Float64Array
