"""Compare one run of all genes with two runs of half of them, combined: what is equal, what is lost.

Each half learns across its own genes alone, or takes what both had learned (`--cross-gene`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from benchmarks.accuracy.parts.part import beside, summarised
from benchmarks.common.cohort import benchmark_cohort
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.expression.table import read_expression, select_genes
from haploscribe.results.tables import read_predictions, read_results
from haploscribe.workflows.combine import combine
from haploscribe.workflows.run.existing import finished_models
from haploscribe.workflows.run.workflow import run

MODELS = ("elastic-net", "blup", "blup-distance", "ensemble")
LEARNING = ("blup-distance", "ensemble")
WHOLE, ALONE, TAKEN = "one run", "two runs", "two runs, `--cross-gene`"


def combined_halves(cohort: CohortOptions, out: Path, jobs: int, cross_gene: Path | None) -> Path:
    """Run both halves of the genes along the genome, and combine them."""
    assert isinstance(cohort.genes, str)
    genes = select_genes(read_expression(cohort.expression), cohort.genes).genes
    ids = [gene.gene_id for gene in sorted(genes, key=lambda gene: (gene.contig, gene.tss))]
    halves = {"first": ids[: len(ids) // 2], "second": ids[len(ids) // 2 :]}
    evaluation = EvaluationOptions(models=MODELS, cross_gene=cross_gene)
    for name, half in halves.items():
        options = replace(cohort, genes=tuple(half))
        run(options, BackboneOptions(), evaluation, out / name, worker_options=WorkerOptions(jobs))
    if finished_models(out / "combined") is None:
        combine([out / name for name in halves], out / "combined")
    return out / "combined"


def equal_models(one: Path, other: Path) -> list[str]:
    """Return the models that predict the same in two runs, to the bit."""
    tables = [read_predictions(folder) for folder in (one, other)]
    return [model for model in MODELS if tables[0].filter(model=model).equals(tables[1].filter(model=model))]


def cost_lines(folders: Mapping[str, Path], cohort: CohortOptions) -> list[str]:
    """Format a row for each model that learns across genes, and each way to run it."""
    parts = [
        read_results(folder).metrics.with_columns(model=pl.format("{} of {}", "model", pl.lit(name)))
        for name, folder in folders.items()
    ]
    results = summarised(pl.concat(parts), read_expression(cohort.expression).genes)
    head = ("model", "runs", "mean r", f"Δr vs {WHOLE} (95 %)", "better / worse", "p")
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for model in LEARNING:
        mean = results.summary["models"][f"{model} of {WHOLE}"]["mean_r"]
        lines.append(f"| `{model}` | {WHOLE} | {mean:.4f} | - | - | - |")
        for name in list(folders)[1:]:
            row = beside(results, f"{model} of {name}", f"{model} of {WHOLE}")
            difference = f"{row['difference']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})"
            genes = f"{row['better']} / {row['worse']}"
            cells = (f"`{model}`", name, f"{row['mean_r']:.4f}", difference, genes, f"{row['p']:.2g}")
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its page."""
    parser = benchmark_parser("split_runs", __doc__, out=True, every=1, jobs=True)
    arguments = parser.parse_args(argv)
    out = arguments.out.absolute()
    cohort = benchmark_cohort(arguments.source.absolute(), out, every=arguments.every)
    whole, jobs = out / "whole", arguments.jobs
    evaluation = EvaluationOptions(models=MODELS)
    run(cohort, BackboneOptions(), evaluation, whole, worker_options=WorkerOptions(jobs))
    alone = combined_halves(cohort, out / "alone", jobs, None)
    folders = {WHOLE: whole, ALONE: alone, TAKEN: combined_halves(cohort, out / "taken", jobs, alone)}
    n_genes = read_results(whole).metrics["gene_id"].n_unique()
    equal = {name: equal_models(whole, folder) for name, folder in folders.items()}
    every = f" --every {arguments.every}" if arguments.every > 1 else ""
    lines = [
        "# One run, or several combined",
        "",
        stamp(f"split_runs --source FOLDER{every}") + ".",
        "",
        f"{n_genes} genes, samples, folds and covariates of `accuracy.md`: in one run, and in two runs of "
        "the halves along the chromosome, joined by `haploscribe combine`. In the third way both halves take "
        "what the two of the second had learned, combined (`--cross-gene`). What expression shares among "
        "genes is learned from the whole table in all three.",
        "",
        f"Predictions equal to those of one run, to the bit: two runs: {', '.join(equal[ALONE]) or 'none'}; "
        f"with `--cross-gene`: {', '.join(equal[TAKEN]) or 'none'}.",
        "",
        *cost_lines(folders, cohort),
        "",
    ]
    write_page(arguments.table, lines)
