"""Rows of the page's tables of costs and of annotations."""

import math
from dataclasses import dataclass

from haploscribe.results.tables import Summary


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
