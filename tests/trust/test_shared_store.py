"""Two runs on one store at once: each finds what it would have found alone."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from haploscribe.config.options import CohortOptions
from tests.fixtures.command_line import GENES, inputs_of


def command(example: CohortOptions, out: Path, store: Path, genes: str) -> list[str]:
    program = [sys.executable, "-c", "from haploscribe.cli.main import main; main()"]
    options = [
        "--genes",
        genes,
        "--backbone",
        "kmer",
        "--folds",
        "2",
        "--models",
        "blup-delta",
        "--jobs",
        "1",
    ]
    return [*program, "run", *inputs_of(example), *options, "--out", str(out), "--store", str(store)]


@pytest.mark.slow
def test_two_runs_on_one_store_at_once_find_what_each_finds_alone(
    example: CohortOptions, tmp_path: Path
) -> None:
    """Both have the last two genes' tiles to embed; one has the first gene's too."""
    both = {"all": GENES, "some": GENES.split(",", 1)[1]}
    running = [
        subprocess.Popen(command(example, tmp_path / name, tmp_path / "one.zarr", genes))
        for name, genes in both.items()
    ]
    assert [process.wait(timeout=600) for process in running] == [0, 0]
    for name, genes in both.items():
        alone = tmp_path / f"{name}-alone"
        subprocess.run(command(example, alone, alone / "own.zarr", genes), check=True)
        found, expected = (pl.read_parquet(out / "predictions.parquet") for out in (tmp_path / name, alone))
        assert found.equals(expected)
    assert not [path for path in (tmp_path / "one.zarr").rglob("*") if path.name.startswith(".")]
