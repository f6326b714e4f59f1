"""The answer in words says what the numbers say."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy.stats import wilcoxon

from haploscribe.evaluation.bootstrap import mean_intervals
from haploscribe.report.answer import Answer, answer, scope, smallest_p
from haploscribe.report.tables import format_p, model_rows
from tests.fixtures.results import made_results, shifted


def told(r: Mapping[str, Sequence[float]]) -> Answer:
    return answer(model_rows(made_results(r)))


def test_a_clear_win_is_said_with_its_interval_and_apart_from_it_its_test() -> None:
    r = shifted(0.03)
    base, other = np.array(r["elastic-net"]), np.array(r["transformer"])
    found = told(r)
    assert found.verdict == "Better"
    difference, test = found.sentences
    low, high = mean_intervals((other - base)[:, None], 1)[:, 0]
    assert difference == (
        f"The mean Δr vs elastic-net of transformer is {other.mean() - base.mean():.3f} "
        f"(95 % interval {low:.3f} to {high:.3f}): {other.mean():.3f} against {base.mean():.3f}."
    )
    mantissa, exponent = f"{wilcoxon(other - base).pvalue:.1e}".split("e-")
    assert test == (
        f"Its r is higher in {(other > base).sum()} of 60 genes; paired Wilcoxon test, "
        f"p = {mantissa}e-{int(exponent)}."
    )


def test_a_clear_loss_is_said() -> None:
    found = told(shifted(-0.03))
    assert found.verdict == "Worse"
    assert "is -0.0" in found.sentences[0]


def test_chance_is_inconclusive() -> None:
    assert told(shifted(0.001, spread=0.05)).verdict == "Inconclusive"


def test_identical_models_are_inconclusive() -> None:
    same = shifted(0.0)["elastic-net"]
    found = told({"elastic-net": same, "blup": same})
    assert found.verdict == "Inconclusive"
    assert "higher in 0 of 60 genes" in found.sentences[1]


def test_a_mean_against_the_typical_gene_is_no_win() -> None:
    base = np.linspace(0.1, 0.5, 60)
    other = base - 0.01 - np.linspace(0, 0.005, 60)
    other[:6] += 0.3
    found = told({"elastic-net": base.tolist(), "transformer": other.tolist()})
    assert found.verdict == "Inconclusive"
    assert "typical gene does not go the way of the mean (median -0.01" in found.sentences[1]


def test_the_rest_are_placed() -> None:
    r = shifted(0.03) | {
        "blup": shifted(0.01)["transformer"],
        "kmer": shifted(0.0, spread=0.05)["transformer"],
        "nano": shifted(-0.05)["transformer"],
        "zero": shifted(-0.06)["transformer"],
    }
    assert told(r).sentences[2] == (
        "Of the rest, blup is also better than elastic-net; kmer is not distinguishable from elastic-net; "
        "nano and zero are worse than elastic-net."
    )


def test_a_sure_win_speaks_before_an_unsure_one() -> None:
    rng = np.random.default_rng(5)
    base = rng.uniform(0.1, 0.5, 40)
    sure, unsure = base + 0.01, base.copy()
    unsure[0] += 2.0  # higher mean, all from one gene
    found = told({"elastic-net": base.tolist(), "a": unsure.tolist(), "b": sure.tolist()})
    assert found.verdict == "Better"
    assert "Δr vs elastic-net of b, the best of 2 models, is" in found.sentences[0]


def test_the_best_of_many_is_judged_by_the_adjusted_p() -> None:
    rng = np.random.default_rng(8)
    base = rng.uniform(0.1, 0.5, 60)
    noise = rng.normal(0, 0.05, 60)
    lucky = base + noise - np.median(noise) + 0.014
    p = wilcoxon(lucky - base).pvalue
    signs = np.repeat([-1.0, 1.0], 30)
    others = {f"model{i}": (base + 0.05 * rng.permutation(signs)).tolist() for i in range(12)}
    two = {"elastic-net": base.tolist(), "lucky": lucky.tolist()}
    assert 0.01 < p < 0.05
    assert told(two).verdict == "Better"
    assert told(two | others).verdict == "Inconclusive"
    assert "over 13 models" in told(two | others).sentences[1]


@pytest.mark.parametrize("n_genes", [1, 2, 5, 6, 10])
def test_the_smallest_p_is_that_of_differences_of_one_sign(n_genes: int) -> None:
    assert smallest_p(n_genes) == pytest.approx(wilcoxon(np.arange(1.0, n_genes + 1)).pvalue)


@pytest.mark.parametrize(
    ("n_genes", "verdict"), [(2, "Too few genes to decide"), (5, "Too few genes to decide"), (6, "Better")]
)
def test_a_test_that_cannot_be_significant_decides_nothing(n_genes: int, verdict: str) -> None:
    base = np.linspace(0.1, 0.5, n_genes)
    found = told({"elastic-net": base.tolist(), "blup": (base + np.linspace(0.01, 0.02, n_genes)).tolist()})
    assert found.verdict == verdict
    if n_genes < 6:
        assert found.sentences[-1] == (
            f"With {n_genes} genes the test cannot reach significance: its smallest "
            f"p = {format_p(2 / 2**n_genes)}."
        )


def test_more_models_take_more_genes() -> None:
    """Seven genes reach p = 2/128 at best: significant alone, not as the one of ten."""
    rng = np.random.default_rng(0)
    base = rng.uniform(0.1, 0.5, 7)
    mixed = np.array([0.01, -0.012, 0.013, -0.014, 0.015, -0.011, 0.002])
    others = {f"model{i}": (base + mixed * (1 + i / 10)).tolist() for i in range(10)}
    few = {"elastic-net": base.tolist(), "model0": others["model0"]}
    assert told(few).verdict == "Inconclusive"
    found = told({"elastic-net": base.tolist()} | others)
    assert found.verdict == "Too few genes to decide"
    assert found.sentences[-1].endswith("its smallest p = 0.016 before adjustment for 10 models.")


@pytest.mark.parametrize("model", ["elastic-net", "blup"])
def test_one_model_alone_claims_nothing(model: str) -> None:
    found = told({model: [0.1, 0.3, 0.5]})
    assert found.verdict == "Nothing compared"
    assert found.question == f"How well does {model} predict each sample’s expression?"
    low, high = mean_intervals(np.array([[0.1], [0.3], [0.5]]), 1)[:, 0]
    (sentence,) = found.sentences
    interval = f"95 % interval {low:.3f} to {high:.3f}"
    assert f"mean r of 0.300 ({interval}, median 0.300) over 3 genes" in sentence


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "new samples, at genes that the models were trained on"),
        (
            {"split": "/a/FIN.txt", "gene_split": None},
            "the test samples of /a/FIN.txt, at genes",
        ),
        (
            {"split": None, "gene_split": 5},
            "new samples, at unseen genes: the genes were split into 5 blocks",
        ),
        (
            {"split": "FIN.txt", "gene_split": 3},
            "the test samples of FIN.txt, at unseen genes: the genes",
        ),
    ],
    ids=["an older version", "split file", "unseen genes", "both"],
)
def test_the_question_names_people_and_genes(options: dict[str, object], words: str) -> None:
    assert words in scope(options)
