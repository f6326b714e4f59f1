"""The HTML page of a run: one file that opens anywhere, without a network."""

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from haploscribe.config.options import MODELS_NAME
from haploscribe.expression.genes import Gene
from haploscribe.report.answer import answer, scope
from haploscribe.report.canvas import Drawing, ModelStyle, axes_box, drawing, svg_of_page
from haploscribe.report.command import changed_options, command_line
from haploscribe.report.cost_rows import annotation_rows, cost_rows
from haploscribe.report.figures import (
    comparison_drawing,
    distribution_drawing,
    predictions_drawing,
    r_by_model,
    scatter_drawings,
    styles_of,
)
from haploscribe.report.gene_details import GeneDetail, saved_details
from haploscribe.report.region_plots import region_drawing
from haploscribe.report.tables import (
    GeneRow,
    baseline_of,
    delta_name,
    gene_rows,
    model_rows,
    models_in_order,
    pair_rows,
)
from haploscribe.report.typeset import (
    typeset_duration,
    typeset_fact,
    typeset_interval,
    typeset_number,
    typeset_p,
    typeset_r,
    typeset_sentence,
    typeset_setting,
)
from haploscribe.results.models_folder import read_record
from haploscribe.results.tables import STAGES, Results, read_results
from haploscribe.utils.files import atomic_write
from haploscribe.utils.types import Float64Array

STYLES = ("page.css", "figures.css")
SCRIPTS = ("common.js", "scatter.js", "gene_table.js")

STATIC_ROWS = 200
"""Genes that the page shows without script and on paper; a script shows all, a few at a time."""


def write_report(folder: Path, results: Results | None = None) -> Path:
    """Write `report.html` of a finished run.

    Parameters
    ----------
    folder
        The folder that `haploscribe run --out` wrote.
    results
        What it holds; None to read it.

    Returns
    -------
    Path
        The page, `report.html` in that folder; an older one is replaced.

    Raises
    ------
    InputError
        When a file is missing or is not what `run` writes, or the folder cannot be written to.
    """
    path = folder / "report.html"
    results = results or read_results(folder)
    models = models_in_order(results)
    details = saved_details(gene_rows(results.metrics, models), models, folder)
    has_models = (folder / MODELS_NAME).is_dir()
    genes = read_record(folder / MODELS_NAME).genes if has_models else ()
    page = render_page(results, details, genes)
    with atomic_write(path) as aside:
        aside.write_text(page, encoding="utf-8")
    return path


@drawing()
def render_page(
    results: Results, details: Mapping[str, GeneDetail] | None = None, positions: Sequence[Gene] = ()
) -> str:
    """Return the page's HTML; the same results give the same bytes.

    Parameters
    ----------
    results
        Tables and records of the run.
    details
        What is shown of a gene when it is opened, by its ID. At any other the page names the command that
        draws its region.
    positions
        The genes of the run, for their positions.
    """
    models = models_in_order(results)
    styles = styles_of(models)
    rows = model_rows(results)
    pairs = pair_rows(results)
    measured = gene_rows(results.metrics, models)
    genes = sorted(measured, key=lambda gene: -gene.best_r)
    series = r_by_model(measured, models)
    scatters = _scatters(series, styles)
    templates = page_templates()
    style = "".join(asset(templates, name) for name in STYLES)
    script = "".join(asset(templates, name) for name in SCRIPTS)
    seconds = results.summary.get("stages", {})
    stages = {STAGES.get(key, key): taken for key, taken in seconds.items()}
    details = details or {}
    by_id = {gene.gene_id: gene for gene in positions}
    changed = changed_options(results.run["options"])
    facts = results.run.get("data", {})
    return templates.get_template("page.html.j2").render(
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=Markup(  # noqa: S704 - has no <
            json_for_page(page_data(genes, models, styles, details, by_id, [box for _, _, box in scatters]))
        ),
        details=[
            (i, _predictions_figure(i, gene, details, styles), _region_figure(i, gene, details, styles))
            for i, gene in enumerate(genes)
            if gene.gene_id in details
        ],
        answer=answer(rows),
        scope=scope(results.run["options"]),
        command=command_line(results.run["options"]),
        baseline=baseline_of(models),
        delta=delta_name(baseline_of(models)),
        models=models,
        styles=styles,
        rows=rows,
        several=sum(row.versus is not None for row in rows) > 1,
        pairs=pairs,
        genes=genes,
        by_id=by_id,
        static_rows=STATIC_ROWS,
        any_constant=any(any(gene.constant) for gene in genes),
        n_samples=max(results.metrics["n_samples"].to_list(), default=0),
        comparison=_figure(comparison_drawing(rows, styles), "forest"),
        scatters=[(model, svg) for model, svg, _ in scatters],
        distribution=_figure(distribution_drawing(series, styles), "distribution"),
        annotations=annotation_rows(results.summary),
        embedding=results.summary["embedding"],
        costs=cost_rows(results.summary),
        stages=stages,
        longest_stage=max(stages.values(), default=0.0) or 1.0,
        wall_seconds=results.summary["wall_seconds"],
        finished=results.summary.get("finished"),
        run=results.run,
        found={name: value for name, value in facts.items() if not _is_zero(value)},
        not_found={name: value for name, value in facts.items() if _is_zero(value)},
        changed=changed,
        defaults={name: value for name, value in results.run["options"].items() if name not in changed},
    )


