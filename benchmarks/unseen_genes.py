"""Genes never seen: what a model that learned from other genes says of new people.

    python -m benchmarks.unseen_genes --source FOLDER [--xpresso FILE] [--every N] [--jobs J]

FOLDER is the benchmark cohort's, as for `benchmarks.geuvadis_chr22`, and holds `populations.tsv` too. The 68
people of `benchmarks.splits` are predicted by models trained on the 290 others: once at the genes that the
models learned from, and once at genes held out in five blocks along the chromosome. Writes
`benchmarks/results/unseen_genes.md`.
"""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.cohort import benchmark_cohort
from benchmarks.splits import splits_of, write_split
from benchmarks.tables import write_table
from haploscribe.config.options import BackboneOptions, EvaluationOptions, WorkerOptions, ZeroShotOptions
from haploscribe.evaluation.metrics import FALSE_DISCOVERY_RATE
from haploscribe.workflows.run.workflow import run

TABLE = Path(__file__).parent / "results" / "unseen_genes.md"
PEOPLE = "290 people, others tested"
N_BLOCKS = 5
OWN = "blup-distance-delta"
SHARED = "transformer-all"


def model_lines(metrics: pl.DataFrame, n_significant: dict[str, int]) -> list[str]:
    """Format each model's mean r with its standard error over genes, best first."""
    lines = [
        f"| model | mean r | standard error | genes with r < 0 | FDR {FALSE_DISCOVERY_RATE:.0%} | "
        "genes with one prediction for all |",
        "|---|---|---|---|---|---|",
    ]
    by_model = metrics.group_by("model").agg("pearson_r", "constant")
    for model, r, constant in sorted(by_model.iter_rows(), key=lambda row: -float(np.mean(row[1]))):
        spread = np.std(r, ddof=1) / np.sqrt(len(r))
        negative = np.mean(np.array(r) < 0)
        lines.append(
            f"| {model} | {np.mean(r):.4f} | {spread:.4f} | {negative:.0%} | {n_significant[model]} "
            f"| {sum(constant)} |"
        )
    return lines


def main() -> None:
    """Run the benchmark and write its table."""
    parser = argparse.ArgumentParser(description="New people at trained genes and at unseen genes.")
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmark-unseen-genes"))
    parser.add_argument("--every", type=int, default=1, help="take every N-th gene only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--xpresso", type=Path, help="weights of the model xpresso, which joins the others")
    parser.add_argument("--table", type=Path, default=TABLE)
    arguments = parser.parse_args()
    source, out = arguments.source, arguments.out

    cohort = benchmark_cohort(source, out, every=arguments.every)
    _, *rows = (source / "populations.tsv").read_text().splitlines()
    sets = splits_of(dict(row.split("\t") for row in rows))[PEOPLE]
    split = write_split(sets, out / "split.txt")
    zero_shot = () if arguments.xpresso is None else ("xpresso",)
    lines = [
        "# Genes never seen",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, `python -m benchmarks.unseen_genes --source FOLDER "
        f"--every {arguments.every}{' --xpresso FILE' if zero_shot else ''}`, backbone "
        f"`{BackboneOptions().backbone}`.",
        "",
        f"{len(sets['train'])} people in training, {len(sets['test'])} tested. r is Pearson's correlation in "
        "the people tested; its mean and standard error are over genes. The expression PCs come with the "
        "data and were made from all people.",
        "",
    ]
    questions = (
        ("New people at trained genes", (OWN, SHARED, *zero_shot), None),
        (f"New people at unseen genes, {N_BLOCKS} blocks", (SHARED, *zero_shot), N_BLOCKS),
    )
    zero_shot_options = ZeroShotOptions(xpresso=arguments.xpresso)
    for number, (title, models, n_blocks) in enumerate(questions):
        evaluation = EvaluationOptions(
            models=models,
            split=split,
            gene_split=n_blocks,
        )
        results = run(
            cohort,
            BackboneOptions(),
            evaluation,
            out / f"results-{number}",
            out / "embeddings.zarr",
            zero_shot_options,
            WorkerOptions(arguments.jobs),
        )
        found = {model: summary["n_significant"] for model, summary in results.summary["models"].items()}
        seconds = results.summary["wall_seconds"]
        lines += [
            f"## {title}",
            "",
            *model_lines(results.metrics, found),
            "",
            f"{seconds / 60:.1f} min with {arguments.jobs} processes.",
            "",
        ]
    write_table(arguments.table, lines)


if __name__ == "__main__":
    main()
