"""Draw a gene's region: genes, associations, effects and tiles above one genomic axis, in Mb, 1-based."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from haploscribe.expression.genes import Gene
from haploscribe.interpret.explanation import RegionTracks
from haploscribe.report.canvas import (
    POINTS_PER_INCH,
    Drawing,
    ModelStyle,
    ReportFigure,
    colours,
    drawing,
    figure_of,
    label,
    new_axes,
)
from haploscribe.utils.types import BoolArray, Float64Array, Int64Array

ALWAYS_SHOWN_LOG10_P = 3.0
NEGLIGIBLE_EFFECT = 0.05
MOST_EFFECTS = 100
MOST_HEADS = 100
BACKGROUND_BINS = 150

WIDTH, LEFT, RIGHT, AXIS = 7.4, 0.62, 0.12, 0.46
LANE, P_HEIGHT, EFFECT_HEIGHT, TILE_HEIGHT, GAP = 0.28, 1.25, 0.62, 0.42, 0.3
"""Inches."""

_CHARACTER, _ARROW = 7.6, 9.0
"""Points that a letter of a gene's name takes, and the arrow at its TSS."""

_MEGABASE = 1e6


@dataclass(frozen=True, slots=True)
class GenePlace:
    """Where a gene is drawn.

    Attributes
    ----------
    gene
        The gene.
    lane
        Its row, from the top.
    text
        Position of the start of its name, 0-based.
    ahead
        Whether the name goes right of there.
    """

    gene: Gene
    lane: int
    text: float
    ahead: bool


def megabases(positions: Int64Array | Float64Array | int | float) -> Float64Array:
    """Return 0-based positions as the axis shows them: 1-based, in Mb."""
    return (np.asarray(positions, dtype=np.float64) + 1.0) / _MEGABASE


def gene_places(tracks: RegionTracks, width: float = WIDTH - LEFT - RIGHT) -> list[GenePlace]:
    """Place the genes whose TSS lies in a region, the explained one first, so that no two overlap.

    Parameters
    ----------
    tracks
        The region.
    width
        Of the axes, in inches.
    """
    base_pairs = (tracks.end - tracks.start) / (width * POINTS_PER_INCH)  # in a point
    genes = [tracks.gene, *(gene for gene in tracks.neighbours if gene.gene_id != tracks.gene.gene_id)]
    lanes: list[list[tuple[float, float]]] = []
    places = []
    for gene in genes:
        if gene.contig != tracks.contig or not tracks.start <= gene.tss < tracks.end:
            continue
        length, sign = len(label(_name(gene))) * _CHARACTER * base_pairs, gene.direction
        arrow = _ARROW * 1.6 * base_pairs
        fits = tracks.start <= gene.tss + sign * (arrow + length) <= tracks.end
        side = sign if fits else -sign
        text = gene.tss + side * (arrow if fits else arrow / 3)
        low, high = _body(gene, tracks) or (gene.tss, gene.tss)
        ends = (
            low,
            high,
            gene.tss - arrow / 3,
            gene.tss + arrow / 3,
            gene.tss + sign * arrow,
            text + side * length,
        )
        first, last = min(ends), max(ends)
        lane = next(
            (k for k, taken in enumerate(lanes) if all(last < a or first > b for a, b in taken)), len(lanes)
        )
        if lane == len(lanes):
            lanes.append([])
        lanes[lane].append((first, last))
        places.append(GenePlace(gene, lane, text, side > 0))
    return places


