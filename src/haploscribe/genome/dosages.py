"""Read dosages and allele frequencies off variants: one column per ALT allele."""

import numpy as np

from haploscribe.genome.variants import Variants
from haploscribe.utils.types import BoolArray, Float32Array, Float64Array, Int64Array


def minor_allele_frequencies(variants: Variants) -> Float64Array:
    """Return one minus the frequency of the most common allele, float64 `(n_variants,)`.

    Missing calls count as reference; where a record has dosages and no call at all, the dosages are averaged.
    """
    n_variants = len(variants.positions)
    n_haplotypes = 2 * variants.genotypes.shape[1]
    if n_haplotypes == 0:
        return np.zeros(n_variants)
    flat = variants.genotypes.reshape(n_variants, n_haplotypes)
    most = np.zeros(n_variants, dtype=np.int64)
    for allele in range(max((len(record) for record in variants.alleles), default=0)):
        most = np.maximum(most, np.count_nonzero(flat == allele, axis=1))
    frequencies = np.asarray(1.0 - most / n_haplotypes, dtype=np.float64)
    if variants.alt_dosages is not None and variants.missing is not None:
        for row in np.flatnonzero(variants.missing.all(axis=1)).tolist():
            copies = dosages(variants.consecutive(row, row + 1))[1]
            alternates = mean_dosages(copies) / 2.0
            frequencies[row] = 1.0 - max(1.0 - alternates.sum(), alternates.max())
    return frequencies


def mean_dosages(copies: Float32Array) -> Float64Array:
    """Return the mean of each column over the samples whose dosage is known; 0 where none is.

    Parameters
    ----------
    copies
        float32 `(n_samples, n_columns)`; NaN where missing.

    Returns
    -------
    float64 `(n_columns,)`
    """
    known = ~np.isnan(copies)
    total = np.sum(copies, axis=0, dtype=np.float64, where=known)
    return np.asarray(total / np.maximum(np.count_nonzero(known, axis=0), 1))


def dosages(variants: Variants) -> tuple[Int64Array, Float32Array]:
    """Return the expected copies of each ALT allele that each sample carries.

    Returns
    -------
    positions
        int64 `(n_columns,)`; one column per ALT allele, in order.
    dosages
        float32 `(n_samples, n_columns)`; 0 to 2; NaN where missing.
    """
    if variants.alt_dosages is not None:
        rows, _ = variants.columns()
        copies = np.ascontiguousarray(variants.alt_dosages.sum(axis=2).T)
        return variants.positions[rows], copies
    positions, copies = hard_calls(variants)
    if variants.missing is not None:
        copies[variants.missing[variants.columns()[0]].T] = np.nan
    return positions, copies


def hard_calls(variants: Variants) -> tuple[Int64Array, Float32Array]:
    """Count the copies of each ALT allele in the calls of each sample; missing ones count as reference.

    Returns
    -------
    positions, copies
        As from `dosages`; 0, 1 or 2.
    """
    rows, allele_of = variants.columns()
    copies = np.count_nonzero(variants.genotypes[rows] == allele_of[:, None, None], axis=2)
    return variants.positions[rows], np.ascontiguousarray(copies.T, dtype=np.float32)


def missing_dosages(variants: Variants) -> BoolArray:
    """Return which calls lack the dosage of an ALT allele, bool `(n_variants, n_samples)`."""
    return _any_column(variants, np.isnan(dosages(variants)[1]))


def uncertain_calls(variants: Variants) -> BoolArray:
    """Return which calls have a dosage that their alleles do not count, bool `(n_variants, n_samples)`."""
    copies, called = dosages(variants)[1], hard_calls(variants)[1]
    return _any_column(variants, (copies != called) & ~np.isnan(copies))


def _any_column(variants: Variants, columns: BoolArray) -> BoolArray:
    """Return which calls are marked in any of their columns, bool `(n_samples, n_columns)`."""
    if not len(variants.positions):
        return np.zeros(variants.genotypes.shape[:2], dtype=np.bool_)
    first = np.concatenate(([0], np.cumsum(variants.n_alternates)[:-1]))
    return np.logical_or.reduceat(columns, first, axis=1).T
