"""Whether the lead over elastic net holds with fewer people, and in another ancestry.

    python -m benchmarks.splits --source FOLDER [--every N] [--jobs J]

FOLDER is the benchmark cohort's, as for `benchmarks.geuvadis_chr22`, and holds `populations.tsv` too. One
random set of 68 people is tested on models trained on 69, 138, 206 and 290 of the others; and the 92 people
of FIN on models trained on CEU, GBR and TSI. Models of dosages only. Writes `benchmarks/results/splits.md`.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.cohort import benchmark_cohort
from benchmarks.tables import lead_lines, write_table
from haploscribe.config.options import BackboneOptions, EvaluationOptions, WorkerOptions
from haploscribe.workflows.run.workflow import run

TABLE = Path(__file__).parent / "results" / "splits.md"
MODELS = ("elastic-net", "blup", "blup-distance", "susie", "adaptive-shrinkage", "ensemble")
TRAINING_SIZES = (69, 138, 206, 290)
N_TEST = 68
SEED = 0


def splits_of(populations: Mapping[str, str]) -> dict[str, dict[str, list[str]]]:
    """Name the people of each set, split by split.

    Parameters
    ----------
    populations
        Population of each person.
    """
    people = np.random.default_rng(SEED).permutation(sorted(populations)).tolist()
    tested, others = people[:N_TEST], people[N_TEST:]
    found = {
        f"{size} people, others tested": {"train": others[:size], "test": tested} for size in TRAINING_SIZES
    }
    finns = [person for person in sorted(populations) if populations[person] == "FIN"]
    rest = sorted(populations.keys() - set(finns))
    return {**found, "CEU, GBR and TSI, FIN tested": {"train": rest, "test": finns}}


def write_split(sets: Mapping[str, Sequence[str]], path: Path) -> Path:
    """Write a split file as `--split` reads it."""
    lines = [f"{person}\t{name}\n" for name, people in sets.items() for person in people]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("sample_id\tset\n" + "".join(lines))
    return path


def lines_of(name: str, sets: Mapping[str, Sequence[str]], metrics: pl.DataFrame) -> list[str]:
    """Format one split."""
    sizes = f"{len(sets['train'])} people in training, {len(sets['test'])} tested."
    return [f"## Trained on {name}", "", sizes, "", *lead_lines(metrics), ""]


def main() -> None:
    """Run the benchmark and write its table."""
    parser = argparse.ArgumentParser(description="Other training sizes, and another ancestry.")
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmark-splits"))
    parser.add_argument("--every", type=int, default=1, help="take every N-th gene only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--table", type=Path, default=TABLE)
    arguments = parser.parse_args()
    workers = WorkerOptions(arguments.jobs)
    source, out = arguments.source, arguments.out

    cohort = benchmark_cohort(source, out, every=arguments.every)
    header, *rows = (source / "populations.tsv").read_text().splitlines()
    assert header.split("\t") == ["sample_id", "population"]
    lines = [
        "# Fewer people, and another ancestry",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, `python -m benchmarks.splits --source FOLDER "
        f"--every {arguments.every}`.",
        "",
        "r is Pearson's correlation in the people tested, mean over genes; paired p is Wilcoxon's "
        "signed-rank test across genes against elastic net, two-sided. Normalisation and covariates are "
        "fitted on the people in training; the expression PCs come with the data and were made from all "
        "people.",
        "",
    ]
    for number, (name, sets) in enumerate(splits_of(dict(row.split("\t") for row in rows)).items()):
        split = write_split(sets, out / f"split-{number}.txt")
        evaluation = EvaluationOptions(models=MODELS, split=split)
        results = run(
            cohort,
            BackboneOptions(),
            evaluation,
            out / f"results-{number}",
            worker_options=workers,
        )
        lines += lines_of(name, sets, results.metrics)
    write_table(arguments.table, lines)


if __name__ == "__main__":
    main()
