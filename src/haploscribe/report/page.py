"""The HTML page of a run: one file that opens anywhere, without a network."""

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from haploscribe.config.options import MODELS_NAME
from haploscribe.interpret.explanation import RegionTracks
from haploscribe.report.answer import answer, scope
from haploscribe.report.plots import (
    axis_digits,
    axis_for,
    distribution_svg,
    scatters_against_baseline,
    tick_text,
    typeset_duration,
    typeset_fact,
    typeset_interval,
    typeset_number,
    typeset_p,
    typeset_r,
    typeset_sentence,
    typeset_setting,
)
from haploscribe.report.region_data import json_for_page, region_data, saved_regions
from haploscribe.report.tables import (
    GeneRow,
    ModelRow,
    Versus,
    baseline_of,
    format_p,
    gene_rows,
    model_rows,
    models_in_order,
    pair_rows,
)
from haploscribe.results.tables import STAGES, Results, Summary, read_results
from haploscribe.utils.files import atomic_write
from haploscribe.utils.types import Float64Array

STYLES = ("page.css", "figures.css")
SCRIPTS = ("common.js", "region.js", "scatter.js", "gene_table.js")

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
    page = render_page(results, saved_regions(results, folder / MODELS_NAME))
    with atomic_write(path) as aside:
        aside.write_text(page, encoding="utf-8")
    return path


def render_page(results: Results, regions: Mapping[str, RegionTracks] | None = None) -> str:
    """Return the page's HTML; the same results give the same bytes.

    Parameters
    ----------
    results
        Tables and records of the run.
    regions
        Region figures by gene; `region_data.regions_within_budget` picks as many as a page can hold. At any
        other gene the page names the command that draws the figure.
    """
    models = models_in_order(results)
    rows = model_rows(results)
    pairs = pair_rows(results)
    sorted_by = max(range(len(rows)), key=lambda i: rows[i].mean_r)
    measured = gene_rows(results.metrics, models)
    genes = _sorted_by_r(measured, sorted_by)
    series = r_by_model(measured, models)
    scatters = scatters_against_baseline(series, [gene.label for gene in measured])
    drawn = {gene: region_data(tracks) for gene, tracks in (regions or {}).items()}
    environment = _environment()
    style = "".join(_asset(environment, name) for name in STYLES)
    script = "".join(_asset(environment, name) for name in SCRIPTS)
    seconds = results.summary.get("stages", {})
    stages = {STAGES.get(key, key): taken for key, taken in seconds.items()}
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
        annotations=annotation_rows(results.summary),
        embedding=results.summary["embedding"],
        costs=cost_rows(results.summary),
        stages=stages,
        longest_stage=max(stages.values(), default=0.0) or 1.0,
        wall_seconds=results.summary["wall_seconds"],
        run=results.run,
    )


def _sorted_by_r(genes: Sequence[GeneRow], model: int) -> list[GeneRow]:
    """Sort genes by descending r of one model, those without r last."""
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


@dataclass(frozen=True, slots=True)
class CostRow:
    """Cost of one sequence model.

    Attributes
    ----------
    model
        The backbone, or the zero-shot model.
    forward_passes, naive_forward_passes
        Sequences that it read, and how many it would have read with one per haplotype.
    seconds
        Time that this took.
    """

    model: str
    forward_passes: int
    naive_forward_passes: int
    seconds: float

    @property
    def saved(self) -> str:
        """How many times fewer sequences were read, or that none was."""
        if not self.naive_forward_passes:
            return "–"
        if not self.forward_passes:
            return "all: read before"
        times = self.naive_forward_passes / self.forward_passes
        return f"{times:,.0f} times" if times >= 100 else f"{times:.1f} times"


def cost_rows(summary: Summary) -> list[CostRow]:
    """List the sequence models of a run: the backbone, then the zero-shot models."""
    costs: list[CostRow] = []
    embedding = summary["embedding"]
    if embedding is not None:
        costs.append(
            CostRow(
                embedding["backbone"],
                embedding["forward_passes"],
                embedding["naive_forward_passes"],
                embedding["seconds"],
            )
        )
    for model, cost in summary.get("zero_shot", {}).items():
        costs.append(CostRow(model, cost["forward_passes"], cost["naive_forward_passes"], cost["seconds"]))
    return costs


