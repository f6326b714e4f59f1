"""Compare models with fewer training samples, and in another ancestry.

One random set of 68 samples is tested on models trained on 69, 138, 206 and 290 of the others; and the 92
samples of FIN on models trained on CEU, GBR and TSI (`populations.tsv` of the cohort). Dosage models only.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from benchmarks.common.cohort import benchmark_cohort, read_populations, splits_of, write_split
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import lead_lines, stamp, write_page
from haploscribe.config.options import BackboneOptions, EvaluationOptions, WorkerOptions
from haploscribe.workflows.run.workflow import run

MODELS = ("elastic-net", "blup", "blup-distance", "susie", "adaptive-shrinkage", "ensemble")


def lines_of(name: str, sets: Mapping[str, Sequence[str]], metrics: pl.DataFrame) -> list[str]:
    """Format one split."""
    sizes = f"{len(sets['train'])} samples in training, {len(sets['test'])} tested."
    return [f"## Trained on {name}", "", sizes, "", *lead_lines(metrics), ""]


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its table."""
    parser = benchmark_parser("splits", __doc__, out=True, every=1, jobs=True)
    arguments = parser.parse_args(argv)
    workers = WorkerOptions(arguments.jobs)
    source, out = arguments.source, arguments.out

    cohort = benchmark_cohort(source, out, every=arguments.every)
    lines = [
        "# Fewer samples, and another ancestry",
        "",
        stamp(f"splits --source FOLDER --every {arguments.every}") + ".",
        "",
        "r is Pearson's correlation in the samples tested, mean over genes; paired p is Wilcoxon's "
        "signed-rank test across genes against elastic net, two-sided. Normalisation and covariates are "
        "fitted on the samples in training; the expression PCs come with the data and were made from all "
        "samples.",
        "",
    ]
    for number, (name, sets) in enumerate(splits_of(read_populations(source)).items()):
        split = write_split(sets, out / f"split-{number}.txt")
        evaluation = EvaluationOptions(models=MODELS, split=split)
        results = run(
            cohort, BackboneOptions(), evaluation, out / f"results-{number}", worker_options=workers
        )
        lines += lines_of(name, sets, results.metrics)
    write_page(arguments.table, lines)
