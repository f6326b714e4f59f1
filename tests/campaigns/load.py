"""Puts weight on the tool: little memory, many people, many runs in one process.

    python -m tests.campaigns.load memory --source FOLDER [--limits 0.5,1,2,3,4,6] [--genes 300] [--jobs 2]
    python -m tests.campaigns.load people [--people 5000] [--genes 50] [--models NAME,NAME] [--backbone NAME]
        [--jobs 2]
    python -m tests.campaigns.load soak [--runs 50]

`memory` runs real genes of the benchmark cohort (FOLDER as for `benchmarks accuracy`) with so many GiB
of address space a process (`ulimit -v`), then as often as it takes to end with the largest; `people` runs on
a simulated cohort; `soak` opens, runs, predicts and explains again and again. Each prints a table.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from benchmarks.common.measuring import haploscribe_command, peak_of
from haploscribe._version import __version__
from haploscribe.config.options import BackboneOptions, EvaluationOptions
from haploscribe.results.tables import read_results
from tests.campaigns.loading import GIBIBYTE, limited, soak
from tests.fixtures.small_cohort import write_small_cohort

SOURCE = {
    "variants": "genotypes.vcf.gz",
    "reference": "reference.fa.gz",
    "expression": "expression.rpkm.bed.gz",
    "covariates": "covariates.txt",
}
EVERY = 5
"""Of the runs of a soak, which are printed."""


def memory(source: Path, folder: Path, limits: Sequence[float], n_genes: int, jobs: int, models: str) -> None:
    """Run with each limit, into one folder, and say how each run ended."""
    table = pl.read_csv(source / SOURCE["expression"], separator="\t", infer_schema=False)
    genes = folder / "genes.txt"
    genes.write_text("\n".join(table.get_column(table.columns[3]).head(n_genes)) + "\n")
    inputs = [text for name, file in SOURCE.items() for text in (f"--{name}", source / file)]
    out, place = folder / "results", folder / "temporary"
    place.mkdir()
    command = haploscribe_command(
        *("run", *inputs, "--genes", genes, "--backbone", "kmer", "--folds", 2, "--models", models),
        *("--jobs", jobs, "--out", out),
    )
    environment = {**os.environ, "TMPDIR": str(place), "OMP_NUM_THREADS": "1"}
    print("| limit, GiB | exit | seconds | said | result |\n|---|---|---|---|---|", flush=True)
    for limit in sorted(limits):
        started = time.monotonic()
        ended = limited(command, int(limit * GIBIBYTE), environment, timeout=3_600)
        said = (
            "; ".join(ended.lines) if len(ended.lines) < 2 else f"{len(ended.lines)} lines: {ended.lines[-1]}"
        )
        result = "whole" if (out / "summary.json").exists() else "none"
        seconds = time.monotonic() - started
        print(f"| {limit:g} | {ended.code} | {seconds:.0f} | {said} | {result} |", flush=True)


def people(folder: Path, n_people: int, n_genes: int, models: str, backbone: str, jobs: int) -> None:
    """Simulate a cohort, run on it, and say what it took."""
    cohort, out = folder / "cohort", folder / "results"
    arguments = ("simulate", "--samples", n_people, "--genes", n_genes, "--out", cohort)
    simulated = peak_of(haploscribe_command(*arguments), folder / "simulate.txt")
    names = {
        "variants": "genotypes.vcf.gz",
        "reference": "reference.fa.gz",
        "expression": "expression.bed.gz",
    }
    inputs = [text for name, file in names.items() for text in (f"--{name}", cohort / file)]
    options = ("--normalize", "none", "--models", models, "--backbone", backbone, "--jobs", jobs)
    peak = peak_of(haploscribe_command("run", *inputs, *options, "--out", out), folder / "run.txt")
    print("| what | |\n|---|---|")
    print(f"| simulate, s | {simulated.seconds:.0f} |")
    for stage, seconds in read_results(out).summary["stages"].items():
        print(f"| {stage}, s | {seconds:.0f} |")
    print(f"| run, s | {peak.seconds:.0f} |")
    print(f"| peak memory, GiB | {peak.total / GIBIBYTE:.2f} |")
    for path in (cohort, out / "embeddings.zarr", out / "models", out / "predictions.parquet"):
        if path.exists():
            print(f"| {path.name}, MB | {_size(path) / 1e6:.1f} |")
    predictions = pl.read_parquet(out / "predictions.parquet")
    expected = n_people * n_genes * len(models.split(","))
    n_finite = int(predictions.get_column("predicted").is_finite().sum())
    print(f"| predictions, all and finite, of {expected:,} | {predictions.height:,} and {n_finite:,} |")


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files if file.is_file())


def soaked(folder: Path, n_runs: int) -> None:
    """Print what the process holds after every fifth run, and how much memory grew from the fifth on."""
    temporary = folder / "temporary"
    temporary.mkdir()
    tempfile.tempdir = str(temporary)
    held = []
    print("| run | resident, MiB | open files | threads | processes | temporary files |")
    print("|---|---|---|---|---|---|")
    for number, now in enumerate(soak(write_small_cohort(folder), folder, n_runs), start=1):
        held.append(now)
        if number % EVERY == 0:
            cells = (now.resident / (1 << 20), now.descriptors, now.threads, now.children, len(now.temporary))
            print(f"| {number} | " + " | ".join(f"{cell:.0f}" for cell in cells) + " |", flush=True)
    resident = [one.resident for one in held[EVERY - 1 :]]
    if resident:
        print(f"Most over least, from run {EVERY}: {100 * (max(resident) / min(resident) - 1):.1f} %")


def main() -> None:
    """Put on the weight that was asked for."""
    parser = argparse.ArgumentParser(description="Little memory, many people, many runs in one process.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    little = kinds.add_parser("memory")
    little.add_argument("--source", type=Path, required=True)
    little.add_argument("--limits", default="0.5,1,2,3,4,6")
    little.add_argument("--genes", type=int, default=300)
    little.add_argument("--jobs", type=int, default=2)
    little.add_argument("--models", default="top-snp,blup,blup-delta")
    many = kinds.add_parser("people")
    many.add_argument("--people", type=int, default=5_000)
    many.add_argument("--genes", type=int, default=50)
    many.add_argument("--models", default=",".join(EvaluationOptions().models))
    many.add_argument("--backbone", default=BackboneOptions().backbone)
    many.add_argument("--jobs", type=int, default=2)
    often = kinds.add_parser("soak")
    often.add_argument("--runs", type=int, default=50)
    given = vars(parser.parse_args())
    kind = given.pop("kind")
    shown = " ".join(f"--{name} {value}" for name, value in given.items() if name != "source")
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, haploscribe {__version__}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, `python -m tests.campaigns.load {kind} {shown}`.\n",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind == "memory":
            limits = [float(one) for one in given["limits"].split(",")]
            memory(given["source"], folder, limits, given["genes"], given["jobs"], given["models"])
        elif kind == "people":
            people(folder, *(given[name] for name in ("people", "genes", "models", "backbone", "jobs")))
        else:
            soaked(folder, given["runs"])


if __name__ == "__main__":
    main()
