"""Draw log-log figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.ticker
from matplotlib.axes import Axes

from haploscribe.report.canvas import Drawing, ReportFigure, colours, drawing
from haploscribe.utils.types import Float64Array

WIDTH, HEIGHT, GAP = 2.7, 2.7, 0.85
LEFT, TOP, BOTTOM, RIGHT = 0.75, 0.3, 0.5, 0.25
LEGEND_ROW = 0.17
_STYLES = (("m1", "o"), ("m2", "s"), ("m3", "^"), ("quiet", ""))


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a panel.

    Attributes
    ----------
    name
        Its label, in the legend.
    x, y
        float64 `(n,)`; positive, `x` ascending.
    """

    name: str
    x: Float64Array
    y: Float64Array


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes.

    Attributes
    ----------
    title
        What the vertical axis shows, with its unit.
    series
        Up to four lines; the fourth is dashed.
    """

    title: str
    series: tuple[Series, ...]


def log_log_drawing(panels: Sequence[Panel], *, x_label: str) -> Drawing:
    """Draw panels side by side, both axes logarithmic, with a legend below each title.

    Parameters
    ----------
    panels
        At least one.
    x_label
        What all horizontal axes show.
    """
    legend = LEGEND_ROW * max(len(panel.series) for panel in panels) + 0.1
    width = LEFT + len(panels) * (WIDTH + GAP) - GAP + RIGHT
    height = TOP + legend + HEIGHT + BOTTOM
    with drawing():
        figure = ReportFigure(figsize=(width, height))
        for number, panel in enumerate(panels):
            left = (LEFT + number * (WIDTH + GAP)) / width
            ax = figure.add_axes((left, BOTTOM / height, WIDTH / width, HEIGHT / height))
            _plot(panel, ax, x_label, title_pad=72 * legend)
    text = f"{len(panels)} log-log plots against {x_label}: " + "; ".join(panel.title for panel in panels)
    return Drawing(figure, text)


def _plot(panel: Panel, ax: Axes, x_label: str, title_pad: float) -> None:
    """Draw one panel."""
    lines = []
    for series, (colour, marker) in zip(panel.series, _STYLES, strict=False):
        dashes: dict[str, Any] = {} if marker else {"dashes": (5, 4)}
        lines += ax.plot(
            series.x, series.y, color=colours()[colour], marker=marker, markersize=5, linewidth=1.4, **dashes
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: _power(value)))
        axis.set_minor_locator(matplotlib.ticker.NullLocator())
    ax.grid(visible=True)
    ax.tick_params(length=0)
    ax.set_xlabel(x_label)
    ax.set_title(panel.title, pad=title_pad)
    ax.legend(
        lines,
        [series.name for series in panel.series],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        frameon=False,
        borderaxespad=0.2,
        labelspacing=0.25,
        fontsize=8.25,
    )


def _power(value: float) -> str:
    """Format a power of ten as a plain number where that is short."""
    return f"{value:,.0f}" if 1 <= value <= 1e6 else f"{value:g}"
