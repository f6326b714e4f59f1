"""The HTML page of a run: one file that opens anywhere, without a network."""

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from haploscribe.interpret.tracks import RegionTracks
from haploscribe.io.model_folder import MODELS_NAME
from haploscribe.io.results import Results, read_results
from haploscribe.report.answer import answer, scope
from haploscribe.report.page_data import cost_rows, page_data, r_by_model
from haploscribe.report.plots import distribution_svg, scatters_against_baseline
from haploscribe.report.region_data import json_for_page, region_data
from haploscribe.report.regions import kept_regions
from haploscribe.report.tables import GeneRow, baseline_of, gene_rows, model_rows, models_in_order, pair_rows
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
from haploscribe.utils.files import atomic_write

STYLES = ("page.css", "figures.css")
SCRIPTS = ("common.js", "region.js", "scatter.js", "gene_table.js")

STATIC_ROWS = 200
"""Genes that the page shows without script and on paper; a script shows all, a few at a time."""


def write_report(results: Path) -> Path:
    """Write `report.html` from what `run` left in a results folder.

    Parameters
    ----------
    results
        The folder that `haploscribe run --out` wrote.

    Returns
    -------
    Path
        The page, `report.html` in that folder; an older one is replaced.

    Raises
    ------
    InputError
        When a file is missing or is not what `run` writes, or the folder cannot be written to.
    """
    path = results / "report.html"
    found = read_results(results)
    page = render_page(found, kept_regions(found, results / MODELS_NAME))
    with atomic_write(path) as aside:
        aside.write_text(page, encoding="utf-8")
    return path


def render_page(results: Results, regions: Mapping[str, RegionTracks] | None = None) -> str:
    """Make the page's HTML; the same results give the same bytes.

    Parameters
    ----------
    results
        What a run found.
    regions
        Gene to what its region figure shows; `region_data.regions_within_budget` picks as many as a page
        can hold. At any other gene the page names the command that draws the figure.
    """
    models = models_in_order(results)
    rows = model_rows(results)
    pairs = pair_rows(results)
    sorted_by = max(range(len(rows)), key=lambda i: rows[i].mean_r)
    measured = gene_rows(results.metrics, models)
    genes = _sorted_by_r(measured, sorted_by)
    series = r_by_model(measured, models)
    scatters = scatters_against_baseline(series, [gene.gene_id for gene in measured])
    drawn = {gene: region_data(tracks) for gene, tracks in (regions or {}).items()}
    environment = _environment()
    style = "".join(_asset(environment, name) for name in STYLES)
    script = "".join(_asset(environment, name) for name in SCRIPTS)
    stages = results.summary.get("stages", {})
    return environment.get_template("page.html.j2").render(
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=Markup(  # noqa: S704 - has no <
            json_for_page(page_data(genes, models, rows, pairs, sorted_by=sorted_by))
        ),
        region_data=Markup(json_for_page(drawn)),  # noqa: S704 - has no <
        answer=answer(rows),
        scope=scope(results.run["options"]),
        baseline=baseline_of(models),
        models=models,
        rows=rows,
        several=sum(row.versus is not None for row in rows) > 1,
        pairs=pairs if len(models) > 2 else {},
        genes=genes,
        sorted_by=sorted_by,
        static_rows=STATIC_ROWS,
        any_constant=any(any(gene.constant) for gene in genes),
        n_samples=max(results.metrics["n_samples"].to_list(), default=0),
        scatters=[Markup(scatter) for scatter in scatters.values()],  # noqa: S704 - escaped in plots
        distribution=Markup(distribution_svg(series)),  # noqa: S704 - escaped in plots
        embedding=results.summary["embedding"],
        costs=cost_rows(results.summary),
        stages=stages,
        longest_stage=max(stages.values(), default=0.0) or 1.0,
        wall_seconds=results.summary["wall_seconds"],
        run=results.run,
    )


def _sorted_by_r(genes: Sequence[GeneRow], model: int) -> list[GeneRow]:
    """Put genes with the highest r of one model first, those without r last."""
    return sorted(genes, key=lambda gene: (math.isnan(gene.r[model]), -gene.r[model]))


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("haploscribe.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "r": typeset_r,
        "interval": typeset_interval,
        "p": typeset_p,
        "sentence": typeset_sentence,
        "number": typeset_number,
        "duration": typeset_duration,
        "setting": typeset_setting,
        "fact": typeset_fact,
    }
    return environment


def _asset(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]