def _is_zero(value: object) -> bool:
    """Return whether a fact of the inputs says that nothing was found."""
    return value == 0 or (isinstance(value, str) and value.startswith("0 of "))


def _figure(drawn: Drawing | None, name: str) -> Markup | None:
    return None if drawn is None else Markup(svg_of_page(drawn, name))  # noqa: S704 - escaped in canvas


def _scatters(
    series: Mapping[str, Float64Array], styles: Mapping[str, ModelStyle]
) -> list[tuple[str, Markup | None, dict[str, float]]]:
    """Return the model, the figure and the place of the axes of every scatter."""
    drawn = scatter_drawings(series, styles).items()
    return [(model, _figure(one, f"scatter{i}"), axes_box(ax)) for i, (model, (one, ax)) in enumerate(drawn)]


def _predictions_figure(
    number: int, gene: GeneRow, details: Mapping[str, GeneDetail], styles: Mapping[str, ModelStyle]
) -> Markup | None:
    found = details[gene.gene_id].predictions
    return None if found is None else _figure(predictions_drawing(gene.label, found, styles), f"p{number}")


def _region_figure(
    number: int, gene: GeneRow, details: Mapping[str, GeneDetail], styles: Mapping[str, ModelStyle]
) -> Markup | None:
    """Draw the region with the effects and tile weights of the baseline and the best of other models."""
    tracks = details[gene.gene_id].tracks
    if tracks is None:
        return None
    models = list(styles)
    r = dict(zip(models, gene.r, strict=True))

    def best_of(having: Mapping[str, object]) -> list[str]:
        others = [
            model for model in having if model != baseline_of(models) and not math.isnan(r.get(model, 0.0))
        ]
        return sorted(others, key=lambda model: -r.get(model, 0.0))[:1]

    shown = [baseline_of(models), *best_of(tracks.effects), *best_of(tracks.tile_weights)]
    return _figure(region_drawing(tracks, styles, models=shown, thin=True), f"g{number}")


def page_templates() -> Environment:
    """Return the templates of pages, with the filters that format values."""
    templates = Environment(
        loader=PackageLoader("haploscribe.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "r": typeset_r,
        "interval": typeset_interval,
        "p": typeset_p,
        "sentence": typeset_sentence,
        "number": typeset_number,
        "duration": typeset_duration,
        "setting": typeset_setting,
        "fact": typeset_fact,
    }
    return templates


def asset(templates: Environment, name: str) -> str:
    """Return the text of a style sheet or script."""
    assert templates.loader is not None
    return templates.loader.get_source(templates, name)[0]


def page_data(
    genes: Sequence[GeneRow],
    models: Sequence[str],
    styles: Mapping[str, ModelStyle],
    details: Mapping[str, GeneDetail],
    positions: Mapping[str, Gene],
    boxes: Sequence[Mapping[str, float]],
) -> dict[str, Any]:
    """Return the data of the page's scripts, for JSON.

    Parameters
    ----------
    genes
        The table of genes, in the order that the page shows first.
    models
        Names, in the order of every other column.
    styles
        Colour and marker of each model.
    details
        Genes that the page holds figures of.
    positions
        Genes by their ID, as far as their positions are known.
    boxes
        Of each scatter, where its axes are: see `canvas.axes_box`.

    Returns
    -------
    dict
        `models`, `colours` (their variables), `outlines` (of their markers), `baseline` (an index in
        `models`), `genes`, `variants`; `symbols`, one per gene (None where it is unknown), or none where all
        are unknown; `places`, contig and 1-based TSS of each gene, or None; `best`, index of the best model,
        `p`, `r2` and `q`, of each gene, None without one; `heritability`, by index of the gene; `r`, for each
        model one integer per gene, in thousandths, None for none; `constant`, for each model the genes with a
        constant prediction; `boxes`, one per scatter.
    """
    series = list(r_by_model(genes, models).values())
    heritability = {
        i: details[gene.gene_id].heritability for i, gene in enumerate(genes) if gene.gene_id in details
    }
    return {
        "models": list(models),
        "colours": [styles[model].name for model in models],
        "outlines": [styles[model].outline for model in models],
        "baseline": models.index(baseline_of(models)),
        "genes": [gene.gene_id for gene in genes],
        "symbols": [gene.symbol for gene in genes] if any(gene.symbol for gene in genes) else [],
        "places": [
            None if (found := positions.get(gene.gene_id)) is None else [found.contig, found.tss + 1]
            for gene in genes
        ],
        "variants": [gene.n_variants for gene in genes],
        "best": [gene.best for gene in genes],
        "p": [_short(gene.p) for gene in genes],
        "r2": [_short(gene.r2) for gene in genes],
        "q": [_short(gene.q) for gene in genes],
        "heritability": {i: _short(value) for i, value in heritability.items() if value is not None},
        "r": [_thousandths(r) for r in series],
        "constant": [[k for k, gene in enumerate(genes) if gene.constant[i]] for i in range(len(models))],
        "boxes": list(boxes),
    }


def json_for_page(value: Mapping[str, Any]) -> str:
    """Write JSON that may stand inside a `<script type="application/json">`: no `<`, no line separators."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _thousandths(r: Float64Array) -> list[int | None]:
    return [None if np.isnan(value) else round(value * 1000) for value in r.tolist()]


def _short(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.3g}")
