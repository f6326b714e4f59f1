"""What the elastic-net paths of cross-validation share, and what each of them fits."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from haploscribe.utils.types import Float64Array, Int64Array


class GramCache(NamedTuple):
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


def shared_columns(values: Float64Array) -> GramCache:
    """Take columns, a row each as in `GramCache.values`, with no product known yet."""
    return GramCache(values, np.empty((len(values), len(values))), np.full(len(values), -1))


class FoldMoments(NamedTuple):
    """The samples of one fit: all but those left out.

    Attributes
    ----------
    left_out
        float64 `(n_columns, n_left_out)`, C-contiguous; `GramCache.values` in the samples left out.
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


@dataclass(frozen=True, slots=True)
class DistinctColumns:
    """The columns of a matrix that remain when copies are merged.

    Attributes
    ----------
    columns
        int64 `(n_distinct,)`; one column for each set of copies.
    group
        int64 `(n_columns,)`; the place in `columns` of the column that stands for this one; -1 for a
        constant column, which nothing stands for.
    slope
        float64 `(n_columns,)`; how many units the column changes by where the one that stands for it changes
        by one: negative where it runs against it, 1 for a constant column.
    """

    columns: Int64Array
    group: Int64Array
    slope: Float64Array

    @property
    def multiplicity(self) -> Float64Array:
        """How many columns each distinct one stands for, float64 `(n_distinct,)`."""
        return np.bincount(self.group[self.group >= 0], minlength=self.columns.size).astype(np.float64)


def distinct_columns(matrix: Float64Array) -> DistinctColumns:
    """Find the columns that are the same once standardised, up to sign; drop constant ones.

    Variants in complete linkage disequilibrium are such columns, about half of all common variants.

    Parameters
    ----------
    matrix
        float64 `(n_samples, n_columns)`.
    """
    shifted = matrix - matrix[0]
    varying = np.flatnonzero(shifted.any(axis=0))
    unit = shifted[(shifted != 0.0).argmax(axis=0), np.arange(matrix.shape[1])]
    # Starts at 0 and first moves to 1, whatever the location, scale and sign; + 0.0 makes −0.0 a 0.0.
    canonical = np.ascontiguousarray((shifted[:, varying] / unit[varying]).T) + 0.0
    columns: list[int] = []
    group = np.full(matrix.shape[1], -1, dtype=np.int64)
    seen: dict[bytes, int] = {}
    for column, values in zip(varying, canonical, strict=True):
        group[column] = seen.setdefault(values.tobytes(), len(columns))
        if group[column] == len(columns):
            columns.append(int(column))
    kept = np.array(columns, dtype=np.int64)
    slope = np.ones(matrix.shape[1])
    slope[varying] = unit[varying] / unit[kept[group[varying]]]
    return DistinctColumns(kept, group, slope)
