"""The table of models on a terminal."""

import io
import json
import shlex
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from rich.table import Table
from scipy.stats import wilcoxon

from haploscribe.evaluation.bootstrap import mean_intervals
from haploscribe.evaluation.external import MODEL_VALIDATION_SCHEMA
from haploscribe.report.terminal import model_table, next_command, results_json, validation_table
from haploscribe.results.tables import Results
from tests.fixtures.results import made_results, shifted


def printed(results: Results) -> list[str]:
    return lines_of(model_table(results))


def lines_of(table: Table) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return [line.strip() for line in console.file.getvalue().splitlines()]


def test_rows_hold_the_results_numbers() -> None:
    r = shifted(0.03)
    base, other = np.array(r["elastic-net"]), np.array(r["transformer"])
    (row,) = (line.split() for line in printed(made_results(r)) if line.startswith("transformer"))
    assert row[1:4] == ["60", f"{other.mean():.3f}", f"{(other > 0.2).sum()}"]
    low, high = mean_intervals((other - base)[:, None], 1)[:, 0]
    assert row[4:8] == [f"{other.mean() - base.mean():+.3f}", f"({low:.3f}", "to", f"{high:.3f})"]
    assert row[8:11] == [f"{(other > base).sum()}", "/", f"{(other < base).sum()}"]
    np.testing.assert_allclose(float(row[11]), wilcoxon(other - base).pvalue, rtol=0.051)


def test_the_difference_is_headed_by_the_baseline() -> None:
    r = shifted(0.03)
    first, second = printed(made_results({"kmer": r["transformer"], "blup": r["elastic-net"]}))[:2]
    assert "Δr vs" in first
    assert "kmer" in second


def test_the_next_command_explains_the_gene_that_is_predicted_best() -> None:
    results = made_results({"elastic-net": [0.1, 0.4, 0.2], "xpresso": [0.9, 0.1, 0.1]})
    command = next_command(results, Path("my results"))
    assert command is not None
    program, verb, *options = shlex.split(command)
    asked = dict(zip(options[::2], options[1::2], strict=True))
    best = results.metrics.filter(model="elastic-net").sort("pearson_r")["gene_id"][-1]
    assert (program, verb) == ("haploscribe", "explain")
    assert asked == {"--results": "my results", "--gene": best, "--out": "my results-explained"}


def test_a_run_of_zero_shot_models_alone_has_nothing_to_explain() -> None:
    assert next_command(made_results({"xpresso": [0.9, 0.1, 0.1]}), Path("out")) is None


def test_the_baseline_is_not_compared_with_itself() -> None:
    (row,) = (
        line.split() for line in printed(made_results(shifted(0.03))) if line.startswith("elastic-net ")
    )
    assert row[4:] == ["-", "-", "-"]


def test_without_elastic_net_the_first_model_is_the_baseline() -> None:
    r = shifted(0.03)
    lines = printed(made_results({"kmer": r["transformer"], "blup": r["elastic-net"]}))
    rows = [line.split() for line in lines if line.startswith(("kmer", "blup"))]
    assert [row[0] for row in rows] == ["kmer", "blup"]
    assert rows[0][4:] == ["-", "-", "-"]
    assert "lower r than kmer" in " ".join(" ".join(lines).split())


def test_brackets_in_a_models_name_are_no_markup() -> None:
    r = shifted(0.03)
    lines = printed(made_results({"elastic-net": r["elastic-net"], "[red]x[/red]": r["transformer"]}))
    assert any(line.startswith("[red]x[/red]") for line in lines)
    headed = printed(made_results({"[red]x[/red]": r["elastic-net"], "blup": r["transformer"]}))
    assert "[red]x[/red]" in headed[1]


def test_numbers_stay_whole_at_80_columns_beside_a_long_name() -> None:
    rng = np.random.default_rng(0)
    name = "a-very-long-model-name/that-somebody-keeps/in-a-folder"
    base = rng.uniform(0, 0.5, 12000)
    lines = printed(made_results({"elastic-net": base.tolist(), name: (base + 0.01).tolist()}))
    assert max(len(line) for line in lines) <= 80
    assert any("12000 / 0" in line for line in lines)
    assert any("12000" in line and f"{base.mean() + 0.01:.3f}" in line for line in lines)


def test_json_is_the_summary_and_the_rows_of_the_table() -> None:
    r = shifted(0.03)
    r["blup"] = [float("nan")] * 59 + [0.1]
    results = made_results(r)
    record = json.loads(json.dumps(results_json(results), allow_nan=False))
    table = record.pop("table")
    assert record == json.loads(json.dumps(results.summary))
    assert [row["model"] for row in table] == list(r)
    assert table[0]["versus"] is None
    expected = wilcoxon(np.array(r["transformer"]) - np.array(r["elastic-net"])).pvalue
    assert table[1]["versus"]["p"] == pytest.approx(expected)


def test_validated_models_come_in_the_order_of_the_run_with_a_dash_for_what_is_not_known() -> None:
    known = {"slope": 0.5, "run_mean_r": 0.2, "share_kept": 0.625}
    known |= {"share_kept_low": 0.4, "share_kept_high": 0.9}
    counts = {"n_genes": 300, "mean_r": 0.125, "median_r": 0.1, "n_passing": 40, "n_significant": 30}
    rows = [{"model": "blup", **counts}, {"model": "elastic-net", **counts, **known}]
    shown = lines_of(validation_table(pl.DataFrame(rows, MODEL_VALIDATION_SCHEMA), ("elastic-net", "blup")))
    first, second = (line.split() for line in shown if line.startswith(("elastic-net", "blup")))
    assert first == [
        "elastic-net",
        "300",
        "0.125",
        "40",
        "30",
        "0.50",
        "0.200",
        "0.62",
        "(0.40",
        "to",
        "0.90)",
    ]
    assert second == ["blup", "300", "0.125", "40", "30", "-", "-", "-"]
