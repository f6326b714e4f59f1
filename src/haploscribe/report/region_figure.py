"""The region figure: genes, associations, effects and tiles above one genomic axis.

`region.js` draws the same from the same data when a gene's row is opened; a test holds the two together.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from haploscribe.interpret.explanation import RegionTracks
from haploscribe.report.region_data import region_data

WIDTH, LEFT, RIGHT_MARGIN = 760, 52, 12
LANE, CHARACTER = 22, 8.4
P_HEIGHT, EFFECT_HEIGHT, TILE_HEIGHT = 110, 62, 44
TITLE, GAP, AXIS = 18, 12, 42
MOST_HEADS = 100


# A diamond, a disc and a square, drawn from their middle: models differ in shape and in colour.
HEADS: Sequence[str] = (
    "m0 -4l3.6 4l-3.6 4l-3.6 -4z",
    "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z",
    "m-2.8 -2.8h5.6v5.6h-5.6z",
)


def region_svg(tracks: RegionTracks) -> str:
    """Draw the region figure of a gene, all its variants.

    Colours come from a style sheet by class name; positions are shown 1-based.

    Parameters
    ----------
    tracks
        The region.
    """
    return draw_region(region_data(tracks, thin=False))


def draw_region(data: Mapping[str, Any], width: float = WIDTH) -> str:
    """Draw what `region_data` returns.

    Parameters
    ----------
    data
        The figure's data.
    width
        Of the figure, in its own units.
    """
    figure = _Figure(data, width)
    parts = [*figure.genes(), *figure.associations(), *figure.effects(), *figure.weights(), *figure.axis()]
    return (
        f'<svg class="region" viewBox="0 0 {width:g} {figure.bottom:g}" role="img" '
        f'aria-label="{escape(describe(data))}">{"".join([*figure.start_site(), *parts])}</svg>'
    )


def describe(data: Mapping[str, Any]) -> str:
    """Describe the figure of a region in words."""
    text = f"Region of {data['label']}, {_region_text(data)}: {data['n_variants']:,} variants"
    top = _top(data)
    if top is not None:
        text += f"; smallest p at {data['names'][top]}, −log10 p {_signed(data['p']['values'][top])}"
    for track in data["effects"]:
        if track["at"]:
            values = track["values"]
            best = max(range(len(values)), key=lambda i: abs(values[i]))
            text += f"; largest effect of {track['model']} at {data['names'][track['at'][best]]}"
    return text + "."


class _Figure:
    """Draws track below track; `bottom` is where the next one starts."""

    def __init__(self, data: Mapping[str, Any], width: float) -> None:
        self.data = data
        self.width = width
        self.bottom = 4.0

    def x(self, position: float) -> float:
        """Place a 0-based position, counted from the left edge of its base."""
        start, end = int(self.data["start"]), int(self.data["end"])
        return LEFT + (position - start) / (end - start) * (self.width - RIGHT_MARGIN - LEFT)

    def start_site(self) -> Iterator[str]:
        """Draw a line at the gene's TSS through all tracks, which are drawn by now."""
        for gene_id, tss, *_ in self.data["genes"]:
            if gene_id == self.data["gene"]:
                yield f'<path class="tss" d="M{self.x(tss + 0.5):.1f} 4V{self.bottom - AXIS:g}"/>'

    def genes(self) -> Iterator[str]:
        """Draw each gene, an arrow at its TSS along the strand, and its name; none overlap."""
        ends: list[list[tuple[float, float]]] = []
        for gene_id, tss, strand, label, name, body in self.data["genes"]:
            at = self.x(tss + 0.5)
            sign = -1 if strand == "-" else 1
            from_x, to_x, text_x, anchor = self._name_place(name, at, sign)
            if body is not None:
                from_x, to_x = min(from_x, self.x(body[0])), max(to_x, self.x(body[1]))
            lane = next(
                (k for k, taken in enumerate(ends) if all(to_x < a or from_x > b for a, b in taken)),
                len(ends),
            )
            if lane == len(ends):
                ends.append([])
            ends[lane].append((from_x, to_x))
            base = self.bottom + LANE * lane + 18
            head = f"h{12 * sign}m{-4 * sign} -3l{4 * sign} 3l{-4 * sign} 3"
            arrow = f"M{at:.1f} {base}v-9{'m-6 0h12' if strand == '.' else head}"
            title = (
                f"{label}: TSS at {tss + 1:,}, {'strand unknown' if strand == '.' else f'{strand} strand'}"
            )
            css = "gene own" if gene_id == self.data["gene"] else "gene"
            yield f'<g class="{css}"><title>{escape(title)}</title>'
            if body is not None:
                yield f'<path class="body" d="M{self.x(body[0]):.1f} {base}H{self.x(body[1]):.1f}"/>'
            yield f'<path d="{arrow}"/>{_text(text_x, base - 4, name, "name", anchor)}</g>'
        self.bottom += LANE * max(1, len(ends)) + GAP

    def _name_place(self, name: str, at: float, sign: int) -> tuple[float, float, float, str]:
        """Return a gene's extent with its name, and where the name goes: ahead of the arrow if it fits."""
        length = len(name) * CHARACTER
        side = sign if 0 <= at + (17 + length) * sign <= self.width else -sign
        text_x = at + (17 if side == sign else 5) * side
        places = (at - 3, at + 3, at + 14 * sign, text_x + length * side)
        return min(places), max(places), text_x, "start" if side > 0 else "end"

    def associations(self) -> Iterator[str]:
        """Draw −log10 p of each tested variant, and name the first."""
        data, track = self.data, self.data["p"]
        yield from self._frame("Marginal eQTL, −log10 p", track, P_HEIGHT)
        yield '<g class="tested">'
        for position, name, value in zip(data["positions"], data["names"], track["values"], strict=True):
            if value is not None:
                title = f"{name}, position {position + 1:,}: −log10 p {_signed(value)}"
                at = f'cx="{self.x(position + 0.5):.1f}" cy="{self.y(value, track, P_HEIGHT):.1f}"'
                yield f'<circle {at} r="2.4"><title>{escape(title)}</title></circle>'
        yield "</g>"
        top = _top(data)
        if top is not None:
            at_x = self.x(data["positions"][top] + 0.5)
            end = at_x > self.width / 2
            y = self.y(track["values"][top], track, P_HEIGHT) + 4
            yield _text(at_x + (-7 if end else 7), y, data["names"][top], "note", "end" if end else "start")
        self.bottom += P_HEIGHT + GAP

    def effects(self) -> Iterator[str]:
        """Draw the effects of each model as stems; heads of its own shape unless they are many."""
        data = self.data
        for i, track in enumerate(data["effects"]):
            yield from self._frame(track["title"], track, EFFECT_HEIGHT)
            zero = self.y(0, track, EFFECT_HEIGHT)
            yield f'<g class="effects {("first", "second", "third")[i % 3]}">'
            for at, value in zip(track["at"], track["values"], strict=True):
                x, y = self.x(data["positions"][at] + 0.5), self.y(value, track, EFFECT_HEIGHT)
                title = f"{data['names'][at]}, position {data['positions'][at] + 1:,}: {_signed(value)}"
                yield f'<g><title>{escape(title)}</title><path d="M{x:.1f} {zero:.1f}V{y:.1f}"/>'
                if len(track["at"]) <= MOST_HEADS:
                    yield f'<path class="head" d="M{x:.1f} {y:.1f}{HEADS[i % 3]}"/>'
                yield "</g>"
            yield "</g>"
            self.bottom += EFFECT_HEIGHT + GAP

    def weights(self) -> Iterator[str]:
        """Draw the weight of each tile as a bar as wide as the tile."""
        data = self.data
        for track in data["weights"]:
            yield from self._frame(track["title"], track, TILE_HEIGHT)
            zero = self.y(0, track, TILE_HEIGHT)
            yield '<g class="tiles">'
            for at, value in zip(track["at"], track["values"], strict=True):
                start, end = (min(max(place, data["start"]), data["end"]) for place in data["tiles"][at])
                y = self.y(value, track, TILE_HEIGHT)
                title = f"{data['tiles'][at][0] + 1:,} to {data['tiles'][at][1]:,}: {_signed(value)}"
                yield (
                    f'<rect x="{self.x(start) + 0.3:.1f}" y="{min(y, zero):.1f}" '
                    f'width="{max(self.x(end) - self.x(start) - 0.6, 0.6):.1f}" '
                    f'height="{abs(y - zero):.1f}"><title>{escape(title)}</title></rect>'
                )
            yield "</g>"
            self.bottom += TILE_HEIGHT + GAP

    def axis(self) -> Iterator[str]:
        """Draw the genomic axis."""
        y, ticks = self.bottom, self.data["ticks"]
        yield f'<path class="base" d="M{LEFT} {y:g}H{self.width - RIGHT_MARGIN:g}"/>'
        spacing = self.x(ticks[1][0]) - self.x(ticks[0][0]) if len(ticks) > 1 else self.width
        for place, label in ticks[:: max(1, math.ceil(52 / spacing))]:
            x = self.x(place + 0.5)
            yield f'<path class="base" d="M{x:.1f} {y:g}v5"/>{_text(x, y + 18, label, "tick x")}'
        yield _text((LEFT + self.width) / 2, y + 36, self.data["axis"], "label")
        self.bottom += AXIS

    def y(self, value: float, track: Mapping[str, Any], height: float) -> float:
        """Place a value in the track that starts at `bottom`."""
        share: float = (value - track["low"]) / (track["high"] - track["low"])
        return self.bottom + height - share * (height - TITLE)

    def _frame(self, title: str, track: Mapping[str, Any], height: float) -> Iterator[str]:
        """Draw a track's title, its ticks and its zero line."""
        yield _text(LEFT, self.bottom + 10, title, "title", "start")
        for tick in track["ticks"]:
            y = self.y(tick, track, height)
            css = "grid" if tick else "zero"
            yield f'<path class="{css}" d="M{LEFT} {y:.1f}H{self.width - RIGHT_MARGIN:g}"/>'
            yield _text(LEFT - 6, y + 4, _signed(tick), "tick y", "end")


def _top(data: Mapping[str, Any]) -> int | None:
    """Return the index of the variant with the smallest p, None where none was tested."""
    values = data["p"]["values"]
    tested = [i for i, value in enumerate(values) if value is not None]
    return max(tested, key=lambda i: values[i], default=None)


def _region_text(data: Mapping[str, Any]) -> str:
    return f"{data['contig']}:{data['start'] + 1:,}-{data['end']:,}"


def _signed(value: float) -> str:
    mantissa, power, exponent = f"{value:g}".partition("e")
    return f"{mantissa}{power}{int(exponent) if power else ''}".replace("-", "−")


def _text(x: float, y: float, content: str, css: str, anchor: str = "middle") -> str:
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'
