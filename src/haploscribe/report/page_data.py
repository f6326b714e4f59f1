"""What the page's script reads, as compact columns, and the costs that the page lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from haploscribe.io.results import Summary
from haploscribe.report.plots import axis_digits, axis_for, tick_text
from haploscribe.report.tables import GeneRow, ModelRow, Versus, baseline_of, format_p
from haploscribe.utils.types import Float64Array


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one sequence model cost.

    Attributes
    ----------
    model
        The backbone, or the zero-shot model.
    forward_passes, naive_forward_passes
        Sequences that it read, and how many it would have read with one a haplotype.
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


def r_by_model(genes: Sequence[GeneRow], models: Sequence[str]) -> dict[str, Float64Array]:
    """Give each model's r over genes, float64 `(n_genes,)`, NaN where it has none."""
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
    """Give what the page's script reads, JSON-able.

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
        `models`, `genes`, `variants`; `r`, for each model one integer a gene, in thousandths, None for
        none; `constant`, for each model the genes with a constant prediction; `higher[a][b]`, the number of
        genes where a has the higher r; `pairs`, by the two models' places; `axis` of the scatter;
        `baseline`, `best` (of the others) and `sorted`, as places in `models`.
    """
    series = list(r_by_model(genes, models).values())
    axis = axis_for(np.concatenate(series))
    place = {model: i for i, model in enumerate(models)}
    baseline = place[baseline_of(models)]
    others = [i for i in range(len(models)) if i != baseline] or [baseline]
    return {
        "models": list(models),
        "genes": [gene.gene_id for gene in genes],
        "variants": [gene.n_variants for gene in genes],
        "r": [_thousandths(r) for r in series],
        "constant": [[k for k, gene in enumerate(genes) if gene.constant[i]] for i in range(len(models))],
        "higher": [[int((a > b).sum()) for b in series] for a in series],
        "pairs": {
            f"{place[later]} {place[earlier]}": {
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
