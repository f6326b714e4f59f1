"""`haploscribe simulate`: the command it prints works."""

import json
import shlex
import sys
from pathlib import Path

import polars as pl
import pytest

from haploscribe.config.options import CohortOptions
from tests.fixtures.command_line import run_cli


def simulate(
    *arguments: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[dict[str, str], list[str]]:
    """Run `simulate`; return the summary and the words of the command it prints."""
    assert run_cli("simulate", *arguments, monkeypatch=monkeypatch) == 0
    *facts, command = capsys.readouterr().out.splitlines()
    return dict(line.split(": ", 1) for line in facts), shlex.split(command)


def test_printed_command_runs_on_simulated_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a cohort"
    options = ["--samples", 120, "--genes", 2, "--window", 50_000, "--maf", 0.05, "--h2", 0.9, "--causal", 1]
    facts, command = simulate("--out", out, *options, monkeypatch=monkeypatch, capsys=capsys)
    assert facts == {"samples": "120", "genes": "2", "causal terms": "2"}
    assert command[:2] == ["haploscribe", "run"]
    assert run_cli(*command[1:], "--models", "elastic-net,blup", "--jobs", 1, monkeypatch=monkeypatch) == 0
    results = tmp_path / "a cohort-results"
    assert json.loads((results / "run.json").read_text())["options"]["window"] == 50_000
    found = pl.read_csv(results / "metrics.tsv", separator="\t")
    genes = pl.read_csv(out / "genes.tsv", separator="\t")
    assert set(found["gene_id"]) == set(genes["gene_id"])
    # One causal allele and little noise: elastic net must see it; the ceiling is about √0.9 = 0.95.
    assert (found.filter(model="elastic-net")["pearson_r"] > 0.9).all()
    # The alleles among which causal ones were drawn are the run's.
    variants = found.filter(model="blup").select("gene_id", "n_variants")
    assert dict(variants.iter_rows()) == dict(genes.select("gene_id", "n_candidates").iter_rows())


def test_printed_command_runs_on_real_samples_with_sequences(
    example: CohortOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "cohort"
    files = ["--variants", example.variants, "--reference", example.reference]
    options = ["--genes", 1, "--samples", 90, "--architecture", "epistatic", "--main-effects"]
    facts, command = simulate("--out", out, *files, *options, monkeypatch=monkeypatch, capsys=capsys)
    assert facts["causal terms"] == "6"
    assert facts["missing calls, written as reference"].startswith("0 of ")
    assert command[command.index("--reference") + 1] == str(example.reference)
    inputs = command[2:8]
    assert run_cli("check", *inputs, "--jobs", 1, "--models", "blup", monkeypatch=monkeypatch) == 0
    assert "samples: 90 samples shared" in capsys.readouterr().out
    models = ["--models", "blup-delta", "--backbone", "kmer", "--jobs", 1]
    assert run_cli(*command[1:], *models, monkeypatch=monkeypatch) == 0


def test_help_needs_no_msprime(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "msprime", None)
    assert run_cli("simulate", "--help", monkeypatch=monkeypatch) == 0
    assert "--architecture" in capsys.readouterr().out


def test_bad_options_exit_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli("simulate", "--out", tmp_path / "out", "--genes", 3, monkeypatch=monkeypatch) == 2
    assert capsys.readouterr().err == (
        "haploscribe: --samples is missing: say how many samples to simulate, such as 500\n"
    )
    assert list(tmp_path.iterdir()) == []
