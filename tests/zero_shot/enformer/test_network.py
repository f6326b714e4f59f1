"""Enformer's network against `enformer-pytorch`'s own output, and strict loading."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.stats import gamma
from torch import Tensor

from haploscribe.errors import InputError
from haploscribe.zero_shot.base import one_hot
from haploscribe.zero_shot.enformer import network as network_module
from haploscribe.zero_shot.enformer.configuration import HUB_NAMES, parse_configuration
from haploscribe.zero_shot.enformer.model import read_network, stored_name
from haploscribe.zero_shot.enformer.network import EnformerNetwork, gamma_features, gelu, position_features
from haploscribe.zero_shot.transformer import by_key
from haploscribe.zero_shot.weights_folder import locate
from tests.fixtures.enformer_weights import drawn_sequence, drawn_tensor

FIXTURE = Path(__file__).parent
SMALL = FIXTURE / "small"
LENGTH = 272
pytestmark = pytest.mark.usefixtures("one_thread")


def _expected(name: str) -> Tensor:
    return load_file(FIXTURE / "expected.safetensors")[name]


def _tracks(network: EnformerNetwork) -> Tensor:
    bases = torch.stack([torch.from_numpy(one_hot(drawn_sequence(seed, LENGTH))) for seed in range(3)])
    with torch.inference_mode():
        tracks: Tensor = network(bases)
    return tracks


def _close(found: Tensor, expected: Tensor) -> bool:
    return bool(np.allclose(found, expected, rtol=1e-5, atol=1e-5))


def test_tracks_are_those_of_enformer_pytorch() -> None:
    np.testing.assert_allclose(_tracks(read_network(SMALL)), _expected("small"), rtol=1e-5, atol=1e-5)


def test_tracks_with_published_position_features_are_those_of_enformer_pytorch() -> None:
    written = json.loads((FIXTURE / "published_positions.json").read_text())
    network = EnformerNetwork(parse_configuration(written, "published_positions.json")).eval()
    shapes = json.loads((FIXTURE / "published_positions_shapes.json").read_text())
    weights = {
        name: torch.from_numpy(drawn_tensor(stored_name(name), tuple(shapes[stored_name(name)])))
        for name in network.state_dict()
        if not name.endswith("num_batches_tracked")
    }
    network.load_state_dict(weights, strict=False)
    with torch.inference_mode():
        found = network(torch.from_numpy(one_hot(drawn_sequence(0, 12_288)))[None])
    # The package reads these features from TensorFlow's own output, which rounds elsewhere.
    np.testing.assert_allclose(found, _expected("published_positions"), rtol=5e-5, atol=5e-5)


_PARTS = [
    name
    for name in EnformerNetwork(
        parse_configuration(json.loads((SMALL / "config.json").read_text()), "config.json")
    ).state_dict()
    if not name.endswith("num_batches_tracked")
]


@pytest.mark.parametrize("part", _PARTS)
def test_the_comparison_would_notice_each_tensor(part: str) -> None:
    """Each is put to what it does nothing with: 1 for scales and variances, else 0."""
    network = read_network(SMALL)
    tensor = network.state_dict()[part]
    neutral = "norm" in part and part.endswith(("weight", "running_var"))
    tensor.fill_(float(neutral))
    assert not _close(_tracks(network), _expected("small"))


def _without_feature(column: int) -> Callable[..., Tensor]:
    def without(*arguments: int, **options: bool) -> Tensor:
        features = position_features(*arguments, **options)
        features[:, column] = 0
        return features

    return without


# Column 12 is 0 everywhere: the sign of a distance where it is 0.
@pytest.mark.parametrize("column", sorted(set(range(18)) - {12}))
def test_the_comparison_would_notice_each_position_feature(
    column: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_module, "position_features", _without_feature(column))
    assert not _close(_tracks(read_network(SMALL)), _expected("small"))


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_the_comparison_would_notice_another_gelu(approximate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(value: Tensor) -> Tensor:
        return torch.nn.functional.gelu(value, approximate=approximate)

    monkeypatch.setattr(network_module, "gelu", other)
    assert not _close(_tracks(read_network(SMALL)), _expected("small"))


def test_gelu_leaves_its_argument_as_it_is() -> None:
    value = torch.linspace(-3, 3, 7)
    gelu(value)
    assert value.equal(torch.linspace(-3, 3, 7))


def test_logits_by_distance_become_logits_by_key() -> None:
    by_distance = torch.randn(2, 3, 5, 9, generator=torch.Generator().manual_seed(0))
    found = by_key(by_distance)
    for query in range(5):
        for key in range(5):
            assert found[:, :, query, key].equal(by_distance[:, :, query, key - query + 4])


def test_published_gamma_features_are_densities_with_a_peak_of_1_over_all_positions() -> None:
    n_bins, n = 1536, 32
    distances = np.abs(np.arange(1 - n_bins, n_bins))[:, None]
    means, deviation = np.linspace(n_bins / n, n_bins, n), n_bins / (2 * n)
    densities = gamma.pdf(distances, (means / deviation) ** 2, scale=deviation**2 / means) + 1e-8
    found = gamma_features(torch.from_numpy(distances).float(), n, n_bins, axis=0)
    # float32 is part of the definition: see `gamma_features`.
    np.testing.assert_allclose(found, densities / densities.max(axis=0), atol=4e-3)


def test_both_names_of_a_tensor_may_be_there(tmp_path: Path) -> None:
    trunk = {"_trunk.1.": "stem.", "_trunk.2.": "conv_tower.", "_trunk.4.": "transformer."}
    tensors = load_file(SMALL / "model.safetensors")
    for ours, theirs in trunk.items():
        tensors |= {
            theirs + name.removeprefix(ours): v.clone() for name, v in tensors.items() if ours in name
        }
    folder = _written(tmp_path, tensors)
    np.testing.assert_allclose(_tracks(read_network(folder)), _expected("small"), rtol=1e-5, atol=1e-5)


def _written(
    folder: Path, tensors: dict[str, Tensor] | None = None, configuration: dict[str, object] | None = None
) -> Path:
    """Write the small model with other tensors or with some settings changed."""
    settings = json.loads((SMALL / "config.json").read_text()) | (configuration or {})
    (folder / "config.json").write_text(json.dumps(settings))
    if tensors is None:
        shutil.copy(SMALL / "model.safetensors", folder)
    else:
        save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"_trunk.6.1.2.bias": None}, "it lacks final_pointwise.1.2.bias; give"),
        ({"_heads.human.0.bias": torch.zeros(8)}, "has, of another shape .*, _heads.human.0.bias; give"),
        ({"extra.weight": torch.zeros(2)}, "it has unexpected extra.weight; give"),
        ({"_trunk.1.0.bias": torch.full((18,), torch.nan)}, "that are not finite, stem.0.bias; give"),
        ({"stem.0.bias": torch.zeros(18)}, "holds stem.0.bias twice, with different values"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    changed: dict[str, Tensor | None], complaint: str, tmp_path: Path
) -> None:
    tensors = load_file(SMALL / "model.safetensors") | changed
    folder = _written(tmp_path, {name: tensor for name, tensor in tensors.items() if tensor is not None})
    with pytest.raises(InputError, match=complaint) as refused:
        read_network(folder)
    assert "\n" not in str(refused.value)


def test_a_folder_of_pickled_weights_says_how_to_convert_them(tmp_path: Path) -> None:
    shutil.copy(SMALL / "config.json", tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    with pytest.raises(InputError, match=r"has no model\.safetensors, .* run: m = enformer_pytorch\.from_"):
        read_network(tmp_path)


def _offline_hub(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))


def test_the_published_name_without_hub_or_cache_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _offline_hub(monkeypatch, tmp_path)
    with pytest.raises(InputError, match="cannot download EleutherAI/enformer-official-rough") as refused:
        locate(None, HUB_NAMES)
    assert "\n" not in str(refused.value)


def test_the_published_name_is_found_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--EleutherAI--enformer-official-rough"
    shutil.copytree(SMALL, repository / "snapshots" / commit)
    (repository / "refs" / "refs" / "pr").mkdir(parents=True)
    (repository / "refs" / "refs" / "pr" / "1").write_text(commit)
    _offline_hub(monkeypatch, tmp_path)
    assert locate(None, HUB_NAMES) == repository / "snapshots" / commit


@pytest.mark.parametrize("length", [271, 16 * 8, 16 * 10])
def test_a_sequence_without_whole_bins_or_a_middle_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"{length} base pairs are not 9 bins of 16"):
        read_network(SMALL).embed(torch.zeros(1, length, 4))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere is not a folder; give .* or EleutherAI/enformer-official"):
        locate(str(tmp_path / "nowhere"), HUB_NAMES)


def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*config\.json: No such file or directory; give"):
        read_network(tmp_path)


@pytest.mark.parametrize("written", [b"{", b"[]", b"\xff\xfe"])
def test_a_configuration_that_is_no_json_object_is_refused(written: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(written)
    with pytest.raises(InputError, match="is not a JSON object"):
        read_network(tmp_path)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"model_type": "esm"}, "is of a 'esm' model"),
        ({"use_convnext": True}, "sets use_convnext"),
        ({"depth": 0}, "no usable 'depth'"),
        ({"dim": "36"}, "no usable 'dim'"),
        ({"heads": True}, "no usable 'heads'"),
        ({"dim": 32}, "must be even and divide into 2 heads of a multiple of 6"),
        ({"num_downsamples": 2}, "num_downsamples is 2"),
        ({"dim_divisible_by": 4}, "dim_divisible_by 4 does not divide half of dim 36"),
        ({"output_heads": {"mouse": 3}}, "no output head 'human'"),
        ({"output_heads": [3]}, "no output head 'human'"),
        ({"output_heads": {"human": 0}}, r"no usable 'output_heads\.human'"),
    ],
)
def test_an_impossible_configuration_is_refused(changed: dict[str, object], complaint: str) -> None:
    settings = json.loads((SMALL / "config.json").read_text()) | changed
    with pytest.raises(InputError, match=complaint):
        parse_configuration(settings, "config.json")


def test_published_sizes_have_published_positions_where_the_file_is_silent() -> None:
    configuration = parse_configuration({}, "config.json")
    assert configuration.gamma_peaks_at_position
    assert configuration.tower_widths == (768, 768, 896, 1024, 1152, 1280, 1536)


def test_published_sizes_with_other_positions_are_refused() -> None:
    with pytest.raises(InputError, match="use_tf_gamma false"):
        parse_configuration({"use_tf_gamma": False}, "config.json")
