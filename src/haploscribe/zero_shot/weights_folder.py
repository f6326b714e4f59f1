"""Find a folder of weights in the Hugging Face layout, read its configuration, and load its tensors."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from haploscribe.embedding.backbones.checkpoint import (
    CONFIGURATION_FILE,
    INDEX_FILE,
    WEIGHTS_FILE,
    check_tensors,
)
from haploscribe.embedding.backbones.hub import download
from haploscribe.errors import InputError

Network = TypeVar("Network", bound=nn.Module)

BATCH_COUNTER = "num_batches_tracked"
"""Suffix of the counters of training batches in batch norms, which prediction does not use."""


def locate(source: str | None, hub_names: Mapping[str, str]) -> Path:
    """Return a folder of weights: one on disk, or one of the hub's, downloaded or from its cache.

    Parameters
    ----------
    source
        A folder or one of `hub_names`; None for the first of them.
    hub_names
        Repositories of published weights, and the revision of each that holds safetensors.

    Raises
    ------
    InputError
        When there is no such folder, or the hub's files cannot be downloaded.
    """
    if source is None:
        source = next(iter(hub_names))
    remedy = f"give one with {CONFIGURATION_FILE} and {WEIGHTS_FILE}"
    if source in hub_names:
        return download(source, hub_names[source], f"a folder is read too: {remedy}")[0]
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(f"{source} is not a folder; {remedy}, or {' or '.join(hub_names)}")
    return folder


def read_configuration(folder: Path) -> tuple[dict[str, Any], str]:
    """Read a folder's `config.json`.

    Returns
    -------
    tuple
        The content, and the path for messages.

    Raises
    ------
    InputError
        When the file cannot be read or is not a JSON object.
    """
    file = folder / CONFIGURATION_FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"cannot read {file}: {error.strerror}; give a folder with it and {WEIGHTS_FILE}"
        ) from None
    except ValueError:  # neither UTF-8 nor JSON
        content = None
    if not isinstance(content, dict):
        raise InputError(f"{file} is not a JSON object; save or download it again")
    return content, str(file)


def has_safetensors(folder: Path) -> bool:
    """Return whether the folder has readable weights, in one file or in shards."""
    return (folder / WEIGHTS_FILE).is_file() or (folder / INDEX_FILE).is_file()


def on_meta(build: Callable[[], Network]) -> Network:
    """Build a network without allocating or drawing weights, which are about to be loaded."""
    with torch.device("meta"):
        return build()


def load_tensors(
    network: Network,
    tensors: Mapping[str, Tensor],
    stored_name: Callable[[str], str],
    *,
    source: Path,
    model: str,
    remedy: str,
) -> Network:
    """Load a checkpoint's tensors strictly, in float32, for prediction only.

    Parameters
    ----------
    network
        As `on_meta` returns it.
    tensors
        The checkpoint's tensors, without those that the network does not have.
    stored_name
        Maps the name of a parameter or buffer of the network to the checkpoint's.
    source, model, remedy
        For error messages.

    Raises
    ------
    InputError
        When a tensor is missing, unexpected, of another shape than `config.json` says, or not finite.
    """
    parts = network.state_dict()
    names = {name: stored_name(name) for name in parts if not name.endswith(BATCH_COUNTER)}
    shapes = {stored: tuple(parts[name].shape) for name, stored in names.items()}
    check_tensors(tensors, shapes, str(source), model=model, remedy=remedy)
    weights = {name: tensors[stored].float() for name, stored in names.items()}
    counters = {name: torch.zeros((), dtype=torch.long) for name in parts if name not in names}
    network.load_state_dict(weights | counters, assign=True)
    return network.eval().requires_grad_(requires_grad=False)
