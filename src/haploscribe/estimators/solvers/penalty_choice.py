"""The λ of an elastic net that predicts held-out samples best, without fitting what cannot be chosen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from haploscribe.estimators.solvers.columns import DistinctColumns, distinct_columns, shared_columns
from haploscribe.estimators.solvers.penalty_paths import Moments, PenaltyPath, PenaltyProblem
from haploscribe.utils.types import Float64Array, Int64Array

# These two set the time that it takes, and nothing else.
_STRIDE = 10
_RISEN = 1.02


@dataclass(frozen=True, slots=True)
class CrossValidatedPath:
    """An elastic-net path and how well each λ predicts samples held out.

    Attributes
    ----------
    lambdas
        float64 `(n_lambdas,)`, falling, on the scale of expression as glmnet reports them; the last is the
        chosen one, unless all were asked for.
    mean_squared_errors
        float64 `(n_lambdas,)`; over all held-out samples (`cvm` of `cv.glmnet`); infinite where only shown to
        be above the least.
    chosen
        The place of the λ with the least error; of equals the first, the largest λ.
    coefficients
        float64 `(n_lambdas, n_variants)`; fitted on all samples, per allele copy.
    intercepts
        float64 `(n_lambdas,)`.
    """

    lambdas: Float64Array
    mean_squared_errors: Float64Array
    chosen: int
    coefficients: Float64Array
    intercepts: Float64Array


def cross_validated_path(
    dosages: Float64Array,
    expression: Float64Array,
    held_out: Sequence[Int64Array],
    *,
    alpha: float,
    n_lambdas: int,
    every_lambda: bool = False,
) -> CrossValidatedPath:
    """Fit the path on all samples, and its error on samples held out in turn, as R's `cv.glmnet` does.

    Each fit draws its own sequence of λ, see `PenaltyPath`. The fits without held-out samples are read off at
    the λ of the fit on all samples.

    Parameters
    ----------
    dosages
        float64 `(n_samples, n_variants)`; at least one column must vary.
    expression
        float64 `(n_samples,)`.
    held_out
        int64 arrays; the samples of each inner fold.
    alpha
        Share of the L1 penalty, above 0, at most 1.
    n_lambdas
        Length of the sequence before glmnet's rules cut it short.
    every_lambda
        Fit every λ in every fold, as `cv.glmnet` does, also where that can no longer change the choice.
    """
    centre_x, centre_y = dosages.mean(axis=0), float(expression.mean())
    distinct = distinct_columns(dosages)
    # Centred, so that sums of squares lose no digits.
    x = np.ascontiguousarray(dosages[:, distinct.columns].T)
    x -= centre_x[distinct.columns, None]
    y = expression - centre_y
    moments, multiplicity = Moments.of(x, y), distinct.multiplicity
    problem = PenaltyProblem(shared_columns(x), y, moments, multiplicity, dosages.shape[1], alpha, n_lambdas)
    whole = PenaltyPath(problem, np.empty(0, dtype=np.int64))
    folds = [PenaltyPath(problem, fold) for fold in held_out]
    if every_lambda:
        whole.extend(n_lambdas)
        errors = _all_errors(folds, whole.lambdas[: whole.n_fitted])
    else:
        errors = _errors_up_to_chosen(folds, whole)
    merged, intercepts = whole.coefficients(errors.size)
    coefficients = _split(merged, distinct)
    return CrossValidatedPath(
        whole.lambdas[: errors.size],
        errors / sum(len(fold) for fold in held_out),
        int(np.argmin(errors)),
        coefficients,
        centre_y + intercepts - coefficients @ centre_x,
    )


def _errors_up_to_chosen(folds: Sequence[PenaltyPath], whole: PenaltyPath) -> Float64Array:
    """Sum squared errors for each λ down to the one with the least, and fit `whole` as far."""
    n_lambdas = whole.lambdas.size
    while True:
        errors = _errors_that_may_be_least(folds, whole.lambdas[:n_lambdas])
        n_chosen = int(np.argmin(errors)) + 1
        whole.extend(n_chosen)
        if whole.n_fitted >= n_chosen:
            return errors[:n_chosen]
        n_lambdas = whole.n_fitted  # the path on all samples ends before


def _all_errors(folds: Sequence[PenaltyPath], lambdas: Float64Array) -> Float64Array:
    return np.asarray(np.sum([fold.held_out_errors(lambdas) for fold in folds], axis=0))


def _errors_that_may_be_least(folds: Sequence[PenaltyPath], lambdas: Float64Array) -> Float64Array:
    """Sum squared errors over all folds, or infinity where some folds alone have more than the least sum.

    Squares only add up: a λ whose errors in some folds exceed what another has in all of them needs no fit
    in the others. First all folds are fitted down to where errors have begun to rise, which finds a small
    sum; then one fold after the other, each down to the last λ that is not ruled out by those before it.
    """
    n_seen = 0
    while n_seen < lambdas.size:
        n_seen = min(n_seen + _STRIDE, lambdas.size)
        errors = np.array([fold.held_out_errors(lambdas[:n_seen]) for fold in folds])
        sums = errors.sum(axis=0)
        if sums[-1] > _RISEN * sums.min():
            break
    least = sums.min()
    rest = np.zeros((len(folds), lambdas.size - n_seen))
    possible = np.full(lambdas.size - n_seen, True)
    for number in np.argsort(-errors[:, -1]):  # what errs most rules out most
        if not possible.any():
            break
        n_possible = int(np.flatnonzero(possible)[-1]) + 1
        rest[number, :n_possible] = folds[number].held_out_errors(lambdas[: n_seen + n_possible])[n_seen:]
        possible &= rest.sum(axis=0) <= least
    return np.concatenate((sums, np.where(possible, rest.sum(axis=0), np.inf)))


def _split(merged: Float64Array, distinct: DistinctColumns) -> Float64Array:
    """Share each column's effect equally among its copies: the only minimum where alpha < 1.

    Parameters
    ----------
    merged
        float64 `(n_lambdas, n_distinct)`.
    distinct
        Which copies each column stands for.

    Returns
    -------
    float64 `(n_lambdas, n_variants)`.
    """
    varying = np.flatnonzero(distinct.group >= 0)
    group = distinct.group[varying]
    coefficients = np.zeros((len(merged), distinct.group.size))
    coefficients[:, varying] = merged[:, group] / (distinct.slope[varying] * distinct.multiplicity[group])
    return coefficients
