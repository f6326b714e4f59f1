"""Compare all models on 300 genes of 358 real samples, chromosome 22 (Geuvadis).

5 folds, cis window 196,608 bp (±98 kb), 25 expression PCs and 3 genotype PCs, the same for every model. All
details stay in the results folder (`--out`), which `anatomy` reads.
"""

import platform
import resource
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from joblib.externals.loky import get_reusable_executor

from benchmarks.common.cohort import benchmark_cohort
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from haploscribe.config.options import BackboneOptions, EvaluationOptions, WorkerOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.estimators.registry import ESTIMATOR_NAMES, model_specs
from haploscribe.results.tables import Results
from haploscribe.workflows.run.workflow import run


def model_lines(results: Results, models: list[str]) -> list[str]:
    """Format the table of models against elastic net, best mean r first."""
    against = {
        row["model_a"]: row
        for row in results.comparison.filter(pl.col("model_b") == "elastic-net").iter_rows(named=True)
    }
    lines = [
        "| model | mean r | FDR 5 % | mean r less elastic net's (95 %) | better / worse | paired p |",
        "|---|---|---|---|---|---|",
    ]
    summaries = results.summary["models"]
    for model in sorted(models, key=lambda name: -summaries[name]["mean_r"]):
        row, summary = against.get(model), summaries[model]
        versus = (
            "| - | - | - |"
            if row is None
            else f"| {row['mean_r_a'] - row['mean_r_b']:+.4f} "
            f"({row['ci_low']:+.4f} to {row['ci_high']:+.4f}) "
            f"| {row['n_a_better']} / {row['n_b_better']} | {row['wilcoxon_p']:.2g} |"
        )
        lines.append(f"| `{model}` | {summary['mean_r']:.4f} | {summary['n_significant']} {versus}")
    return lines


def page(results: Results, command: str, models: list[str], jobs: int) -> list[str]:
    """Format the page: command, versions, table, cost."""
    n_genes = results.summary["models"][models[0]]["n_genes"]
    embedding = results.summary["embedding"]
    get_reusable_executor().shutdown(wait=True)  # a process counts its children's memory when they are gone
    self_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    worker_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    lines = [
        "# Geuvadis, chromosome 22: all models on the same samples",
        "",
        f"{stamp(command)}, haploscribe {results.run['haploscribe']}, "
        f"Python {platform.python_version()}, torch {results.run['versions']['torch']}.",
        "",
        f"{n_genes} genes, 358 samples, 5 folds, cis window 196,608 bp (±1 Mb for `elastic-net-1mb`), 25 "
        "expression PCs and 3 genotype PCs as covariates. r is the mean over folds of Pearson's correlation "
        "in held-out samples; paired p is Wilcoxon's signed-rank test across genes against elastic net, "
        "two-sided; 95 % intervals come from a bootstrap over blocks of neighbouring genes.",
        "",
        *model_lines(results, models),
        "",
        "`ensemble`, `adaptive-shrinkage`, `susie`, `transformer` and the models named `distance` use other "
        "genes, those at least 1 Mb away, in training samples alone: to learn where variants matter (no gene "
        "has a part in its own prior), and to take what expression shares among genes, or with the data's "
        "expression PCs 26 to 50, out of the expression that they are fitted on. They are judged on the same "
        "expression as all others. What this is worth to `elastic-net` is in `ablations.md`.",
        "",
        "The expression PCs come with the data and were made from all samples, the same for every model. "
        "Which models `ensemble` averages was chosen on these genes.",
        "",
    ]
    if embedding is not None:
        saved = embedding["naive_forward_passes"] / max(1, embedding["unique_haplotypes"])
        lines += [
            f"Backbone `{embedding['backbone']}`: {embedding['tiles']:,} tiles, "
            f"{embedding['unique_haplotypes']:,} unique sequences in place of "
            f"{embedding['naive_forward_passes']:,} ({saved:.1f} times fewer); "
            f"{embedding['forward_passes']:,} embedded in this run in {embedding['seconds']:.0f} s.",
            "",
        ]
    lines += [
        f"Wall clock {results.summary['wall_seconds'] / 60:.1f} min with {jobs} "
        f"processes; peak memory {self_kib / 2**20:.2f} GiB in the main process, "
        f"{worker_kib / 2**20:.2f} GiB in the largest worker.",
        "",
    ]
    return lines


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its table."""
    parser = benchmark_parser("geuvadis_chr22", __doc__, out=True, every=1, jobs=True)
    parser.add_argument("--backbone", default=BackboneOptions().backbone)
    parser.add_argument("--models", help="default: all that need no file and learn each gene on its own")
    parser.add_argument("--xpresso", type=Path, help="weights of the model xpresso, which joins the others")
    arguments = parser.parse_args(argv)
    source, out = arguments.source, arguments.out
    able = {name: spec.capabilities for name, spec in model_specs(ESTIMATOR_NAMES, seed=0).items()}
    usual = [name for name, model in able.items() if not (model.zero_shot or model.across_genes)]
    models = usual if arguments.models is None else arguments.models.split(",")
    if arguments.xpresso is not None:
        models = list(dict.fromkeys([*models, "xpresso"]))

    cohort = benchmark_cohort(source, out, every=arguments.every)
    evaluation = EvaluationOptions(models=tuple(models))
    zero_shot = ZeroShotOptions(xpresso=arguments.xpresso)
    results = run(
        cohort,
        BackboneOptions(backbone=arguments.backbone),
        evaluation,
        out,
        zero_shot_options=zero_shot,
        worker_options=WorkerOptions(arguments.jobs),
    )
    command = (
        f"geuvadis_chr22 --source FOLDER --every {arguments.every} --jobs {arguments.jobs} "
        f"--backbone {arguments.backbone}{'' if arguments.xpresso is None else ' --xpresso FILE'}"
    )
    write_page(arguments.table, page(results, command, models, arguments.jobs))