@dataclass(frozen=True, slots=True)
class AnnotationRow:
    """What one feature of the annotations does.

    Attributes
    ----------
    feature
        Its name.
    effect, standard_error
        As in `AnnotationSummary`; NaN where there is none.
    missing
        How many variants have no value.
    """

    feature: str
    effect: float
    standard_error: float
    missing: str

    @property
    def enrichment(self) -> str:
        """What one standard deviation multiplies the variance by."""
        return "–" if math.isnan(self.effect) else f"× {math.exp(self.effect):.2f}"

    @property
    def interval(self) -> str:
        """Its 95 % interval."""
        if math.isnan(self.effect):
            return "–"
        low, high = (math.exp(self.effect + z * self.standard_error) for z in (-1.96, 1.96))
        return f"{low:.2f} to {high:.2f}"


def annotation_rows(summary: Summary) -> list[AnnotationRow]:
    """List the features of the annotations of a run."""
    return [
        AnnotationRow(
            row["feature"],
            math.nan if row["effect"] is None else row["effect"],
            math.nan if row["standard_error"] is None else row["standard_error"],
            f"{row['n_missing']:,} of {row['n_variants']:,}",
        )
        for row in summary.get("annotations", [])
    ]


def r_by_model(genes: Sequence[GeneRow], models: Sequence[str]) -> dict[str, Float64Array]:
    """Return each model's r over genes, float64 `(n_genes,)`, NaN where it has none."""
    r = np.array([gene.r for gene in genes], dtype=np.float64).reshape(len(genes), len(models))
    return {model: r[:, i] for i, model in enumerate(models)}


def page_data(
    genes: Sequence[GeneRow],
    models: Sequence[str],
    rows: Sequence[ModelRow],
    pairs: Mapping[tuple[str, str], Versus],
    *,
    sorted_by: int,
) -> dict[str, Any]:
    """Return the data of the page's scripts, for JSON.

    Parameters
    ----------
    genes
        The table of genes, in the order that the page shows first.
    models
        Names, in the order of every other column.
    rows
        The table of models.
    pairs
        Later model and earlier model, to the later against the earlier.
    sorted_by
        The model by whose r the genes are sorted.

    Returns
    -------
    dict
        `models`, `genes`, `variants`; `symbols`, one per gene (None where it is unknown), or none where all
        are unknown; `r`, for each model one integer per gene, in thousandths, None for none; `constant`, for
        each model the genes with a constant prediction; `higher[a][b]`, the number of genes where a has the
        higher r; `pairs`, by the two models' indices; `axis` of the scatter; `baseline`, `best` (of the
        others) and `sorted`, as indices in `models`.
    """
    series = list(r_by_model(genes, models).values())
    axis = axis_for(np.concatenate(series))
    index = {model: i for i, model in enumerate(models)}
    baseline = index[baseline_of(models)]
    others = [i for i in range(len(models)) if i != baseline] or [baseline]
    return {
        "models": list(models),
        "genes": [gene.gene_id for gene in genes],
        "symbols": [gene.symbol for gene in genes] if any(gene.symbol for gene in genes) else [],
        "variants": [gene.n_variants for gene in genes],
        "r": [_thousandths(r) for r in series],
        "constant": [[k for k, gene in enumerate(genes) if gene.constant[i]] for i in range(len(models))],
        "higher": [[int((a > b).sum()) for b in series] for a in series],
        "pairs": {
            f"{index[later]} {index[earlier]}": {
                "genes": versus.n_genes,
                "means": [_short(versus.mean_r), _short(versus.mean_r_baseline)],
                "ci": None if versus.difference_ci is None else [_short(end) for end in versus.difference_ci],
                "p": format_p(versus.p),
                "q": format_p(versus.q),
            }
            for (later, earlier), versus in pairs.items()
        },
        "axis": {
            "low": _short(axis.low),
            "high": _short(axis.high),
            "ticks": list(axis.ticks),
            "labels": [tick_text(tick, axis_digits(axis)) for tick in axis.ticks],
        },
        "baseline": baseline,
        "best": max(others, key=lambda i: rows[i].mean_r),
        "sorted": sorted_by,
    }


def _thousandths(r: Float64Array) -> list[int | None]:
    return [None if np.isnan(value) else round(value * 1000) for value in r.tolist()]


def _short(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 6)