def plot_genes(tracks: RegionTracks, ax: Axes, places: Sequence[GenePlace]) -> Axes:
    """Draw each gene: its extent, an arrow at its TSS along the strand, and its name."""
    span = tracks.end - tracks.start
    head = _ARROW * span / _points(ax) / _MEGABASE
    with drawing():
        for place in places:
            own = place.gene.gene_id == tracks.gene.gene_id
            colour, tss = colours()["mark" if own else "quiet"], float(megabases(place.gene.tss))
            body = _body(place.gene, tracks)
            if body is not None:
                ax.plot(megabases(np.array(body) - [0, 1]), [place.lane] * 2, color=colour, linewidth=3,
                        solid_capstyle="butt", clip_on=False, gid="body")  # fmt: skip
            sides = (-1, 1) if place.gene.strand == "." else (place.gene.direction,)
            for side in sides:
                x = [tss, tss, tss + side * head * (0.6 if len(sides) > 1 else 1.0)]
                ax.plot(
                    x,
                    [place.lane, place.lane - 0.5, place.lane - 0.5],
                    color=colour,
                    linewidth=1.3,
                    clip_on=False,
                )
            if len(sides) == 1:
                marker = ">" if sides[0] > 0 else "<"
                ax.plot([tss + sides[0] * head], [place.lane - 0.5], marker, color=colour, markersize=4,
                        clip_on=False, gid="strand")  # fmt: skip
            ax.text(
                float(megabases(place.text)), place.lane - 0.5, label(_name(place.gene)),
                ha="left" if place.ahead else "right", va="center",
                color=colours()["ink" if own else "quiet"], weight="bold" if own else "normal",
            )  # fmt: skip
        ax.set_ylim(max((place.lane for place in places), default=0) + 0.2, -0.8)
        ax.set_axis_off()
    return ax


def plot_associations(tracks: RegionTracks, shown: BoolArray | None = None, ax: Axes | None = None) -> Axes:
    """Draw −log10 p of each tested variant, name the first, and mark the TSS.

    Parameters
    ----------
    tracks
        The region.
    shown
        bool `(n_variants,)`; which variants to draw; None for all within the region.
    ax
        Axes to draw on; None for those of a new figure, with the genomic axis.
    """
    inside = _inside(tracks)
    tested = np.flatnonzero(np.isfinite(tracks.log10_p) & (inside if shown is None else inside & shown))
    values = tracks.log10_p[tested]
    with drawing():
        if ax is None:
            ax = new_axes(WIDTH, P_HEIGHT + 1.0, left=LEFT, bottom=AXIS, top=0.3)
            _genomic_axis(ax, tracks)
            _tss(ax, tracks)
        ax.plot(megabases(tracks.positions[tested]), values, "o", color=colours()["quiet"], markersize=3,
                markeredgewidth=0, alpha=0.75, clip_on=False, gid="tested")  # fmt: skip
        high = max(float(values.max(initial=0.0)) * 1.06, 1.0)
        if values.size:
            top = tested[int(values.argmax())]
            x = float(megabases(tracks.positions[top]))
            right = tracks.positions[top] * 2 > tracks.start + tracks.end
            ax.annotate(
                label(tracks.names[top]), (x, float(values.max())), (-6 if right else 6, 0),
                textcoords="offset points", ha="right" if right else "left", va="center",
                annotation_clip=False,
            )  # fmt: skip
        ax.set_ylim(0, high)
        ax.set_title("Marginal association with expression")
        ax.set_ylabel("−log₁₀ p")
        ax.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        ax.yaxis.grid(visible=True)
        ax.tick_params(axis="y", length=0)
    return ax


def plot_effects(
    tracks: RegionTracks, model: str, style: ModelStyle, ax: Axes, shown: BoolArray | None = None
) -> Axes:
    """Draw a model's effects as stems, with heads unless they are many; zeros and NaN are not drawn."""
    inside, effects = _inside(tracks), np.nan_to_num(tracks.effects[model])
    there = np.flatnonzero((effects != 0) & (inside if shown is None else inside & shown))
    x, values = megabases(tracks.positions[there]), effects[there]
    with drawing():
        # One line with gaps: a collection has a path each, which takes ten times as long.
        stems = np.stack([np.zeros_like(values), values, np.full_like(values, np.nan)], axis=1)
        ax.plot(np.repeat(x, 3), stems.ravel(), color=style.colour, linewidth=1.1, clip_on=False, gid="stems")
        if there.size <= MOST_HEADS:
            ax.plot(x, values, style.marker, color=style.colour, markersize=3.6, clip_on=False, gid="heads")
        ax.axhline(0.0, color=colours()["quiet"], linewidth=0.75)
        largest = float(np.abs(effects[inside]).max(initial=0.0)) or 1.0
        negative = bool((effects[inside] < 0).any())
        ax.set_ylim(-1.1 * largest if negative else 0.0, 1.1 * largest)
        _round_ticks(ax, largest, negative=negative)
        ax.set_title(f"{label(model)}: effect per copy of ALT, SD of expression")
    return ax


