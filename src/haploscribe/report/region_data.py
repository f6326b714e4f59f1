"""Data of region figures, for SVG files and for the page's script."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from haploscribe.estimators.registry import ModelSpec
from haploscribe.expression.genes import Gene
from haploscribe.interpret.explanation import RegionTracks
from haploscribe.report.tables import BASELINE, genes_by_best_r
from haploscribe.results.saved_models import SavedModels
from haploscribe.results.tables import Results
from haploscribe.utils.types import BoolArray, Float64Array, Int64Array

REGION_BUDGET = 4_000_000
"""Bytes of region figures that a page may hold; about 200 genes of 2,000 variants."""

ALWAYS_SHOWN_LOG10_P = 3.0
NEGLIGIBLE_EFFECT = 0.05
MOST_EFFECTS = 100
BACKGROUND_BINS = 150


def saved_regions(results: Results, models: Path) -> dict[str, RegionTracks]:
    """Return the regions of the best-predicted genes, as many as a page can hold; no genotypes are read.

    Parameters
    ----------
    results
        Tables and records of the run.
    models
        Its folder of saved models; results of older versions have none, and no regions.

    Raises
    ------
    InputError
        When a file of the folder is missing or damaged.
    """
    if not models.is_dir():
        return {}
    saved = SavedModels(models)
    indices = {gene.gene_id: index for index, gene in enumerate(saved.record.genes)}
    return regions_within_budget(
        genes_by_best_r(results.metrics), lambda gene_id: _tracks(saved, indices[gene_id])
    )


def _tracks(saved: SavedModels, index: int) -> RegionTracks | None:
    """Return what was saved of a gene's region, and the effects of models of the cis window's dosages."""
    region = saved.region(index)
    if region is None:
        return None
    gene = saved.record.genes[index]
    models = saved.of_gene(index, [name for name, spec in saved.specs.items() if _reads_cis_dosages(spec)])
    weights = {name: model.linear_weights() for name, model in models.items()}
    return RegionTracks(
        gene=gene,
        neighbours=tuple(
            other for other in saved.record.genes if other.contig == gene.contig and other != gene
        ),
        contig=gene.contig,
        start=int(region.spans[0, 0]),
        end=int(region.spans[-1, 1]),
        positions=region.positions,
        names=region.names,
        log10_p=-region.association.log10_p,
        effects={name: found.weights for name, found in weights.items() if found is not None},
        tiles=region.spans,
        tile_weights=region.tile_weights,
    )


def _reads_cis_dosages(spec: ModelSpec) -> bool:
    """Return whether a model reads the dosages of the cis window alone."""
    able = spec.capabilities
    return not (able.across_genes or able.zero_shot or able.reads_deltas or able.reads_wide)


def regions_within_budget(
    gene_ids: Iterable[str], tracks_of: Callable[[str], RegionTracks | None], budget: int = REGION_BUDGET
) -> dict[str, RegionTracks]:
    """Return the regions of as many genes as a page can hold, in the order given.

    Parameters
    ----------
    gene_ids
        Best first, as `tables.genes_by_best_r` puts them.
    tracks_of
        Returns a gene's tracks, or None where there are none; not called once the budget is used up.
    budget
        Bytes of JSON that the figures may take together.
    """
    regions: dict[str, RegionTracks] = {}
    used = 0
    for gene_id in gene_ids:
        tracks = tracks_of(gene_id)
        if tracks is None:
            continue
        used += len(json.dumps(region_data(tracks), separators=(",", ":")))
        if used > budget:
            break
        regions[gene_id] = tracks
    return regions


def region_data(tracks: RegionTracks, *, thin: bool = True) -> dict[str, Any]:
    """Return what a region figure shows, axes included; numbers have three significant digits.

    Parameters
    ----------
    tracks
        The region.
    thin
        Leave out variants that a figure does not need: see `shown_variants`.

    Returns
    -------
    dict
        `gene`, its ID; `label`, with its symbol; `contig`, `start`, `end` (0-based, half-open); `axis`, its
        title; `ticks`, 0-based positions and their labels in Mb, 1-based; `genes`, the explained one first, a
        list each: ID, 0-based TSS, strand, label, symbol or else ID, and `[start, end]` within the region
        (None where unknown); `n_variants` before thinning; `positions` and `names` of the variants shown;
        `p`, −log10 p of each (None where not tested) with `low`, `high` and `ticks`; `effects`, one per
        model: `model`, `title`, `at` (indices into positions), `values`, `low`, `high`, `ticks`; `tiles`,
        start and end each; `weights`, one per model, as `effects`, `at` being indices into tiles.
    """
    inside = (tracks.positions >= tracks.start) & (tracks.positions < tracks.end)
    shown = np.flatnonzero(inside & shown_variants(tracks) if thin else inside)
    log10_p = np.where(np.isfinite(tracks.log10_p), tracks.log10_p, np.nan)
    drawn = (tracks.tiles[:, 1] > tracks.start) & (tracks.tiles[:, 0] < tracks.end)
    genes = [tracks.gene, *(gene for gene in tracks.neighbours if gene.gene_id != tracks.gene.gene_id)]
    return {
        "gene": tracks.gene.gene_id,
        "label": tracks.gene.label,
        "contig": tracks.contig,
        "start": int(tracks.start),
        "end": int(tracks.end),
        "axis": f"Position on {'chromosome ' if len(tracks.contig) <= 2 else ''}{tracks.contig}, Mb",
        "ticks": _position_ticks(tracks.start, tracks.end),
        "genes": [
            [
                gene.gene_id,
                int(gene.tss),
                gene.strand,
                gene.label,
                gene.symbol or gene.gene_id,
                _body(gene, tracks),
            ]
            for gene in genes
            if gene.contig == tracks.contig and tracks.start <= gene.tss < tracks.end
        ],
        "n_variants": int(inside.sum()),
        "positions": tracks.positions[shown].tolist(),
        "names": [tracks.names[i] for i in shown],
        "p": {"values": [_rounded(value) for value in log10_p[shown]], **_value_axis(log10_p[inside])},
        "effects": [
            {
                "model": model,
                "title": f"{model}, {'weight' if model == BASELINE else 'effect'} per copy of ALT",
                **_sparse(effects[shown]),
                **_value_axis(effects[inside]),
            }
            for model, effects in tracks.effects.items()
        ],
        "tiles": tracks.tiles[drawn].tolist(),
        "weights": [
            {
                "model": model,
                "title": f"{model}, weight of each tile",
                **_sparse(weights[drawn]),
                **_value_axis(weights[drawn]),
            }
            for model, weights in tracks.tile_weights.items()
        ],
    }


def _body(gene: Gene, tracks: RegionTracks) -> list[int] | None:
    """Return the start and end of a gene within a region; None where they are unknown."""
    if gene.start is None or gene.end is None:
        return None
    return [max(gene.start, int(tracks.start)), min(gene.end, int(tracks.end))]


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
        shown[largest[(size[largest] > 0) & (size[largest] >= NEGLIGIBLE_EFFECT * size.max(initial=0))]] = (
            True
        )
    shown[_best_of_each_stretch(tracks, log10_p)] = True
    return shown


def _best_of_each_stretch(tracks: RegionTracks, log10_p: Float64Array) -> Int64Array:
    """Return the index of the variant with the smallest p in each stretch that has a tested one."""
    stretch = (tracks.positions - tracks.start) * BACKGROUND_BINS // (tracks.end - tracks.start)
    order = np.lexsort((-log10_p, stretch))
    order = order[log10_p[order] >= 0]
    return order[np.unique(stretch[order], return_index=True)[1]]


def _sparse(values: Float64Array) -> dict[str, list[Any]]:
    """Return the values that are neither NaN nor zero, and their indices."""
    at = np.flatnonzero(np.nan_to_num(values))
    return {"at": at.tolist(), "values": [_rounded(value) for value in values[at]]}


def _value_axis(values: Float64Array) -> dict[str, Any]:
    """Return limits from zero, or around it where signs differ, and a round tick at or below each limit."""
    finite = values[np.isfinite(values)]
    high, low = max(0.0, float(finite.max(initial=0.0))), min(0.0, float(finite.min(initial=0.0)))
    if low < 0:
        high = max(high, -low)
        low = -high
    if high == 0:
        high = 1.0
    tick = _round_below(high)
    ticks = [-tick, 0.0, tick] if low < 0 else [0.0, tick]
    return {"low": _widened(low), "high": _widened(high), "ticks": [_rounded(tick) for tick in ticks]}


def _round_below(limit: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above the limit."""
    power = 10.0 ** math.floor(math.log10(limit))
    return next(m * power for m in (5, 2, 1) if m * power <= limit or m == 1)


def _widened(limit: float) -> float:
    """Return a limit with a margin of 6 %."""
    return float(f"{limit * 1.06:.4g}")


def _rounded(value: float) -> float | int | None:
    """Round to three significant digits, whole numbers without a point; None for NaN."""
    if not math.isfinite(value):
        return None
    short = float(f"{value:.3g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def _position_ticks(start: int, end: int) -> list[tuple[int, str]]:
    """Return four to nine round 1-based positions in a region, as 0-based ones, each with its label in Mb."""
    rough = (end - start) / 8
    power = 10 ** max(0, math.floor(math.log10(max(rough, 1))))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    digits = max(0, 6 - (len(str(step)) - len(str(step).rstrip("0"))))
    first = -(-(start + 1) // step) * step
    return [(place - 1, f"{place / 1e6:,.{digits}f}") for place in range(first, end + 1, step)]


def json_for_page(value: Mapping[str, Any]) -> str:
    """Write JSON that may stand inside a `<script type="application/json">`: no `<`, no line separators."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
