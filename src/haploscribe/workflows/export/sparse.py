"""Find few variants that predict what a dense model predicts."""

import numpy as np

from haploscribe.estimators.base import LinearWeights
from haploscribe.utils.types import Float32Array, Float64Array, Int64Array

DENSE_KEEP_R2 = 0.999
"""What a dense model keeps where nothing is asked for."""

_CONSTANT = 1e-12  # of the predictions' own size: their variance is rounding
_COLLINEAR = 1e-10  # of a column's own sum of squares: it adds nothing to those chosen


def is_dense(linear: LinearWeights, dosages: Float32Array) -> bool:
    """Return whether a model has a weight at every variant that varies, float32 `(n_samples, n_variants)`."""
    varies = np.ptp(dosages, axis=0) > 0.0 if dosages.size else np.zeros(dosages.shape[1], dtype=np.bool_)
    return bool(varies.any() and linear.weights[varies].all())


def sparse_weights(linear: LinearWeights, dosages: Float32Array, keep_r2: float) -> LinearWeights:
    """Return weights of few variants, refitted to a model's predictions by least squares.

    Variants are added one by one, each the one that then leaves the least residual (forward selection), until
    those chosen explain the share `keep_r2` of the predictions' variance between the samples.

    Parameters
    ----------
    linear
        The model.
    dosages
        float32 `(n_samples, n_variants)`; of the training samples.
    keep_r2
        Squared correlation of the predictions with those of the model to reach, 0 to 1. With 1, the model
        is returned as it is.

    Returns
    -------
    Weights, 0 for all other variants, and the intercept that keeps the mean prediction.
    """
    predicted = dosages @ linear.weights
    target = predicted - predicted.mean()
    total = float(target @ target)
    if keep_r2 >= 1.0 or total <= _CONSTANT * float(predicted @ predicted):
        return linear
    means = dosages.mean(axis=0, dtype=np.float64)
    columns = dosages - means
    chosen = _forward_selection(columns, target, (1.0 - keep_r2) * total)
    weights = np.zeros_like(linear.weights)
    weights[chosen] = np.linalg.lstsq(columns[:, chosen], target, rcond=None)[0]
    return LinearWeights(weights, linear.intercept + float(predicted.mean() - weights @ means))


def kept_r2(sparse: LinearWeights, linear: LinearWeights, dosages: Float32Array) -> float:
    """Return the squared correlation of the predictions of two models; NaN where one is constant."""
    one, other = dosages @ sparse.weights, dosages @ linear.weights
    if not (np.ptp(one) and np.ptp(other)):
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1] ** 2)


def _forward_selection(columns: Float64Array, target: Float64Array, most: float) -> Int64Array:
    """Choose columns until the residual's sum of squares is at most `most`; int64, ascending.

    All columns are kept orthogonal to those chosen, so that the best one is that with the largest projection.
    """
    rest, residual = columns.astype(np.float64), target.copy()
    squares = np.einsum("ij,ij->j", rest, rest)
    least = _COLLINEAR * squares
    chosen: list[int] = []
    while float(residual @ residual) > most and len(chosen) < min(columns.shape[0] - 1, columns.shape[1]):
        able = squares > least
        gains = np.where(able, (residual @ rest) ** 2 / np.where(able, squares, 1.0), 0.0)
        best = int(np.argmax(gains))
        if gains[best] <= 0.0:
            break
        chosen.append(best)
        direction = rest[:, best] / np.sqrt(squares[best])
        residual -= direction * (direction @ residual)
        along = direction @ rest
        rest -= direction[:, None] * along
        squares = np.maximum(squares - along**2, 0.0)
        squares[best] = 0.0
    return np.array(sorted(chosen), dtype=np.int64)
