"""The table of backbones holds plain means, and the benchmark runs and resumes."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from benchmarks.accuracy import nano_deltas
from benchmarks.accuracy.nano_deltas import lines_of, on
from haploscribe.evaluation.metrics import METRIC_SCHEMA

N_GENES = 12


def made_up_metrics(names: list[str]) -> tuple[pl.DataFrame, dict[str, np.ndarray]]:
    rng = np.random.default_rng(4)
    r = {name: rng.uniform(-0.1, 0.5, N_GENES) for name in names}
    rows = [
        {
            **dict.fromkeys(METRIC_SCHEMA, None),
            "gene_id": f"G{gene}",
            "model": name,
            "pearson_r": float(value),
        }
        for name, values in r.items()
        for gene, value in enumerate(values)
    ]
    return pl.DataFrame(rows, schema=METRIC_SCHEMA), r


def test_rows_are_means_and_tests_of_r() -> None:
    backbones, models = ["nano", "kmer"], ["blup-delta", "transformer"]
    names = [on(model, name) for model in models for name in backbones]
    metrics, r = made_up_metrics([*names, "blup", "blup-distance"])
    lines = lines_of(metrics, models, backbones, [f"G{gene}" for gene in range(N_GENES)])
    for model, twin in (("blup-delta", "blup"), ("transformer", "blup-distance")):
        for name in backbones:
            (row,) = (line for line in lines if line.startswith(f"| `{model}` | deltas of `{name}` |"))
            mine, other = r[on(model, name)], r[twin]
            p = stats.wilcoxon(mine, other).pvalue
            assert f"| {mine.mean():.4f} | {mine.mean() - other.mean():+.4f} (" in row
            assert f"| {np.sum(mine > other)} / {np.sum(mine < other)} | {p:.2g} |" in row
        assert f"| `{twin}` | dosages | {r[twin].mean():.4f} | - | - | - |" in lines
        (row,) = (line for line in lines if line.startswith(f"| `{model}` | `kmer` |"))
        difference = r[on(model, "nano")].mean() - r[on(model, "kmer")].mean()
        assert f"| {difference:+.4f} (" in row


@pytest.mark.slow
@pytest.mark.shared
def test_the_benchmark_runs_and_a_second_call_fits_nothing(shared_cohort: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.md"
    command = (
        f"--source {shared_cohort} --every 150 --jobs 1 --models blup-delta --backbones untrained,kmer "
        f"--tile 2994 --layer 0 --out {tmp_path / 'out'} --table {table}"
    )
    pages, written = [], []
    for _ in range(2):
        nano_deltas.main(command.split())
        pages.append(table.read_text())
        files = (tmp_path / "out").glob("results-*/*")
        written.append({file: file.stat().st_mtime_ns for file in files})
    assert pages[0] == pages[1]
    assert written[0] == written[1]
    assert "tiles of 2,994 bp" in pages[0]
    assert all(f"| `blup-delta` | deltas of `{name}` |" in pages[0] for name in ("untrained", "kmer"))
    assert "| `blup` | dosages |" in pages[0]
