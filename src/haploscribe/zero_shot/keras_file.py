"""Read whole models that Keras 2 saved as HDF5, of layers that are known; nothing in a file is run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from haploscribe.errors import InputError
from haploscribe.utils.types import Float32Array

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a published network, as a file must describe it.

    Attributes
    ----------
    kind
        Name of its class in Keras.
    inputs
        Indices of the layers that it reads.
    settings
        What decides what it computes.
    shapes
        Of its weights, by Keras's name for them.
    """

    kind: str
    inputs: tuple[int, ...]
    settings: Mapping[str, object]
    shapes: Mapping[str, tuple[int, ...]]


def input_layer(*shape: int) -> Layer:
    """Return an input of a shape, without the batch."""
    return Layer("InputLayer", (), {"batch_input_shape": [None, *shape]}, {})


def convolution(source: int, width: int, channels: int, filters: int, **settings: object) -> Layer:
    """Return a convolution along the sequence; settings differ from `same` padding and no dilation."""
    usual = {"filters": filters, "activation": "linear", "use_bias": True, "padding": "same"}
    usual |= {"kernel_size": [width], "strides": [1], "dilation_rate": [1]}
    shapes = {"kernel": (width, channels, filters), "bias": (filters,)}
    return Layer("Conv1D", (source,), usual | settings, shapes)


def pooling(source: int, width: int) -> Layer:
    """Return a maximum over each `width` positions."""
    settings = {"pool_size": [width], "strides": [width], "padding": "valid"}
    return Layer("MaxPooling1D", (source,), settings, {})


def dense(source: int, size: int, units: int) -> Layer:
    """Return a matrix product."""
    settings = {"units": units, "activation": "linear", "use_bias": True}
    return Layer("Dense", (source,), settings, {"kernel": (size, units), "bias": (units,)})


def activation(source: int, function: str) -> Layer:
    """Return an activation."""
    return Layer("Activation", (source,), {"activation": function}, {})


def batch_norm(source: int, channels: int, epsilon: float) -> Layer:
    """Return a batch norm of the last axis."""
    settings = {"epsilon": epsilon, "center": True, "scale": True}
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    return Layer("BatchNormalization", (source,), settings, dict.fromkeys(names, (channels,)))


_DEFAULTS: Mapping[str, object] = {"data_format": "channels_last"}
"""Settings that a file may leave out, as published ones do."""
_TORCH_NAMES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def read_layers(
    path: Path, layers: Sequence[Layer], outputs: Sequence[int], model: str
) -> list[dict[str, Tensor]]:
    """Read the weights of a model's layers, as torch names and lays them out.

    The layers are JSON in the file's attribute `model_config`, the weights in the group
    `model_weights`: one group per layer, whose attribute `weight_names` lists its arrays.

    Parameters
    ----------
    path
        The file.
    layers
        The published layers, in the order of the file.
    outputs
        Indices of the layers that are output.
    model
        For error messages.

    Returns
    -------
    For each layer that has weights, float32 tensors by their names in torch.

    Raises
    ------
    InputError
        When h5py is not installed, the file cannot be read, or its layers, settings or weights are others.
    """
    try:
        import h5py  # noqa: PLC0415 - an extra: only users of these models need it
    except ImportError:
        raise InputError(f"{path} cannot be read without h5py: pip install 'haploscribe[xpresso]'") from None
    if not path.is_file():
        raise InputError(f"there is no file {path}; check the path")
    try:
        with h5py.File(path, "r") as file:
            names = _check_layers(file, layers, outputs)
            return [
                {name: _in_torch(array) for name, array in _read_weights(file, own, layer.shapes).items()}
                for own, layer in zip(names, layers, strict=True)
                if layer.shapes
            ]
    except (OSError, RuntimeError) as error:  # h5py raises either for a damaged file
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as HDF5 ({reason}); copy or download it again") from None
    except _DifferenceError as error:
        raise InputError(f"{path} is not the published {model}: {error}; use the file as published") from None


def _in_torch(array: Float32Array) -> Tensor:
    """Return an array in torch's layout, the reverse of Keras's (width, channels, filters), (inputs, units).

    Alignment in memory can decide a product's last bit: torch copies to aligned memory, numpy need not.
    """
    return torch.from_numpy(array.T).clone(memory_format=torch.contiguous_format)


class _DifferenceError(Exception):
    """A difference from the published file."""


def _check_layers(file: "h5py.File", layers: Sequence[Layer], outputs: Sequence[int]) -> list[str]:
    """Check `model_config` against the published layers, and return the layers' names in this file."""
    written = file.attrs.get("model_config")
    if written is None:
        raise _DifferenceError("it has no model_config")
    try:
        config = json.loads(written)["config"]
        found_layers = config["layers"]
        names = [str(layer["name"]) for layer in found_layers]
        kinds = [str(layer["class_name"]) for layer in found_layers]
        inputs = [[source[0] for node in layer["inbound_nodes"] for source in node] for layer in found_layers]
        settings = [dict(layer["config"]) for layer in found_layers]
        found_outputs = [output[0] for output in config["output_layers"]]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError):
        raise _DifferenceError("its model_config is not that of a functional Keras 2 model") from None
    expected = [layer.kind for layer in layers]
    if kinds != expected or len(set(names)) < len(names):
        raise _DifferenceError(f"its layers are {', '.join(kinds)}, not {', '.join(expected)}")
    for i, layer in enumerate(layers):
        found = {**_DEFAULTS, **settings[i], "inputs": inputs[i]}
        wanted = {**_DEFAULTS, **layer.settings, "inputs": [names[source] for source in layer.inputs]}
        for name, value in wanted.items():
            if found.get(name) != value:
                raise _DifferenceError(f"layer {names[i]} has {name} {found.get(name)!r}, not {value!r}")
    if found_outputs != [names[i] for i in outputs]:
        raise _DifferenceError(f"its outputs are {found_outputs}, not {[names[i] for i in outputs]}")
    return names


def _read_weights(
    file: "h5py.File", layer: str, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Float32Array]:
    """Read a layer's arrays, by torch's names, from Keras's: `conv1d_1/kernel:0` is `kernel`."""
    group = f"model_weights/{layer}"
    listed = np.ravel(file[group].attrs.get("weight_names", ()) if group in file else ())
    texts = [name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in listed]
    paths = {text.rsplit("/", 1)[-1].split(":")[0]: f"{group}/{text}" for text in texts}
    if sorted(paths) != sorted(shapes):
        raise _DifferenceError(f"layer {layer} has weights {sorted(paths)}, not {sorted(shapes)}")
    weights = {}
    for name, shape in shapes.items():
        dataset = _own_dataset(file, paths[name])
        if dataset.shape != shape or dataset.dtype != np.float32:
            raise _DifferenceError(f"{paths[name]} is {dataset.dtype} {dataset.shape}, not float32 {shape}")
        array = np.asarray(dataset, dtype=np.float32)
        if not np.isfinite(array).all():
            raise _DifferenceError(f"{paths[name]} holds values that are not finite")
        weights[_TORCH_NAMES[name]] = array
    return weights


def _own_dataset(file: "h5py.File", path: str) -> "h5py.Dataset":
    """Open an array stored in the file itself: HDF5 links could read any other file of the machine."""
    import h5py  # noqa: PLC0415 - imported before

    parts = path.split("/")
    above = ("/".join(parts[: depth + 1]) for depth in range(len(parts)))
    plain = all(isinstance(file.get(name, getlink=True), h5py.HardLink) for name in above)
    found = file[path] if plain else None
    if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
        raise _DifferenceError(f"{path} is missing, in another file or no array")
    return found
