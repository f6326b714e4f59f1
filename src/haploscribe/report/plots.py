"""Draw results on matplotlib's axes; the Python API, the page and the figures of papers share these.

Each function takes plain data and axes, draws within `canvas.drawing`, and returns the axes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from haploscribe.report.canvas import ModelStyle, colours, drawing, label, label_width, new_axes
from haploscribe.report.tables import ModelRow, delta_name
from haploscribe.report.typeset import typeset_r
from haploscribe.utils.types import Float64Array

BIN_WIDTH = 0.05
BAR_SHARE = 0.58
"""Of the height of a row of the distribution."""

MOST_VECTOR_POINTS = 1000
"""Points of a scatter that SVG holds one by one; more are a picture in it."""

_WIDTH_OF_ITS_LABEL = 3.1
"""Inches that the label of the axis of differences takes."""

_CLOSE_BINS = 9  # decimals: multiples of 0.05 are not exact


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean difference of a model's r from the baseline's.

    Attributes
    ----------
    mean
        The mean over genes.
    interval
        Its 95 % interval; None where there is none.
    """

    mean: float
    interval: tuple[float, float] | None


def differences(rows: Sequence[ModelRow]) -> dict[str, Difference]:
    """Return what `plot_comparison` draws, of the rows of the table of models."""
    return {
        row.model: Difference(row.versus.mean_difference, row.versus.difference_ci)
        for row in rows
        if row.versus is not None
    }


def plot_comparison(
    compared: Mapping[str, Difference],
    baseline: str,
    styles: Mapping[str, ModelStyle],
    ax: Axes | None = None,
) -> Axes:
    """Draw a forest plot: the mean Δr of each model from the baseline, with its 95 % interval.

    Parameters
    ----------
    compared
        By model, from the top down.
    baseline
        The model that the others are compared with, at the line of zero.
    styles
        Colour and marker of each model.
    ax
        Axes to draw on; None for those of a new figure.
    """
    with drawing():
        if ax is None:
            height = 0.72 + 0.22 * max(len(compared), 2)
            left = 0.25 + label_width(list(compared))
            ax = new_axes(max(4.4, left + _WIDTH_OF_ITS_LABEL), height, left=left, bottom=0.55)
        ax.axvline(0.0, color=colours()["quiet"], linewidth=0.9, zorder=1)
        for row, (model, difference) in enumerate(compared.items()):
            style = styles[model]
            if difference.interval is not None:
                ax.plot(
                    difference.interval, [row, row], color=style.colour, linewidth=1.6, solid_capstyle="butt"
                )
            ax.plot(
                [difference.mean],
                [row],
                style.marker,
                color=style.colour,
                markersize=5,
                clip_on=False,
                zorder=3,
            )
        ax.set_yticks(range(len(compared)), [label(model) for model in compared])
        ax.set_ylim(max(len(compared), 1) - 0.4, -0.6)
        ax.set_xlabel(label(delta_name(baseline)) + ", mean and 95 % interval")
        ends = [end for one in compared.values() for end in (one.mean, *(one.interval or ()))]
        ax.set_xlim(*limits(np.array([0.0, *ends]), least=0.002))
        ax.tick_params(axis="y", length=0, labelcolor=colours()["ink"])
        ax.spines["left"].set_visible(False)
        _grid(ax, "x", 5)
    return ax


def plot_scatter(
    x: Float64Array,
    y: Float64Array,
    *,
    x_name: str,
    y_name: str,
    style: ModelStyle,
    ax: Axes | None = None,
) -> Axes:
    """Draw one model's r against another's, one point per gene, with the line of equality.

    Parameters
    ----------
    x, y
        float64 `(n_genes,)`; Pearson r of the two models. Pairs with a NaN are not drawn.
    x_name, y_name
        The models' names.
    style
        Of the model on the vertical axis.
    ax
        Axes to draw on; None for those of a new figure.
    """
    drawn = np.isfinite(x) & np.isfinite(y)
    x, y = x[drawn], y[drawn]
    low, high = limits(np.concatenate([x, y]))
    n_above, n_below = int((y > x).sum()), int((y < x).sum())
    with drawing():
        ax = new_axes(4.0, 3.9, left=0.55) if ax is None else ax
        ax.plot(
            [low, high], [low, high], color=colours()["quiet"], linewidth=0.9, dashes=(5, 4), gid="identity"
        )
        ax.plot(
            x,
            y,
            style.marker,
            color=style.colour,
            markersize=_point_size(x.size),
            markeredgewidth=0,
            alpha=0.6,
            clip_on=False,
            rasterized=x.size > MOST_VECTOR_POINTS,
            gid="points",
        )
        if x.size:
            ax.plot(
                [x.mean()],
                [y.mean()],
                "+",
                color=colours()["ink"],
                markersize=9,
                markeredgewidth=1.6,
                gid="mean",
            )
        ax.set_xlim(low, high)
        ax.set_ylim(low, high)
        ax.set_aspect("equal")
        ax.set_xlabel(f"r of {label(x_name)}")
        ax.set_ylabel(f"r of {label(y_name)}")
        ax.text(0.02, 0.98, f"{label(y_name)} higher: {n_above:,}", transform=ax.transAxes, va="top")
        ax.text(0.98, 0.02, f"{label(x_name)} higher: {n_below:,}", transform=ax.transAxes, ha="right")
        _grid(ax, "both", 6)
    return ax


