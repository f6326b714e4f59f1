"""Rows hold plain means and tests, tables show them, and the benchmark runs and resumes."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from benchmarks.accuracy import accuracy
from benchmarks.accuracy.accuracy import NEEDS, PARTS, table_lines
from benchmarks.accuracy.anatomy import TWINS
from benchmarks.accuracy.parts import controls
from benchmarks.accuracy.parts.controls import CONTROLS, MODELS, TRAINED, backbone_tables
from benchmarks.accuracy.parts.indels import FRAMED, KMER, UNCHANGED, UNFRAMED, accuracy_tables
from benchmarks.accuracy.parts.part import Setting, model_rows, summarised
from haploscribe.config.options import EvaluationOptions
from haploscribe.evaluation.metrics import METRIC_SCHEMA
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float64Array

N_GENES = 12
GENES = [Gene(f"G{number}", "22", 1000 * number, "+") for number in range(N_GENES)]


def made_up_metrics(models: list[str], seed: int) -> tuple[pl.DataFrame, dict[str, Float64Array]]:
    rng = np.random.default_rng(seed)
    r = {model: rng.uniform(-0.1, 0.5, N_GENES) for model in models}
    rows = [
        {
            **dict.fromkeys(METRIC_SCHEMA, None),
            "gene_id": gene.gene_id,
            "model": model,
            "pearson_r": float(value),
            "pearson_p": float(rng.uniform(0, 0.1)),
        }
        for model, values in r.items()
        for gene, value in zip(GENES, values, strict=True)
    ]
    return pl.DataFrame(rows, schema=METRIC_SCHEMA), r


def assert_paired(row: dict[str, object], one: Float64Array, other: Float64Array) -> None:
    assert row["mean_r"] == pytest.approx(one.mean())
    assert row["difference"] == pytest.approx(one.mean() - other.mean())
    assert (row["better"], row["worse"]) == (np.sum(one > other), np.sum(one < other))
    assert row["p"] == pytest.approx(stats.wilcoxon(one, other).pvalue)


def test_rows_are_means_and_tests_of_r_best_first() -> None:
    metrics, r = made_up_metrics(["lasso", "susie", "blup"], seed=1)
    rows = model_rows(summarised(metrics, GENES), "blup")
    assert [row["model"] for row in rows] == sorted(r, key=lambda model: -r[model].mean())
    for row in rows:
        of_model = metrics.filter(model=row["model"])
        passing = of_model.filter((pl.col("pearson_r") > 0.1) & (pl.col("pearson_p") < 0.05)).height
        adjusted = stats.false_discovery_control(of_model["pearson_p"].to_numpy())
        assert (row["genes"], row["passing"]) == (N_GENES, passing)
        assert row["significant"] == np.sum(adjusted <= 0.05)
        assert row["error"] == pytest.approx(stats.sem(r[row["model"]]))
        if row["model"] == "blup":
            assert "against" not in row
        else:
            assert_paired(row, r[row["model"]], r["blup"])
            assert row["low"] < row["difference"] < row["high"]


def test_a_table_has_dashes_where_there_is_nothing_to_compare_with() -> None:
    paired = {"difference": 0.05, "low": -0.01, "high": 0.11, "better": 7, "worse": 5, "p": 0.031}
    alone = {"model": "blup", "reads": "dosages", "mean_r": 0.2, "error": 0.01}
    compared = {**alone, "model": "susie", "mean_r": 0.25, "against": "blup", **paired}
    assert table_lines([alone]) == [
        "| model | reads | mean r | standard error |",
        "|---|---|---|---|",
        "| `blup` | dosages | 0.2000 | 0.0100 |",
    ]
    assert table_lines([compared, alone]) == [
        "| model | reads | mean r | Δr vs `blup` (95 %) | better / worse | p |",
        "|---|---|---|---|---|---|",
        "| `susie` | dosages | 0.2500 | +0.0500 (-0.0100 to +0.1100) | 7 / 5 | 0.031 |",
        "| `blup` | dosages | 0.2000 | - | - | - |",
    ]
    head, _, first, second, third = table_lines([compared, {**compared, "against": "lasso"}, alone])
    assert head == "| model | reads | mean r | vs | Δr (95 %) | better / worse | p |"
    assert "| 0.2500 | `blup` | +0.0500 (" in first
    assert "| 0.2500 | `lasso` | +0.0500 (" in second
    assert third == "| `blup` | dosages | 0.2000 | - | - | - | - |"


def test_backbones_are_beside_dosages_and_nano_beside_its_controls() -> None:
    twins = sorted({TWINS[model] for model in MODELS})
    found = {
        name: made_up_metrics([*MODELS, *(twins if name == TRAINED else ())], seed)
        for seed, name in enumerate((TRAINED, *CONTROLS))
    }
    *by_model, last = backbone_tables({name: metrics for name, (metrics, _) in found.items()}, GENES)
    for model, one in zip(MODELS, by_model, strict=True):
        rows = {row["reads"]: row for row in one["rows"]}
        dosages = found[TRAINED][1][TWINS[model]]
        assert rows.pop("dosages")["mean_r"] == pytest.approx(dosages.mean())
        assert list(rows) == sorted(rows, key=lambda reads: -rows[reads]["mean_r"])
        for name, (_, r) in found.items():
            row = rows.pop(f"deltas of `{name}`")
            assert row["against"] == TWINS[model]
            assert_paired(row, r[model], dosages)
        assert not rows
    assert [(row["model"], row["against"]) for row in last["rows"]] == [
        (model, name) for model in MODELS for name in CONTROLS
    ]
    for row in last["rows"]:
        assert_paired(row, found[TRAINED][1][row["model"]], found[row["against"]][1][row["model"]])


def test_models_on_indels_are_beside_their_twins_and_beside_themselves_without() -> None:
    models = ["blup", "blup-distance", "blup-delta", "blup-distance-delta"]
    runs = [(UNCHANGED, FRAMED), (UNCHANGED, KMER), ("causal indels", UNFRAMED), ("causal indels", KMER)]
    found = {run: made_up_metrics(models, seed) for seed, run in enumerate(runs)}
    *by_model, last = accuracy_tables({run: metrics for run, (metrics, _) in found.items()}, GENES)
    for model, one in zip(("blup-delta", "blup-distance-delta"), by_model, strict=True):
        assert [(row["cohort"], row["backbone"]) for row in one["rows"]] == runs
        for run, row in zip(runs, one["rows"], strict=True):
            assert row["against"] == TWINS[model]
            assert_paired(row, found[run][1][model], found[run][1][TWINS[model]])
    assert len(last["rows"]) == 4
    for row in last["rows"]:
        without = (UNCHANGED, FRAMED if row["backbone"] == UNFRAMED else KMER)
        with_indels = found[row["cohort"], row["backbone"]][1]
        assert_paired(row, with_indels[row["model"]], found[without][1][row["model"]])


@pytest.mark.parametrize("part", NEEDS)
def test_a_part_without_the_option_that_it_needs_is_refused_first(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.md"
    command = f"--part {next(iter(PARTS))} --part {part} --source {tmp_path} --table {table}"
    with pytest.raises(SystemExit) as stopped:
        accuracy.main(command.split())
    assert stopped.value.code == 2
    assert f"the part {part} needs --{NEEDS[part]}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.shared
def test_a_part_runs_takes_what_another_has_and_a_second_call_fits_nothing(
    shared_cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controls, "MODELS", ("blup-delta",))
    monkeypatch.setattr(controls, "CONTROLS", ("kmer",))
    out, table = tmp_path / "out", tmp_path / "table.md"
    Setting(shared_cohort, out / "models", every=150).results(
        EvaluationOptions(models=("blup", "blup-delta"))
    )
    command = f"--part controls --source {shared_cohort} --every 150 --jobs 1 --out {out} --table {table}"
    pages, written = [], []
    for _ in range(2):
        accuracy.main(command.split())
        pages.append(table.read_text())
        files = [*out.glob("models/*"), *out.glob("controls/results-*/*")]
        written.append({file: file.stat().st_mtime_ns for file in files})
    assert pages[0] == pages[1]
    assert written[0] == written[1]
    assert [folder.name for folder in out.glob("controls/results-*")] == ["results-kmer"]
    assert all(f"| deltas of `{name}` | 2 |" in pages[0] for name in ("nano", "kmer"))
    assert "| dosages | 2 |" in pages[0]
    measured = json.loads(table.with_suffix(".json").read_text())["controls"]
    assert measured["minutes"] > 0
