"""Format the tables of `explanations`, from rows of `allele_measures.rows_of`."""

import numpy as np
import polars as pl

from benchmarks.interpretation.allele_measures import TOPS, ratio, ratio_interval, summed

BASELINE = "elastic-net"


def cell(rows: pl.DataFrame, model: str, measure: str, *, ends: bool = True, digits: int = 2) -> str:
    """Format a measure of a model, with its 95 % interval over genes."""
    sums = summed(rows, model, measure)
    value = ratio(sums)
    if not np.isfinite(value):
        return "-"
    if not ends:
        return f"{value:.{digits}f}"
    low, high = ratio_interval(sums)
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def lead_cell(rows: pl.DataFrame, model: str, measure: str = "precision strict") -> str:
    """Format a model's measure less the baseline's, with its 95 % interval over genes."""
    own, other = (summed(rows, name, measure) for name in (model, BASELINE))
    if model == BASELINE or not len(other):
        return "-"
    difference = np.column_stack([own[:, 0] - other[:, 0], own[:, 1]])
    low, high = ratio_interval(difference)
    return f"{ratio(difference):+.3f} ({low:+.3f} to {high:+.3f})"


def models_of(rows: pl.DataFrame, measure: str) -> list[str]:
    """List models, the best in a measure first."""
    names = rows["model"].unique(maintain_order=True).to_list()
    return sorted(names, key=lambda model: -ratio(summed(rows, model, measure)))


def ranking_lines(rows: pl.DataFrame) -> list[str]:
    """Format the ranking of causal variants by each model."""
    tops = " / ".join(str(top) for top in TOPS)
    lines = [
        f"| model | average precision (95 %) | less that of {BASELINE} (95 %) | … ranked per copy "
        f"| top {tops} | with proxies: average precision | top {tops} |",
        "|---|---|---|---|---|---|---|",
    ]
    for model in models_of(rows, "precision strict"):
        tops_of = {
            kind: " / ".join(cell(rows, model, f"top {top} {kind}", ends=False) for top in TOPS)
            for kind in ("strict", "lenient")
        }
        cells = [
            cell(rows, model, "precision strict", digits=3),
            lead_cell(rows, model),
            cell(rows, model, "precision per copy", ends=False, digits=3),
            tops_of["strict"],
            cell(rows, model, "precision lenient", ends=False, digits=3),
            tops_of["lenient"],
        ]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    return lines


def effect_lines(rows: pl.DataFrame) -> list[str]:
    """Format signs and sizes of effects at causal variants."""
    lines = [
        "| model | has an effect | … of the right sign (95 %) | slope on the true effect (95 %) |",
        "|---|---|---|---|",
    ]
    for model in models_of(rows, "sign"):
        cells = [cell(rows, model, "effect", ends=False), *(cell(rows, model, m) for m in ("sign", "slope"))]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    return lines


def setting_lines(rows: pl.DataFrame, measure: str) -> list[str]:
    """Format one measure by setting."""
    settings = rows["setting"].unique(maintain_order=True).to_list()
    lines = [f"| model | {' | '.join(settings)} |", "|---" * (len(settings) + 1) + "|"]
    for model in models_of(rows, measure):
        cells = [cell(rows.filter(pl.col("setting") == s), model, measure, ends=False) for s in settings]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    return lines


def sign_lines(rows: pl.DataFrame) -> list[str]:
    """Format agreement in sign at lead variants."""
    lines = ["| model | eQTLs | has an effect there | … of the same sign (95 %) |", "|---|---|---|---|"]
    for model in models_of(rows, "sign"):
        n_leads = int(summed(rows, model, "effect")[:, 1].sum())
        cells = [cell(rows, model, "effect", ends=False), cell(rows, model, "sign")]
        lines.append(f"| {model} | {n_leads} | {' | '.join(cells)} |")
    return lines
