"""The HTML page of a run: one file that opens anywhere, without a network."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from haploscribe.arrays import Float64Array
from haploscribe.atomic import written_aside
from haploscribe.io.results import Results, read_results
from haploscribe.report.answer import answer, scope
from haploscribe.report.plots import axis_for, distribution_svg, scatter_svg
from haploscribe.report.tables import GeneRow, baseline_of, gene_rows, model_rows, models_in_order, pair_rows
from haploscribe.report.typeset import (
    typeset_duration,
    typeset_interval,
    typeset_number,
    typeset_p,
    typeset_r,
    typeset_sentence,
    typeset_setting,
)


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
    page = render_page(read_results(results))
    with written_aside(path) as aside:
        aside.write_text(page, encoding="utf-8")
    return path


def render_page(results: Results) -> str:
    """Make the page's HTML; the same results give the same bytes."""
    models = models_in_order(results)
    rows = model_rows(results)
    genes = gene_rows(results.metrics, models)
    environment = _environment()
    style, script = (_asset(environment, name) for name in ("page.css", "page.js"))
    return environment.get_template("page.html.j2").render(
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        answer=answer(rows),
        scope=scope(results.run["options"]),
        baseline=baseline_of(models),
        models=models,
        rows=rows,
        several=sum(row.versus is not None for row in rows) > 1,
        pairs=pair_rows(results) if len(models) > 2 else {},
        genes=genes,
        any_constant=any(any(gene.constant) for gene in genes),
        n_samples=max(results.metrics["n_samples"].to_list(), default=0),
        scatters=_scatters(genes, models),
        distribution=Markup(distribution_svg(_series(genes, models))),  # noqa: S704 - escaped in plots
        embedding=results.summary["embedding"],
        wall_seconds=results.summary["wall_seconds"],
        run=results.run,
    )


def _scatters(genes: Sequence[GeneRow], models: Sequence[str]) -> list[Markup]:
    """Draw every other model against the baseline, all on the same axis."""
    baseline = baseline_of(models)
    series = _series(genes, models)
    axis = axis_for(np.concatenate(list(series.values())))
    labels = [gene.gene_id for gene in genes]
    return [
        Markup(  # noqa: S704 - escaped in plots
            scatter_svg(series[baseline], series[model], labels, x_name=baseline, y_name=model, axis=axis)
        )
        for model in models
        if model != baseline
    ]


def _series(genes: Sequence[GeneRow], models: Sequence[str]) -> dict[str, Float64Array]:
    """Give each model's r over genes, float64 `(n_genes,)`, NaN where it has none."""
    r = np.array([gene.r for gene in genes], dtype=np.float64).reshape(len(genes), len(models))
    return {model: r[:, i] for i, model in enumerate(models)}


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
    }
    return environment


def _asset(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]
