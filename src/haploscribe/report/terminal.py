"""Text and JSON that the command line prints."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
import polars as pl
from rich import box
from rich.table import Table
from rich.text import Text

from haploscribe.embedding.backbones.catalogue import BACKBONES, BackboneEntry
from haploscribe.interpret.explanation import Explanation
from haploscribe.report.tables import (
    ModelRow,
    Versus,
    baseline_of,
    delta_name,
    format_interval,
    format_p,
    format_r,
    model_rows,
)
from haploscribe.results.tables import Results
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES

_WIDEST_CELL = 24
"""Characters of a difference and its interval."""


def model_table(results: Results) -> Table:
    """Return the table of models of a run, in the order of its options; it fits 80 columns."""
    rows = model_rows(results)
    baseline = baseline_of([row.model for row in rows])
    table = _table(
        "r: Pearson, held-out samples, mean over folds. FDR: genes predicted at a false discovery rate "
        f"of 5 %. {delta_name(baseline)}: of mean r, with its 95 % bootstrap interval over genes. "
        f"Better, worse: genes with a higher, lower r than {baseline}. p: paired Wilcoxon."
    )
    table.add_column("model", overflow="fold")
    for heading in (
        "genes",
        "mean\nr",
        "FDR\n5 %",
        "\n".join(("Δr vs", *wrap(baseline, _WIDEST_CELL))),
        "better /\nworse",
        "paired\np",
    ):
        table.add_column(Text(heading), justify="right", no_wrap=True)
    for row in rows:
        # Text, as a model may be a path and square brackets in it are no markup
        table.add_row(Text(row.model), *_cells(row))
    return table


def validation_table(models: pl.DataFrame, order: Sequence[str]) -> Table:
    """Return the table of models validated on new samples; it fits 80 columns.

    Parameters
    ----------
    models
        The columns of `haploscribe.evaluation.external.MODEL_VALIDATION_SCHEMA`.
    order
        Names of the models, in the order of the rows.
    """
    table = _table(
        "r: Pearson, in the new samples. Passing: genes with r above .1 and p below .05. FDR: genes "
        "predicted at a false discovery rate of 5 %. Slope: of observed on predicted, 1 where calibrated. r "
        "in the run: mean over the same genes, held-out samples. Kept: mean r over that in the run, with its "
        "95 % bootstrap interval over genes."
    )
    table.add_column("model", overflow="fold")
    for heading in ("genes", "mean\nr", "passing", "FDR\n5 %", "slope", "r in\nthe run", "kept"):
        table.add_column(Text(heading), justify="right", no_wrap=True)
    rows = {row["model"]: row for row in models.iter_rows(named=True)}
    for model in order:
        row = rows[model]
        kept = _two_decimals(row["share_kept"])
        if row["share_kept_low"] is not None:
            ends = (_two_decimals(row[f"share_kept_{end}"]) for end in ("low", "high"))
            kept += f" ({' to '.join(ends)})"
        table.add_row(
            Text(model),
            f"{row['n_genes']}",
            format_r(row["mean_r"]),
            f"{row['n_passing']}",
            f"{row['n_significant']}",
            _two_decimals(row["slope"]),
            "-" if row["run_mean_r"] is None else format_r(row["run_mean_r"]),
            kept,
        )
    return table


def _two_decimals(number: float | None) -> str:
    """Write a ratio; `-` where there is none."""
    return "-" if number is None else f"{round(number, 2) + 0.0:.2f}"


def _table(caption: str, title: str | None = None) -> Table:
    """Return an empty table as all are printed."""
    return Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
        title=None if title is None else Text(title),
        title_justify="left",
        caption=Text(f"\n{caption}"),
        caption_justify="left",
    )


def results_json(results: Results) -> dict[str, Any]:
    """Return what `--json` prints: `summary.json`, and as `table` the rows of the table of models.

    A missing number is None.
    """
    return {**results.summary, "table": [_without_nan(asdict(row)) for row in model_rows(results)]}


def _without_nan(record: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_nan(value)
        if isinstance(value, dict)
        else None
        if isinstance(value, float) and math.isnan(value)
        else value
        for name, value in record.items()
    }


def _cells(row: ModelRow) -> list[str]:
    versus = row.versus
    return [
        f"{row.n_genes}",
        format_r(row.mean_r),
        f"{row.n_significant}",
        "-" if versus is None else _difference(versus),
        "-" if versus is None else f"{versus.n_better} / {versus.n_worse}",
        "-" if versus is None else format_p(versus.p),
    ]


def _difference(versus: Versus) -> str:
    """Write a difference in mean r and its interval, `+0.029 (-0.011 to 0.060)`."""
    text = f"{round(versus.mean_difference, 3) + 0.0:+.3f}"
    if versus.difference_ci is not None:
        text += f" ({format_interval(versus.difference_ci)})"
    return text


def next_command(results: Results, out: Path) -> str | None:
    """Return the command to try on a finished run: it explains the gene that is predicted best.

    Parameters
    ----------
    results
        The run.
    out
        Its folder.

    Returns
    -------
    The command; None where all models are zero-shot ones, which are not explained.
    """
    trained = results.metrics.filter(~pl.col("model").is_in(ZERO_SHOT_NAMES))
    if trained.is_empty():
        return None
    best = trained.with_columns(pl.col("pearson_r").fill_nan(None))
    gene = best.sort("pearson_r", "gene_id", descending=[True, False], nulls_last=True)["gene_id"][0]
    return shlex.join(
        ("haploscribe", "explain", "--results", str(out), "--gene", gene, "--out", f"{out}-explained")
    )


def explanation_table(explained: Explanation) -> Table:
    """Return the table of an explanation, the largest effect of each model; it fits 80 columns."""
    names = explained.names
    table = _table(
        "Effect: change in expression, in standard deviations, with each copy of ALT. p: marginal "
        "association in the training samples.",
        title=f"{explained.gene.label}: the largest effect of each model",
    )
    table.add_column("model", overflow="fold")
    table.add_column("variant", overflow="fold")
    for heading in ("from TSS", "effect", "log10 p"):
        table.add_column(heading, justify="right", no_wrap=True)
    for model, effects in explained.effects.items():
        size = np.abs(np.nan_to_num(effects))
        if not size.any():
            table.add_row(Text(model), "none", "", "", "")
            continue
        top = int(size.argmax())
        position = int(names.positions[top])
        name = f"{explained.gene.contig}:{position + 1}:{names.references[top]}:{names.alternates[top]}"
        table.add_row(
            Text(model),
            Text(name),
            f"{explained.gene.direction * (position - explained.gene.tss):+,}",
            f"{effects[top]:+.3f}",
            f"{explained.association.log10_p[top]:.1f}",
        )
    return table


def backbones_json() -> list[dict[str, Any]]:
    """Return what `haploscribe backbones --json` prints."""
    return [asdict(entry) for entry in BACKBONES]


def backbone_lines(entries: Sequence[BackboneEntry] = BACKBONES) -> list[str]:
    """Return the lines that `haploscribe backbones` prints; they fit 80 columns."""
    lines = [f"{'name':23} {'family':6} {'dimension':>9} {'layers':>6} {'longest tile':>13}  licence"]
    for entry in entries:
        mark = " " if entry.confirmed else "*"
        sizes = f"{entry.dimension:>8}{mark} {entry.n_layers or '-':>5}{mark} {entry.max_tile:>10,} bp"
        lines.append(f"{entry.name:23} {entry.family:6} {sizes}  {entry.licence}")
        if entry.hub_id is not None:
            lines.append(f"    {entry.hub_id} @ {entry.revision[:12]}")
    lines.append("* not read off the published files; the checkpoint's own value is used")
    return lines


def score_lines(score: Mapping[str, Any]) -> list[str]:
    """Return the lines that `haploscribe backbones score` prints.

    Parameters
    ----------
    score
        The fields of `haploscribe.workflows.score_backbone.Score`.
    """
    rows = (
        (f"{score['model']:.4f} ± {score['model_standard_error']:.4f}", score["backbone"]),
        (f"{score['markov_both_sides']:.4f}", "order-5 Markov chain, five bases on either side known"),
        (f"{score['markov']:.4f}", "order-5 Markov chain, the five bases before known"),
        (f"{score['uniform']:.4f}", "no knowledge"),
    )
    head = f"bits per base over {score['n_tokens']:,} masked 6-mers of {score['region']}"
    return [head, *(f"{figure:16} {name}" for figure, name in rows)]
