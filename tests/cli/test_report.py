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
    assert sorted(path.name for path in figures.iterdir()) == [
        *("comparison.svg", "distribution.svg", "scatter-transformer.svg")
    ]
    said = capsys.readouterr().out.splitlines()
    assert said == [f"Figures: 3 files in {figures}", f"Report: {tmp_path / 'report.html'}"]


def test_report_writes_png_and_pdf_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_made(tmp_path, made_results(shifted(0.03)))
    figures = tmp_path / "figures"
    arguments = ("report", "--results", tmp_path, "--figures", figures, "--png", "--pdf")
    assert run_cli(*arguments, monkeypatch=monkeypatch) == 0
    assert sorted(path.suffix for path in figures.iterdir()) == [*[".pdf"] * 3, *[".png"] * 3, *[".svg"] * 3]


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_pictures_without_a_folder_are_one_line(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_made(tmp_path, made_results(shifted(0.03)))
    assert run_cli("report", "--results", tmp_path, f"--{kind}", monkeypatch=monkeypatch) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--{kind} needs a folder for the figures; add --figures DIR" in line
