"""Pages of results, and the tables on several of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from haploscribe.evaluation.bootstrap import mean_intervals
from haploscribe.evaluation.paired import compare_models
from haploscribe.utils.types import Float64Array


def stamp(command: str) -> str:
    """Return today's date (UTC) and the command that a page or section comes from.

    Parameters
    ----------
    command
        The benchmark's name and options.
    """
    return f"{datetime.now(UTC):%Y-%m-%d}, `python -m benchmarks {command}`"


def lead_lines(metrics: pl.DataFrame, baseline: str = "elastic-net", heading: str = "model") -> list[str]:
    """Format every model's mean r and its lead over the baseline, best first.

    Parameters
    ----------
    metrics
        One row per gene and model, with the columns of `haploscribe.evaluation.metrics.METRIC_SCHEMA`.
    baseline
        The model that the others are compared with.
    heading
        Name of the models' column.
    """
    compared = compare_models(metrics).filter(pl.col("model_b") == baseline)
    versus = {row["model_a"]: row for row in compared.iter_rows(named=True)}
    means = metrics.group_by("model").agg(pl.col("pearson_r").mean()).sort("pearson_r", descending=True)
    lines = [
        f"| {heading} | mean r | less that of {baseline} | better / worse | paired p |",
        "|---|---|---|---|---|",
    ]
    for model, r in means.iter_rows():
        row = versus.get(model)
        beside = (
            "- | - | -"
            if row is None
            else f"{row['mean_r_a'] - row['mean_r_b']:+.4f} | {row['n_a_better']} / {row['n_b_better']} "
            f"| {row['wilcoxon_p']:.2g}"
        )
        lines.append(f"| {model} | {r:.4f} | {beside} |")
    return lines


def interval_cell(values: Float64Array, digits: int = 4, sign: str = "") -> str:
    """Format the mean of float64 `(n_genes,)`, in genome order, with its 95 % interval over genes."""
    low, high = mean_intervals(values[:, None])[:, 0]
    form = f"{sign}.{digits}f"
    return f"{values.mean():{form}} ({low:{form}} to {high:{form}})"


def difference_cell(values: Float64Array, digits: int = 4) -> str:
    """Format a mean difference, float64 `(n_genes,)` in genome order, with its 95 % interval, all signed."""
    return interval_cell(values, digits, "+")


def write_page(path: Path, lines: Sequence[str]) -> None:
    """Write a page of results, and print it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))
    print(path.read_text())


def write_section(path: Path, head: str, title: str, lines: Sequence[str]) -> None:
    """Write one section of a page in place of the one of that title, and print the page.

    Parameters
    ----------
    path
        The page. Its other sections stay.
    head
        Title and introduction of the page.
    title
        Of the section.
    lines
        Text of the section.
    """
    old = path.read_text().split("\n## ")[1:] if path.exists() else []
    sections = dict(section.split("\n", 1) for section in old)
    sections[title] = "\n" + "\n".join(lines) + "\n"
    pages = [f"## {name}\n{text.rstrip()}\n" for name, text in sorted(sections.items())]
    write_page(path, [head, "", *pages])
