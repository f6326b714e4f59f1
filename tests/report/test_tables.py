"""How numbers are written, and which way a comparison is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from haploscribe.report.tables import (
    Versus,
    format_interval,
    format_p,
    format_r,
    gene_rows,
    model_rows,
    pair_rows,
)
from haploscribe.report.typeset import (
    typeset_duration,
    typeset_fact,
    typeset_number,
    typeset_sentence,
    typeset_setting,
)
from tests.fixtures.results import made_results, shifted


@given(st.floats(1e-300, 0.99))
def test_p_values_read_back_to_two_digits(p: float) -> None:
    assert float(format_p(p)) == pytest.approx(p, rel=0.0501)


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1.3e-5, "1.3e-5"),
        (0.0031, "0.0031"),
        (0.43, "0.43"),
        (0.05, "0.050"),
        (0.0999, "0.10"),
        (1, "1.0"),
        (0, "<1e-300"),
    ],
)
def test_p_values_are_written_as_journals_do(p: float, text: str) -> None:
    assert format_p(p) == text


@pytest.mark.parametrize(
    ("r", "text"), [(0.12349, "0.123"), (-0.5, "-0.500"), (-0.0001, "0.000"), (float("nan"), "-")]
)
def test_correlations_have_three_decimals(r: float, text: str) -> None:
    assert format_r(r) == text


@pytest.mark.parametrize(
    ("interval", "text"),
    [((0.01251, 0.02), "0.013 to 0.020"), ((-0.5, -1e-5), "-0.500 to 0.000"), (None, "-")],
)
def test_intervals_have_three_decimals(interval: tuple[float, float] | None, text: str) -> None:
    assert format_interval(interval) == text


def versus(mean: float, median: float, n_better: int, n_worse: int, q: float) -> Versus:
    return Versus(100, 0.2 + mean, 0.2, median, n_better, n_worse, p=q, q=q, difference_ci=None)


@pytest.mark.parametrize(
    ("row", "direction"),
    [
        (versus(0.01, 0.01, 70, 30, 0.01), "better"),
        (versus(-0.01, -0.01, 30, 70, 0.01), "worse"),
        (versus(0.01, 0.01, 70, 30, 0.06), "inconclusive"),
        (versus(0.01, -0.01, 40, 60, 0.01), "inconclusive"),
        (versus(0.01, 0.0, 40, 5, 0.01), "better"),
        (versus(0.0, 0.0, 0, 0, 1.0), "inconclusive"),
    ],
)
def test_a_direction_needs_significance_and_agreement(row: Versus, direction: str) -> None:
    assert row.direction == direction


def test_rows_follow_the_options_not_the_alphabet() -> None:
    r = shifted(0.03)
    results = made_results({"transformer": r["transformer"], "elastic-net": r["elastic-net"]})
    assert list(results.summary["models"]) == ["elastic-net", "transformer"]
    assert [row.model for row in model_rows(results)] == ["transformer", "elastic-net"]


def test_models_that_the_options_do_not_name_come_last() -> None:
    r = shifted(0.03)
    results = made_results(r, run={"options": {"models": ["transformer"]}})
    assert [row.model for row in model_rows(results)] == ["transformer", "elastic-net"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(12.34, "12.3 s"), (250, "4 min 10 s"), (11100, "3 h 5 min"), (3599.7, "1 h 0 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert typeset_duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1234567, "1,234,567"), (41.08, "41.1"), (123.4, "123"), (7.0, "7")]
)
def test_numbers(value: float, text: str) -> None:
    assert typeset_number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "not set"),
        (True, "yes"),
        (5994, "5994"),
        (0.1 + 0.2, "0.3"),
        (["a", "b"], "a, b"),
        ({"a": 1, "b": None}, "a: 1, b: not set"),
    ],
)
def test_settings(value: object, text: str) -> None:
    assert typeset_setting(value) == text


def test_sentences_raise_exponents_of_p_values_only() -> None:
    text = typeset_sentence("model 1e-5 <x> (p = 1.3e-5; q < 1e-300; p = 0.43), by -0.1")
    assert text == (
        "model 1e-5 &lt;x&gt; (p\u00a0=\u00a01.3\u00a0×\u00a010<sup>−5</sup>; "
        "q\u00a0&lt;\u00a01\u00a0×\u00a010<sup>−300</sup>; p\u00a0=\u00a00.43), by −0.1"
    )


def test_each_gene_has_its_best_model_and_a_q_that_pays_for_the_choice() -> None:
    nan = float("nan")
    results = made_results(
        {"a": [0.1, 0.5, 0.25, nan], "b": [0.7, nan, 0.25, nan], "c": [0.3, 0.1, 0.1, 0.1]}
    )
    rows = gene_rows(results.metrics, ["a", "b"])
    assert [row.gene_id for row in rows] == ["GENE0000", "GENE0001", "GENE0002"]  # c alone has the last
    assert [row.best for row in rows] == [1, 0, 0]
    assert [row.best_r for row in rows] == [0.7, 0.5, 0.25]
    found = {(row["gene_id"], row["model"]): row for row in results.metrics.iter_rows(named=True)}
    at_best = [found[row.gene_id, "ab"[row.best or 0]] for row in rows]
    assert [row.p for row in rows] == [one["pearson_p"] for one in at_best]
    assert [row.r2 for row in rows] == [one["r2"] for one in at_best]
    expected = false_discovery_control([min(2 * row.p, 1.0) for row in rows])
    assert [row.q for row in rows] == pytest.approx(expected)


def test_a_comparison_has_one_q() -> None:
    """Pairs with the baseline are in the table of models alone."""
    r = {name: shifted(0.01 * i)["transformer"] for i, name in enumerate(("blup", "elastic-net", "a", "b"))}
    results = made_results(r)
    pairs = pair_rows(results)
    assert list(pairs) == [("a", "blup"), ("b", "blup"), ("b", "a")]
    expected = false_discovery_control([pair.p for pair in pairs.values()])
    assert [pair.q for pair in pairs.values()] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        ("0 of 1118392", "0 of 1,118,392"),
        (83564, "83,564"),
        ("358 samples shared", "358 samples shared"),
        ("/data/20231/a.vcf", "/data/20231/a.vcf"),
        ("ENSG00000123", "ENSG00000123"),
        (0.00125, "0.00125"),
        (True, "yes"),
    ],
)
def test_facts_have_thousands_separators(fact: object, text: str) -> None:
    assert typeset_fact(fact) == text
