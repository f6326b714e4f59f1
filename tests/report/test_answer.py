"""The answer in words says what the numbers say."""

import numpy as np
import pytest
from scipy.stats import wilcoxon

from haploscribe.evaluation.bootstrap import mean_intervals
from haploscribe.report.answer import answer, scope
from haploscribe.report.tables import model_rows
from tests.fixtures.results import made_results, shifted


def test_a_clear_win_is_said_with_its_numbers() -> None:
    r = shifted(0.03)
    base, other = np.array(r["elastic-net"]), np.array(r["transformer"])
    told = answer(model_rows(made_results(r)))
    assert told.verdict == "better"
    assert told.sentences.startswith("Yes: transformer is better by ")
    assert (
        f"by {other.mean() - base.mean():.3f} in mean r ({other.mean():.3f} against {base.mean():.3f}; "
        in told.sentences
    )
    low, high = mean_intervals((other - base)[:, None], 1)[:, 0]
    assert f"; 95 % interval of the difference {low:.3f} to {high:.3f}), with" in told.sentences
    assert f"higher r in {(other > base).sum()} of 60 genes" in told.sentences
    mantissa, exponent = f"{wilcoxon(other - base).pvalue:.1e}".split("e-")
    assert f"paired Wilcoxon p = {mantissa}e-{int(exponent)}" in told.sentences


def test_a_clear_loss_is_said() -> None:
    told = answer(model_rows(made_results(shifted(-0.03))))
    assert told.verdict == "worse"
    assert told.sentences.startswith("No: transformer falls short of elastic-net by 0.0")


def test_chance_is_called_chance() -> None:
    told = answer(model_rows(made_results(shifted(0.001, spread=0.05))))
    assert told.verdict == "undecided"
    assert told.sentences.startswith("Not shown: transformer lies 0.00")
    assert "chance" in told.sentences


def test_identical_models_are_undecided() -> None:
    same = shifted(0.0)["elastic-net"]
    told = answer(model_rows(made_results({"elastic-net": same, "blup": same})))
    assert told.verdict == "undecided"
    assert "higher r in 0 of 60 genes" in told.sentences


def test_a_mean_against_the_typical_gene_is_no_win() -> None:
    base = np.linspace(0.1, 0.5, 60)
    other = base - 0.01 - np.linspace(0, 0.005, 60)
    other[:6] += 0.3
    told = answer(model_rows(made_results({"elastic-net": base.tolist(), "transformer": other.tolist()})))
    assert told.verdict == "undecided"
    assert "typical gene does not go the same way (median difference -0.01" in told.sentences


def test_the_rest_are_placed() -> None:
    r = shifted(0.03) | {
        "blup": shifted(0.01)["transformer"],
        "kmer": shifted(0.0, spread=0.05)["transformer"],
        "nano": shifted(-0.05)["transformer"],
        "zero": shifted(-0.06)["transformer"],
    }
    told = answer(model_rows(made_results(r)))
    assert told.sentences.endswith(
        "Of the rest, blup is also better than elastic-net; kmer is not distinguishable from elastic-net; "
        "nano and zero are worse than elastic-net."
    )


def test_a_sure_win_speaks_before_an_unsure_one() -> None:
    rng = np.random.default_rng(5)
    base = rng.uniform(0.1, 0.5, 40)
    sure, unsure = base + 0.01, base.copy()
    unsure[0] += 2.0  # higher mean, all from one gene
    told = answer(
        model_rows(made_results({"elastic-net": base.tolist(), "a": unsure.tolist(), "b": sure.tolist()}))
    )
    assert told.verdict == "better"
    assert told.sentences.startswith("Yes: b is better")


def test_the_best_of_many_is_judged_by_the_adjusted_p() -> None:
    rng = np.random.default_rng(8)
    base = rng.uniform(0.1, 0.5, 60)
    noise = rng.normal(0, 0.05, 60)
    lucky = base + noise - np.median(noise) + 0.014
    p = wilcoxon(lucky - base).pvalue
    signs = np.repeat([-1.0, 1.0], 30)
    others = {f"model{i}": (base + 0.05 * rng.permutation(signs)).tolist() for i in range(12)}
    results = made_results({"elastic-net": base.tolist(), "lucky": lucky.tolist()} | others)
    told = answer(model_rows(results))
    alone = answer(model_rows(made_results({"elastic-net": base.tolist(), "lucky": lucky.tolist()})))
    assert 0.01 < p < 0.05
    assert alone.verdict == "better"
    assert told.verdict == "undecided"
    assert "over 13 models" in told.sentences


@pytest.mark.parametrize("model", ["elastic-net", "blup"])
def test_one_model_alone_claims_nothing(model: str) -> None:
    told = answer(model_rows(made_results({model: [0.1, 0.3, 0.5]})))
    assert told.verdict == "alone"
    assert told.question == f"How well does {model} predict each sample’s expression?"
    low, high = mean_intervals(np.array([[0.1], [0.3], [0.5]]), 1)[:, 0]
    interval = f"95 % interval {low:.3f} to {high:.3f}"
    assert f"mean r of 0.300 ({interval}, median 0.300) over 3 genes" in told.sentences
    assert told.sentences.endswith("No other model was compared with it.")


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
