"""Measure what pre-training adds: the same estimators on deltas of `nano`, of `kmer` and of `nano` untrained.

Genes, folds and covariates are those of `geuvadis_chr22`. The untrained control is the model that `nano`'s
training started from: same shape, same first weights, no step. `--layer`, `--pooling` and `--tile` choose
other deltas, of both. A second call embeds nothing again.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from benchmarks.common.cohort import benchmark_cohort
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from haploscribe.config.options import DEFAULT_TILE, BackboneOptions, EvaluationOptions, WorkerOptions
from haploscribe.embedding.backbones.registry import opened_checkpoint
from haploscribe.evaluation.paired import compare_models
from haploscribe.pretraining.model import (
    checkpoint_weights,
    initial_model,
    published_configuration,
    write_model_folder,
)
from haploscribe.workflows.run.workflow import run

TRAINED, UNTRAINED = "nano", "untrained"
NANO_SEED = 0  # of the training command in docs/pretraining.md


def write_untrained(folder: Path) -> Path:
    """Write the model that `nano` was before its first step."""
    with opened_checkpoint(TRAINED) as checkpoint:
        configuration = checkpoint.configuration
    content = published_configuration(
        hidden_size=configuration.hidden_size,
        layers=configuration.n_layers,
        heads=configuration.n_heads,
        feed_forward=configuration.feed_forward_size,
        window=6 * (configuration.max_tokens - 1),
    )
    weights = dict(initial_model(configuration, NANO_SEED).named_parameters())
    plain = checkpoint_weights(configuration, {name: weight.detach() for name, weight in weights.items()})
    folder.mkdir(parents=True, exist_ok=True)
    write_model_folder(folder, content, plain, card="`nano` before its first step.\n", losses="")
    return folder


def named_metrics(metrics: pl.DataFrame, backbone: str) -> pl.DataFrame:
    """Append the backbone to the name of each delta model."""
    reads = pl.col("model").is_in(["blup-delta", "transformer"])
    named = pl.when(reads).then(pl.concat_str("model", pl.lit(f" on {backbone}"))).otherwise("model")
    return metrics.with_columns(named.alias("model"))


def lines_of(metrics: pl.DataFrame, models: Sequence[str]) -> list[str]:
    """Format mean r by model, and the paired tests of `nano` against its controls."""
    means = metrics.group_by("model").agg(pl.col("pearson_r").mean(), pl.len()).sort("pearson_r")
    lines = ["| model | mean r | genes |", "|---|---|---|"]
    lines += [f"| `{name}` | {r:.4f} | {n_genes} |" for name, r, n_genes in means.reverse().iter_rows()]
    compared = compare_models(metrics)
    lines += ["", "| | less | difference of mean r | better / worse | p |", "|---|---|---|---|---|"]
    for model in models:
        against = [f"{model} on {UNTRAINED}", f"{model} on kmer", "blup"]
        rows = compared.filter(
            (pl.col("model_a") == f"{model} on {TRAINED}") & pl.col("model_b").is_in(against)
        )
        for row in rows.iter_rows(named=True):
            lines.append(
                f"| `{row['model_a']}` | `{row['model_b']}` | {row['mean_r_a'] - row['mean_r_b']:+.4f} | "
                f"{row['n_a_better']} / {row['n_b_better']} | {row['wilcoxon_p']:.2g} |"
            )
    return lines


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its table."""
    parser = benchmark_parser("nano_deltas", __doc__, out=True, every=1, jobs=True)
    parser.add_argument("--models", default="blup-delta,transformer")
    parser.add_argument("--layer", type=int, default=-1)
    parser.add_argument("--pooling", default="mean")
    parser.add_argument("--tile", type=int, default=DEFAULT_TILE)
    arguments = parser.parse_args(argv)
    workers = WorkerOptions(arguments.jobs)
    source, out, models = arguments.source, arguments.out, arguments.models.split(",")

    cohort = benchmark_cohort(source, out, every=arguments.every, tile=arguments.tile)
    shape = {"layer": arguments.layer, "pooling": arguments.pooling}
    backbones = {
        "kmer": BackboneOptions(backbone="kmer"),
        TRAINED: BackboneOptions(backbone=TRAINED, **shape),
        UNTRAINED: BackboneOptions(backbone=str(write_untrained(out / UNTRAINED)), **shape),
    }
    found = []
    for name, options in backbones.items():
        wanted = ("blup", *models) if name == "kmer" else tuple(models)  # dosages are the same for all
        evaluation = EvaluationOptions(models=wanted)
        store = out / f"embeddings-{name}.zarr"
        results = run(
            cohort,
            options,
            evaluation,
            out / f"results-{name}",
            store,
            worker_options=workers,
        )
        found.append(named_metrics(results.metrics, name))
    metrics = pl.concat(found)
    n_genes = metrics["gene_id"].n_unique()
    command = (
        f"nano_deltas --source FOLDER --every {arguments.every} --layer {arguments.layer} "
        f"--pooling {arguments.pooling} --tile {arguments.tile}"
    )
    head = [
        "# What pre-training is worth: deltas of `nano`, of `kmer` and of `nano` untrained",
        "",
        f"{stamp(command)}. {n_genes} genes, 358 samples, 5 folds; r is the mean over folds of Pearson's "
        "correlation in held-out samples, p is Wilcoxon's signed-rank test across genes, two-sided. `blup` "
        "reads dosages.",
        "",
    ]
    write_page(arguments.table, [*head, *lines_of(metrics, models), ""])
