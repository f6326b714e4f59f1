"""Measure what a backbone adds: the same models on deltas of `nano`, of its controls, and on dosages.

The controls: `untrained`, the model that `nano`'s training started from (same shape, same first weights, no
step); `kmer`, counts of 6-mers; `random`, which knows which haplotypes are the same and nothing else.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import polars as pl

from benchmarks.accuracy.anatomy import TWINS
from benchmarks.accuracy.parts.part import Setting, Table, beside, model_rows, named, summarised, table
from benchmarks.common.measuring import Seconds
from haploscribe.config.options import EvaluationOptions
from haploscribe.embedding.backbones.registry import opened_checkpoint
from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.expression.table import read_expression
from haploscribe.pretraining.model import (
    checkpoint_weights,
    initial_model,
    published_configuration,
    write_model_folder,
)
from haploscribe.results.tables import read_run
from haploscribe.workflows.run.existing import finished_models

MODELS = ("blup-delta", "blup-distance-delta", "transformer")
TRAINED, UNTRAINED = "nano", "untrained"
CONTROLS = (UNTRAINED, "kmer", "random")
NANO_SEED = 0  # of the training command in docs/pretraining.md


def tables(setting: Setting) -> list[Table]:
    """Run, and return the tables."""
    untrained = str(write_untrained(setting.out / UNTRAINED))
    measured = {TRAINED: nano_metrics(setting)}
    for name in CONTROLS:
        backbone = untrained if name == UNTRAINED else name
        evaluation = EvaluationOptions(models=MODELS)
        measured[name] = setting.results(evaluation, f"results-{name}", backbone=backbone).metrics
    return backbone_tables(measured, read_expression(setting.cohort().expression).genes)


def nano_metrics(setting: Setting) -> pl.DataFrame:
    """Return the metrics of the models and their twins; those of part `models` where it is finished."""
    models = tuple(dict.fromkeys((*MODELS, *(TWINS[model] for model in MODELS))))
    found, there = None, setting.out.parent / "models"
    finished = finished_models(there) or ()
    if set(models) <= set(finished):
        weights = read_run(there)["options"]["xpresso"]
        # Its time is not of this part.
        same = replace(setting, xpresso=Path(weights) if weights else None, spent=Seconds())
        with suppress(InputError):  # it has other genes or data
            found = same.results(EvaluationOptions(models=finished), str(there))
    found = found or setting.results(EvaluationOptions(models=models), f"results-{TRAINED}")
    return found.metrics.filter(pl.col("model").is_in(models))


def backbone_tables(measured: Mapping[str, pl.DataFrame], genes: Iterable[Gene]) -> list[Table]:
    """Return a table for each model, and one of `nano` beside its controls.

    Parameters
    ----------
    measured
        By backbone: one row per gene and model; that of `nano` also has the dosage twins.
    genes
        At least the genes of these.
    """
    delta = pl.col("model").is_in(MODELS)
    frames = [
        frame.with_columns(
            model=pl.when(delta).then(pl.format("{} on {}", "model", pl.lit(name))).otherwise("model")
        )
        for name, frame in measured.items()
    ]
    results = summarised(pl.concat(frames), genes)
    made = []
    for model in MODELS:
        twin = TWINS[model]
        reads = {f"{model} on {name}": f"deltas of `{name}`" for name in measured} | {twin: "dosages"}
        rows = [named(row, reads=reads[row["model"]]) for row in model_rows(results, twin, list(reads))]
        made.append(table(f"`{model}`", _TEXTS.get(model, f"On dosages it is `{twin}`."), rows))
    rows = [
        {"model": model, **beside(results, f"{model} on {TRAINED}", f"{model} on {name}"), "against": name}
        for model in MODELS
        for name in measured
        if name != TRAINED
    ]
    text = (
        f"`{UNTRAINED}` is `{TRAINED}` before its first step, `kmer` counts 6-mers, `random` is one Gaussian "
        "vector for each distinct sequence."
    )
    return [*made, table(f"`{TRAINED}` beside its controls", text, rows)]


_TEXTS = {"transformer": "It has no twin, and is set beside the linear model with its prior."}


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
