"""Draw log-log figures as standalone SVG files, in light and dark."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from haploscribe.report.plots import Axis
from haploscribe.utils.types import Float64Array

WIDTH, HEIGHT, GAP = 250.0, 250.0, 84.0
LEFT, TOP, BOTTOM = 62.0, 30.0, 46.0

# Okabe and Ito's colours, in the report's shades; every line has a marker shape of its own as well.
STYLE = """
svg { --paper: #ffffff; --ink: #1d1d1b; --quiet: #5c5c58; --rule: #d9d8d3;
  --c0: #0072b2; --c1: #b34700; --c2: #00795a; --c3: #5c5c58;
  font: 11px system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #16181a; --ink: #e4e3dd; --quiet: #a5a49d; --rule: #383a3c;
    --c0: #56b4e9; --c1: #f0a04b; --c2: #2bc39a; --c3: #a5a49d; }
}
.paper { fill: var(--paper); } .grid { stroke: var(--rule); fill: none; }
.base { stroke: var(--quiet); fill: none; }
.tick { fill: var(--quiet); } .title { fill: var(--ink); font-size: 13px; font-weight: 600; }
.label { fill: var(--ink); font-size: 12px; }
.line { fill: none; stroke-width: 1.8; } .marker { stroke: none; }
.s0 { stroke: var(--c0); fill: var(--c0); } .s1 { stroke: var(--c1); fill: var(--c1); }
.s2 { stroke: var(--c2); fill: var(--c2); } .s3 { stroke: var(--c3); fill: var(--c3); }
.line.s0, .line.s1, .line.s2, .line.s3 { fill: none; } .line.s3 { stroke-dasharray: 5 4; }
"""


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


def log_log_svg(panels: Sequence[Panel], *, x_label: str) -> str:
    """Draw panels side by side, both axes logarithmic, with a legend below each title.

    Parameters
    ----------
    panels
        At least one.
    x_label
        What all horizontal axes show.
    """
    legend_rows = max(len(panel.series) for panel in panels)
    top = TOP + 15 * legend_rows
    width = LEFT + len(panels) * (WIDTH + GAP) - GAP + 20
    height = top + HEIGHT + BOTTOM
    text = f"{len(panels)} log-log plots against {x_label}: " + "; ".join(panel.title for panel in panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{escape(text)}"><style>{escape(STYLE, quote=False)}</style>',
        f'<rect class="paper" width="{width:.0f}" height="{height:.0f}"/>',
    ]
    for number, panel in enumerate(panels):
        left = LEFT + number * (WIDTH + GAP)
        parts += _panel(panel, left, top, x_label)
    return "\n".join([*parts, "</svg>", ""])


def log_axis(values: Float64Array) -> Axis:
    """Return an axis of powers of ten that covers positive values, with whole powers as ticks."""
    logs = np.log10(values)
    low, high = float(logs.min()) - 0.1, float(logs.max()) + 0.1
    return Axis(low, high, tuple(float(power) for power in range(math.ceil(low), math.floor(high) + 1)))


def _panel(panel: Panel, left: float, top: float, x_label: str) -> Iterator[str]:
    """Draw one panel; `left` and `top` are the corner of its axes."""
    right, bottom = left + WIDTH, top + HEIGHT
    across = log_axis(np.concatenate([series.x for series in panel.series]))
    upwards = log_axis(np.concatenate([series.y for series in panel.series]))
    yield _text(left, 16, panel.title, "title", "start")
    for tick, x in zip(across.ticks, across.place(np.array(across.ticks), left, right), strict=True):
        yield f'<path class="grid" d="M{x:.1f} {top:.1f}V{bottom:.1f}"/>'
        yield _text(x, bottom + 16, _power(tick), "tick")
    for tick, y in zip(upwards.ticks, upwards.place(np.array(upwards.ticks), bottom, top), strict=True):
        yield f'<path class="grid" d="M{left:.1f} {y:.1f}H{right:.1f}"/>'
        yield _text(left - 6, y + 4, _power(tick), "tick", "end")
    yield f'<path class="base" d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}"/>'
    yield _text((left + right) / 2, bottom + 36, x_label, "label")
    for number, series in enumerate(panel.series):
        x = across.place(np.log10(series.x), left, right)
        y = upwards.place(np.log10(series.y), bottom, top)
        points = " ".join(f"{cx:.1f},{cy:.1f}" for cx, cy in zip(x, y, strict=True))
        yield f'<polyline class="line s{number}" points="{points}"/>'
        yield from (_marker(number, cx, cy) for cx, cy in zip(x, y, strict=True))
        at = TOP + 15 * number
        yield f'<path class="line s{number}" d="M{left:.1f} {at:.1f}h22"/>'
        yield _marker(number, left + 11, at)
        yield _text(left + 28, at + 4, series.name, "label", "start")


def _marker(number: int, x: float, y: float) -> str:
    """Draw a disc, a square, a triangle or nothing (for the dashed line)."""
    if number == 0:
        return f'<circle class="marker s0" cx="{x:.1f}" cy="{y:.1f}" r="3.4"/>'
    outlines = {1: "m-3 -3h6v6h-6z", 2: "m0 -4l4 7h-8z"}
    return (
        f'<path class="marker s{number}" d="M{x:.1f} {y:.1f}{outlines[number]}"/>'
        if number in outlines
        else ""
    )


def _power(exponent: float) -> str:
    """Format a power of ten as a plain number where that is short."""
    if -3 <= exponent <= 6:
        return f"{10**exponent:,.0f}" if exponent >= 0 else f"{10**exponent:g}"
    return f"1e{exponent:.0f}"


def _text(x: float, y: float, content: str, css: str, anchor: str = "middle") -> str:
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'
