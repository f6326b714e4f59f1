"""The networks of Borzoi and its successors against `borzoi-pytorch`'s output, and strict loading."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from haploscribe.errors import InputError
from haploscribe.zero_shot.base import one_hot
from haploscribe.zero_shot.borzoi.configuration import BorzoiConfiguration, parse_configuration
from haploscribe.zero_shot.borzoi.model import read_network, stored_name
from haploscribe.zero_shot.borzoi.network import BorzoiNetwork, position_features
from tests.fixtures.borzoi_folders import FIXTURE, drawn_tensors, write_folder
from tests.fixtures.borzoi_weights import LENGTH, TRACK_STEP
from tests.fixtures.enformer_weights import drawn_sequence

KINDS = ("borzoi", "flashzoi", "borzoi-prime")
N_BINS = {"borzoi": 16, "flashzoi": 16, "borzoi-prime": 32}
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    return load_file(FIXTURE / "expected.safetensors")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    return {kind: write_folder(folder / kind, kind, drawn_tensors(kind)) for kind in KINDS}


@pytest.fixture(scope="module")
def networks(folders: dict[str, Path]) -> dict[str, BorzoiNetwork]:
    """The small models, with as many bins put out as the package was told to; to be left as they are."""
    found = {kind: read_network(folders[kind]) for kind in KINDS}
    for kind, network in found.items():
        network.n_bins = N_BINS[kind]
    return found


def _tracks(network: BorzoiNetwork, n: int = 2) -> Tensor:
    """Every 700th track of the first sequences, `(n, tracks, bins)`."""
    bases = torch.stack([torch.from_numpy(one_hot(drawn_sequence(seed, LENGTH))) for seed in range(n)])
    with torch.inference_mode():
        tracks: Tensor = network(bases)
    return tracks[..., ::TRACK_STEP].transpose(1, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_tracks_are_those_of_borzoi_pytorch(
    kind: str, networks: dict[str, BorzoiNetwork], expected: dict[str, Tensor]
) -> None:
    np.testing.assert_allclose(_tracks(networks[kind]), expected[kind], rtol=1e-5, atol=1e-5)


def _configuration(kind: str) -> BorzoiConfiguration:
    return parse_configuration(json.loads((FIXTURE / kind / "config.json").read_text()), "config.json")


def _parts(kind: str) -> list[str]:
    with torch.device("meta"):
        network = BorzoiNetwork(_configuration(kind))
    return [name for name in network.state_dict() if not name.endswith("num_batches_tracked")]


# All of Borzoi's, and those of the others where they differ.
_CHECKED = [
    *(("borzoi", part) for part in _parts("borzoi")),
    *(("flashzoi", part) for part in _parts("flashzoi") if ".attention." in part),
    *(
        ("borzoi-prime", part)
        for part in _parts("borzoi-prime")
        if part.startswith(("coarsen", "up", "head"))
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "part"), _CHECKED)
def test_the_comparison_would_notice_each_tensor(
    kind: str, part: str, networks: dict[str, BorzoiNetwork], expected: dict[str, Tensor]
) -> None:
    """Each is put to what it does nothing with: 1 for scales and variances, else 0."""
    tensor = networks[kind].state_dict()[part]
    before = tensor.clone()
    neutral = "norm" in part and part.endswith(("weight", "running_var"))
    try:
        tensor.fill_(float(neutral))
        found = _tracks(networks[kind], 1)
    finally:
        tensor.copy_(before)
    assert not np.allclose(found, expected[kind][:1], rtol=1e-5, atol=1e-5)


def test_the_comparison_would_notice_which_heads_share_keys(
    networks: dict[str, BorzoiNetwork], expected: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    attend = torch.nn.functional.scaled_dot_product_attention

    def shared_by_others(query: Tensor, key: Tensor, value: Tensor, **_: bool) -> Tensor:
        return attend(query, key.repeat(1, 2, 1, 1), value.repeat(1, 2, 1, 1))

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", shared_by_others)
    assert not np.allclose(_tracks(networks["flashzoi"]), expected["flashzoi"], rtol=1e-5, atol=1e-5)


def test_position_features_are_those_of_borzoi_pytorch(expected: dict[str, Tensor]) -> None:
    assert position_features(64).to(torch.int8).equal(expected["positions"])
    assert position_features(4096).abs().sum(0).equal(expected["positions_of_4096"])


def test_each_part_has_the_name_of_one_stored_tensor() -> None:
    for kind in KINDS:
        shapes = json.loads((FIXTURE / f"{kind}_shapes.json").read_text())
        stored = {stored_name(part, _configuration(kind)) for part in _parts(kind)}
        assert stored == {name for name in shapes if not name.endswith("num_batches_tracked")}


def test_a_mouse_head_and_constants_are_left(tmp_path: Path, folders: dict[str, Path]) -> None:
    tensors = load_file(folders["flashzoi"] / "model.safetensors")
    tensors["mouse_head.weight"] = torch.zeros(2608, 1920, 1)
    tensors["transformer.0.0.fn.1.mha.rotary_emb.inv_freq"] = torch.zeros(64)
    network = read_network(write_folder(tmp_path, "flashzoi", tensors))
    assert network.head.weight.shape == (7611, 1920, 1)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"unet1.1.norm.bias": None}, "do not fit borzoi: it lacks unet1.1.norm.bias; give"),
        ({"human_head.bias": torch.zeros(8)}, "has, of another shape .*, human_head.bias; give"),
        ({"extra.weight": torch.zeros(2)}, "it has unexpected extra.weight; give"),
        ({"unet1.1.norm.bias": torch.full((1280,), torch.nan)}, "are not finite, unet1.1.norm.bias; give"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    changed: dict[str, Tensor | None], complaint: str, tmp_path: Path, folders: dict[str, Path]
) -> None:
    tensors = load_file(folders["borzoi"] / "model.safetensors") | changed
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    with pytest.raises(InputError, match=complaint) as refused:
        read_network(write_folder(tmp_path, "borzoi", kept))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"model_type": "enformer"}, "is of a 'enformer' model"),
        (
            {"model_type": "prime", "flashed": True},
            "no Borzoi Prime with 'flashed' was published",
        ),
        ({"enable_human_head": False}, "no human head"),
        ({"depth": 0}, "no usable 'depth'"),
        ({"dim": "36"}, "no usable 'dim'"),
        ({"flashed": True, "dim": 24}, "dim 24 must divide into 8 heads, an even number, of 128 or more"),
        ({"flashed": True, "dim": 1152, "heads": 9}, "must divide into 9 heads, an even number"),
        ({"flashed": True, "dim": 1537}, "dim 1537 must divide into 8 heads"),
    ],
)
def test_an_impossible_configuration_is_refused(changed: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        parse_configuration(changed, "config.json")


def test_a_silent_configuration_is_the_published_one() -> None:
    published = BorzoiConfiguration(
        kind="borzoi", width=1536, n_layers=8, n_heads=8, key_size=64, value_size=192
    )
    assert parse_configuration({}, "config.json") == published
    rotary = replace(published, kind="flashzoi", key_size=192)
    assert parse_configuration({"flashed": True}, "config.json") == rotary
    prime = replace(
        published,
        kind="borzoi-prime",
        tower_widths=(512, 608, 736, 896, 1056),
        coarse_widths=(1280,),
        output_width=None,
        bin_size=16,
        n_bins=12_288,
        n_tracks=5431,
    )
    assert parse_configuration({"model_type": "prime"}, "config.json") == prime


@pytest.mark.parametrize("length", [16 * 32 - 128, 17 * 32, 19 * 32])
def test_a_sequence_without_whole_bins_or_a_middle_is_refused(
    length: int, networks: dict[str, BorzoiNetwork]
) -> None:
    with pytest.raises(ValueError, match=f"{length} base pairs are not 16 bins of 32"):
        networks["borzoi"].embed(torch.zeros(1, length, 4))


def test_a_length_that_is_not_a_multiple_of_a_position_is_refused(
    networks: dict[str, BorzoiNetwork],
) -> None:
    with pytest.raises(ValueError, match="576 base pairs are not a multiple of 128"):
        networks["borzoi"].embed(torch.zeros(1, 576, 4))
