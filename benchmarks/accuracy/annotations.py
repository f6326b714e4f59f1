"""Measure what annotations of variants add, from the right cell type and from another.

The models that read the effect-size prior, with each annotation and with distance alone, on the same folds of
the benchmark cohort; and the first annotation with 69, 138, 206 and 290 samples in training. Dosage models
only.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from benchmarks.common.cohort import benchmark_cohort, read_populations, splits_of, write_split
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.estimators.registry import distance_twin
from haploscribe.results.tables import Results
from haploscribe.workflows.run.workflow import run

MODELS = ("blup-distance", "susie", "adaptive-shrinkage", "ensemble")


def gain_lines(results: Results) -> list[str]:
    """Format each model beside its twin."""
    lines = [
        "| model | distance alone | with the annotation | difference (95 %) | better / worse | paired p |",
        "|---|---|---|---|---|---|",
    ]
    for model in MODELS:
        (row,) = results.comparison.filter(
            (pl.col("model_a") == model) & (pl.col("model_b") == distance_twin(model))
        ).iter_rows(named=True)
        lines.append(
            f"| `{model}` | {row['mean_r_b']:.4f} | {row['mean_r_a']:.4f} "
            f"| {row['mean_r_a'] - row['mean_r_b']:+.4f} ({row['ci_low']:+.4f} to {row['ci_high']:+.4f}) "
            f"| {row['n_a_better']} / {row['n_b_better']} | {row['wilcoxon_p']:.2g} |"
        )
    return lines


def effect_lines(results: Results) -> list[str]:
    """Format what was learned, from all genes and samples in training."""
    return [
        f"- {row['feature']}: {row['effect']:+.3f} (standard error {row['standard_error']:.3f})"
        for row in results.summary["annotations"]
    ]


def section(title: str, results: Results) -> list[str]:
    """Format one run."""
    return [f"## {title}", "", *gain_lines(results), "", "Learned:", "", *effect_lines(results), ""]


def evaluated(
    cohort: CohortOptions, annotation: str, out: Path, jobs: int, split: Path | None = None
) -> Results:
    """Run all models with one annotation and without."""
    evaluation = EvaluationOptions(models=MODELS, annotations=(annotation,), split=split)
    return run(cohort, BackboneOptions(), evaluation, out, worker_options=WorkerOptions(jobs))


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its page."""
    parser = benchmark_parser("annotations", __doc__, out=True, every=1, jobs=True)
    parser.add_argument("--annotations", action="append", required=True, metavar="NAME=FILE")
    arguments = parser.parse_args(argv)
    source, out, jobs = arguments.source, arguments.out, arguments.jobs
    names = [text.split("=", 1)[0] for text in arguments.annotations]
    cohort = benchmark_cohort(source, out, every=arguments.every)
    lines = [
        "# What annotations of variants add",
        "",
        stamp(
            f"annotations --source FOLDER --every {arguments.every} "
            + " ".join(f"--annotations {name}=FILE" for name in names)
        )
        + ".",
        "",
        "Each model with the effect-size prior of distance and the annotation, and with that of "
        "distance alone, on the same folds. In every fold the prior is learned in training samples, for each "
        "gene from genes at least 1 Mb away. r is the mean over folds of Pearson's correlation in held-out "
        "samples; paired p is Wilcoxon's signed-rank test across genes, two-sided; intervals come from a "
        "bootstrap over blocks of neighbouring genes. What was learned is the change in the log variance of "
        "effects with one standard deviation of the feature, from all genes in all samples.",
        "",
    ]
    for name, annotation in zip(names, arguments.annotations, strict=True):
        results = evaluated(cohort, annotation, out / f"results-{name}", jobs)
        n_genes = results.metrics["gene_id"].n_unique()
        lines += section(f"{name}: {n_genes} genes, 358 samples, 5 folds", results)
    for number, (name, sets) in enumerate(splits_of(read_populations(source)).items()):
        split = write_split(sets, out / f"split-{number}.txt")
        folder = out / f"results-{names[0]}-{number}"
        results = evaluated(cohort, arguments.annotations[0], folder, jobs, split)
        lines += section(f"{names[0]}: trained on {name}", results)
    write_page(arguments.table, lines)
