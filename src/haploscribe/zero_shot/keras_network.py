"""A Keras network of plain layers, rebuilt in torch for prediction.

Tensors are as in Keras: batch, position, channel. What a layer computes is defined by Keras 2 with the
TensorFlow backend: Conv1D is a correlation (the kernel is not turned around), `same` padding of an even
kernel adds one more zero behind than before, and Flatten runs over positions, then channels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from haploscribe.errors import InputError
from haploscribe.zero_shot.keras_file import KerasLayer, KerasModel

Shape = tuple[int, ...]
_Apply = Callable[[Sequence[Tensor]], Tensor]


@dataclass(frozen=True, slots=True)
class _Step:
    """One layer, ready to compute."""

    name: str
    inputs: tuple[str, ...]
    apply: _Apply


@dataclass(frozen=True, slots=True)
class KerasNetwork:
    """A network that computes in float32 what Keras computes at prediction.

    Attributes
    ----------
    input_shapes
        For each input layer, its shape without the batch axis.
    output_shape
        Without the batch axis.
    """

    input_shapes: Mapping[str, Shape]
    output_shape: Shape
    _steps: tuple[_Step, ...]
    _output: str

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Compute the output.

        Parameters
        ----------
        inputs
            For each input layer, float32 `(n, *input_shape)`.

        Returns
        -------
        float32 `(n, *output_shape)`
        """
        values = dict(inputs)
        with torch.inference_mode():
            for step in self._steps:
                values[step.name] = step.apply([values[name] for name in step.inputs])
        return values[self._output]


def build_network(model: KerasModel) -> KerasNetwork:
    """Build the network that a file describes.

    Layers: InputLayer, Conv1D, MaxPooling1D, Flatten, Concatenate, Dense, Activation (relu or linear),
    and Dropout, which does nothing at prediction.

    Raises
    ------
    InputError
        When there is another kind of layer, a setting that is not known here, a layer whose inputs do not
        fit, or weights that are missing or have the wrong shape.
    """
    shapes: dict[str, Shape] = {}
    inputs: dict[str, Shape] = {}
    steps: list[_Step] = []
    for layer in model.layers:
        where = f"layer {layer.name} ({layer.kind}) of {model.path}"
        if layer.kind not in _BUILDERS:
            raise InputError(f"{where} is of a kind that cannot be read; only {', '.join(_BUILDERS)} can")
        if not all(name in shapes for name in layer.inputs):
            raise InputError(f"{where} reads layers that do not stand before it; save the model again")
        try:
            apply, shape = _BUILDERS[layer.kind](layer, [shapes[name] for name in layer.inputs])
        except _MisfitError as error:
            raise InputError(f"{where} cannot be built: {error}; use the file as published") from None
        except (LookupError, TypeError, ValueError, AttributeError):
            raise InputError(
                f"{where} cannot be built: its settings are incomplete or of the wrong type; "
                "use the file as published"
            ) from None
        shapes[layer.name] = shape
        if layer.kind == "InputLayer":
            inputs[layer.name] = shape
        else:
            steps.append(_Step(layer.name, layer.inputs, apply))
    if model.output not in shapes:
        raise InputError(f"{model.path} names an output layer that it lacks, {model.output}; save it again")
    return KerasNetwork(inputs, shapes[model.output], tuple(steps), model.output)


class _MisfitError(Exception):
    """A layer that does not fit its inputs, its weights, or what is known here."""


def _require(config: Mapping[str, Any], setting: str, *known: object) -> None:
    """Refuse a setting other than the known ones; where it is not written, it has the first."""
    if config.get(setting, known[0]) not in known:
        raise _MisfitError(f"{setting} is {config[setting]!r}, not {' or '.join(map(repr, known))}")


def _size(value: object) -> int:
    """Take a number of positions, channels or units, written as it is or as a list of one."""
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if type(value) is not int or value < 1:  # True is an int too
        raise _MisfitError(f"{value!r} is no size")
    return value


def _only(shapes: Sequence[Shape], rank: int | None = None) -> Shape:
    """Take the shape of the one input, which has `rank` axes besides the batch."""
    if len(shapes) != 1 or (rank is not None and len(shapes[0]) != rank):
        raise _MisfitError(f"its inputs have shapes {list(shapes)}")
    return shapes[0]


def _weight(layer: KerasLayer, name: str, shape: Shape) -> Tensor:
    if name not in layer.weights:
        raise _MisfitError(f"its weights {name} are missing")
    if layer.weights[name].shape != shape:
        raise _MisfitError(f"its weights {name} have shape {layer.weights[name].shape}, not {shape}")
    return torch.from_numpy(layer.weights[name])