def plot_distribution(
    series: Mapping[str, Float64Array], styles: Mapping[str, ModelStyle], ax: Axes | None = None
) -> Axes:
    """Draw a histogram of r for every model, one above the other on a shared axis.

    Bins are 0.05 wide, from multiples of 0.05, and closed on the left; heights are on one scale. A line
    marks the median, a dot the mean.

    Parameters
    ----------
    series
        Model name to float64 `(n_genes,)`, from the top down; NaN is left out.
    styles
        Colour and marker of each model.
    ax
        Axes to draw on; None for those of a new figure.
    """
    finite = {model: values[np.isfinite(values)] for model, values in series.items()}
    edges = bin_edges(np.concatenate([np.empty(0), *finite.values()]))
    counts = {
        model: np.histogram(np.round(values, _CLOSE_BINS), edges)[0] for model, values in finite.items()
    }
    tallest = max(1, *(int(count.max()) for count in counts.values()))
    ink = colours()["ink"]
    with drawing():
        if ax is None:
            ax = new_axes(4.4, 0.6 + 0.62 * len(series), left=0.12, bottom=0.5, top=0.05)
        for row, (model, values) in enumerate(finite.items()):
            base, colour = float(len(series) - 1 - row), styles[model].colour
            heights = base + BAR_SHARE * counts[model] / tallest
            ax.stairs(heights, edges, baseline=base, fill=True, color=colour, alpha=0.6, linewidth=0)
            ax.plot(edges[[0, -1]], [base, base], color=colours()["quiet"], linewidth=0.75)
            if values.size:
                median = float(np.median(values))
                ax.plot([median, median], [base, base + BAR_SHARE], color=ink, linewidth=1.2)
                ax.plot([values.mean()], [base], "o", color=ink, markersize=4, clip_on=False)
            side: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "va": "bottom"}
            ax.text(0.0, base + BAR_SHARE + 0.05, label(model), weight="bold", **side)
            ax.text(
                1.0, base + BAR_SHARE + 0.05, middle(values), color=colours()["quiet"], ha="right", **side
            )
        ax.set_xlim(float(edges[0]), float(edges[-1]))
        ax.set_ylim(-0.06, len(series))
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_xlabel("Pearson r")
        _grid(ax, "x", 8)
    return ax


def plot_predictions(
    observed: Float64Array, predicted: Float64Array, *, model: str, style: ModelStyle, ax: Axes | None = None
) -> Axes:
    """Draw held-out predictions of one gene against what was observed, one point per sample.

    Parameters
    ----------
    observed, predicted
        float64 `(n_samples,)`; in standard deviations of the training samples.
    model
        What predicted.
    style
        Its colour and marker.
    ax
        Axes to draw on; None for those of a new figure.
    """
    with drawing():
        ax = new_axes(3.3, 2.7, left=0.6) if ax is None else ax
        ax.plot(
            predicted,
            observed,
            style.marker,
            color=style.colour,
            markersize=_point_size(predicted.size),
            markeredgewidth=0,
            alpha=0.6,
            clip_on=False,
            rasterized=predicted.size > MOST_VECTOR_POINTS,
        )
        low, high = limits(predicted)
        ax.plot([low, high], [low, high], color=colours()["quiet"], linewidth=0.9, dashes=(5, 4))
        ax.set_xlim(low, high)
        ax.set_ylim(*limits(np.concatenate([observed, [low, high]])))
        ax.set_xlabel(f"Predicted by {label(model)}, SD")
        ax.set_ylabel("Observed expression, SD")
        _grid(ax, "both", 5)
    return ax


def limits(values: Float64Array, least: float = 0.1) -> tuple[float, float]:
    """Return limits a little beyond all finite values; 0 and 1 around none.

    Parameters
    ----------
    values
        float64 `(n,)`; NaN is left out.
    least
        The shortest range to which a margin is made.
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    margin = 0.03 * max(high - low, least)
    return low - margin, high + margin


def bin_edges(values: Float64Array) -> Float64Array:
    """Return multiples of BIN_WIDTH, float64 `(n_bins + 1,)`, that enclose all values."""
    # rounding puts a value on an edge into the bin it opens
    places = np.round(values / BIN_WIDTH, _CLOSE_BINS)
    first = math.floor(places.min()) if values.size else 0
    last = math.floor(places.max()) + 1 if values.size else 1
    return np.round(np.arange(first, last + 1) * BIN_WIDTH, _CLOSE_BINS)


def middle(values: Float64Array) -> str:
    """Write the median and the mean of r over genes, float64 `(n_genes,)`."""
    if not values.size:
        return "no genes"
    return f"median {typeset_r(float(np.median(values)))}, mean {typeset_r(float(values.mean()))}"


def _point_size(n_points: int) -> float:
    return 4.5 if n_points <= 100 else 3.4 if n_points <= MOST_VECTOR_POINTS else 2.2


def _grid(ax: Axes, axis: str, n_ticks: int) -> None:
    """Draw lines at few round ticks."""
    for name in ("x", "y") if axis == "both" else (axis,):
        found = ax.xaxis if name == "x" else ax.yaxis
        found.set_major_locator(MaxNLocator(n_ticks, steps=[1, 2, 5, 10]))
        found.grid(visible=True)
        found.set_tick_params(length=0)
