"""What a run was made from: versions, options, input digests. The content of `run.json`."""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from haploscribe import __version__
from haploscribe.io.digests import file_digest
from haploscribe.options import BackboneOptions, CohortOptions, EvaluationOptions

_PACKAGES = (
    "cyvcf2",
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


def run_record(
    cohort: CohortOptions,
    backbone: BackboneOptions,
    evaluation: EvaluationOptions,
    data: Mapping[str, str | int],
) -> dict[str, Any]:
    """Record all that the results depend on, and read each input file for its digest.

    Parameters
    ----------
    cohort, backbone, evaluation
        The run's options; `--seed` is among them.
    data
        What was found in the inputs.

    Returns
    -------
    dict
        `haploscribe` (version), `versions`, `options`, `inputs` (path and digest each) and `data`.

    Raises
    ------
    InputError
        When an input cannot be read.
    """
    options = {**asdict(cohort), **asdict(backbone), **asdict(evaluation)}
    files = {name: value for name, value in options.items() if isinstance(value, Path)}
    return {
        "haploscribe": __version__,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "options": {name: _plain(value) for name, value in options.items()},
        "inputs": {name: {"path": str(path), "digest": file_digest(path)} for name, path in files.items()},
        "data": dict(data),
    }


def _plain(value: object) -> object:
    """Turn a value into what JSON has."""
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
