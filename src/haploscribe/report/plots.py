"""Draw figures as SVG text; colours come from the page's style sheet by class name."""

import html
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from haploscribe.report.tables import Interval, baseline_of, format_interval, format_p, format_r
from haploscribe.utils.types import Float64Array, Int64Array

BIN_WIDTH = 0.05
ROW_HEIGHT, BAR_HEIGHT = 68.0, 40.0
MOST_NAMED_POINTS = 1000


@dataclass(frozen=True, slots=True)
class Axis:
    """The range of an axis and its ticks, in data units.

    Attributes
    ----------
    low, high
        The range.
    ticks
        Round numbers, evenly spaced, within the range.
    """

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, values: Float64Array, start: float, end: float) -> Float64Array:
        """Map data units to a stretch of the figure, `low` to `start` and `high` to `end`."""
        return start + (values - self.low) / (self.high - self.low) * (end - start)


def axis_for(values: Float64Array) -> Axis:
    """Choose limits a little beyond all finite values, and about four to nine round ticks.

    Parameters
    ----------
    values
        float64 `(n,)`; NaN is left out. Without a finite value the axis runs from 0 to 1.
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    margin = 0.03 * max(high - low, 0.1)
    low, high = low - margin, high + margin
    rough = (high - low) / 8
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    ticks = tuple(
        round(i * step, 10) + 0.0 for i in range(math.ceil(low / step), math.floor(high / step) + 1)
    )
    return Axis(low, high, ticks)


def scatter_svg(
    x: Float64Array, y: Float64Array, labels: Sequence[str], *, x_name: str, y_name: str, axis: Axis
) -> str:
    """Draw one model's r against another's, one point per gene, with the line of equality.

    Parameters
    ----------
    x, y
        float64 `(n_genes,)`; Pearson r of the two models. Pairs with a NaN are not drawn.
    labels
        `n_genes` names, shown when the pointer rests on a point; above 1,000 points they are left out.
    x_name, y_name
        The models' names.
    axis
        For both directions, so that the aspect is equal.
    """
    left, right, top, bottom = 50.0, 350.0, 10.0, 310.0
    drawn = np.isfinite(x) & np.isfinite(y)
    x, y, names = x[drawn], y[drawn], [label for label, finite in zip(labels, drawn, strict=True) if finite]
    n_above, n_below = int((y > x).sum()), int((y < x).sum())
    text = (
        f"Scatter of Pearson r per gene, {y_name} against {x_name}: {y_name} is higher in {n_above} genes, "
        f"{x_name} in {n_below}."
    )
    parts = [
        f'<svg viewBox="0 0 360 354" role="img" aria-label="{html.escape(text)}">',
        *_ticks(axis, left, right, top, bottom),
        *_ticks_up(axis, left, right, top, bottom),
        f'<path class="base" d="M{left} {top}V{bottom}H{right}"/>',
        f'<path class="identity" d="M{left} {bottom}L{right} {top}"/>',
    ]
    places = np.stack([axis.place(x, left, right), axis.place(y, bottom, top)], axis=1)
    if x.size <= MOST_NAMED_POINTS:
        titles = [
            f"{name}: {y_name} {typeset_r(value_y)}, {x_name} {typeset_r(value_x)}"
            for name, value_x, value_y in zip(names, x, y, strict=True)
        ]
        parts += _named_points(places, titles)
    else:
        parts.append(_dots(places))
    if x.size:
        mean_x, mean_y = axis.place(x, left, right).mean(), axis.place(y, bottom, top).mean()
        title = f"Mean: {y_name} {typeset_r(y.mean())}, {x_name} {typeset_r(x.mean())}"
        cross = f"M{mean_x - 6:.1f} {mean_y:.1f}h12M{mean_x:.1f} {mean_y - 6:.1f}v12"
        parts.append(f'<path class="mean" d="{cross}"><title>{html.escape(title)}</title></path>')
    parts += [
        _text(left + 8, top + 18, f"{y_name} higher: {n_above:,}", "note", "start"),
        _text(right - 8, bottom - 10, f"{x_name} higher: {n_below:,}", "note", "end"),
        _text((left + right) / 2, bottom + 36, f"{x_name}, Pearson r", "label"),
        f'<g transform="translate(13 {(top + bottom) / 2})rotate(-90)">',
        _text(0, 0, f"{y_name}, Pearson r", "label"),
        "</g></svg>",
    ]
    return "".join(parts)


def _named_points(places: Float64Array, titles: Sequence[str]) -> Iterator[str]:
    """Draw one circle per point, float64 `(n, 2)`, each with its title."""
    radius = 3.6 if len(titles) <= 100 else 2.6
    yield '<g class="points">'
    for (x, y), title in zip(places, titles, strict=True):
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}"><title>{html.escape(title)}</title></circle>'
    yield "</g>"


def _dots(places: Float64Array) -> str:
    """Draw points, float64 `(n, 2)`, as one path; those that fall on the same half pixel once."""
    dots = np.unique(np.round(places * 2).astype(np.int64), axis=0) / 2
    path = "".join(f"M{x:g} {y:g}h0" for x, y in dots)
    return f'<path class="dots" style="stroke-width:2.6" d="{path}"/>'


def scatters_against_baseline(series: Mapping[str, Float64Array], labels: Sequence[str]) -> dict[str, str]:
    """Draw every other model against the baseline, all on the same axis.

    Parameters
    ----------
    series
        Model name to r over genes, float64 `(n_genes,)`, NaN where it has none.
    labels
        `n_genes` names.
    """
    baseline = baseline_of(list(series))
    axis = axis_for(np.concatenate(list(series.values())))
    return {
        model: scatter_svg(series[baseline], r, labels, x_name=baseline, y_name=model, axis=axis)
        for model, r in series.items()
        if model != baseline
    }


def distribution_svg(series: Mapping[str, Float64Array]) -> str:
    """Draw a histogram of r for every model, one above the other on a shared axis.

    Bins are 0.05 wide, from multiples of 0.05, and closed on the left; heights are on one scale. A line
    marks the median, a dot the mean.

    Parameters
    ----------
    series
        Model name to float64 `(n_genes,)`; NaN is left out.
    """
    left, right = 14.0, 406.0
    finite = {model: values[np.isfinite(values)] for model, values in series.items()}
    edges = _bin_edges(np.concatenate([np.empty(0), *finite.values()]))
    axis = axis_for(edges)
    counts = {model: np.histogram(np.round(values, 9), edges)[0] for model, values in finite.items()}
    tallest = max(1, *(int(count.max()) for count in counts.values()))
    bottom = ROW_HEIGHT * len(series) + 6
    text = "Distribution of Pearson r over genes. " + " ".join(
        f"{model}: {_middle(values)}." for model, values in finite.items()
    )
    parts = [
        f'<svg viewBox="0 0 420 {bottom + 44:.0f}" role="img" aria-label="{html.escape(text)}">',
        *_ticks(axis, left, right, 6.0, bottom),
    ]
    for i, (model, values) in enumerate(finite.items()):
        base = ROW_HEIGHT * (i + 1)
        parts += [
            '<g class="histogram">',
            _text(left, base - BAR_HEIGHT - 8, model, "name", "start"),
            _text(right, base - BAR_HEIGHT - 8, _middle(values), "value", "end"),
            *_bars(counts[model], tallest, edges, axis.place(edges, left, right), base),
            f'<path class="base" d="M{left} {base}H{right}"/>',
        ]
        if values.size:
            median, mean = axis.place(np.array([np.median(values), values.mean()]), left, right)
            parts.append(f'<path class="median" d="M{median:.1f} {base + 4}v{-BAR_HEIGHT - 4}"/>')
            parts.append(f'<circle class="mean" cx="{mean:.1f}" cy="{base}" r="3.4"/>')
        parts.append("</g>")
    parts += [_text((left + right) / 2, bottom + 36, "Pearson r", "label"), "</svg>"]
    return "".join(parts)


def _bin_edges(values: Float64Array) -> Float64Array:
    """Return multiples of BIN_WIDTH, float64 `(n_bins + 1,)`, that enclose all values."""
    # multiples of 0.05 are not exact: rounding puts a value on an edge into the bin it opens
    places = np.round(values / BIN_WIDTH, 9)
    first = math.floor(places.min()) if values.size else 0
    last = math.floor(places.max()) + 1 if values.size else 1
    return np.round(np.arange(first, last + 1) * BIN_WIDTH, 9)


def _bars(
    counts: Int64Array, tallest: int, edges: Float64Array, places: Float64Array, base: float
) -> Iterator[str]:
    """Draw the bars of one histogram; `tallest` genes fill BAR_HEIGHT, places are edges on the figure."""
    for k in np.flatnonzero(counts):
        height = BAR_HEIGHT * counts[k] / tallest
        title = f"{tick_text(edges[k], 2)} to {tick_text(edges[k + 1], 2)}: {counts[k]:,} genes"
        yield (
            f'<rect x="{places[k] + 0.5:.1f}" y="{base - height:.2f}" '
            f'width="{places[k + 1] - places[k] - 1:.1f}" height="{height:.2f}"><title>{title}</title></rect>'
        )


def _ticks(axis: Axis, left: float, right: float, top: float, bottom: float) -> Iterator[str]:
    """Draw the ticks of the horizontal axis, each with a line through the figure."""
    digits = axis_digits(axis)
    for tick, at in zip(axis.ticks, axis.place(np.array(axis.ticks), left, right), strict=True):
        yield f'<path class="{"grid" if tick else "zero"}" d="M{at:.2f} {top}V{bottom}"/>'
        yield _text(at, bottom + 16, tick_text(tick, digits), "tick x")


def _ticks_up(axis: Axis, left: float, right: float, top: float, bottom: float) -> Iterator[str]:
    """Draw the ticks of the vertical axis, each with a line through the figure."""
    digits = axis_digits(axis)
    for tick, at in zip(axis.ticks, axis.place(np.array(axis.ticks), bottom, top), strict=True):
        yield f'<path class="{"grid" if tick else "zero"}" d="M{left} {at:.2f}H{right}"/>'
        yield _text(left - 6, at + 4, tick_text(tick, digits), "tick y", "end")


def axis_digits(axis: Axis) -> int:
    """Return the decimals needed to distinguish the ticks."""
    return max(1, -math.floor(math.log10(axis.ticks[1] - axis.ticks[0]) + 1e-9))


def tick_text(value: float, digits: int) -> str:
    """Write a tick's value with so many decimals and a true minus sign."""
    return f"{value + 0.0:.{digits}f}".replace("-", "−")


