"""State the question of a run and its answer in sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from haploscribe.evaluation.metrics import FALSE_DISCOVERY_RATE
from haploscribe.report.tables import ModelRow, Versus, baseline_of, format_interval, format_p, format_r

Verdict = Literal["better", "worse", "undecided", "alone"]


@dataclass(frozen=True, slots=True)
class Answer:
    """How the models of a run compare with the baseline.

    Attributes
    ----------
    question
        The question.
    verdict
        `better` if at least one model is better than the baseline, `worse` if the best of the others is
        worse, `undecided` between, and `alone` where nothing was compared.
    sentences
        The answer, in one or two sentences, numbers included.
    """

    question: str
    verdict: Verdict
    sentences: str


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
            verdict="alone",
            sentences=f"{baseline} reaches a mean r of {format_r(only.mean_r)} ({_mean_interval(only)}"
            f"median {format_r(only.median_r)}) over {only.n_genes:,} genes, of which it predicts "
            f"{only.n_significant:,} better than chance. No other model was compared with it.",
        )
    winners = [model for model, versus in compared.items() if versus.direction == "better"]
    best = max(winners or compared, key=lambda model: compared[model].mean_difference)
    sentences = _verdict_sentence(best, baseline, compared[best], n_models=len(compared))
    others = {model: versus for model, versus in compared.items() if model != best}
    if others:
        sentences += " " + _others_sentence(others, baseline)
    return Answer(
        question=f"Does any model predict each sample’s expression better than {baseline}?",
        verdict=compared[best].direction,
        sentences=sentences,
    )


def _mean_interval(row: ModelRow) -> str:
    return "" if row.mean_r_ci is None else f"95 % interval {format_interval(row.mean_r_ci)}, "


def _verdict_sentence(model: str, baseline: str, versus: Versus, *, n_models: int) -> str:
    by = format_r(abs(versus.mean_difference))
    means = f"{format_r(versus.mean_r)} against {format_r(versus.mean_r_baseline)}"
    if versus.difference_ci is not None:
        means += f"; 95 % interval of the difference {format_interval(versus.difference_ci)}"
    wins = f"higher r in {versus.n_better:,} of {versus.n_genes:,} genes"
    p = f"paired Wilcoxon p = {format_p(versus.p)}".replace("= <", "< ")
    if n_models > 1:
        p += f"; q = {format_p(versus.q)} over {n_models} models".replace("= <", "< ")
    best = f"the best of the others, {model}," if n_models > 1 else model
    if versus.direction == "better":
        return f"Yes: {model} is better by {by} in mean r ({means}), with the {wins} ({p})."
    if versus.direction == "worse":
        return f"No: {best} falls short of {baseline} by {by} in mean r ({means}), with the {wins} ({p})."
    way = "above" if versus.mean_difference > 0 else "below"
    if versus.q <= FALSE_DISCOVERY_RATE:
        return (
            f"Undecided: {best} lies {by} {way} {baseline} in mean r ({means}), but the typical gene does "
            f"not go the same way (median difference {format_r(versus.median_difference)}; {wins}; {p})."
        )
    return (
        f"Not shown: {best} lies {by} {way} {baseline} in mean r ({means}), with the {wins}, "
        f"which chance alone could do ({p})."
    )


def _others_sentence(others: dict[str, Versus], baseline: str) -> str:
    """State how every other model compares, grouped by direction."""
    parts = []
    for direction, says in (
        ("better", f"also better than {baseline}"),
        ("undecided", f"not distinguishable from {baseline}"),
        ("worse", f"worse than {baseline}"),
    ):
        models = [model for model, versus in others.items() if versus.direction == direction]
        if models:
            parts.append(f"{_enumerate(models)} {'is' if len(models) == 1 else 'are'} {says}")
    sentence = "; ".join(parts) + "."
    return f"Of the rest, {sentence}"


def _enumerate(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
