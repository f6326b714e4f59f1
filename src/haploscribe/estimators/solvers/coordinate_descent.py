"""The elastic-net path: coordinate descent finished by an active-set method.

Coordinate descent finds quickly which coefficients are non-zero, but between variants in strong linkage
disequilibrium it creeps. On a fixed set of non-zero coefficients with fixed signs the minimum is the solution
of a linear system. So a few sweeps of descent alternate with that solution, by Cholesky, where coefficients
whose sign would turn are dropped one at a time and the factor is updated. The minimum is reached to rounding
error, in a fraction of the time that descent alone takes for four digits. Without a ridge penalty the system
may be singular, as where variants outnumber samples; dependent columns are then dropped first.

All this works on a Gram matrix, of which only the part is made that some λ asks for: products of the
columns that pass the screen. The paths of cross-validation share them; each takes away what the samples that
it leaves out have added.
"""

import numpy as np

from haploscribe.estimators.solvers.columns import FoldMoments, GramCache
from haploscribe.estimators.solvers.compiled import compiled
from haploscribe.utils.types import Float64Array, Int64Array

# Kernels assign to parts of arrays in loops: array assignments take numba several seconds to compile.

# When glmnet ends a path (`glmnet.control`): `fdev`, `devmax` and `mnlam`.
_LEAST_GAIN = 1e-5
_MOST_EXPLAINED = 0.999
_FEWEST_LAMBDAS = 5
_SWEEPS_PER_ROUND = 10
_MOST_ROUNDS = 10_000
_SMALLEST_CHANGE = 1e-10  # of a coefficient on the standardised scale, in a whole sweep
_DEPENDENT = 1e-10  # share of a column that the others leave unexplained, if only by rounding error
_TIED = 1e-9  # of what coefficients change by: a change of the L1 norm that is rounding
_PRODUCTS_AT_ONCE = 64
_SLACK = 1.0 + 1e-9  # rounding error allowed to the gradient of a coefficient that is zero


@compiled
def _know(columns: GramCache, wanted: Int64Array, gradient: Float64Array) -> None:
    """Fill in the products of some columns with all columns.

    A matrix product of few columns waits for memory. So where few are missing, the columns with the largest
    gradient, which will be wanted next, are made with them.
    """
    place = columns.place
    made = wanted[place[wanted] < 0]
    if made.size == 0:
        return
    n_known = np.count_nonzero(place >= 0)
    if made.size < _PRODUCTS_AT_ONCE:
        order = np.empty(place.size)
        for i in range(place.size):
            order[i] = -abs(gradient[i]) if place[i] < 0 else 1.0
        for i in made:
            order[i] = -np.inf
        made = np.argsort(order)[: min(_PRODUCTS_AT_ONCE, place.size - n_known)]
    chosen = np.empty((made.size, columns.values.shape[1]))
    for i in range(made.size):
        place[made[i]] = n_known + i
        for k in range(chosen.shape[1]):
            chosen[i, k] = columns.values[made[i], k]
    np.dot(chosen, columns.values.T, columns.products[n_known : n_known + made.size])


@compiled
def _grown(gram: Float64Array, size: int) -> Float64Array:
    """Return a matrix room for `size` rows and columns, twice as much as it had or more."""
    if size <= len(gram):
        return gram
    larger = np.empty((max(size, 2 * len(gram)), max(size, 2 * len(gram))))
    for i in range(len(gram)):
        for j in range(len(gram)):
            larger[i, j] = gram[i, j]
    return larger


@compiled
def _fill_correlations(
    gram: Float64Array, columns: GramCache, samples: FoldMoments, members: Int64Array, n_filled: int
) -> None:
    """Write correlations of columns in the fitted samples; those of the first `n_filled` are there."""
    left_out, means, scales = samples.left_out, samples.means, samples.scales
    for row in range(n_filled, members.size):
        i = members[row]
        products = columns.products[columns.place[i]]
        for column in range(row):
            j = members[column]
            product = products[j]
            for sample in range(left_out.shape[1]):
                product -= left_out[i, sample] * left_out[j, sample]
            covariance = product / samples.n_samples - means[i] * means[j]
            gram[row, column] = gram[column, row] = covariance / scales[i] / scales[j]
        gram[row, row] = 1.0