def _bias(layer: KerasLayer, size: int) -> Tensor | None:
    return _weight(layer, "bias", (size,)) if layer.config["use_bias"] else None


def _activation(layer: KerasLayer) -> Callable[[Tensor], Tensor]:
    _require(layer.config, "activation", "linear", "relu")
    return torch.relu if layer.config.get("activation") == "relu" else _unchanged


def _unchanged(value: Tensor) -> Tensor:
    return value


def _nothing(values: Sequence[Tensor]) -> Tensor:
    return values[0]


def _input(layer: KerasLayer, _: Sequence[Shape]) -> tuple[_Apply, Shape]:
    return _nothing, tuple(_size(size) for size in layer.config["batch_input_shape"][1:])


def _convolution(layer: KerasLayer, shapes: Sequence[Shape]) -> tuple[_Apply, Shape]:
    length, channels = _only(shapes, rank=2)
    _require(layer.config, "strides", [1])
    _require(layer.config, "dilation_rate", [1])
    _require(layer.config, "padding", "valid", "same")
    _require(layer.config, "data_format", "channels_last")
    width, filters = _size(layer.config["kernel_size"]), _size(layer.config["filters"])
    total = width - 1 if layer.config.get("padding") == "same" else 0
    if length + total < width:
        raise _MisfitError(f"its input of {length} positions is shorter than its kernel of {width}")
    kernel = _weight(layer, "kernel", (width, channels, filters)).permute(2, 1, 0).contiguous()
    bias, activation = _bias(layer, filters), _activation(layer)

    def apply(values: Sequence[Tensor]) -> Tensor:
        padded = functional.pad(values[0].transpose(1, 2), (total // 2, total - total // 2))
        return activation(functional.conv1d(padded, kernel, bias)).transpose(1, 2)

    return apply, (length + total - width + 1, filters)


def _max_pooling(layer: KerasLayer, shapes: Sequence[Shape]) -> tuple[_Apply, Shape]:
    length, channels = _only(shapes, rank=2)
    _require(layer.config, "padding", "valid")
    _require(layer.config, "data_format", "channels_last")
    width, stride = _size(layer.config["pool_size"]), _size(layer.config["strides"])
    if length < width:
        raise _MisfitError(f"its input of {length} positions is shorter than its pool of {width}")

    def apply(values: Sequence[Tensor]) -> Tensor:
        return functional.max_pool1d(values[0].transpose(1, 2), width, stride).transpose(1, 2)

    return apply, ((length - width) // stride + 1, channels)


def _flatten(layer: KerasLayer, shapes: Sequence[Shape]) -> tuple[_Apply, Shape]:
    _require(layer.config, "data_format", "channels_last")
    size = 1
    for axis in _only(shapes):
        size *= axis
    return lambda values: values[0].flatten(1), (size,)


def _concatenate(layer: KerasLayer, shapes: Sequence[Shape]) -> tuple[_Apply, Shape]:
    _require(layer.config, "axis", -1)
    if not shapes or any(shape[:-1] != shapes[0][:-1] for shape in shapes):
        raise _MisfitError(f"its inputs have shapes {list(shapes)}")
    return partial(torch.cat, dim=-1), (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


def _dense(layer: KerasLayer, shapes: Sequence[Shape]) -> tuple[_Apply, Shape]:
    (size,) = _only(shapes, rank=1)
    units = _size(layer.config["units"])
    kernel = _weight(layer, "kernel", (size, units)).T.contiguous()
    bias, activation = _bias(layer, units), _activation(layer)
    return lambda values: activation(functional.linear(values[0], kernel, bias)), (units,)


def _activation_layer(layer: KerasLayer, shapes: Sequence[Shape]) -> tuple[_Apply, Shape]:
    activation = _activation(layer)
    return lambda values: activation(values[0]), _only(shapes)


def _dropout(_: KerasLayer, shapes: Sequence[Shape]) -> tuple[_Apply, Shape]:
    return _nothing, _only(shapes)


_BUILDERS: dict[str, Callable[[KerasLayer, Sequence[Shape]], tuple[_Apply, Shape]]] = {
    "InputLayer": _input,
    "Conv1D": _convolution,
    "MaxPooling1D": _max_pooling,
    "Flatten": _flatten,
    "Concatenate": _concatenate,
    "Dense": _dense,
    "Activation": _activation_layer,
    "Dropout": _dropout,
}
