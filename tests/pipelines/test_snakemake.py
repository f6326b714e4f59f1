"""The Snakemake pipeline, run on the bundled people."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.results.tables import read_predictions
from haploscribe.workflows.run.workflow import run
from tests.fixtures.peers import require_program

ROOT = Path(__file__).parents[2]
PIPELINE = ROOT / "pipelines" / "snakemake"
PARTS = {"first": "ENSG00000128191.9", "second": "ENSG00000241973.6"}
"""A gene of each half, that is predicted well enough to be exported."""
WINDOW, FOLDS = 50_000, 2

pytestmark = pytest.mark.slow


def snakemake(folder: Path, *models: str) -> str:
    """Run the example, its options as in `smaller.yaml`; return what it printed.

    `models` are the models to fit; none for those of the example.
    """
    given = ["--config", f"run={{'models': {','.join(models)!r}}}"] if models else []
    command = [require_program("snakemake"), "--cores", "2", "--directory", str(folder)]
    files = [str(PIPELINE / "example.yaml"), str(folder / "smaller.yaml")]
    done = subprocess.run(
        [*command, "--snakefile", str(PIPELINE / "Snakefile"), "--configfile", *files, *given],
        env=os.environ | {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    logs = "".join(path.read_text() for path in folder.rglob("*.log"))
    assert done.returncode == 0, done.stderr + logs
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pipeline has run, with fewer genes, folds and variants than the example."""
    require_program("multiqc")
    folder = tmp_path_factory.mktemp("pipeline")
    (folder / "src").symlink_to(ROOT / "src")
    program = folder / "bin" / "haploscribe"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={ROOT / "src"} OMP_NUM_THREADS=1 exec {sys.executable} -m haploscribe "$@"\n'
    )
    program.chmod(0o755)
    smaller = {
        "out": "out",
        "parts": {name: {"genes": gene} for name, gene in PARTS.items()},
        "cohort": {"backbone": "kmer", "window": WINDOW},
        "run": {"folds": FOLDS},
    }
    (folder / "smaller.yaml").write_text(yaml.safe_dump(smaller))
    snakemake(folder)
    return folder


def test_combined_predictions_are_those_of_one_run(
    folder: Path, example: CohortOptions, tmp_path: Path
) -> None:
    cohort = replace(example, genes=tuple(PARTS.values()), window=WINDOW)
    models = ("elastic-net", "blup", "blup-delta")
    run(cohort, BackboneOptions("kmer"), EvaluationOptions(models=models, folds=FOLDS), tmp_path)
    combined = pl.read_parquet(folder / "out" / "combined" / "predictions.parquet")
    assert_frame_equal(combined, read_predictions(tmp_path), check_exact=True)


def test_runs_embed_nothing(folder: Path) -> None:
    summaries = [json.loads((folder / "out" / "runs" / name / "summary.json").read_text()) for name in PARTS]
    assert [summary["embedding"]["forward_passes"] for summary in summaries] == [0, 0]


def test_the_export_has_genes_of_all_parts(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "out" / "blup.db")) as database:
        genes = {gene for (gene,) in database.execute("select distinct gene from weights")}
    assert genes == set(PARTS.values())


def test_multiqc_makes_a_page(folder: Path) -> None:
    assert "Haploscribe" in (folder / "out" / "multiqc.html").read_text(encoding="utf-8")


def test_a_second_invocation_has_nothing_to_do(folder: Path) -> None:
    assert "Nothing to be done" in snakemake(folder)


def test_further_models_are_added(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(folder, again, symlinks=True)
    snakemake(again, "elastic-net", "blup", "blup-delta", "lasso")
    before, after = (read_predictions(place / "out" / "combined") for place in (folder, again))
    assert set(after["model"]) == {*before["model"], "lasso"}
    kept = after.filter(pl.col("model") != "lasso")
    assert_frame_equal(kept, before, check_exact=True)
