"""Small Keras models as HDF5 files, and what they compute, in plain numpy and scipy.

The layout is that of a file Keras 2.0.5 wrote (`model.save`): layers in `model_config`, weights in
`model_weights/LAYER/LAYER/NAME:0`, listed in each group's `weight_names`.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.signal import correlate

from haploscribe.utils.types import Float32Array, Float64Array

Config = dict[str, Any]


@dataclass
class MadeModel:
    """Xpresso's kinds of layers with random weights, narrow enough for a test.

    Every part can be changed before `write`.
    """

    length: int = 97
    features: int = 3
    kernel_sizes: tuple[int, int] = (6, 9)
    filters: tuple[int, int] = (5, 4)
    pools: tuple[int, int] = (4, 3)
    padding: str = "same"
    units: int = 7
    seed: int = 0
    layers: list[Config] = field(init=False)
    weights: dict[str, dict[str, Float32Array]] = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        trimmed = [size - 1 if self.padding == "valid" else 0 for size in self.kernel_sizes]
        after_first = (self.length - trimmed[0]) // self.pools[0]
        flat = (after_first - trimmed[1]) // self.pools[1] * self.filters[1] + self.features
        shapes = {
            "conv1d_1": (self.kernel_sizes[0], 4, self.filters[0]),
            "conv1d_2": (self.kernel_sizes[1], self.filters[0], self.filters[1]),
            "dense_1": (flat, self.units),
            "dense_2": (self.units, 2),
            "dense_3": (2, 1),
        }
        self.weights = {
            name: {
                "kernel": rng.normal(size=shape).astype(np.float32),
                "bias": rng.normal(size=shape[-1:]).astype(np.float32),
            }
            for name, shape in shapes.items()
        }
        self.layers = [
            _layer("promoter", "InputLayer", {"batch_input_shape": [None, self.length, 4]}),
            self._convolution(0, "promoter"),
            self._pooling(0),
            self._convolution(1, "max_pooling1d_1"),
            self._pooling(1),
            _layer("flatten_1", "Flatten", {}, "max_pooling1d_2"),
            _layer("halflife", "InputLayer", {"batch_input_shape": [None, self.features]}),
            _layer("concatenate_1", "Concatenate", {"axis": -1}, "flatten_1", "halflife"),
            _dense(1, self.units, "concatenate_1"),
            _layer("activation_1", "Activation", {"activation": "relu"}, "dense_1"),
            _layer("dropout_1", "Dropout", {"rate": 0.5}, "activation_1"),
            _dense(2, 2, "dropout_1"),
            _layer("activation_2", "Activation", {"activation": "linear"}, "dense_2"),
            _dense(3, 1, "activation_2"),
        ]

    def layer(self, name: str) -> Config:
        """The description of one layer, to be changed in place."""
        return next(layer for layer in self.layers if layer["name"] == name)

    def _convolution(self, number: int, source: str) -> Config:
        config = {
            "filters": self.filters[number],
            "kernel_size": [self.kernel_sizes[number]],
            "strides": [1],
            "dilation_rate": [1],
            "padding": self.padding,
            "activation": "relu",
            "use_bias": True,
        }
        return _layer(f"conv1d_{number + 1}", "Conv1D", config, source)

    def _pooling(self, number: int) -> Config:
        pool = [self.pools[number]]
        config = {"pool_size": pool, "strides": pool, "padding": "valid"}
        return _layer(f"max_pooling1d_{number + 1}", "MaxPooling1D", config, f"conv1d_{number + 1}")

    def config(self) -> Config:
        """What `model_config` holds."""
        return {
            "class_name": "Model",
            "config": {"name": "model_1", "layers": self.layers, "output_layers": [["dense_3", 0, 0]]},
        }

    def write(self, path: Path) -> Path:
        """Write the file."""
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = json.dumps(self.config()).encode()
            for layer in self.layers:
                arrays = self.weights.get(layer["name"], {})
                group = file.create_group(f"model_weights/{layer['name']}")
                names = [f"{layer['name']}/{name}:0" for name in arrays]
                group.attrs["weight_names"] = np.array(names, dtype="S") if names else np.empty(0)
                for name, values in zip(names, arrays.values(), strict=True):
                    group.create_dataset(name, data=values)
        return path

    def expected(self, sequence: Float32Array, features: Float32Array) -> float:
        """The output for one input, `(length, 4)` and `(features,)`, in float64."""
        value = np.asarray(sequence, dtype=np.float64)
        for number in (0, 1):
            value = np.maximum(self._correlated(value, f"conv1d_{number + 1}"), 0)
            pool = self.pools[number]
            whole = len(value) // pool
            value = value[: whole * pool].reshape(whole, pool, -1).max(axis=1)
        hidden = np.concatenate([value.ravel(), features])
        hidden = np.maximum(self._affine(hidden, "dense_1"), 0)
        return float(self._affine(self._affine(hidden, "dense_2"), "dense_3")[0])

    def _affine(self, value: Float64Array, name: str) -> Float64Array:
        return np.asarray(value @ self.weights[name]["kernel"] + self.weights[name]["bias"])

    def _correlated(self, value: Float64Array, name: str) -> Float64Array:
        """TensorFlow's Conv1D: with `same`, (k − 1) // 2 zeros before and k // 2 behind."""
        kernel = self.weights[name]["kernel"].astype(np.float64)
        width = len(kernel)
        if self.padding == "same":
            value = np.pad(value, (((width - 1) // 2, width // 2), (0, 0)))
        columns = [
            sum(
                correlate(value[:, channel], kernel[:, channel, unit], mode="valid", method="direct")
                for channel in range(value.shape[1])
            )
            for unit in range(kernel.shape[2])
        ]
        return np.asarray(np.stack(columns, axis=1) + self.weights[name]["bias"])


def _layer(name: str, kind: str, config: Config, *sources: str) -> Config:
    nodes = [[[source, 0, 0, {}] for source in sources]] if sources else []
    return {"name": name, "class_name": kind, "config": {"name": name, **config}, "inbound_nodes": nodes}


def _dense(number: int, units: int, source: str) -> Config:
    config = {"units": units, "activation": "linear", "use_bias": True}
    return _layer(f"dense_{number}", "Dense", config, source)
