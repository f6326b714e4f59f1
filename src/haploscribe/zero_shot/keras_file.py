"""Reading a Keras model, layers and weights, from an HDF5 file; nothing in the file is ever run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from haploscribe.errors import InputError
from haploscribe.utils.types import Float32Array

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True, slots=True)
class KerasLayer:
    """One layer.

    Attributes
    ----------
    name, kind
        The layer's own name, and Keras's name of its class, such as `Conv1D`.
    config
        Its settings, as Keras names them.
    inputs
        Names of the layers it reads, in order.
    weights
        float32, finite; by Keras's name for them, such as `kernel`.
    """

    name: str
    kind: str
    config: Mapping[str, Any]
    inputs: tuple[str, ...]
    weights: Mapping[str, Float32Array]


@dataclass(frozen=True, slots=True)
class KerasModel:
    """A functional Keras model with one output.

    Attributes
    ----------
    path
        The file.
    layers
        In the file's order.
    output
        Name of the layer whose output is the model's.
    """

    path: Path
    layers: tuple[KerasLayer, ...]
    output: str


def read_keras_model(path: Path) -> KerasModel:
    """Read a functional model that Keras 2 saved whole, `model.save(….h5)`.

    The layers stand as JSON in the file's attribute `model_config`, the weights in the group
    `model_weights`: a group a layer, whose attribute `weight_names` lists its arrays.

    Raises
    ------
    InputError
        When h5py is not installed; when the file is missing, is no HDF5, holds no such model, or lacks
        weights.
    """
    try:
        import h5py  # noqa: PLC0415 - an extra: only who reads such a file needs it
    except ImportError:
        raise InputError(f"{path} cannot be read without h5py: pip install 'haploscribe[xpresso]'") from None
    if not path.is_file():
        raise InputError(f"there is no file {path}; check the path")
    try:
        with h5py.File(path, "r") as file:
            return _model(path, file)
    except (OSError, RuntimeError) as error:  # h5py raises either where a file is damaged
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as HDF5 ({reason}); copy or download it again") from None


def _model(path: Path, file: "h5py.File") -> KerasModel:
    written = file.attrs.get("model_config")
    if written is None:
        raise InputError(f"{path} is no whole Keras model: it has no model_config; save it with model.save()")
    try:
        parsed = json.loads(written)
        config = parsed["config"]
        layers = tuple(
            KerasLayer(
                name=str(layer["name"]),
                kind=str(layer["class_name"]),
                config=layer["config"],
                inputs=_inputs(layer["inbound_nodes"]),
                weights=_weights(path, file, str(layer["name"])),
            )
            for layer in config["layers"]
        )
        ((output, _, _),) = config["output_layers"]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise InputError(
            f"the model_config of {path} is not that of a functional Keras 2 model with one output; "
            "save it with Keras 2"
        ) from None
    return KerasModel(path, layers, str(output))


def _inputs(nodes: list[list[list[Any]]]) -> tuple[str, ...]:
    """Read the layers that feed a layer; a layer used twice would have two nodes."""
    if not nodes:
        return ()
    (node,) = nodes
    return tuple(str(source[0]) for source in node)


def _weights(path: Path, file: "h5py.File", layer: str) -> dict[str, Float32Array]:
    """Read a layer's arrays; `conv1d_1/kernel:0` is `kernel`."""
    group = f"model_weights/{layer}"
    if group not in file:
        return {}
    weights = {}
    for written in file[group].attrs.get("weight_names", ()):
        name = written.decode() if isinstance(written, bytes) else str(written)
        place = f"{group}/{name}"
        if place not in file:
            raise InputError(f"{path} lacks the weights {place}; copy or download it again")
        values = np.asarray(_dataset_of_its_own(path, file, place), dtype=np.float32)
        if not np.isfinite(values).all():
            raise InputError(f"{path} has weights in {place} that are not finite; copy or download it again")
        weights[name.rsplit("/", 1)[-1].split(":")[0]] = values
    return weights


def _dataset_of_its_own(path: Path, file: "h5py.File", place: str) -> "h5py.Dataset":
    """Open an array that lies in the file: HDF5 could also have it read any other file of the machine."""
    import h5py  # noqa: PLC0415 - is there by now

    parts = place.split("/")
    above = ("/".join(parts[: depth + 1]) for depth in range(len(parts)))
    plain = all(isinstance(file.get(name, getlink=True), h5py.HardLink) for name in above)
    found = file[place] if plain else None
    if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
        raise InputError(f"{path} has {place} in another file or no array; use the file as published")
    return found
