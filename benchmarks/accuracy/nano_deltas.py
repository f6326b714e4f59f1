"""Measure what a backbone adds: the same models on deltas of `nano`, of its controls, and on dosages.

Genes, folds and covariates are those of `accuracy`. The first backbone is compared with the others, and
each with the dosage twin. `untrained` is the model that `nano`'s training started from: same shape, same
first weights, no step; `kmer` counts 6-mers; `random` knows which haplotypes are the same and nothing else;
`nano-both-strands`, if asked for, averages over both strands.
`--layer` and `--pooling` choose other deltas of the backbones that have layers. A stopped call resumes:
`--out` has the results and embeddings of each backbone.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from benchmarks.accuracy.anatomy import TWINS
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
BOTH_STRANDS = "nano-both-strands"
NANO_SEED = 0  # of the training command in docs/pretraining.md
WITHOUT_LAYERS = ("kmer", "random")
NOTES = {
    "transformer": "`transformer` has no twin, and is set beside the linear model with its prior.",
    BOTH_STRANDS: f"`{BOTH_STRANDS}` averages the vectors of both strands.",
    UNTRAINED: "`untrained` is `nano` before its first step.",
    "random": "`random` is one Gaussian vector for each distinct sequence.",
}
MODELS = ("blup-delta", "blup-distance-delta", "transformer")
BACKBONES = (TRAINED, UNTRAINED, *WITHOUT_LAYERS)


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


def backbone_options(name: str, out: Path, *, layer: int, pooling: str) -> BackboneOptions:
    """Return the options of a backbone by its name on the page; `untrained` is written to `out` first."""
    if name in WITHOUT_LAYERS:
        return BackboneOptions(backbone=name)
    if name == BOTH_STRANDS:
        return BackboneOptions(backbone=TRAINED, layer=layer, pooling=pooling, strands="both")
    found = str(write_untrained(out / UNTRAINED)) if name == UNTRAINED else name
    return BackboneOptions(backbone=found, layer=layer, pooling=pooling)


def on(model: str, backbone: str) -> str:
    """Name a model on the deltas of a backbone."""
    return f"{model} on {backbone}"


def lines_of(
    metrics: pl.DataFrame, models: Sequence[str], backbones: Sequence[str], genome_order: Sequence[str]
) -> list[str]:
    """Format mean r by model and backbone beside the dosage twin's, and the first backbone's paired tests.

    Parameters
    ----------
    metrics
        One row per gene and model; names as `on` writes them, and dosage models by their own.
    models
        The models of deltas.
    backbones
        The backbones; the first one is compared with the others.
    genome_order
        The genes in genome order.
    """
    means = dict(metrics.group_by("model").agg(pl.col("pearson_r").mean()).iter_rows())
    compared = compare_models(metrics, genome_order)
    pairs = {(row["model_a"], row["model_b"]): row for row in compared.iter_rows(named=True)}

    def beside(model: str, other: str) -> str:
        row = pairs[model, other]
        return (
            f"{row['mean_r_a'] - row['mean_r_b']:+.4f} ({row['ci_low']:+.4f} to {row['ci_high']:+.4f}) | "
            f"{row['n_a_better']} / {row['n_b_better']} | {row['wilcoxon_p']:.2g} |"
        )

    lines = [
        "| model | reads | mean r | less that of dosages (95 %) | better / worse | p |",
        "|---|---|---|---|---|---|",
    ]
    for model in models:
        ranked = sorted(backbones, key=lambda name: -means[on(model, name)])
        lines += [
            f"| `{model}` | deltas of `{name}` | {means[on(model, name)]:.4f} | "
            f"{beside(on(model, name), TWINS[model])}"
            for name in ranked
        ]
        lines.append(f"| `{TWINS[model]}` | dosages | {means[TWINS[model]]:.4f} | - | - | - |")
    first, *others = backbones
    if others:
        lines += [
            "",
            f"| model | `{first}` less | difference of mean r (95 %) | better / worse | p |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| `{model}` | `{name}` | {beside(on(model, first), on(model, name))}"
            for model in models
            for name in others
        ]
    return lines


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its table."""
    parser = benchmark_parser("nano_deltas", __doc__, out=True, every=1, jobs=True)
    parser.add_argument("--models", default=",".join(MODELS), help=f"of {', '.join(TWINS)}")
    parser.add_argument("--backbones", default=",".join(BACKBONES), help="the first is compared with others")
    parser.add_argument("--layer", type=int, default=-1)
    parser.add_argument("--pooling", default="mean")
    parser.add_argument("--tile", type=int, default=DEFAULT_TILE)
    arguments = parser.parse_args(argv)
    out, models, backbones = arguments.out, arguments.models.split(","), arguments.backbones.split(",")

    cohort = benchmark_cohort(arguments.source, out, every=arguments.every, tile=arguments.tile)
    workers = WorkerOptions(arguments.jobs)
    twins = tuple(dict.fromkeys(TWINS[model] for model in models))
    dosages = run(
        cohort,
        BackboneOptions(),
        EvaluationOptions(models=twins),
        out / "results-dosages",
        worker_options=workers,
    )
    found = [dosages.metrics]
    for name in backbones:
        results = run(
            cohort,
            backbone_options(name, out, layer=arguments.layer, pooling=arguments.pooling),
            EvaluationOptions(models=tuple(models)),
            out / f"results-{name}",
            out / f"embeddings-{name}.zarr",
            worker_options=workers,
        )
        found.append(results.metrics.with_columns(model=pl.format("{} on {}", "model", pl.lit(name))))
    metrics = pl.concat(found)
    chosen = "".join(
        f" --{option} {getattr(arguments, option)}"
        for option in ("models", "backbones")
        if getattr(arguments, option) != parser.get_default(option)
    )
    command = (
        f"nano_deltas --source FOLDER --every {arguments.every}{chosen} --layer {arguments.layer} "
        f"--pooling {arguments.pooling} --tile {arguments.tile}"
    )
    head = [
        f"# What a backbone is worth: deltas of {', '.join(f'`{name}`' for name in backbones)}, and dosages",
        "",
        f"{stamp(command)}. {metrics['gene_id'].n_unique()} genes, 358 samples, 5 folds, tiles of "
        f"{arguments.tile:,} bp. r is the mean over folds of Pearson's correlation in held-out samples, p is "
        "Wilcoxon's signed-rank test across genes, two-sided; 95 % intervals come from a bootstrap over "
        "blocks of neighbouring genes. Dosages are read by the model's twin, the same with genotypes in "
        f"place of deltas. {' '.join(NOTES[name] for name in (*models, *backbones) if name in NOTES)}",
        "",
    ]
    genes = (out / "genes.txt").read_text().split()  # in genome order, as the table is
    write_page(arguments.table, [*head, *lines_of(metrics, models, backbones, genes), ""])
