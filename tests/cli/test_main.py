"""The command line, end to end on the bundled real people."""

import json
import shlex
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest

from haploscribe.config.options import CohortOptions
from haploscribe.results.format_version import RESULTS_FORMAT
from tests.fixtures.command_line import KMER, ONE_GENE, inputs_of, run_cli


def test_help_answers_within_a_second_without_heavy_imports() -> None:
    heavy = ["torch", "transformers", "numba", "pysam", "zarr", "polars", "scipy", "numpy", "rich"]
    script = f"import haploscribe.cli.main, sys; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout.replace("'", '"')) == []


def test_check_prints_what_it_found(
    example: CohortOptions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli("check", *inputs_of(example), "--models", "blup", monkeypatch=monkeypatch) == 0
    *facts, verdict, following = capsys.readouterr().out.splitlines()
    assert verdict == "OK. 358 samples × 17 genes, about a minute."
    assert following.startswith("Next: haploscribe run --variants ")
    lines = dict(line.split(": ", 1) for line in facts)
    assert lines["samples"] == "358 samples shared"
    assert lines["genes"] == "17"
    assert lines["cis window"] == "±98,304 bp"
    assert lines["missing calls, read as reference in haplotypes"].startswith("0 of ")


def test_each_command_says_which_comes_next(
    example: CohortOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    said = []
    arguments = ["check", *inputs_of(example), "--genes", ONE_GENE, "--models", "elastic-net,blup"]
    for _ in range(3):
        # Workers of an earlier test would look for these files in a folder of their own.
        assert run_cli(*arguments, "--jobs", 1, monkeypatch=monkeypatch) == 0
        said.append(" ".join(capsys.readouterr().out.split()))
        _, _, command = said[-1].partition("Next: ")
        program, *arguments = shlex.split(command) or [""]
        assert program == "haploscribe" or len(said) == 3
    assert "OK. 358 samples × 1 genes, about a minute." in said[0]
    assert "Too few genes to decide. The mean Δr vs elastic-net of blup is" in said[1]
    assert (tmp_path / "results-explained" / "variants.tsv").is_file()


def test_run_leaves_the_files_of_the_contract(
    example: CohortOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    arguments = ["run", *inputs_of(example), *KMER, "--models", "elastic-net,blup,blup-delta"]
    assert run_cli(*arguments, "--jobs", 1, "--out", out, monkeypatch=monkeypatch) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "comparison.tsv",
        "embeddings.zarr",
        "metrics.tsv",
        "models",
        "predictions.parquet",
        "report.html",
        "run.json",
        "summary.json",
    ]
    predictions = pl.read_parquet(out / "predictions.parquet")
    assert predictions.columns == ["gene_id", "sample_id", "model", "fold", "observed", "predicted"]
    assert predictions.height == 3 * 3 * 358  # every person held out once for each gene and model
    metrics = pl.read_csv(out / "metrics.tsv", separator="\t")
    assert metrics.columns == [
        *("gene_id", "model", "n_samples", "n_variants"),
        *("pearson_r", "pearson_p", "spearman_r", "r2", "constant"),
    ]
    comparison = pl.read_csv(out / "comparison.tsv", separator="\t")
    assert comparison.columns == [
        *("model_a", "model_b", "n_genes", "mean_r_a", "mean_r_b"),
        *("median_delta_r", "wilcoxon_p", "n_a_better", "n_b_better", "ci_low", "ci_high"),
    ]
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary) == {"models", "embedding", "stages", "wall_seconds", "finished"}
    # A tile that a window cuts shares sequences with the whole one.
    assert 0 < summary["embedding"]["forward_passes"] <= summary["embedding"]["unique_haplotypes"]
    record = json.loads((out / "run.json").read_text())
    assert record["format_version"] == RESULTS_FORMAT
    assert set(record["inputs"]) == {"variants", "reference", "expression", "covariates"}
    embedding = summary["embedding"]
    header = (
        f"358 samples × 3 genes; {embedding['unique_haplotypes']:,} distinct sequences of "
        f"{embedding['naive_forward_passes']:,} haplotypes in {embedding['tiles']:,} tiles; "
        "backbone kmer on cpu"
    )
    progress = capsys.readouterr().err.splitlines()
    assert header in progress
    stages = {line.partition("] ")[0] for line in progress if line.startswith("[")}
    assert stages == {
        f"[{number} of {len(summary['stages'])}" for number in range(1, len(summary["stages"]) + 1)
    }


def test_second_run_embeds_nothing_and_finds_the_same(
    example: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    arguments = ["run", *inputs_of(example), "--genes", ONE_GENE, "--backbone", "kmer"]
    arguments += ["--models", "blup-delta"]
    assert run_cli(*arguments, "--jobs", 1, "--out", out, monkeypatch=monkeypatch) == 0
    first = pl.read_parquet(out / "predictions.parquet")
    assert run_cli(*arguments, "--jobs", 2, "--force", "--out", out, monkeypatch=monkeypatch) == 0
    assert json.loads((out / "summary.json").read_text())["embedding"]["forward_passes"] == 0
    assert pl.read_parquet(out / "predictions.parquet").equals(first)


def test_config_file_of_a_run_serves_check(
    example: CohortOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "run.toml"
    config.write_text(f'genes = ["{ONE_GENE}"]\nmodels = "blup"\nfolds = 3\nout = "results"\n')
    assert run_cli("check", *inputs_of(example), "--config", config, monkeypatch=monkeypatch) == 0
    assert "genes: 1\n" in capsys.readouterr().out


def test_config_file_gives_options_and_the_command_line_goes_first(
    example: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "run.toml"
    config.write_text(f'genes = ["{ONE_GENE}"]\nmodels = "blup"\nfolds = 3\nseed = 7\njobs = 1\n')
    out = tmp_path / "out"
    arguments = ["run", *inputs_of(example), "--config", config, "--seed", 8, "--out", out]
    assert run_cli(*arguments, monkeypatch=monkeypatch) == 0
    options = json.loads((out / "run.json").read_text())["options"]
    assert (options["models"], options["folds"], options["seed"]) == (["blup"], 3, 8)


def test_split_file_trains_and_tests_the_people_it_names(
    example: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with example.covariates.open() as file:  # type: ignore[union-attr]
        samples = file.readline().split()[1:]
    sets = ["train"] * 200 + ["validation"] * 50 + ["test"] * 60
    split = tmp_path / "split.tsv"
    split.write_text(
        "sample_id\tset\n" + "".join(f"{s}\t{word}\n" for s, word in zip(samples, sets, strict=False))
    )
    out = tmp_path / "out"
    arguments = ["run", *inputs_of(example), "--genes", ONE_GENE, "--models", "elastic-net"]
    assert run_cli(*arguments, "--split", split, "--jobs", 1, "--out", out, monkeypatch=monkeypatch) == 0
    predicted = pl.read_parquet(out / "predictions.parquet")
    assert sorted(predicted["sample_id"]) == sorted(samples[250:310])


def test_haplotypes_writes_two_records_a_sample(
    example: CohortOptions, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    arguments = inputs_of(example, expression=None, covariates=None)
    region = ("--region", "chr22:20000001-20000100", "--sample", "HG00097,HG00096")
    assert run_cli("haplotypes", *arguments, *region, monkeypatch=monkeypatch) == 0
    lines = capsysbinary.readouterr().out.split()
    assert [line for line in lines if line.startswith(b">")] == [
        b">HG00097_0",
        b">HG00097_1",
        b">HG00096_0",
        b">HG00096_1",
    ]
    assert sum(len(line) for line in lines if not line.startswith(b">")) == 4 * 100


def test_backbones_as_json_is_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from haploscribe.embedding.backbones.catalogue import BACKBONES

    assert run_cli("backbones", "--json", monkeypatch=monkeypatch) == 0
    assert json.loads(capsys.readouterr().out) == [asdict(row) for row in BACKBONES]


def test_backbones_table_fits_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli("backbones", monkeypatch=monkeypatch) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("nucleotide-transformer" in line for line in lines) == 8