def _text(x: float, y: float, content: str, css: str, anchor: str = "middle") -> str:
    return f'<text class="{css}" x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}">{html.escape(content)}</text>'


def _middle(values: Float64Array) -> str:
    if not values.size:
        return "no genes"
    return f"median {typeset_r(float(np.median(values)))}, mean {typeset_r(float(values.mean()))}"


_P_VALUE = re.compile(r"([pq] [=<] \d[\d.]*(?:e-\d+)?)")
_LONG_NUMBER = re.compile(r"(?<![\w.,/-])[1-9]\d{3,14}(?![\w.,/-])")
_NEGATIVE = re.compile(r"(?<=\s)-(?=\d)")


def typeset_r(r: float) -> str:
    """Write a correlation with three decimals and a true minus sign; a dash where there is none."""
    text = format_r(r)
    return "–" if text == "-" else text.replace("-", "−")


def typeset_interval(interval: Interval | None) -> str:
    """Write an interval of correlations with true minus signs; a dash where there is none."""
    text = format_interval(interval)
    return "–" if text == "-" else text.replace("-", "−")


def typeset_p(p: float) -> Markup:
    """Write a p-value as `1.3 × 10⁻⁵`, the exponent raised; a dash where there is none."""
    text = format_p(p)
    return Markup("–") if text == "-" else _raise_exponents(text)


