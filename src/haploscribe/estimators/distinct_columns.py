"""Merge the columns of a dosage matrix that carry the same information."""

from dataclasses import dataclass

import numpy as np

from haploscribe.utils.types import Float64Array, Int64Array


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
