"""`report`, `--json` and the figures, from the command line."""

import json
from pathlib import Path

import pytest

from haploscribe.config.options import CohortOptions
from tests.fixtures.command_line import ONE_GENE, inputs_of, run_cli
from tests.fixtures.results import made_results, shifted, write_made


def test_run_prints_its_summary_as_json_and_nothing_else(
    example: CohortOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    arguments = ["run", *inputs_of(example), "--genes", ONE_GENE, "--models", "blup", "--jobs", 1]
    assert run_cli(*arguments, "--out", out, "--json", monkeypatch=monkeypatch) == 0
    record = json.loads(capsys.readouterr().out)
    (row,) = record.pop("table")
    assert record == json.loads((out / "summary.json").read_text())
    assert (row["model"], row["n_genes"]) == ("blup", 1)


def test_report_writes_figures_beside_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_made(tmp_path, made_results(shifted(0.03)))
    figures = tmp_path / "figures"
    assert run_cli("report", "--results", tmp_path, "--figures", figures, monkeypatch=monkeypatch) == 0
    assert sorted(path.name for path in figures.iterdir()) == ["distribution.svg", "scatter-transformer.svg"]
    said = capsys.readouterr().out.splitlines()
    assert said == [f"Figures: 2 files in {figures}", f"Report: {tmp_path / 'report.html'}"]


def test_png_without_a_folder_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_made(tmp_path, made_results(shifted(0.03)))
    assert run_cli("report", "--results", tmp_path, "--png", monkeypatch=monkeypatch) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "add --figures DIR" in line