def typeset_sentence(text: str) -> Markup:
    """Escape a sentence, and set its p-values and negative numbers as print does."""
    # only what follows "p =" or "q <": a model's name may hold the like of 1e-5
    parts = _P_VALUE.split(_NEGATIVE.sub("−", text))
    parts[1::2] = [_raise_exponents(part.replace(" ", "\u00a0")) for part in parts[1::2]]
    return Markup("").join(parts)


def typeset_number(value: float) -> str:
    """Write a count or a ratio with thousands separators and no needless decimals."""
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:,.1f}"


def typeset_duration(seconds: float) -> str:
    """Write a time as `12.3 s`, `4 min 10 s` or `3 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def typeset_setting(value: object) -> str:
    """Write a setting or a count of any kind that JSON has."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {typeset_setting(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(typeset_setting(item) for item in value)
    return str(value)


def typeset_fact(value: object) -> str:
    """Write a summary value; whole numbers have thousands separators, also within a text."""
    if isinstance(value, str):
        return _LONG_NUMBER.sub(lambda digits: f"{int(digits[0]):,}", value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else typeset_setting(value)


def _raise_exponents(text: str) -> Markup:
    before, power, after = text.partition("e-")
    if not power:
        return escape(text)
    return escape(before) + Markup("\u00a0×\u00a010<sup>−{}</sup>").format(after)
