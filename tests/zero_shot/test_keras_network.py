"""Keras networks in torch against the same network in plain numpy and scipy."""

import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.errors import InputError
from haploscribe.zero_shot.keras_file import read_keras_model
from haploscribe.zero_shot.keras_network import build_network
from tests.fixtures.keras_files import MadeModel


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(60, 140),
    kernels=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    pools=st.tuples(st.integers(1, 5), st.integers(1, 4)),
    padding=st.sampled_from(("same", "valid")),
    seed=st.integers(0, 2**16),
)
def test_network_computes_what_numpy_computes(
    tmp_path_factory: pytest.TempPathFactory,
    length: int,
    kernels: tuple[int, int],
    pools: tuple[int, int],
    padding: str,
    seed: int,
) -> None:
    made = MadeModel(length=length, kernel_sizes=kernels, pools=pools, padding=padding, seed=seed)
    path = made.write(tmp_path_factory.mktemp("keras") / "model.h5")
    rng = np.random.default_rng(seed)
    sequences = rng.normal(size=(3, length, 4)).astype(np.float32)
    features = rng.normal(size=(3, made.features)).astype(np.float32)
    network = build_network(read_keras_model(path))
    found = network({"promoter": torch.from_numpy(sequences), "halflife": torch.from_numpy(features)})
    expected = [made.expected(*inputs) for inputs in zip(sequences, features, strict=True)]
    np.testing.assert_allclose(found[:, 0].numpy(), expected, rtol=2e-4, atol=2e-3)


def test_shapes_of_inputs_and_output_are_those_of_the_file(tmp_path: Path) -> None:
    network = build_network(read_keras_model(MadeModel().write(tmp_path / "model.h5")))
    assert network.input_shapes == {"promoter": (97, 4), "halflife": (3,)}
    assert network.output_shape == (1,)


def _unknown_layer(made: MadeModel) -> None:
    made.layer("dropout_1")["class_name"] = "Lambda"


def _unknown_activation(made: MadeModel) -> None:
    made.layer("activation_1")["config"]["activation"] = "selu"


def _strided(made: MadeModel) -> None:
    made.layer("conv1d_1")["config"]["strides"] = [2]


def _turned(made: MadeModel) -> None:
    made.layer("conv1d_2")["config"]["data_format"] = "channels_first"


def _missing_weights(made: MadeModel) -> None:
    del made.weights["dense_2"]["bias"]


def _wrong_shape(made: MadeModel) -> None:
    made.weights["dense_1"]["kernel"] = made.weights["dense_1"]["kernel"][:-1]


def _not_finite(made: MadeModel) -> None:
    made.weights["conv1d_1"]["kernel"][0, 0, 0] = np.nan


def _too_short(made: MadeModel) -> None:
    made.layer("max_pooling1d_2")["config"]["pool_size"] = [1000]


def _incomplete(made: MadeModel) -> None:
    del made.layer("dense_1")["config"]["units"]


def _no_stride(made: MadeModel) -> None:
    made.layer("max_pooling1d_1")["config"]["strides"] = [0]


def _out_of_order(made: MadeModel) -> None:
    made.layers.reverse()


def _used_twice(made: MadeModel) -> None:
    made.layer("dense_1")["inbound_nodes"] *= 2


def _wrong_axis(made: MadeModel) -> None:
    made.layer("concatenate_1")["config"]["axis"] = 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_unknown_layer, r"dropout_1 \(Lambda\) .* of a kind that cannot be read"),
        (_unknown_activation, "activation_1 .* activation is 'selu', not 'linear' or 'relu'"),
        (_strided, r"conv1d_1 .* strides is \[2\]"),
        (_turned, "conv1d_2 .* data_format is 'channels_first'"),
        (_missing_weights, "dense_2 .* weights bias are missing"),
        (_wrong_shape, r"dense_1 .* weights kernel have shape \(34, 7\), not \(35, 7\)"),
        (_not_finite, "conv1d_1/kernel:0 that are not finite"),
        (_too_short, "max_pooling1d_2 .* shorter than its pool of 1000"),
        (_incomplete, "dense_1 .* settings are incomplete"),
        (_no_stride, "max_pooling1d_1 .* 0 is no size"),
        (_out_of_order, "dense_3 .* do not stand before it"),
        (_used_twice, "model_config .* not that of a functional Keras 2 model"),
        (_wrong_axis, "concatenate_1 .* axis is 1"),
    ],
)
def test_a_network_that_cannot_be_rebuilt_is_refused_in_one_line(
    tmp_path: Path, spoil: Callable[[MadeModel], None], words: str
) -> None:
    made = MadeModel()
    spoil(made)
    path = made.write(tmp_path / "model.h5")
    with pytest.raises(InputError, match=words) as refusal:
        build_network(read_keras_model(path))
    assert "\n" not in str(refusal.value)


def _no_config(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file.attrs["model_config"]


def _no_json(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = b"{"


def _listed_weights_gone(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["model_weights/dense_1/dense_1/kernel:0"]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_no_config, "no model_config"),
        (_no_json, "not that of a functional Keras 2 model"),
        (_listed_weights_gone, "lacks the weights model_weights/dense_1/dense_1/kernel:0"),
        (_cut, "cannot be read as HDF5"),
        (lambda path: path.write_text("no HDF5\n"), "cannot be read as HDF5"),
        (lambda path: path.unlink(), "there is no file"),
    ],
)
def test_a_file_that_is_no_keras_model_is_refused_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    path = MadeModel().write(tmp_path / "model.h5")
    spoil(path)
    with pytest.raises(InputError, match=words) as refusal:
        read_keras_model(path)
    assert "\n" not in str(refusal.value)


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = MadeModel().write(tmp_path / "model.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"pip install 'haploscribe\[xpresso\]'"):
        read_keras_model(path)
