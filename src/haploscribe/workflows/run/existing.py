"""What the results folder of a run holds already: kept, added to, or replaced with --force."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from haploscribe.config.options import MODELS_NAME, EvaluationOptions
from haploscribe.config.zero_shot import ZeroShotOptions, weights_option
from haploscribe.errors import InputError
from haploscribe.estimators.registry import ModelSpec, any_model, model_specs
from haploscribe.results.models_folder import ModelsRecord, read_record
from haploscribe.results.provenance import describe_difference, describe_version_difference
from haploscribe.results.tables import (
    RUN,
    SUMMARY,
    Results,
    Summary,
    read_results,
    read_run,
    scan_predictions,
)
from haploscribe.utils.files import atomic_write, publish, remove_atomically
from haploscribe.workflows.validate import UNFINISHED_NAME
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES

_COMPLETE = "complete"
"""In the folder of unfinished work: results that have only to be moved to the results folder."""
_BACKBONE = ("backbone", "revision", "layer", "pooling", "precision", "strands")
_READING = {
    "enformer_tracks": ("enformer",),
    "borzoi_tracks": ("borzoi", "flashzoi", "borzoi-prime"),
    "alphagenome_tracks": ("alphagenome",),
    "alphagenome_window": ("alphagenome",),
}
"""Options that say what some models read."""
_AUGMENTATION = ("shifts", "reverse_complement")
_WHERE = ("device",)
"""Options that say where work is done, not what."""


@dataclass(frozen=True)
class EarlierRun:
    """A finished run that other models are added to.

    Attributes
    ----------
    folder
        Its results folder.
    results
        Its tables and records, predictions left out.
    record
        What was trained.
    """

    folder: Path
    results: Results
    record: ModelsRecord

    @classmethod
    def open(cls, folder: Path) -> "EarlierRun":
        """Read a results folder.

        Raises
        ------
        InputError
            When a file is missing or damaged.
        """
        return cls(folder, read_results(folder), read_record(folder / MODELS_NAME))

    @property
    def models(self) -> tuple[str, ...]:
        """The names of its models."""
        return self.record.model_names

    @cached_property
    def specs(self) -> dict[str, ModelSpec]:
        """Its models."""
        return {model.name: model.spec(None) for model in self.record.models}

    @property
    def models_folder(self) -> Path:
        """Its saved models."""
        return self.folder / MODELS_NAME

    def predictions(self, gene_ids: Sequence[str]) -> pl.DataFrame:
        """Read its out-of-fold predictions of some genes."""
        return scan_predictions(self.folder).filter(pl.col("gene_id").is_in(gene_ids)).collect()

    def zero_shot_inputs(self) -> dict[str, Mapping[str, str]]:
        """Return the records of the weights of its zero-shot models."""
        inputs = self.results.run["inputs"]
        return {name: inputs[name] for name, spec in self.specs.items() if spec.capabilities.zero_shot}


def add_earlier(summary: Summary, earlier: Summary) -> None:
    """Add what an earlier run took: all times and counts are those of both."""
    stages = summary.get("stages", {})
    before = earlier.get("stages", {})
    names = dict.fromkeys((*before, *stages))
    summary["stages"] = {name: before.get(name, 0.0) + stages.get(name, 0.0) for name in names}
    summary["wall_seconds"] += earlier["wall_seconds"]
    if "zero_shot" in earlier:
        summary["zero_shot"] = {**earlier["zero_shot"], **summary.get("zero_shot", {})}
    embedded, embedding = earlier["embedding"], summary["embedding"]
    if embedded is not None and embedding is not None:
        embedding["forward_passes"] += embedded["forward_passes"]
        embedding["seconds"] += embedded["seconds"]
    summary["embedding"] = embedding or embedded


def without_earlier(
    evaluation: EvaluationOptions, zero_shot: ZeroShotOptions, earlier: EarlierRun
) -> tuple[EvaluationOptions, ZeroShotOptions]:
    """Return the options that fit only the models that an earlier run lacks."""
    models = tuple(name for name in evaluation.models if name not in earlier.models)
    read: dict[str, Any] = {weights_option(name): None for name in ZERO_SHOT_NAMES if name in earlier.models}
    return replace(evaluation, models=models), replace(zero_shot, **read)


def finished_models(out: Path) -> tuple[str, ...] | None:
    """Return the models of the finished run in a folder; None where there is none."""
    if not (out / SUMMARY).is_file():
        return None
    return tuple(read_run(out).get("options", {}).get("models", ()))


def holds_work(out: Path) -> bool:
    """Whether a folder holds a finished or an unfinished run."""
    return (out / SUMMARY).is_file() or (out / UNFINISHED_NAME / RUN).is_file()


def require_same(out: Path, record: Mapping[str, Any]) -> None:
    """Stop where the finished run in a folder has other data or options than a command, models aside.

    Options that none of its models uses may differ, such as the weights of a model to be added.

    Parameters
    ----------
    out
        The results folder.
    record
        From `run_record`, of the command.

    Raises
    ------
    InputError
        Naming the first difference.
    """
    recorded = read_run(out)
    ignored = ("models", *not_compared(finished_models(out) or ()))
    _refuse(out, "a finished", describe_difference(recorded, record, ignored))


def require_same_versions(out: Path, record: Mapping[str, Any]) -> None:
    """Stop where the finished run in a folder was made with other versions, so that models cannot be added.

    Raises
    ------
    InputError
        Naming the first difference.
    """
    _refuse(out, "a finished", describe_version_difference(read_run(out), record))


def require_same_work(out: Path, record: Mapping[str, Any], *, force: bool) -> None:
    """Stop where the unfinished work in a folder is of another command; with `force`, remove that work.

    Parameters
    ----------
    out
        The results folder.
    record
        From `run_record`, with all models that the folder will hold.
    force
        Whether other work is removed.

    Raises
    ------
    InputError
        Naming the first difference.
    """
    unfinished = out / UNFINISHED_NAME
    if (unfinished / RUN).is_file():
        recorded = read_run(unfinished)
        found = describe_difference(recorded, record, _WHERE) or describe_version_difference(recorded, record)
        if found is not None and force:
            remove_atomically(unfinished)
        else:
            _refuse(out, "an unfinished", found)


def begin_work(out: Path, record: Mapping[str, Any]) -> None:
    """Write down what the unfinished work in a folder is for, unless that is done."""
    path = out / UNFINISHED_NAME / RUN
    if not path.is_file():
        with atomic_write(path) as aside:
            aside.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def publish_results(made: Path, out: Path) -> None:
    """Move all files that a run has made to its results folder, and remove its unfinished work.

    Results are renamed first, so that after a kill the next command moves what is left.
    """
    made.rename(made.with_name(_COMPLETE))
    finish_publishing(out)


def finish_publishing(out: Path) -> None:
    """Move what a killed command had ready but had not moved yet."""
    unfinished = out / UNFINISHED_NAME
    for complete in _complete(unfinished):
        if (complete / SUMMARY).is_file():  # it is moved last
            publish(complete, out, last=SUMMARY)
        remove_atomically(unfinished)


def _complete(unfinished: Path) -> Iterator[Path]:
    yield from sorted(unfinished.glob(f"*/{_COMPLETE}"))


def not_compared(models: Sequence[str]) -> list[str]:
    """Return the options that none of these models uses, and those that say where work is done."""
    zero_shot = [name for name in ZERO_SHOT_NAMES if name in models]
    unused = [weights_option(name) for name in ZERO_SHOT_NAMES if name not in zero_shot]
    unused += [name for name, readers in _READING.items() if not set(readers) & set(zero_shot)]
    if not zero_shot:
        unused += _AUGMENTATION
    specs = model_specs(models, seed=0).values()
    if not any_model(specs, "reads_deltas"):
        unused += _BACKBONE
    if not any_model(specs, "uses_other_genes"):
        unused.append("cross_gene")
    return [*_WHERE, *unused]


def _refuse(out: Path, what: str, found: str | None) -> None:
    if found is not None:
        raise InputError(
            f"--out {out} holds {what} run {found}; name another --out, or --force to replace it"
        )
