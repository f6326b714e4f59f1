"""The table of models that MultiQC reads, and what MultiQC makes of it."""

import json
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from haploscribe.cohort.missing_calls import MissingCalls
from haploscribe.config.options import BackboneOptions, EvaluationOptions
from haploscribe.errors import InputError
from haploscribe.report.multiqc import write_multiqc
from haploscribe.workflows.report import report
from haploscribe.workflows.run.workflow import run
from tests.fixtures.cohorts import write_cohort
from tests.fixtures.peers import require_program
from tests.fixtures.results import made_results, shifted, write_made

PASSES = 987_200 / 24_680
"""Of `made_results`: naive forward passes by distinct haplotypes."""


def made(folder: Path, by: float) -> Path:
    """Write results of two models, and that 3 of 2 × 100 calls are missing."""
    write_made(folder, made_results(shifted(by)))
    by_variant = np.array([[3, 0]], dtype=np.int64)
    by_sample = np.array([[1, 0], [2, 0]], dtype=np.int64)
    MissingCalls(100, by_sample, ("22:1:A:G",), by_variant).write(folder, ("a", "b"))
    return folder


def test_a_row_has_the_numbers_of_its_model(tmp_path: Path) -> None:
    results = made_results(shifted(0.03))
    path = tmp_path / "chr22_mqc.json"
    write_multiqc(path, made(tmp_path / "chr22", 0.03), results, ["transformer"])
    content = json.loads(path.read_text())
    assert list(content["data"]) == ["chr22 | elastic-net", "chr22 | transformer"]
    summary = results.summary["models"]["transformer"]
    assert content["data"]["chr22 | transformer"] == {
        "genes": 60,
        "samples": 120,
        "mean_r": summary["mean_r"],
        "genes_fdr_5": summary["n_significant"],
        "missing_calls": pytest.approx(1.5),
        "passes_saved": PASSES,
    }
    assert "passes_saved" not in content["data"]["chr22 | elastic-net"]
    assert list(content["headers"]) == list(content["data"]["chr22 | transformer"])


def test_without_missing_calls_and_deltas_it_is_written_too(tmp_path: Path) -> None:
    results = made_results(shifted(0.03), embedding=None)
    write_multiqc(tmp_path / "a_mqc.json", tmp_path / "a", results, ["transformer"])
    rows = json.loads((tmp_path / "a_mqc.json").read_text())["data"].values()
    assert {row["missing_calls"] for row in rows} == {0.0}
    assert not any("passes_saved" in row for row in rows)


def test_another_name_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    write_made(tmp_path, made_results(shifted(0.03)))
    with pytest.raises(InputError, match=r"--multiqc .*table.json: name a file that ends in _mqc.json"):
        report(tmp_path, tmp_path / "figures", multiqc=tmp_path / "table.json")
    assert not (tmp_path / "figures").exists()
    assert not (tmp_path / "report.html").exists()


@pytest.mark.slow
def test_multiqc_reads_two_runs_as_one_table(tmp_path: Path) -> None:
    """One made up, and one that has run, with a model of deltas."""
    multiqc = require_program("multiqc")
    evaluation = EvaluationOptions(models=("blup", "blup-delta"), folds=2)
    ran = run(write_cohort(tmp_path / "cohort"), BackboneOptions("kmer"), evaluation, tmp_path / "chr21")
    made(tmp_path / "chr22", 0.03)
    for name in ("chr21", "chr22"):
        report(tmp_path / name, multiqc=tmp_path / "files" / f"{name}_mqc.json")
    command = [multiqc, "--strict", "--no-version-check", "--no-ai", "--outdir", str(tmp_path / "page")]
    subprocess.run([*command, str(tmp_path / "files")], check=True, capture_output=True)
    table = pl.read_csv(tmp_path / "page" / "multiqc_data" / "multiqc_haploscribe_models.txt", separator="\t")
    rows = {row.pop("Sample"): row for row in table.iter_rows(named=True)}
    assert list(rows) == [
        *("chr21 | blup", "chr21 | blup-delta", "chr22 | elastic-net", "chr22 | transformer")
    ]
    embedding = ran.summary["embedding"]
    assert embedding is not None
    for name, saved in (
        ("blup", None),
        ("blup-delta", embedding["naive_forward_passes"] / embedding["unique_haplotypes"]),
    ):
        row, summary = rows[f"chr21 | {name}"], ran.summary["models"][name]
        assert row["mean_r"] == pytest.approx(summary["mean_r"], rel=1e-12)
        assert (row["genes"], row["genes_fdr_5"]) == (summary["n_genes"], summary["n_significant"])
        assert row["samples"] == ran.metrics["n_samples"].max()
        assert row["passes_saved"] == (None if saved is None else pytest.approx(saved, rel=1e-12))
    assert rows["chr22 | transformer"]["missing_calls"] == pytest.approx(1.5)
