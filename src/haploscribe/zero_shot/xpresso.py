"""Predict expression with Xpresso, from 10.5 kb (Agarwal & Shendure 2020, Cell Reports 31:107663)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from haploscribe.errors import InputError
from haploscribe.utils.types import Float32Array
from haploscribe.zero_shot.base import SingleSequenceModel, one_hot
from haploscribe.zero_shot.weights_folder import on_meta

if TYPE_CHECKING:
    import h5py

UPSTREAM = 7_000
DOWNSTREAM = 3_500
N_FEATURES = 6
"""Features of the mRNA that bear on its half-life."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer of the published network, as a file must describe it."""

    kind: str
    inputs: tuple[int, ...]
    """Indices of the layers that it reads."""
    settings: dict[str, object]
    shapes: Mapping[str, tuple[int, ...]]
    """Of its weights, by Keras's name for them."""


def _input(*shape: int) -> _Layer:
    return _Layer("InputLayer", (), {"batch_input_shape": [None, *shape]}, {})


def _convolution(source: int, width: int, channels: int, filters: int) -> _Layer:
    settings: dict[str, object] = {"filters": filters, "activation": "relu", "use_bias": True}
    settings |= {"kernel_size": [width], "strides": [1], "dilation_rate": [1], "padding": "same"}
    shapes = {"kernel": (width, channels, filters), "bias": (filters,)}
    return _Layer("Conv1D", (source,), settings, shapes)


def _pooling(source: int, width: int) -> _Layer:
    return _Layer(
        "MaxPooling1D", (source,), {"pool_size": [width], "strides": [width], "padding": "valid"}, {}
    )


def _dense(source: int, size: int, units: int) -> _Layer:
    settings: dict[str, object] = {"units": units, "activation": "linear", "use_bias": True}
    return _Layer("Dense", (source,), settings, {"kernel": (size, units), "bias": (units,)})


# In the order of the published file. Dropout does nothing at prediction: its rate is free.
_LAYERS = (
    _input(UPSTREAM + DOWNSTREAM, 4),
    _convolution(0, 6, 4, 128),
    _pooling(1, 30),
    _convolution(2, 9, 128, 32),
    _pooling(3, 10),
    _Layer("Flatten", (4,), {}, {}),
    _input(N_FEATURES),
    _Layer("Concatenate", (5, 6), {"axis": -1}, {}),
    _dense(7, 35 * 32 + N_FEATURES, 64),
    _Layer("Activation", (8,), {"activation": "relu"}, {}),
    _Layer("Dropout", (9,), {}, {}),
    _dense(10, 64, 2),
    _Layer("Activation", (11,), {"activation": "relu"}, {}),
    _Layer("Dropout", (12,), {}, {}),
    _dense(13, 2, 1),
)
_DEFAULTS: dict[str, object] = {"data_format": "channels_last"}
"""Settings that a file may leave out, as the published one does."""


class XpressoNetwork(nn.Module):
    """Compute in float32 what Keras 2 computes with the published layers at prediction.

    Conv1D is a correlation (the kernel is not reversed), `same` padding of an even kernel adds one more zero
    behind than before, and Flatten runs over positions, then channels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolution_1 = nn.Conv1d(4, 128, 6)
        self.convolution_2 = nn.Conv1d(128, 32, 9)
        self.dense_1 = nn.Linear(35 * 32 + N_FEATURES, 64)
        self.dense_2 = nn.Linear(64, 2)
        self.dense_3 = nn.Linear(2, 1)

    def forward(self, bases: Tensor, features: Tensor) -> Tensor:
        """Return float32 `(n, 1)` from one-hot bases `(n, 10500, 4)` and features of mRNA `(n, 6)`."""
        hidden = F.pad(bases.transpose(1, 2), (2, 3))
        hidden = F.max_pool1d(torch.relu(self.convolution_1(hidden)), 30)
        hidden = F.max_pool1d(torch.relu(self.convolution_2(F.pad(hidden, (4, 4)))), 10)
        joined = torch.cat((hidden.transpose(1, 2).flatten(1), features), dim=-1)
        hidden = torch.relu(self.dense_2(torch.relu(self.dense_1(joined))))
        predicted: Tensor = self.dense_3(hidden)
        return predicted


class Xpresso(SingleSequenceModel):
    """Predict the logarithm of a gene's mRNA level, standardised over genes, with the published weights.

    Besides the sequence the network reads six standardised features of the mRNA that bear on its half-life.
    They are set to 0, the average gene: computing them takes an annotation of exons, and they rarely differ
    between samples.

    Parameters
    ----------
    network
        As `read_xpresso` returns it.

    Attributes
    ----------
    name, upstream, downstream, strand_specific, reading
        See `SequenceModel`.
    network
        The parameter.
    """

    name = "xpresso"
    upstream = UPSTREAM
    downstream = DOWNSTREAM
    strand_specific = True
    reading = "half-life features 0"

    def __init__(self, network: XpressoNetwork) -> None:
        self.network = network

    def predict_one(self, sequence: bytes, *, reverse_complement: bool) -> float:
        """Predict from one sequence, along the gene's strand: see `SingleSequenceModel.predict_one`."""
        with torch.inference_mode():
            return float(self.network(torch.from_numpy(one_hot(sequence)[None]), torch.zeros(1, N_FEATURES)))