def plot_tile_weights(tracks: RegionTracks, model: str, style: ModelStyle, ax: Axes) -> Axes:
    """Draw the weight of each tile as a step as wide as the tile; tiles follow each other without gaps."""
    drawn = (tracks.tiles[:, 1] > tracks.start) & (tracks.tiles[:, 0] < tracks.end)
    weights, tiles = np.nan_to_num(tracks.tile_weights[model])[drawn], tracks.tiles[drawn]
    edges = np.clip(np.append(tiles[:, 0], tiles[-1:, 1]), tracks.start, tracks.end) / _MEGABASE
    with drawing():
        if weights.size:
            ax.stairs(weights, edges, fill=True, color=style.colour, alpha=0.7, linewidth=0)
        largest = float(weights.max(initial=0.0)) or 1.0
        ax.set_ylim(0.0, 1.1 * largest)
        ax.set_title(f"{label(model)}: weight of each tile, SD of expression")
        _round_ticks(ax, largest, negative=False)
    return ax


def region_drawing(
    tracks: RegionTracks,
    styles: Mapping[str, ModelStyle],
    *,
    models: Sequence[str] | None = None,
    thin: bool = False,
) -> Drawing:
    """Draw a gene's region, track below track.

    Parameters
    ----------
    tracks
        The region.
    styles
        Colour and marker of each model.
    models
        Models whose effects and tile weights are drawn; None for all that have them.
    thin
        Leave out variants that do not matter: see `shown_variants`.
    """
    effects = [model for model in tracks.effects if models is None or model in models]
    weights = [model for model in tracks.tile_weights if models is None or model in models]
    shown = shown_variants(tracks) if thin else None
    places = gene_places(tracks)
    n_lanes = 1 + max((place.lane for place in places), default=0)
    heights = [LANE * n_lanes, P_HEIGHT, *[EFFECT_HEIGHT] * len(effects), *[TILE_HEIGHT] * len(weights)]
    height = sum(heights) + GAP * (len(heights) - 1) + AXIS + 0.08
    with drawing():
        figure = ReportFigure(figsize=(WIDTH, height))
        axes: list[Axes] = []
        top = height - 0.06
        for one in heights:
            box = (LEFT / WIDTH, (top - one) / height, (WIDTH - LEFT - RIGHT) / WIDTH, one / height)
            axes.append(figure.add_axes(box))
            top -= one + GAP
        for ax in axes:
            _genomic_axis(ax, tracks, labelled=ax is axes[-1])
            _tss(ax, tracks)
    plot_genes(tracks, axes[0], places)
    plot_associations(tracks, shown, axes[1])
    for model, ax in zip(effects, axes[2:], strict=False):
        plot_effects(tracks, model, styles[model], ax, shown)
    for model, ax in zip(weights, axes[2 + len(effects) :], strict=True):
        plot_tile_weights(tracks, model, styles[model], ax)
    return Drawing(figure, describe(tracks, effects))


