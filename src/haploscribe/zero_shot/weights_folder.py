"""A folder of weights as the Hugging Face hub has them: found, its configuration read, its tensors placed."""

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from haploscribe.embedding.backbones.checkpoint import (
    CONFIGURATION_FILE,
    INDEX_FILE,
    WEIGHTS_FILE,
    check_tensors,
    download,
)
from haploscribe.errors import InputError

Network = TypeVar("Network", bound=nn.Module)

BATCH_COUNTER = "num_batches_tracked"
"""Ends the name of how many batches a batch norm has seen in training, which prediction has no use for."""


def locate(source: str, hub_names: Collection[str]) -> Path:
    """Find a folder of weights: one on disk, or one of the hub's, downloaded or from its cache.

    Parameters
    ----------
    source
        A folder or one of `hub_names`.
    hub_names
        Repositories of published weights.

    Raises
    ------
    InputError
        When there is no such folder, or the hub's files cannot be had.
    """
    if source in hub_names:
        return download(source, "main")[0]
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(
            f"{source} is no folder; give one with {CONFIGURATION_FILE} and {WEIGHTS_FILE}, or "
            f"{' or '.join(hub_names)}"
        )
    return folder


def read_configuration(folder: Path) -> tuple[dict[str, Any], str]:
    """Read a folder's `config.json`.

    Returns
    -------
    tuple
        Its content, and its path, for messages.

    Raises
    ------
    InputError
        When it cannot be read or is no JSON object.
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
        raise InputError(f"{file} holds no JSON object; save or download it again")
    return content, str(file)


def has_safetensors(folder: Path) -> bool:
    """Whether the folder has weights that can be read, in one file or in shards."""
    return (folder / WEIGHTS_FILE).is_file() or (folder / INDEX_FILE).is_file()


def on_meta(build: Callable[[], Network]) -> Network:
    """Build a network with no storage and no random numbers for weights that are about to be replaced."""
    with torch.device("meta"):
        return build()


def placed(
    network: Network,
    tensors: Mapping[str, Tensor],
    stored_name: Callable[[str], str],
    *,
    source: Path,
    model: str,
    remedy: str,
) -> Network:
    """Put a checkpoint's tensors in their places, in float32, strictly; for prediction only.

    Parameters
    ----------
    network
        Of `on_meta`.
    tensors
        All that the checkpoint holds and the network should have.
    stored_name
        Gives the checkpoint's name of each of the network's parameters and buffers.
    source, model, remedy
        For the message.

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
