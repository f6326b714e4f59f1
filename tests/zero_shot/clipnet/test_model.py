"""CLIPNET against Keras with the same weights; its reading of both outputs; and other files refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
import torch

from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import reverse_complement
from haploscribe.zero_shot.clipnet import FILES, Clipnet, read_clipnet
from tests.fixtures.clipnet_files import EXPECTED, write_clipnet

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def fold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clipnet(tmp_path_factory.mktemp("clipnet") / "fold_1.h5")


@pytest.fixture(scope="module")
def expected() -> dict[str, npt.NDArray[Any]]:
    with np.load(EXPECTED) as arrays:
        return {name: arrays[name] for name in arrays.files}


def spelled(bases: npt.NDArray[Any]) -> bytes:
    """Two-hot bases as letters."""
    return bytes(b"ACGTN"[int(row.argmax()) if row.any() else 4] for row in bases)


def on_strand(profile: npt.NDArray[Any], quantity: float, strand: slice) -> float:
    return float(quantity * profile[strand].astype(np.float64).sum() / profile.astype(np.float64).sum())


def test_the_network_computes_what_keras_computes(fold: Path, expected: dict[str, npt.NDArray[Any]]) -> None:
    (network,) = read_clipnet(fold)._networks
    with torch.inference_mode():
        profile, quantity = network(torch.from_numpy(expected["bases"].astype(np.float32)))
    np.testing.assert_allclose(profile, expected["profile"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(quantity, expected["quantity"], rtol=1e-4, atol=1e-5)
    assert (expected["quantity"] > 0).all()
    assert (expected["profile"] > 0).mean() > 0.3


def test_expression_is_the_quantity_on_the_genes_strand(
    fold: Path, expected: dict[str, npt.NDArray[Any]]
) -> None:
    sequences = [spelled(bases) for bases in expected["bases"]]
    outputs = list(zip(expected["profile"], expected["quantity"], strict=True))
    model = read_clipnet(fold)
    forward = [on_strand(profile, quantity, slice(500)) for profile, quantity in outputs]
    np.testing.assert_allclose(model.predict(sequences), forward, rtol=1e-4)
    other = [on_strand(profile, quantity, slice(500, 1000)) for profile, quantity in outputs]
    turned = [reverse_complement(sequence) for sequence in sequences]
    np.testing.assert_allclose(model.predict(turned, reverse_complement=True), other, rtol=1e-4)
    assert (model.upstream, model.downstream) == (500, 500)


def test_folds_are_averaged_before_the_profile_is_scaled(
    tmp_path: Path, expected: dict[str, npt.NDArray[Any]]
) -> None:
    for number, name in enumerate(FILES):
        write_clipnet(tmp_path / name, seed="" if number % 3 else "other")
    bases = torch.from_numpy(expected["bases"][:1].astype(np.float32))
    with torch.inference_mode():
        folds = [read_clipnet(tmp_path / name)._networks[0](bases) for name in FILES]
    profile = np.mean([fold[0][0].numpy() for fold in folds], axis=0)
    quantity = float(np.mean([fold[1][0] for fold in folds]))
    found = read_clipnet(tmp_path).predict([spelled(expected["bases"][0])])
    np.testing.assert_allclose(found, on_strand(profile, quantity, slice(500)), rtol=1e-4)


def test_where_nothing_is_predicted_expression_is_0(fold: Path) -> None:
    class Silent(torch.nn.Module):
        def forward(self, bases: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.zeros(1, 1000), torch.ones(1)

    model = Clipnet([Silent()])  # type: ignore[list-item]
    assert model.predict([b"A" * 1000]).tolist() == [0.0]


def test_a_folder_that_lacks_folds_is_refused(fold: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"has no fold_2\.h5, .*; give a folder with fold_1\.h5 to fold_9\.h5"
    ):
        read_clipnet(fold.parent)
    with pytest.raises(InputError, match=r"has no fold_1\.h5"):
        read_clipnet(tmp_path / "fold_1.h5")


def _config(change: Callable[[list[dict[str, Any]]], None]) -> Callable[[h5py.File], None]:
    def spoil(file: h5py.File) -> None:
        config = json.loads(file.attrs["model_config"])
        change(config["config"]["layers"])
        file.attrs["model_config"] = json.dumps(config)

    return spoil


def _dilation(layers: list[dict[str, Any]]) -> None:
    layers[17]["config"]["dilation_rate"] = [4]


def _no_elu(layers: list[dict[str, Any]]) -> None:
    layers[4]["config"]["activation"] = "relu"


def _epsilon(layers: list[dict[str, Any]]) -> None:
    layers[1]["config"]["epsilon"] = 1e-5


def _layer_less(layers: list[dict[str, Any]]) -> None:
    del layers[-1]


def _array_less(file: h5py.File) -> None:
    del file["model_weights/dense/dense/kernel:0"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_config(_dilation), r"layer conv1d_4 has dilation_rate \[4\], not \[2\]"),
        (_config(_no_elu), "layer activation has activation 'relu', not 'elu'"),
        (_config(_epsilon), "layer batch_normalization has epsilon 1e-05, not 0.001"),
        (_config(_layer_less), "its layers are InputLayer, BatchNormalization"),
        (_array_less, "kernel:0 is missing, in another file or no array"),
    ],
)
def test_a_network_that_differs_is_refused_in_one_line(
    spoil: Callable[[h5py.File], None], said: str, tmp_path: Path
) -> None:
    path = write_clipnet(tmp_path / "fold_1.h5")
    with h5py.File(path, "r+") as file:
        spoil(file)
    with pytest.raises(
        InputError, match=f"is not the published CLIPNET: .*{said}.*use the file as published"
    ):
        read_clipnet(path)
