"""Other ways to read `nano`: another layer, finer pooling, shorter tiles.

    python -m benchmarks.nano_readings --source FOLDER [--every N] [--jobs J]

FOLDER is the benchmark cohort's, as for `benchmarks.geuvadis_chr22`. The same estimator, `blup-delta`, on
each reading, paired with the default one. Writes `benchmarks/results/nano_readings.md`; a second call embeds
nothing again.
"""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from benchmarks.cohort import benchmark_cohort
from benchmarks.tables import lead_lines, write_table
from haploscribe.config.options import DEFAULT_TILE, BackboneOptions, EvaluationOptions, WorkerOptions
from haploscribe.workflows.run.workflow import run

TABLE = Path(__file__).parent / "results" / "nano_readings.md"
DEFAULT = "last layer, mean of a tile of 5,994 bp"
READINGS = {
    DEFAULT: (BackboneOptions(backbone="nano"), DEFAULT_TILE),
    "token embeddings (no layer)": (BackboneOptions(backbone="nano", layer=0), DEFAULT_TILE),
    "middle layer (2 of 4)": (BackboneOptions(backbone="nano", layer=2), DEFAULT_TILE),
    "means of 18 stretches of 333 bp": (BackboneOptions(backbone="nano", pooling="bins-18"), DEFAULT_TILE),
    "tiles of 1,998 bp": (BackboneOptions(backbone="nano"), 1_998),
}


def main() -> None:
    """Run the benchmark and write its table."""
    parser = argparse.ArgumentParser(description="Other ways to read nano.")
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmark-readings"))
    parser.add_argument("--every", type=int, default=1, help="take every N-th gene only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--table", type=Path, default=TABLE)
    arguments = parser.parse_args()
    workers = WorkerOptions(arguments.jobs)
    found = []
    for number, (name, (backbone, tile)) in enumerate(READINGS.items()):
        cohort = benchmark_cohort(arguments.source, arguments.out, every=arguments.every, tile=tile)
        evaluation = EvaluationOptions(models=("blup-delta",))
        store = arguments.out / "embeddings.zarr"
        results = run(
            cohort,
            backbone,
            evaluation,
            arguments.out / f"results-{number}",
            store,
            worker_options=workers,
        )
        found.append(results.metrics.with_columns(model=pl.lit(name)))
    metrics = pl.concat(found)
    lines = [
        "# Other ways to read `nano`",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, `python -m benchmarks.nano_readings --source FOLDER "
        f"--every {arguments.every}`.",
        "",
        f"{metrics['gene_id'].n_unique()} genes, 358 people, 5 folds, `blup-delta`; r is the mean over folds "
        "of Pearson's correlation in held-out people, p is Wilcoxon's signed-rank test across genes against "
        "the default reading, two-sided.",
        "",
        *lead_lines(metrics, DEFAULT, "reading"),
        "",
    ]
    write_table(arguments.table, lines)


if __name__ == "__main__":
    main()