@compiled
def _sweep(
    gram: Float64Array, gradient: Float64Array, coefficients: Float64Array, l1: float, l2: Float64Array
) -> float:
    """Minimise over each coefficient in turn, in place; return the largest change."""
    largest = 0.0
    for j in range(coefficients.size):
        partial = gradient[j] + gram[j, j] * coefficients[j]
        updated = np.sign(partial) * max(abs(partial) - l1, 0.0) / (gram[j, j] + l2[j])
        change = updated - coefficients[j]
        if change != 0.0:
            coefficients[j] = updated
            for k in range(coefficients.size):
                gradient[k] -= change * gram[j, k]
            largest = max(largest, abs(change))
    return largest


@compiled
def _submatrix(matrix: Float64Array, kept: Int64Array) -> Float64Array:
    """Copy some rows and the same columns of a matrix together in memory."""
    packed = np.empty((kept.size, kept.size))
    for i in range(kept.size):
        row = matrix[kept[i]]
        for j in range(kept.size):
            packed[i, j] = row[kept[j]]
    return packed


@compiled
def _factorise(matrix: Float64Array) -> int:
    """Cholesky's lower factor in place of the lower triangle, up to the first row that depends on others.

    Returns how many rows were factorised.
    """
    for i in range(len(matrix)):
        for j in range(i):
            inner = 0.0
            for k in range(j):
                inner += matrix[i, k] * matrix[j, k]
            matrix[i, j] = (matrix[i, j] - inner) / matrix[j, j]
        inner = 0.0
        for k in range(i):
            inner += matrix[i, k] * matrix[i, k]
        pivot = matrix[i, i] - inner
        if pivot <= _DEPENDENT * matrix[i, i]:
            return i
        matrix[i, i] = np.sqrt(pivot)
    return len(matrix)


@compiled
def _solve(factor: Float64Array, vector: Float64Array) -> None:
    """Solve the factorised system for the first `vector.size` unknowns, in place."""
    for i in range(vector.size):
        inner = 0.0
        for k in range(i):
            inner += factor[i, k] * vector[k]
        vector[i] = (vector[i] - inner) / factor[i, i]
    for i in range(vector.size - 1, -1, -1):
        vector[i] /= factor[i, i]
        for k in range(i):
            vector[k] -= vector[i] * factor[i, k]


@compiled
def _drop(factor: Float64Array, size: int, dropped: int) -> None:
    """Take one unknown out of a factorised system of `size`, in place, by Givens rotations."""
    cosines, sines = np.empty(size), np.empty(size)
    for i in range(dropped, size - 1):
        # The row moves up one place, and so has one entry right of the diagonal to rotate away.
        for k in range(i + 2):
            factor[i, k] = factor[i + 1, k]
        for k in range(dropped, i):
            left, right = factor[i, k], factor[i, k + 1]
            factor[i, k] = cosines[k] * left + sines[k] * right
            factor[i, k + 1] = cosines[k] * right - sines[k] * left
        radius = np.hypot(factor[i, i], factor[i, i + 1])
        cosines[i], sines[i] = factor[i, i] / radius, factor[i, i + 1] / radius
        factor[i, i] = radius


@compiled
def _longest_step(coefficients: Float64Array, direction: Float64Array) -> tuple[float, int]:
    """How far along `direction`, at most 1, until a coefficient reaches zero; and which one, or -1."""
    step, stopped_by = 1.0, -1
    for i in range(coefficients.size):
        if coefficients[i] * (coefficients[i] + direction[i]) <= 0.0:
            reach = -coefficients[i] / direction[i] if coefficients[i] != 0.0 else 0.0
            if reach < step or stopped_by < 0:
                step, stopped_by = reach, i
    return step, stopped_by


@compiled
def _move(
    gram: Float64Array,
    gradient: Float64Array,
    coefficients: Float64Array,
    active: Int64Array,
    moved: Float64Array,
) -> None:
    """Set the active coefficients, and the gradient accordingly, in place."""
    for i in range(active.size):
        change = moved[i] - coefficients[active[i]]
        coefficients[active[i]] = moved[i]
        row = gram[active[i]]
        for k in range(gradient.size):
            gradient[k] -= change * row[k]


@compiled
def _first_zero(current: Float64Array, direction: Float64Array) -> tuple[float, int]:
    """How far along `direction` until the first coefficient is zero, and which; infinite and -1 for none."""
    step, place = np.inf, -1
    for i in range(current.size):
        if current[i] * direction[i] < 0.0 and -current[i] / direction[i] < step:
            step, place = -current[i] / direction[i], i
    return step, place


