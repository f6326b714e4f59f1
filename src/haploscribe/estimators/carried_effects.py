"""Random effects of scores that haplotypes carry, by their dictionary: a score is read once a haplotype."""

from collections.abc import Sequence

import numpy as np

from haploscribe.estimators.reml import RemlFit, Spectrum, fit_reml
from haploscribe.utils.types import Float64Array, Int32Array, Int64Array


def carried_effects(
    scores: Sequence[Float64Array], index: Sequence[Int32Array | Int64Array], expression: Float64Array
) -> tuple[RemlFit, list[Float64Array]]:
    """Estimate y = µ + Σ XB + e, with X the scores of a sample's two haplotypes, b ~ N(0, σ²_b I).

    X = CS, with C the centred counts of a part's unique haplotypes and S their scores. Any R with RRᵀ = SSᵀ
    gives CR the kernel of CS; where haplotypes are fewer than scores it has a column a haplotype. Effects
    are Xᵀ(K + δI)⁻¹(y − ȳ), with δ by REML.

    Parameters
    ----------
    scores
        For each part of a window, a tile or a bin: float64 `(n_unique, n_scores)`.
    index
        For each part: `(n_samples, 2)`; the rows that a sample's haplotypes carry.
    expression
        float64 `(n_samples,)`.

    Returns
    -------
    What REML found, and for each part effects B, float64 `(n_scores,)`.
    """
    carried = [haplotype_counts(rows, len(part)) for rows, part in zip(index, scores, strict=True)]
    carried = [counts - counts.mean(axis=0) for counts in carried]
    features = [counts @ _narrow(part) for counts, part in zip(carried, scores, strict=True)]
    fit = fit_reml(Spectrum.of_features(np.concatenate(features, axis=1)), expression)
    return fit, [part.T @ (counts.T @ fit.dual) for counts, part in zip(carried, scores, strict=True)]


def haplotype_counts(index: Int32Array | Int64Array, n_unique: int) -> Float64Array:
    """Count how many copies of each unique haplotype a sample carries.

    Parameters
    ----------
    index
        `(n_samples, 2)`; see `TileDeltas.index`.
    n_unique
        Number of unique haplotypes.

    Returns
    -------
    float64 `(n_samples, n_unique)`; rows sum to 2.
    """
    counts = np.zeros((len(index), n_unique))
    np.add.at(counts, (np.arange(len(index))[:, None], index), 1.0)
    return counts


def _narrow(scores: Float64Array) -> Float64Array:
    """Find R with RRᵀ = SSᵀ and no more columns than S has rows."""
    if len(scores) >= scores.shape[1]:
        return scores
    values, vectors = np.linalg.eigh(scores @ scores.T)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
