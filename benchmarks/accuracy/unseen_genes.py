"""Predict new samples at genes that no model was trained on.

The 68 test samples of `splits` are predicted by models trained on the 290 others: once at the genes that the
models learned from, and once at genes held out in five blocks along the chromosome.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.common.cohort import benchmark_cohort, read_populations, splits_of, write_split
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from haploscribe.config.options import BackboneOptions, EvaluationOptions, WorkerOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.evaluation.metrics import FALSE_DISCOVERY_RATE
from haploscribe.workflows.run.workflow import run

SPLIT = "290 samples, others tested"
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


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its table."""
    parser = benchmark_parser("unseen_genes", __doc__, out=True, every=1, jobs=True)
    parser.add_argument("--xpresso", type=Path, help="weights of the model xpresso, which joins the others")
    arguments = parser.parse_args(argv)
    source, out = arguments.source, arguments.out

    cohort = benchmark_cohort(source, out, every=arguments.every)
    sets = splits_of(read_populations(source))[SPLIT]
    split = write_split(sets, out / "split.txt")
    zero_shot = () if arguments.xpresso is None else ("xpresso",)
    command = (
        f"unseen_genes --source FOLDER --every {arguments.every}{' --xpresso FILE' if zero_shot else ''}"
    )
    lines = [
        "# Genes never seen",
        "",
        f"{stamp(command)}, backbone `{BackboneOptions().backbone}`.",
        "",
        f"{len(sets['train'])} samples in training, {len(sets['test'])} tested. r is Pearson's correlation "
        "in the samples tested; its mean and standard error are over genes. The expression PCs come with the "
        "data and were made from all samples.",
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
    write_page(arguments.table, lines)