@compiled
def _drop_dependent(
    current: Float64Array, factor: Float64Array, products: Float64Array
) -> tuple[Float64Array, int]:
    """Take one of linearly dependent columns out of a fit that stays as it is, with no larger L1 norm.

    Where either way leaves the norm, as with copies, the nearer one is taken: which way rounding points is
    chance, and would be another on another processor.

    Parameters
    ----------
    current
        float64 `(n_active,)`; coefficients, none of them zero.
    factor
        Cholesky's factor of the Gram matrix of the columns before the first dependent one.
    products
        float64 `(n_before,)`; of that column with those before it.

    Returns
    -------
    The coefficients afterwards, and the place of the one that became zero.
    """
    _solve(factor, products)
    direction = np.zeros(current.size)
    for i in range(products.size):
        direction[i] = -products[i]
    direction[products.size] = 1.0
    growth = np.sum(np.sign(current) * direction)
    if growth > 0.0:
        direction = -direction
    step, dropped = _first_zero(current, direction)
    if abs(growth) <= _TIED * np.sum(np.abs(direction)):
        other_step, other = _first_zero(current, -direction)
        if other_step < step:
            step, dropped, direction = other_step, other, -direction
    moved = current + step * direction
    moved[dropped] = 0.0
    return moved, dropped


@compiled
def _factorised_nonzero(
    gram: Float64Array, gradient: Float64Array, coefficients: Float64Array, l2: Float64Array
) -> tuple[Int64Array, Float64Array]:
    """Find the non-zero coefficients and factorise their system, after dropping dependent columns."""
    active = np.flatnonzero(coefficients)
    while True:
        factor = _submatrix(gram, active)
        for i in range(active.size):
            factor[i, i] += l2[active[i]]
        n_before = _factorise(factor)
        if n_before == active.size:
            return active, factor
        products = gram[active[n_before]][active[:n_before]]
        moved, dropped = _drop_dependent(coefficients[active], factor, products)
        _move(gram, gradient, coefficients, active, moved)
        active = np.delete(active, dropped)


@compiled
def _to_minimum_of_nonzero(
    gram: Float64Array, gradient: Float64Array, coefficients: Float64Array, l1: float, l2: Float64Array
) -> None:
    """Minimise over the non-zero coefficients, in place, dropping those whose sign would turn."""
    active, factor = _factorised_nonzero(gram, gradient, coefficients, l2)
    moved = coefficients[active]
    slope = gradient[active] - l1 * np.sign(moved) - l2[active] * moved
    left = np.arange(active.size)
    while left.size > 0:
        current, direction = moved[left], slope.copy()
        _solve(factor, direction)
        step, stopped_by = _longest_step(current, direction)
        for i in range(left.size):
            moved[left[i]] = current[i] + step * direction[i]
        if stopped_by < 0:
            break
        # A share of the way to the minimum takes as much off the slope.
        slope = np.delete((1.0 - step) * slope, stopped_by)
        moved[left[stopped_by]] = 0.0
        _drop(factor, left.size, stopped_by)
        left = np.delete(left, stopped_by)
    _move(gram, gradient, coefficients, active, moved)


@compiled
def _minimise(
    gram: Float64Array, gradient: Float64Array, coefficients: Float64Array, l1: float, l2: Float64Array
) -> None:
    """Minimise over all coefficients of a small problem, in place."""
    for _ in range(_MOST_ROUNDS):
        for _ in range(_SWEEPS_PER_ROUND):
            if _sweep(gram, gradient, coefficients, l1, l2) < _SMALLEST_CHANGE:
                return
        _to_minimum_of_nonzero(gram, gradient, coefficients, l1, l2)
        # Is zero right for the others?
        largest = 0.0
        for j in range(coefficients.size):
            if coefficients[j] == 0.0:
                largest = max(largest, abs(gradient[j]))
        if largest <= l1 * _SLACK:
            return
    raise RuntimeError("the elastic net did not converge")


