"""State the question of a run and its answer in sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from haploscribe.evaluation.metrics import FALSE_DISCOVERY_RATE, benjamini_hochberg
from haploscribe.report.tables import (
    ModelRow,
    Versus,
    baseline_of,
    delta_name,
    format_interval,
    format_p,
    format_r,
)

Verdict = Literal["Better", "Worse", "Inconclusive", "Too few genes to decide", "Nothing compared"]


@dataclass(frozen=True, slots=True)
class Answer:
    """How the models of a run compare with the baseline.

    Attributes
    ----------
    question
        The question.
    verdict
        `Better` if at least one model is better than the baseline, `Worse` if the best of the others is
        worse; `Too few genes to decide` where no comparison could be significant after adjustment, whatever
        its genes, and `Inconclusive` between.
    sentences
        The difference with its interval, then the test, then the other models.
    """

    question: str
    verdict: Verdict
    sentences: tuple[str, ...]


def scope(options: Mapping[str, Any]) -> str:
    """State, in one sentence, which samples and genes a run evaluates.

    Parameters
    ----------
    options
        The run's options, as in `run.json`; of an older version perhaps, without `gene_split`.
    """
    split = options.get("split")
    samples = f"the test samples of {split}" if split else "new samples"
    blocks = options.get("gene_split")
    if blocks is None:
        return f"Evaluated on {samples}, at genes that the models were trained on."
    return (
        f"Evaluated on {samples}, at unseen genes: the genes were split into {blocks} blocks along the "
        "genome, and no model was trained on the expression of any gene in the block that it predicts, or of "
        "a gene whose cis window overlaps one of them."
    )


def answer(rows: Sequence[ModelRow]) -> Answer:
    """State which model is best, by how much and how significantly.

    The model that is compared is the one with the highest mean r among those significantly better than the
    baseline, or among all others if there is none. All p-values are adjusted for the number of models, as
    the best of several is picked.

    Parameters
    ----------
    rows
        The table of models; not empty.
    """
    baseline = baseline_of([row.model for row in rows])
    compared = {row.model: row.versus for row in rows if row.versus is not None}
    if not compared:
        only = next(row for row in rows if row.model == baseline)
        return Answer(
            question=f"How well does {baseline} predict each sample’s expression?",
            verdict="Nothing compared",
            sentences=(
                f"{baseline} reaches a mean r of {format_r(only.mean_r)} ({_mean_interval(only)}"
                f"median {format_r(only.median_r)}) over {only.n_genes:,} genes, of which it predicts "
                f"{only.n_significant:,} better than chance.",
            ),
        )
    winners = [model for model, versus in compared.items() if versus.direction == "better"]
    best = max(winners or compared, key=lambda model: compared[model].mean_difference)
    others = {model: versus for model, versus in compared.items() if model != best}
    sentences = [
        _difference_sentence(best, baseline, compared[best], n_models=len(compared)),
        _test_sentence(compared[best], n_models=len(compared)),
    ]
    verdict = _verdict(compared[best], list(compared.values()))
    if verdict == "Too few genes to decide":
        sentences.append(_reach_sentence(compared[best].n_genes, n_models=len(compared)))
    elif others:
        sentences.append(_others_sentence(others, baseline))
    return Answer(
        question=f"Does any model predict each sample’s expression better than {baseline}?",
        verdict=verdict,
        sentences=tuple(sentences),
    )


def smallest_p(n_genes: int) -> float:
    """Return the smallest two-sided p of Wilcoxon's signed-rank test: all differences of one sign."""
    return float(min(1.0, 2.0 ** (1 - n_genes)))


def can_decide(compared: Sequence[Versus]) -> bool:
    """Return whether any comparison, with the smallest p that its genes allow, would be significant."""
    p = np.array([versus.p for versus in compared])
    for i, versus in enumerate(compared):
        at_best = p.copy()
        at_best[i] = min(p[i], smallest_p(versus.n_genes))
        if benjamini_hochberg(at_best)[i] <= FALSE_DISCOVERY_RATE:
            return True
    return False


def _verdict(best: Versus, compared: Sequence[Versus]) -> Verdict:
    if best.direction != "inconclusive":
        return "Better" if best.direction == "better" else "Worse"
    return "Inconclusive" if can_decide(compared) else "Too few genes to decide"


def _mean_interval(row: ModelRow) -> str:
    return "" if row.mean_r_ci is None else f"95 % interval {format_interval(row.mean_r_ci)}, "


def _difference_sentence(model: str, baseline: str, versus: Versus, *, n_models: int) -> str:
    best = f" of {model}, the best of {n_models} models," if n_models > 1 else f" of {model}"
    interval = f" (95 % interval {format_interval(versus.difference_ci)})" if versus.difference_ci else ""
    return (
        f"The mean {delta_name(baseline)}{best} is {format_r(versus.mean_difference)}{interval}: "
        f"{format_r(versus.mean_r)} against {format_r(versus.mean_r_baseline)}."
    )


def _test_sentence(versus: Versus, *, n_models: int) -> str:
    p = f"paired Wilcoxon test, p = {format_p(versus.p)}"
    if n_models > 1:
        p += f", q = {format_p(versus.q)} over {n_models} models"
    text = f"Its r is higher in {versus.n_better:,} of {versus.n_genes:,} genes; {p}".replace("= <", "< ")
    if versus.direction == "inconclusive" and versus.q <= FALSE_DISCOVERY_RATE:
        median = format_r(versus.median_difference)
        text += f"; but the typical gene does not go the way of the mean (median {median})"
    return f"{text}."


def _reach_sentence(n_genes: int, *, n_models: int) -> str:
    adjusted = f" before adjustment for {n_models} models" if n_models > 1 else ""
    return (
        f"With {n_genes:,} {'gene' if n_genes == 1 else 'genes'} the test cannot reach significance: its "
        f"smallest p = {format_p(smallest_p(n_genes))}{adjusted}."
    )


def _others_sentence(others: dict[str, Versus], baseline: str) -> str:
    """State how every other model compares, grouped by direction."""
    parts = []
    for direction, says in (
        ("better", f"also better than {baseline}"),
        ("inconclusive", f"not distinguishable from {baseline}"),
        ("worse", f"worse than {baseline}"),
    ):
        models = [model for model, versus in others.items() if versus.direction == direction]
        if models:
            parts.append(f"{_enumerate(models)} {'is' if len(models) == 1 else 'are'} {says}")
    return f"Of the rest, {'; '.join(parts)}."


def _enumerate(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