def read_xpresso(path: Path) -> Xpresso:
    """Read the published weights, a whole model that Keras 2 saved as HDF5; nothing in the file is run.

    The layers are JSON in the file's attribute `model_config`, the weights in the group
    `model_weights`: one group per layer, whose attribute `weight_names` lists its arrays.

    Raises
    ------
    InputError
        When h5py is not installed, the file cannot be read, or its layers, settings or weights are not
        Xpresso's.
    """
    try:
        import h5py  # noqa: PLC0415 - an extra: only users of this model need it
    except ImportError:
        raise InputError(f"{path} cannot be read without h5py: pip install 'haploscribe[xpresso]'") from None
    if not path.is_file():
        raise InputError(f"there is no file {path}; check the path")
    network = on_meta(XpressoNetwork)
    try:
        with h5py.File(path, "r") as file:
            names = _check_layers(file)
            weights = {
                name: _read_weights(file, name, layer.shapes)
                for name, layer in zip(names, _LAYERS, strict=True)
                if layer.shapes
            }
    except (OSError, RuntimeError) as error:  # h5py raises either for a damaged file
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as HDF5 ({reason}); copy or download it again") from None
    except _DifferenceError as error:
        raise InputError(f"{path} is not the published Xpresso: {error}; use the file as published") from None
    for layer, arrays in zip(network.children(), weights.values(), strict=True):
        # Keras has (width, channels, filters) and (inputs, units), torch the reverse. Alignment in memory can
        # decide a product's last bit: torch copies to aligned memory, numpy need not.
        kernel, bias = torch.from_numpy(arrays["kernel"].T).contiguous(), torch.from_numpy(arrays["bias"])
        layer.load_state_dict({"weight": kernel, "bias": bias}, assign=True)
    return Xpresso(network.eval().requires_grad_(requires_grad=False))


class _DifferenceError(Exception):
    """A difference from the published file."""


def _check_layers(file: "h5py.File") -> list[str]:
    """Check `model_config` against the published layers, and return the layers' names in this file."""
    written = file.attrs.get("model_config")
    if written is None:
        raise _DifferenceError("it has no model_config")
    try:
        config = json.loads(written)["config"]
        layers = config["layers"]
        names = [str(layer["name"]) for layer in layers]
        kinds = [str(layer["class_name"]) for layer in layers]
        inputs = [[source[0] for node in layer["inbound_nodes"] for source in node] for layer in layers]
        settings = [dict(layer["config"]) for layer in layers]
        outputs = [output[0] for output in config["output_layers"]]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError):
        raise _DifferenceError("its model_config is not that of a functional Keras 2 model") from None
    expected = [layer.kind for layer in _LAYERS]
    if kinds != expected or len(set(names)) < len(names):
        raise _DifferenceError(f"its layers are {', '.join(kinds)}, not {', '.join(expected)}")
    for i, layer in enumerate(_LAYERS):
        found = _DEFAULTS | settings[i] | {"inputs": inputs[i]}
        wanted = _DEFAULTS | layer.settings | {"inputs": [names[source] for source in layer.inputs]}
        for name, value in wanted.items():
            if found.get(name) != value:
                raise _DifferenceError(f"layer {names[i]} has {name} {found.get(name)!r}, not {value!r}")
    if outputs != names[-1:]:
        raise _DifferenceError(f"its outputs are {outputs}, not {names[-1:]}")
    return names


def _read_weights(
    file: "h5py.File", layer: str, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Float32Array]:
    """Read a layer's arrays by Keras's name for them: `conv1d_1/kernel:0` is `kernel`."""
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
        weights[name] = np.asarray(dataset, dtype=np.float32)
        if not np.isfinite(weights[name]).all():
            raise _DifferenceError(f"{paths[name]} holds values that are not finite")
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
