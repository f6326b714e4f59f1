"""Xpresso with random weights as an HDF5 file, and what it computes, in plain numpy.

The layout is that of the published file, which Keras 2.0.5 wrote (`model.save`): layers in `model_config`,
weights in `model_weights/LAYER/LAYER/NAME:0`, listed in each group's `weight_names`.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from haploscribe.utils.types import Float32Array, Float64Array

Config = dict[str, Any]

SHAPES = {
    "conv1d_1": (6, 4, 128),
    "conv1d_2": (9, 128, 32),
    "dense_1": (1126, 64),
    "dense_2": (64, 2),
    "dense_3": (2, 1),
}


@dataclass
class RandomXpresso:
    """Xpresso's layers with random weights; every part can be changed before `write`."""

    seed: int = 0
    layers: list[Config] = field(init=False)
    weights: dict[str, dict[str, Float32Array]] = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.weights = {
            name: {
                "kernel": (rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32),
                "bias": rng.normal(size=shape[-1:]).astype(np.float32),
            }
            for name, shape in SHAPES.items()
        }
        self.weights["dense_3"]["kernel"] = np.ones((2, 1), dtype=np.float32)
        self.layers = [
            _layer("promoter", "InputLayer", {"batch_input_shape": [None, 10_500, 4]}),
            _convolution(1, 128, 6, "promoter"),
            _pooling(1, 30),
            _convolution(2, 32, 9, "max_pooling1d_1"),
            _pooling(2, 10),
            _layer("flatten_1", "Flatten", {}, "max_pooling1d_2"),
            _layer("halflife", "InputLayer", {"batch_input_shape": [None, 6]}),
            _layer("concatenate_1", "Concatenate", {"axis": -1}, "flatten_1", "halflife"),
            _dense(1, 64, "concatenate_1"),
            _layer("activation_1", "Activation", {"activation": "relu"}, "dense_1"),
            _layer("dropout_1", "Dropout", {"rate": 0.5}, "activation_1"),
            _dense(2, 2, "dropout_1"),
            _layer("activation_2", "Activation", {"activation": "relu"}, "dense_2"),
            _layer("dropout_2", "Dropout", {"rate": 0.5}, "activation_2"),
            _dense(3, 1, "dropout_2"),
        ]

    def layer(self, name: str) -> Config:
        """The description of one layer, to be changed in place."""
        return next(layer for layer in self.layers if layer["name"] == name)

    def write(self, path: Path) -> Path:
        """Write the file."""
        config = {"name": "model_1", "layers": self.layers, "output_layers": [["dense_3", 0, 0]]}
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = json.dumps({"class_name": "Model", "config": config}).encode()
            for layer in self.layers:
                arrays = self.weights.get(layer["name"], {})
                group = file.create_group(f"model_weights/{layer['name']}")
                names = [f"{layer['name']}/{name}:0" for name in arrays]
                group.attrs["weight_names"] = np.array(names, dtype="S") if names else np.empty(0)
                for name, values in zip(names, arrays.values(), strict=True):
                    group.create_dataset(name, data=values)
        return path

    def expected(self, bases: Float32Array, features: Float32Array) -> float:
        """The output for one input, `(10500, 4)` and `(6,)`, in float64."""
        value = np.asarray(bases, dtype=np.float64)
        for number, pool in ((1, 30), (2, 10)):
            value = np.maximum(self._convolved(value, f"conv1d_{number}"), 0)
            value = value.reshape(-1, pool, value.shape[1]).max(axis=1)
        hidden = np.concatenate([value.ravel(), features])
        hidden = np.maximum(self._affine(hidden, "dense_1"), 0)
        hidden = np.maximum(self._affine(hidden, "dense_2"), 0)
        return float(self._affine(hidden, "dense_3")[0])

    def _affine(self, value: Float64Array, name: str) -> Float64Array:
        return np.asarray(value @ self.weights[name]["kernel"] + self.weights[name]["bias"])

    def _convolved(self, value: Float64Array, name: str) -> Float64Array:
        """TensorFlow's Conv1D with `same`: (k − 1) // 2 zeros before and k // 2 behind."""
        kernel = self.weights[name]["kernel"].astype(np.float64)
        width = len(kernel)
        padded = np.pad(value, (((width - 1) // 2, width // 2), (0, 0)))
        windows = sliding_window_view(padded, width, axis=0)  # position, channel, offset
        return np.asarray(
            np.einsum("pco,ocf->pf", windows, kernel, optimize=True) + self.weights[name]["bias"]
        )


def _layer(name: str, kind: str, config: Config, *sources: str) -> Config:
    nodes = [[[source, 0, 0, {}] for source in sources]] if sources else []
    return {"name": name, "class_name": kind, "config": {"name": name, **config}, "inbound_nodes": nodes}


def _convolution(number: int, filters: int, width: int, source: str) -> Config:
    config = {
        "filters": filters,
        "kernel_size": [width],
        "strides": [1],
        "dilation_rate": [1],
        "padding": "same",
        "activation": "relu",
        "use_bias": True,
    }
    return _layer(f"conv1d_{number}", "Conv1D", config, source)


def _pooling(number: int, width: int) -> Config:
    config = {"pool_size": [width], "strides": [width], "padding": "valid"}
    return _layer(f"max_pooling1d_{number}", "MaxPooling1D", config, f"conv1d_{number}")


def _dense(number: int, units: int, source: str) -> Config:
    config = {"units": units, "activation": "linear", "use_bias": True}
    return _layer(f"dense_{number}", "Dense", config, source)
