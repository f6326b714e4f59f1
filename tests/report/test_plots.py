"""Figures put the data where their own axes say it is."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from haploscribe.report.plots import axis_for, distribution_svg, scatter_svg
from haploscribe.utils.types import Float64Array

CORRELATIONS = arrays(np.float64, st.integers(2, 30), elements=st.floats(-1, 1, width=32))


def scatter(x: Float64Array, y: Float64Array, x_name: str = "a", y_name: str = "b") -> ET.Element:
    labels = [f"gene {i}" for i in range(len(x))]
    axis = axis_for(np.concatenate([x, y]))
    text = scatter_svg(x, y, labels, x_name=x_name, y_name=y_name, axis=axis)
    return ET.fromstring(text)


def read_axis(figure: ET.Element, css: str, coordinate: str) -> tuple[float, float]:
    """Offset and pixels a unit of an axis, from where its tick labels stand."""
    ticks = [element for element in figure.iter("text") if element.get("class") == css]
    values = [float((tick.text or "").replace("−", "-")) for tick in ticks]
    slope, offset = np.polyfit(values, [float(tick.get(coordinate, "")) for tick in ticks], 1)
    return float(offset), float(slope)


def read_points(figure: ET.Element) -> tuple[Float64Array, Float64Array]:
    (group,) = (element for element in figure.iter("g") if element.get("class") == "points")
    places = np.array([[float(c.get("cx", "")), float(c.get("cy", ""))] for c in group]).reshape(-1, 2)
    x_offset, x_slope = read_axis(figure, "tick x", "x")
    y_offset, y_slope = read_axis(figure, "tick y", "y")
    y_offset -= 4  # tick labels hang 4 units below their line, to stand level with it
    return (places[:, 0] - x_offset) / x_slope, (places[:, 1] - y_offset) / y_slope


@given(x=CORRELATIONS, data=st.data())
def test_scatter_points_read_back(x: Float64Array, data: st.DataObject) -> None:
    y = data.draw(arrays(np.float64, len(x), elements=st.floats(-1, 1, width=32)))
    figure = scatter(x, y)
    span = max(np.ptp(np.concatenate([x, y])), 0.1)
    shown_x, shown_y = read_points(figure)
    np.testing.assert_allclose(shown_x, x, atol=0.002 * span)
    np.testing.assert_allclose(shown_y, y, atol=0.002 * span)


def test_scatter_has_equal_aspect() -> None:
    figure = scatter(np.array([-0.1, 0.2]), np.array([0.5, 0.7]))
    assert read_axis(figure, "tick x", "x")[1] == pytest.approx(
        -read_axis(figure, "tick y", "y")[1], rel=1e-3
    )


def test_scatter_identity_line_joins_equal_values() -> None:
    figure = scatter(np.array([-0.1, 0.2]), np.array([0.5, 0.7]))
    (line,) = (element for element in figure.iter("path") if element.get("class") == "identity")
    x0, y0, x1, y1 = (float(n) for n in re.findall(r"[\d.]+", line.get("d", "")))
    x_offset, x_slope = read_axis(figure, "tick x", "x")
    y_offset, y_slope = read_axis(figure, "tick y", "y")
    ends_x = (np.array([x0, x1]) - x_offset) / x_slope
    ends_y = (np.array([y0, y1]) - y_offset + 4) / y_slope
    np.testing.assert_allclose(ends_x, ends_y, atol=1e-3)


def test_scatter_names_points_and_counts_sides() -> None:
    figure = scatter(np.array([0.1, 0.2, 0.3]), np.array([0.2, 0.1, -0.4]), "elastic-net", "blup")
    titles = [element.text for element in figure.iter("title")]
    assert titles[2] == "gene 2: blup −0.400, elastic-net 0.300"
    notes = [element.text for element in figure.iter("text") if element.get("class") == "note"]
    assert notes == ["blup higher: 1", "elastic-net higher: 2"]


def test_scatter_leaves_out_pairs_with_a_gap() -> None:
    figure = scatter(np.array([0.1, np.nan, 0.3]), np.array([0.2, 0.1, np.nan]))
    shown_x, _ = read_points(figure)
    np.testing.assert_allclose(shown_x, [0.1], atol=1e-3)


def test_scatter_cross_marks_the_mean() -> None:
    x, y = np.array([0.0, 0.2, 0.7]), np.array([0.1, 0.5, 0.3])
    figure = scatter(x, y)
    (cross,) = (element for element in figure.iter("path") if element.get("class") == "mean")
    start_x, my, mx, _ = (
        float(n) for n in re.findall(r"M([\d.]+) ([\d.]+)h12M([\d.]+) ([\d.]+)", cross.get("d", ""))[0]
    )
    assert start_x + 6 == pytest.approx(mx)
    x_offset, x_slope = read_axis(figure, "tick x", "x")
    y_offset, y_slope = read_axis(figure, "tick y", "y")
    assert (mx - x_offset) / x_slope == pytest.approx(x.mean(), abs=1e-3)
    assert (my - y_offset + 4) / y_slope == pytest.approx(y.mean(), abs=1e-3)


@given(CORRELATIONS)
def test_axis_covers_the_data_with_even_ticks(values: Float64Array) -> None:
    axis = axis_for(values)
    assert axis.low < values.min()
    assert axis.high > values.max()
    assert 3 <= len(axis.ticks) <= 9
    assert axis.low <= axis.ticks[0]
    assert axis.ticks[-1] <= axis.high
    np.testing.assert_allclose(np.diff(axis.ticks), axis.ticks[1] - axis.ticks[0])


def test_axis_of_nothing_is_the_unit_interval() -> None:
    axis = axis_for(np.array([np.nan]))
    assert (axis.ticks[0], axis.ticks[-1]) == (0.0, 1.0)


@given(CORRELATIONS)
def test_tick_labels_tell_the_ticks_apart(values: Float64Array) -> None:
    figure = scatter(values, values)
    labels = [element.text for element in figure.iter("text") if element.get("class") == "tick x"]
    assert len(set(labels)) == len(labels)


@given(first=CORRELATIONS, second=CORRELATIONS)
def test_histogram_counts_every_gene_in_its_bin(first: Float64Array, second: Float64Array) -> None:
    first, second = np.round(first, 3), np.round(second, 3)
    figure = ET.fromstring(distribution_svg({"a": first, "b": second}))
    offset, slope = read_axis(figure, "tick x", "x")
    groups = [element for element in figure.iter("g") if element.get("class") == "histogram"]
    per_gene = []
    for group, values in zip(groups, (first, second), strict=True):
        total = 0
        for bar in group.iter("rect"):
            low = (float(bar.get("x", "")) - 0.5 - offset) / slope
            high = low + (float(bar.get("width", "")) + 1) / slope
            low, high = round(low / 0.05) * 0.05, round(high / 0.05) * 0.05
            count = int(((values >= low - 1e-6) & (values < high - 1e-6)).sum())
            title = bar.find("title")
            assert title is not None
            assert (title.text or "").endswith(f": {count} genes")
            per_gene.append(float(bar.get("height", "")) / count)
            total += count
        assert total == len(values)
    np.testing.assert_allclose(per_gene, per_gene[0], rtol=0.02)


def test_distribution_marks_median_and_mean() -> None:
    values = np.array([0.0, 0.1, 0.2, 0.9])
    figure = ET.fromstring(distribution_svg({"a": values}))
    offset, slope = read_axis(figure, "tick x", "x")
    (median,) = (element for element in figure.iter("path") if element.get("class") == "median")
    (mean,) = (element for element in figure.iter("circle") if element.get("class") == "mean")
    at = float(re.findall(r"M([\d.]+)", median.get("d", ""))[0])
    assert (at - offset) / slope == pytest.approx(0.15, abs=1e-3)
    assert (float(mean.get("cx", "")) - offset) / slope == pytest.approx(0.3, abs=1e-3)


def test_a_model_without_genes_is_drawn_empty() -> None:
    figure = ET.fromstring(distribution_svg({"a": np.array([0.1]), "b": np.array([np.nan])}))
    texts = [element.text for element in figure.iter("text")]
    assert "no genes" in texts


def test_many_points_are_one_path_and_stay_where_they_are() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-0.2, 0.9, (2, 3000))
    figure = scatter(x, y)
    assert not list(figure.iter("circle"))
    (dots,) = (element for element in figure.iter("path") if element.get("class") == "dots")
    places = np.array(re.findall(r"M([\d.]+) ([\d.]+)h0", dots.get("d", "")), dtype=float)
    assert 2500 < len(places) <= 3000
    x_offset, x_slope = read_axis(figure, "tick x", "x")
    y_offset, y_slope = read_axis(figure, "tick y", "y")
    expected = np.stack([x * x_slope + x_offset, y * y_slope + y_offset - 4], axis=1)
    nearest = np.abs(expected[:, None] - places[None]).max(axis=2).min(axis=1)
    assert nearest.max() < 0.3