@compiled
def _gradient(columns: GramCache, samples: FoldMoments, coefficients: Float64Array) -> Float64Array:
    """Compute how much of each correlation the coefficients leave unexplained.

    The products of columns with a coefficient other than zero must be known.
    """
    explained = np.zeros(coefficients.size)
    fitted_left_out = np.zeros(samples.left_out.shape[1])
    fitted_mean = 0.0
    for active in np.flatnonzero(coefficients):
        coefficient = coefficients[active] / samples.scales[active]
        row = columns.products[columns.place[active]]
        for j in range(explained.size):
            explained[j] += coefficient * row[j]
        for k in range(fitted_left_out.size):
            fitted_left_out[k] += coefficient * samples.left_out[active, k]
        fitted_mean += coefficient * samples.means[active]
    for j in range(explained.size):
        for k in range(fitted_left_out.size):
            explained[j] -= samples.left_out[j, k] * fitted_left_out[k]
    covariance = explained / samples.n_samples - samples.means * fitted_mean
    return samples.correlation - covariance / samples.scales


@compiled
def elastic_net_path(
    columns: GramCache,
    samples: FoldMoments,
    ridge_weights: Float64Array,
    alpha: float,
    lambdas: Float64Array,
    start: Float64Array,
    n_before: int,
) -> tuple[Float64Array, bool]:
    """Elastic-net coefficients along a falling sequence of penalties, or along a stretch of it.

    Minimises, for each λ,

        ½ bᵀ G b − cᵀ b + λ α Σ |b_j| + ½ λ (1 − α) Σ w_j b_j²,

    which with G = XᵀX / n and c = Xᵀy / n is the objective of glmnet (Friedman, Hastie & Tibshirani 2010)
    for standardised X and y. Variables are screened by the strong rule (Tibshirani et al. 2012) and what it
    discards is checked, so the result is the exact minimum. As in glmnet the path ends where the explained
    share of variance grows by less than 1e-5 of itself or passes 0.999, not before the fifth λ.

    Parameters
    ----------
    columns
        The columns; products that the path needs are added to it.
    samples
        The samples to fit.
    ridge_weights
        float64 `(n_columns,)`; w above: 1, or 1/m for a column that stands for m identical ones.
    alpha
        Share of the L1 penalty, above 0, at most 1.
    lambdas
        float64 `(n_lambdas,)`, falling.
    start
        float64 `(n_columns,)`; the coefficients at the first λ: all zero where that is
        `max |correlation| / alpha` or more.
    n_before
        How many λ of the path come before the first one here.

    Returns
    -------
    coefficients
        float64 `(n_fitted, n_columns)`; one row for each λ after the first, up to the end of the path.
    ended
        Whether the path ended, at the last row.
    """
    correlation = samples.correlation
    coefficients = np.zeros((lambdas.size - 1, correlation.size))
    current = start.copy()
    _know(columns, np.flatnonzero(current), correlation)
    gradient = _gradient(columns, samples, current)
    explained = np.sum(current * (correlation + gradient))
    # The columns that any λ so far has asked for, their correlations, and where a column is among them.
    members = np.empty(0, dtype=np.int64)
    gram = np.empty((0, 0))
    place = np.full(correlation.size, -1)
    for k in range(1, lambdas.size):
        l1 = alpha * lambdas[k]
        l2 = (1.0 - alpha) * lambdas[k] * ridge_weights
        strong = alpha * (2.0 * lambdas[k] - lambdas[k - 1])
        included = (current != 0.0) | (np.abs(gradient) >= strong)
        while True:
            working = np.flatnonzero(included)
            added = working[place[working] < 0]
            if added.size > 0:
                _know(columns, added, gradient)
                for i in range(added.size):
                    place[added[i]] = members.size + i
                members = np.append(members, added)
                gram = _grown(gram, members.size)
                _fill_correlations(gram, columns, samples, members, members.size - added.size)
            solution = current[working]
            _minimise(_submatrix(gram, place[working]), gradient[working], solution, l1, l2[working])
            for i in range(working.size):
                current[working[i]] = solution[i]
            # From the start, so that rounding errors do not pile up along the path.
            gradient = _gradient(columns, samples, current)
            missed = ~included & (np.abs(gradient) > l1 * _SLACK)
            if not missed.any():
                break
            included |= missed
        for j in range(current.size):
            coefficients[k - 1, j] = current[j]
        before = explained
        # R² = 2 cᵀb − bᵀGb, and the gradient is c − Gb.
        explained = np.sum(current * (correlation + gradient))
        if n_before + k + 1 >= _FEWEST_LAMBDAS and (
            explained - before < _LEAST_GAIN * explained or explained > _MOST_EXPLAINED
        ):
            return coefficients[:k], True
    return coefficients, False