def describe(tracks: RegionTracks, models: Sequence[str]) -> str:
    """Describe the figure of a region in words."""
    inside = np.flatnonzero(_inside(tracks))
    where = f"{tracks.contig}:{tracks.start + 1:,}-{tracks.end:,}"
    text = f"Region of {tracks.gene.label}, {where}: {inside.size:,} variants"
    log10_p = tracks.log10_p[inside]
    if np.isfinite(log10_p).any():
        top = inside[int(np.nanargmax(log10_p))]
        text += f"; smallest p at {tracks.names[top]}, −log10 p {tracks.log10_p[top]:.3g}"
    for model in models:
        size = np.abs(np.nan_to_num(tracks.effects[model][inside]))
        if size.any():
            text += f"; largest effect of {model} at {tracks.names[inside[int(size.argmax())]]}"
    return text + "."


def shown_variants(tracks: RegionTracks) -> BoolArray:
    """Select the variants that a thinned figure shows.

    These are all with p < 10⁻³; of each model the 100 with the largest effects, if at least 5 % of the
    largest; and of each of 150 equal stretches of the region the one with the smallest p, so that the
    outline of the rest stays.

    Returns
    -------
    ndarray
        bool `(n_variants,)`.
    """
    log10_p = np.nan_to_num(tracks.log10_p, nan=-1.0)
    shown: BoolArray = log10_p > ALWAYS_SHOWN_LOG10_P
    for effects in tracks.effects.values():
        size = np.abs(np.nan_to_num(effects))
        largest = np.argsort(-size, kind="stable")[:MOST_EFFECTS]
        matter = (size[largest] > 0) & (size[largest] >= NEGLIGIBLE_EFFECT * size.max(initial=0))
        shown[largest[matter]] = True
    shown[_best_of_each_stretch(tracks, log10_p)] = True
    return shown


def _best_of_each_stretch(tracks: RegionTracks, log10_p: Float64Array) -> Int64Array:
    """Return the index of the variant with the smallest p in each stretch that has a tested one."""
    stretch = (tracks.positions - tracks.start) * BACKGROUND_BINS // (tracks.end - tracks.start)
    order = np.lexsort((-log10_p, stretch))
    order = order[log10_p[order] >= 0]
    return order[np.unique(stretch[order], return_index=True)[1]]


def _inside(tracks: RegionTracks) -> BoolArray:
    inside: BoolArray = (tracks.positions >= tracks.start) & (tracks.positions < tracks.end)
    return inside


def _name(gene: Gene) -> str:
    return gene.symbol or gene.gene_id


def _body(gene: Gene, tracks: RegionTracks) -> tuple[int, int] | None:
    """Return the start and end of a gene within a region; None where they are unknown."""
    if gene.start is None or gene.end is None:
        return None
    return max(gene.start, tracks.start), min(gene.end, tracks.end)


def _points(ax: Axes) -> float:
    """Return the width of axes in points."""
    return float(ax.get_position().width) * figure_of(ax).get_figwidth() * POINTS_PER_INCH


def _genomic_axis(ax: Axes, tracks: RegionTracks, *, labelled: bool = True) -> None:
    """Set limits and ticks along the chromosome; labels on the lowest axes alone."""
    ax.set_xlim(tracks.start / _MEGABASE, tracks.end / _MEGABASE)
    if labelled:
        ax.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(ScalarFormatter(useOffset=False))
        kind = "chromosome " if len(tracks.contig) <= 2 else ""
        ax.set_xlabel(f"Position on {kind}{label(tracks.contig)}, Mb")
    else:
        ax.set_xticks([])


def _tss(ax: Axes, tracks: RegionTracks) -> None:
    at = float(megabases(tracks.gene.tss))
    ax.axvline(at, color=colours()["mark"], linewidth=0.9, dashes=(3, 3), zorder=0.5, gid="tss")


def _round_ticks(ax: Axes, largest: float, *, negative: bool) -> None:
    """Set ticks at zero and at 1, 2 or 5 times a power of ten, not above the largest value."""
    power = 10.0 ** math.floor(math.log10(largest))
    tick = next(m * power for m in (5, 2, 1) if m * power <= largest or m == 1)
    ax.set_yticks([-tick, 0.0, tick] if negative else [0.0, tick])
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
    ax.yaxis.grid(visible=True)
    ax.tick_params(axis="y", length=0)
