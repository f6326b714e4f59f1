"""The path solver: the conditions of optimality, which need no other solver, and merged columns."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.estimators.solvers.columns import FoldMoments, GramCache, shared_columns
from haploscribe.estimators.solvers.compiled import compiled
from haploscribe.estimators.solvers.coordinate_descent import elastic_net_path
from haploscribe.utils.types import Float64Array


def _correlated(n_samples: int, n_columns: int, seed: int) -> tuple[Float64Array, Float64Array]:
    """Standardised columns with linkage disequilibrium, and an outcome that a few of them move."""
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.normal(size=(n_samples, n_columns)), axis=1)
    y = x[:, :: max(n_columns // 3, 1)].sum(axis=1) + rng.normal(0, 2, n_samples)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return x, (y - y.mean()) / y.std()


def _all_samples(x: Float64Array, y: Float64Array) -> FoldMoments:
    n_samples, n_columns = x.shape
    nobody = np.empty((n_columns, 0))
    return FoldMoments(nobody, n_samples, np.zeros(n_columns), np.ones(n_columns), x.T @ y / n_samples)


def _path(
    x: Float64Array, y: Float64Array, alpha: float, n_lambdas: int = 40
) -> tuple[Float64Array, Float64Array]:
    samples = _all_samples(x, y)
    lambdas = np.abs(samples.correlation).max() / alpha * np.geomspace(1, 1e-2, n_lambdas)
    columns = shared_columns(np.ascontiguousarray(x.T))
    coefficients = _from_zero(columns, samples, np.ones(x.shape[1]), alpha, lambdas)
    return lambdas[: len(coefficients)], coefficients


def _from_zero(
    columns: GramCache,
    samples: FoldMoments,
    ridge_weights: Float64Array,
    alpha: float,
    lambdas: Float64Array,
) -> Float64Array:
    start = np.zeros(len(ridge_weights))
    after, _ = elastic_net_path(columns, samples, ridge_weights, alpha, lambdas, start, 0)
    return np.vstack([start, after])


@settings(max_examples=60, deadline=None)
@given(
    n_samples=st.integers(5, 80),
    n_columns=st.integers(1, 60),
    alpha=st.sampled_from([0.05, 0.5, 0.95, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_point_of_the_path_is_optimal(n_samples: int, n_columns: int, alpha: float, seed: int) -> None:
    x, y = _correlated(n_samples, n_columns, seed)
    for penalty, coefficients in zip(*_path(x, y, alpha), strict=True):
        slope = x.T @ (y - x @ coefficients) / len(y) - (1 - alpha) * penalty * coefficients
        chosen = coefficients != 0
        np.testing.assert_allclose(slope[chosen], alpha * penalty * np.sign(coefficients[chosen]), atol=1e-7)
        assert np.all(np.abs(slope[~chosen]) <= alpha * penalty + 1e-7)


@settings(max_examples=60, deadline=None)
@given(n_samples=st.integers(4, 25), n_columns=st.integers(2, 60), seed=st.integers(0, 2**32 - 1))
def test_lasso_of_dependent_columns_is_optimal(n_samples: int, n_columns: int, seed: int) -> None:
    """Few genotypes of many linked variants: columns are copies, sums and differences of others."""
    rng = np.random.default_rng(seed)
    x = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 0], [1, 1, 0]])[rng.integers(0, 4, (n_samples, n_columns))]
    x = x.reshape(n_samples, -1).astype(np.float64)
    x = x[:, np.ptp(x, axis=0) > 0]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    y = x[:, 0] + rng.normal(size=n_samples)
    y = (y - y.mean()) / y.std()
    for penalty, coefficients in zip(*_path(x, y, alpha=1.0), strict=True):
        slope = x.T @ (y - x @ coefficients) / n_samples
        chosen = coefficients != 0
        np.testing.assert_allclose(slope[chosen], penalty * np.sign(coefficients[chosen]), atol=1e-7)
        assert np.all(np.abs(slope[~chosen]) <= penalty + 1e-7)


def test_ridge_weight_of_a_merged_column_leaves_the_objective_as_it_was() -> None:
    x, y = _correlated(50, 8, seed=1)
    copies = [0, 1, 2, 2, 2, 3, 4, 5, 6, 6, 7]
    lambdas, expanded = _path(x[:, copies], y, alpha=0.5)
    columns = shared_columns(np.ascontiguousarray(x.T))
    merged = _from_zero(columns, _all_samples(x, y), 1 / np.bincount(copies), 0.5, lambdas)
    sums = np.array([[row[np.equal(copies, column)].sum() for column in range(8)] for row in expanded])
    np.testing.assert_allclose(merged, sums, atol=1e-9)


def test_path_ends_where_nothing_is_left_to_explain() -> None:
    x, _ = _correlated(50, 8, seed=2)
    lambdas, coefficients = _path(x, x[:, 3], alpha=1.0, n_lambdas=400)
    unexplained = np.mean((x[:, 3] - coefficients @ x.T) ** 2, axis=1)
    assert len(lambdas) < 400
    assert unexplained[-1] < 0.001 < unexplained[-2]


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_stretches_of_a_path_equal_the_path_in_one_go(alpha: float) -> None:
    x, y = _correlated(50, 80, seed=5)
    lambdas, whole = _path(x, y, alpha, n_lambdas=30)
    columns, samples = shared_columns(np.ascontiguousarray(x.T)), _all_samples(x, y)
    rows = np.zeros((1, 80))
    for stop in (2, 3, 10, 30):
        stretch = lambdas[len(rows) - 1 : stop]
        added, ended = elastic_net_path(
            columns, samples, np.ones(80), alpha, stretch, rows[-1], len(rows) - 1
        )
        rows = np.vstack([rows, added])
        assert not ended
    np.testing.assert_allclose(rows, whole, atol=1e-9)


def test_path_in_stretches_ends_where_the_whole_does() -> None:
    x, _ = _correlated(50, 8, seed=2)
    lambdas, whole = _path(x, x[:, 3], alpha=1.0, n_lambdas=400)
    columns, samples = shared_columns(np.ascontiguousarray(x.T)), _all_samples(x, x[:, 3])
    added, ended = elastic_net_path(
        columns, samples, np.ones(8), 1.0, lambdas[-2:], whole[-2], len(lambdas) - 2
    )
    assert ended
    np.testing.assert_allclose(added, whole[-1:], atol=1e-9)


def test_kernel_without_a_place_for_its_cache_still_runs() -> None:
    scope: dict[str, object] = {}
    exec(compile("def double(x):\n    return 2 * x", "<string>", "exec"), scope)
    double = scope["double"]
    assert callable(double)
    assert compiled(double)(21) == 42


@pytest.mark.parametrize("n_lambdas", [2, 3])
def test_short_sequence_is_fitted_whole(n_lambdas: int) -> None:
    x, y = _correlated(30, 5, seed=3)
    lambdas, _ = _path(x, y, alpha=0.5, n_lambdas=n_lambdas)
    assert len(lambdas) == n_lambdas


def test_paths_that_leave_out_samples_share_products_and_equal_those_of_the_other_samples() -> None:
    x, y = _correlated(60, 90, seed=4)
    x[:20, 5] = x[0, 5]  # constant in the second fit
    lambdas = np.geomspace(2.0, 0.05, 30)
    shared = shared_columns(np.ascontiguousarray(x.T))
    for kept in (np.arange(60), np.arange(20), np.arange(15, 60)):
        means, scales = x[kept].mean(axis=0), x[kept].std(axis=0)
        constant = np.ptp(x[kept], axis=0) == 0
        standardised = np.where(constant, 0.0, (x[kept] - means) / np.where(constant, 1.0, scales))
        outcome = (y[kept] - y[kept].mean()) / y[kept].std()
        left_out = np.ascontiguousarray(np.delete(x, kept, axis=0).T)
        correlation = standardised.T @ outcome / len(kept)
        samples = FoldMoments(left_out, len(kept), means, np.where(constant, np.inf, scales), correlation)
        ours = _from_zero(shared, samples, np.ones(90), 0.5, lambdas)
        alone = _from_zero(
            shared_columns(np.ascontiguousarray(standardised.T)),
            _all_samples(standardised, outcome),
            np.ones(90),
            0.5,
            lambdas,
        )
        assert np.count_nonzero(ours[-1]) > 5
        np.testing.assert_allclose(ours, alone, atol=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_rounding_does_not_choose_among_columns_that_depend_on_each_other(seed: int) -> None:
    """Copies in all samples are merged, but some columns are copies in those of an inner fold alone."""
    x, y = _correlated(60, 30, seed)
    copies = np.random.default_rng(seed).integers(0, 30, size=30)
    x = np.hstack([x, x[:, copies], -x[:, copies[:5]]])
    expected = _path(x, y, alpha=1.0)[1]
    for other in range(6):
        rounded = x * (1.0 + 1e-15 * np.random.default_rng(other).normal(size=x.shape))
        np.testing.assert_allclose(_path(rounded, y, alpha=1.0)[1], expected, atol=1e-6)
