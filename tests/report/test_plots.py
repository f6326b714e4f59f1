"""Plots put the data where they say, read back from matplotlib's artists."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from haploscribe.report.canvas import model_styles
from haploscribe.report.plots import (
    BAR_SHARE,
    Difference,
    differences,
    limits,
    plot_comparison,
    plot_distribution,
    plot_predictions,
    plot_scatter,
)
from haploscribe.report.tables import model_rows
from haploscribe.utils.types import Float64Array
from tests.fixtures.artists import assert_ticks_apart, line, points
from tests.fixtures.results import made_results, shifted

CORRELATIONS = arrays(np.float64, st.integers(2, 30), elements=st.floats(-1, 1, width=32))
STYLES = model_styles(["elastic-net", "a", "b"], "elastic-net")


def scatter(x: Float64Array, y: Float64Array) -> Axes:
    return plot_scatter(x, y, x_name="elastic-net", y_name="b", style=STYLES["b"])


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


@settings(max_examples=20, deadline=None)
@given(x=CORRELATIONS, data=st.data())
def test_scatter_has_each_gene_at_its_two_correlations(x: Float64Array, data: st.DataObject) -> None:
    y = data.draw(arrays(np.float64, len(x), elements=st.floats(-1, 1, width=32)))
    ax = scatter(x, y)
    shown = points(line(ax, "points"))
    np.testing.assert_array_equal(shown, (x, y))
    low, high = ax.get_xlim()
    assert ax.get_ylim() == (low, high)
    assert low < min(x.min(), y.min())
    assert high > max(x.max(), y.max())


def test_scatter_has_equal_aspect_and_a_line_of_equality() -> None:
    ax = scatter(np.array([-0.1, 0.2]), np.array([0.5, 0.7]))
    assert ax.get_aspect() == 1.0
    x, y = points(line(ax, "identity"))
    np.testing.assert_array_equal(x, y)
    assert tuple(x) == ax.get_xlim()


def test_scatter_counts_both_sides_and_marks_the_mean() -> None:
    x, y = np.array([0.1, 0.2, 0.3]), np.array([0.2, 0.1, -0.4])
    ax = scatter(x, y)
    assert texts(ax) == ["b higher: 1", "elastic-net higher: 2"]
    (mean_x,), (mean_y,) = points(line(ax, "mean"))
    assert (mean_x, mean_y) == pytest.approx((x.mean(), y.mean()))


def test_scatter_leaves_out_pairs_with_a_gap() -> None:
    ax = scatter(np.array([0.1, np.nan, 0.3]), np.array([0.2, 0.1, np.nan]))
    assert points(line(ax, "points"))[0].tolist() == [0.1]


@pytest.mark.parametrize(("n", "rasterised"), [(300, False), (3000, True)])
def test_many_points_are_a_picture_in_the_drawing(n: int, rasterised: bool) -> None:
    x, y = np.random.default_rng(0).uniform(-0.2, 0.9, (2, n))
    assert bool(line(scatter(x, y), "points").get_rasterized()) is rasterised


@given(CORRELATIONS)
def test_limits_enclose_the_data(values: Float64Array) -> None:
    low, high = limits(values)
    assert low < values.min()
    assert high > values.max()


def test_limits_of_nothing_are_about_the_unit_interval() -> None:
    assert limits(np.array([np.nan])) == pytest.approx((-0.03, 1.03))


def steps(ax: Axes) -> list[StepPatch]:
    return [patch for patch in ax.patches if isinstance(patch, StepPatch)]


@settings(max_examples=20, deadline=None)
@given(first=CORRELATIONS, second=CORRELATIONS)
def test_distribution_counts_every_gene_in_its_bin(first: Float64Array, second: Float64Array) -> None:
    series = {"a": np.round(first, 3), "b": np.round(second, 3)}
    ax = plot_distribution(series, STYLES)
    tallest = 0
    found = {}
    for (model, values), step in zip(series.items(), steps(ax), strict=True):
        heights, edges, base = step.get_data()
        # numpy closes the last bin on both sides; here all are closed on the left
        expected = [
            int(((values >= low - 1e-9) & (values < high - 1e-9)).sum()) for low, high in pairwise(edges)
        ]
        assert sum(expected) == len(values)
        found[model] = (np.asarray(heights) - base, expected)
        tallest = max(tallest, *expected)
    for heights, expected in found.values():
        np.testing.assert_allclose(heights, BAR_SHARE * np.array(expected) / tallest)


def test_distribution_marks_median_and_mean() -> None:
    ax = plot_distribution({"a": np.array([0.0, 0.1, 0.2, 0.9])}, STYLES)
    _, median, mean = ax.lines
    assert points(median)[0].tolist() == pytest.approx([0.15, 0.15])
    assert points(mean)[0].tolist() == pytest.approx([0.3])
    assert texts(ax) == ["a", "median 0.150, mean 0.300"]


def test_a_model_without_genes_is_drawn_empty() -> None:
    ax = plot_distribution({"a": np.array([0.1]), "b": np.array([np.nan])}, STYLES)
    assert "no genes" in texts(ax)


def test_comparison_has_each_mean_and_its_interval_in_a_row() -> None:
    compared = {"a": Difference(0.02, (0.01, 0.04)), "b": Difference(-0.03, None)}
    ax = plot_comparison(compared, "elastic-net", STYLES)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    zero, interval, mean, alone = ax.lines
    assert points(zero)[0].tolist() == [0.0, 0.0]
    np.testing.assert_array_equal(points(interval), ((0.01, 0.04), (0, 0)))
    np.testing.assert_array_equal(points(mean), ((0.02,), (0,)))
    np.testing.assert_array_equal(points(alone), ((-0.03,), (1,)))
    assert ax.get_xlabel().startswith("Δr vs elastic-net")
    assert mean.get_color() == STYLES["a"].colour
    low, high = ax.get_xlim()
    assert low < -0.03 < 0.04 < high
    bottom, top = ax.get_ylim()
    assert bottom > 1 > 0 > top  # the first model is on top


def test_comparison_draws_the_rows_of_the_table_of_models() -> None:
    results = made_results(shifted(0.03))
    (row,) = results.comparison.filter(model_a="transformer").iter_rows(named=True)
    found = differences(model_rows(results))
    assert list(found) == ["transformer"]
    assert found["transformer"].mean == pytest.approx(row["mean_r_a"] - row["mean_r_b"])
    assert found["transformer"].interval == (row["ci_low"], row["ci_high"])


def test_predictions_are_drawn_against_what_was_observed() -> None:
    observed, predicted = np.random.default_rng(0).normal(size=(2, 40))
    ax = plot_predictions(observed, predicted, model="b", style=STYLES["b"])
    np.testing.assert_array_equal(points(ax.lines[0]), (predicted, observed))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Predicted by b, SD", "Observed expression, SD")


@pytest.mark.parametrize("values", [[0.5, 0.5], [-1.0, 1.0], [0.0, 1e-3], [0.12345, 0.12346]])
def test_tick_labels_never_collide(values: list[float]) -> None:
    ax = scatter(np.array(values), np.array(values))
    assert_ticks_apart(ax)
    assert_ticks_apart(plot_distribution({"a": np.array(values)}, STYLES))
    assert_ticks_apart(
        plot_comparison({"a": Difference(values[0], (values[0], values[1]))}, "elastic-net", STYLES)
    )


X = np.array([0.1, 0.2])


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plot_comparison({"a": Difference(0.1, None)}, "elastic-net", STYLES, ax),
        lambda ax: plot_scatter(X, X, x_name="a", y_name="b", style=STYLES["b"], ax=ax),
        lambda ax: plot_distribution({"a": X}, STYLES, ax),
        lambda ax: plot_predictions(X, X, model="b", style=STYLES["b"], ax=ax),
    ],
    ids=["comparison", "scatter", "distribution", "predictions"],
)
def test_given_axes_are_drawn_on_and_returned(draw: Callable[[Axes], Axes]) -> None:
    ax = Figure().add_subplot()
    assert draw(ax) is ax
