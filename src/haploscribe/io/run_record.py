"""What a run was made from: versions, options, input digests. The content of `run.json`."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from haploscribe import __version__
from haploscribe.errors import InputError
from haploscribe.io.digests import file_digest, folder_digest
from haploscribe.io.json_shapes import made_from
from haploscribe.options import BackboneOptions, CohortOptions, EvaluationOptions, ZeroShotOptions
from haploscribe.zero_shot.registry import LoadedModel

_PACKAGES = (
    "numba",
    "numpy",
    "pgenlib",
    "polars",
    "pysam",
    "scipy",
    "torch",
    "transformers",
    "zarr",
)

WEIGHTS_PATTERNS = ("config.json", "*.safetensors", "*.safetensors.index.json")
"""Files of a folder of weights that decide what its model predicts."""


def run_record(
    options: tuple[CohortOptions, BackboneOptions, EvaluationOptions, ZeroShotOptions],
    zero_shot: Sequence[LoadedModel],
    data: Mapping[str, str | int],
) -> dict[str, Any]:
    """Record all that the results depend on, and read each input file for its digest.

    Parameters
    ----------
    options
        The run's options; `--seed` is among them.
    zero_shot
        Its zero-shot models.
    data
        What was found in the inputs.

    Returns
    -------
    dict
        `haploscribe` (version), `versions`, `options`, `inputs` (path and digest each, and of a zero-shot
        model what is read of its output) and `data`.

    Raises
    ------
    InputError
        When an input cannot be read.
    """
    values = {name: value for group in options for name, value in asdict(group).items()}
    files = {name: value for name, value in values.items() if isinstance(value, Path)}
    inputs = {name: {"path": str(path), "digest": file_digest(path)} for name, path in files.items()}
    for loaded in zero_shot:
        inputs[loaded.model.name] = weights_record(loaded)
    return {
        "haploscribe": __version__,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "options": {name: _plain(value) for name, value in values.items()},
        "inputs": inputs,
        "data": dict(data),
    }


def recorded_options(
    record: Mapping[str, Any], source: Path
) -> tuple[CohortOptions, BackboneOptions, EvaluationOptions]:
    """Make a run's options again from its record.

    Parameters
    ----------
    record
        The content of `run.json`.
    source
        That file, for messages.

    Raises
    ------
    InputError
        When it lacks an option.
    """
    options = record.get("options", {})
    return (
        made_from(CohortOptions, options, source, "the options"),
        made_from(BackboneOptions, options, source, "the options"),
        made_from(EvaluationOptions, options, source, "the options"),
    )


def require_unchanged(record: Mapping[str, Any], source: Path, names: Sequence[str]) -> None:
    """Stop where an input is no longer what a run has read.

    Parameters
    ----------
    record
        The content of `run.json`.
    source
        That file, for messages.
    names
        Of the inputs that are about to be read again.

    Raises
    ------
    InputError
        Naming the file.
    """
    if "inputs" not in record:
        raise InputError(f"{source} lacks the digests of the inputs; run again with this version")
    for name in names:
        if name in record["inputs"]:
            path = Path(record["inputs"][name]["path"])
            if not path.exists():
                raise InputError(
                    f"{path}, which {source} names, is not there; put it back, or work in the folder that "
                    "the run was started in"
                )
            if file_digest(path) != record["inputs"][name]["digest"]:
                raise InputError(f"{path} has changed since the run that read it; run again, or put it back")


def weights_record(loaded: LoadedModel) -> dict[str, str]:
    """Record the weights of a zero-shot model: `path`, `digest`, and `reading`, as of its output."""
    path = loaded.weights
    digest = folder_digest(path, WEIGHTS_PATTERNS) if path.is_dir() else file_digest(path)
    return {"path": str(path), "digest": digest, "reading": loaded.model.reading}


def _plain(value: object) -> object:
    """Turn a value into what JSON has."""
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
