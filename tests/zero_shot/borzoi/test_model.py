"""Borzoi and its successors as sequence models: bins, tracks, strands and scale as in `borzoi-pytorch`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from haploscribe.errors import InputError
from haploscribe.zero_shot.borzoi.configuration import PRIME_TRACKS, TRACKS, find_tracks, parse_configuration
from haploscribe.zero_shot.borzoi.model import Borzoi, BorzoiPrime, Flashzoi, read_borzoi, read_network
from haploscribe.zero_shot.borzoi.network import BorzoiNetwork
from haploscribe.zero_shot.configuration import Track
from haploscribe.zero_shot.signal_model import counts
from tests.fixtures.borzoi_folders import FIXTURE, drawn_tensors, write_folder
from tests.fixtures.borzoi_weights import LENGTH, PRIME_TSS_BINS, TSS_BINS
from tests.fixtures.enformer_weights import drawn_sequence

pytestmark = pytest.mark.usefixtures("one_thread")
NAMES = ("RNA:GM12878", "CAGE:GM12878", "RNA:blood", "RNA:vagina")


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    return load_file(FIXTURE / "expected.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("weights"), "borzoi", drawn_tensors("borzoi"))


@pytest.fixture(scope="module")
def network(folder: Path) -> BorzoiNetwork:
    network = read_network(folder)
    network.n_bins = 16
    return network


@pytest.mark.parametrize("strand", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_prediction_is_the_mean_of_the_packages_counts_at_the_tss(
    name: str, strand: int, network: BorzoiNetwork, expected: dict[str, Tensor]
) -> None:
    model = Borzoi(network, find_tracks([name]), LENGTH)
    assert model.bins == tuple(TSS_BINS)
    found = model.predict([drawn_sequence(0, LENGTH)], reverse_complement=bool(strand))
    np.testing.assert_allclose(found, expected[name][strand], rtol=1e-5)


@pytest.mark.parametrize("strand", [0, 1])
@pytest.mark.parametrize(("name", "n_tracks"), [("RNA:GM12878", 1), ("RNA:blood", 3)])
def test_primes_prediction_is_the_mean_of_the_packages_counts_at_the_tss(
    name: str, n_tracks: int, strand: int, expected: dict[str, Tensor], tmp_path: Path
) -> None:
    network = read_network(write_folder(tmp_path, "borzoi-prime", drawn_tensors("borzoi-prime")))
    network.n_bins = 32
    model = BorzoiPrime(network, find_tracks([name], prime=True)[:n_tracks], LENGTH)
    assert model.bins == tuple(PRIME_TSS_BINS)
    found = model.predict([drawn_sequence(0, LENGTH)], reverse_complement=bool(strand))
    np.testing.assert_allclose(found, expected[f"prime {name}"][strand], rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_comparison_would_notice_the_other_strand(name: str, expected: dict[str, Tensor]) -> None:
    forward, reverse = expected[name].tolist()
    assert abs(forward / reverse - 1) > 1e-3


def test_values_are_scaled_back_as_the_package_does(expected: dict[str, Tensor]) -> None:
    track = Track(0, scale=0.01, power=0.75, soft_clip=384)
    np.testing.assert_allclose(counts(torch.linspace(0, 8, 9), track), expected["counts"], rtol=1e-6)
    shifted = Track(0, scale=0.02, power=0.75, soft_clip=64, shifted=True)
    np.testing.assert_allclose(
        counts(torch.linspace(0, 80, 9), shifted), expected["shifted_counts"], rtol=1e-5
    )


def test_tracks_of_several_names_are_averaged_each_once(network: BorzoiNetwork) -> None:
    sequence = [drawn_sequence(0, LENGTH)]
    both = Borzoi(network, find_tracks(["RNA:blood", "RNA:nerve"]), LENGTH).predict(sequence)
    blood, nerve = (
        Borzoi(network, find_tracks([name]), LENGTH).predict(sequence) for name in ("RNA:blood", "RNA:nerve")
    )
    np.testing.assert_allclose(both, (3 * blood + 2 * nerve) / 5, rtol=1e-12)


@pytest.mark.parametrize(("table", "last"), [(TRACKS, 7610), (PRIME_TRACKS, 3724)])
def test_no_place_is_in_two_names_and_all_are_in_the_head(
    table: dict[str, tuple[Track, ...]], last: int
) -> None:
    places = [
        place
        for tracks in table.values()
        for track in tracks
        for place in {track.index, track.strand_index(opposite_strand=True)}
    ]
    assert len(places) == len(set(places))
    assert max(places) == last


def test_primes_tracks_are_those_of_the_authors_table() -> None:
    """Lines of `releases/borzoi_prime/targets_human.txt`, repository calico/baskerville."""
    prime: Any = {"power": 0.75, "soft_clip": 64, "shifted": True}
    encode = PRIME_TRACKS["RNA:GM12878"]
    assert {Track(2226, 2227, 0.3, **prime), Track(2318, 2319, 0.3, **prime)} < set(encode)
    assert {Track(2234, None, 0.3, **prime), Track(3508, None, 0.3, **prime)} < set(encode)
    assert PRIME_TRACKS["CAGE:GM12878"] == (Track(870, 871, 1.0, **prime),)
    assert PRIME_TRACKS["RNA:adipose_tissue"][0] == Track(3636, None, 0.02, **prime)
    assert PRIME_TRACKS["RNA:blood"] == tuple(Track(i, None, 0.02, **prime) for i in (3645, 3646, 3647))
    assert PRIME_TRACKS["RNA:esophagus"][-1] == Track(3667, None, 0.02, **prime)


@pytest.mark.parametrize("rotary", [False, True])
def test_published_window_has_the_tss_in_its_middle_and_sums_bins_3068_to_3079(rotary: bool) -> None:
    with torch.device("meta"):
        network = BorzoiNetwork(parse_configuration({"depth": 1, "flashed": rotary}, "config.json"))
    model = Borzoi(network.to_empty(device="cpu"), TRACKS["RNA:GM12878"])
    assert (model.upstream, model.downstream) == (262_144, 262_144)
    assert model.bins == tuple(range(3068, 3080))


def test_primes_bins_lie_on_the_same_base_pairs() -> None:
    with torch.device("meta"):
        network = BorzoiNetwork(parse_configuration({"depth": 1, "model_type": "prime"}, "config.json"))
    model = BorzoiPrime(network.to_empty(device="cpu"), PRIME_TRACKS["RNA:GM12878"])
    assert (model.upstream, model.downstream) == (262_144, 262_144)
    assert model.bins == tuple(range(6136, 6160))


def test_other_tracks_are_another_reading(network: BorzoiNetwork) -> None:
    readings = {Borzoi(network, tracks, LENGTH).reading for tracks in TRACKS.values()}
    assert len(readings) == len(TRACKS)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["RNA:GM12891"], "no tracks 'RNA:GM12891'; give any of RNA:GM12878, CAGE:GM12878, RNA:adipose"),
        ([], "give at least one, each once"),
        (["RNA:blood", "RNA:blood"], "give at least one, each once"),
    ],
)
def test_a_track_that_is_not_there_is_refused(names: list[str], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        find_tracks(names)


def test_weights_of_the_other_kind_are_refused(folder: Path) -> None:
    with pytest.raises(
        InputError, match="has the weights of a borzoi, not of a flashzoi: give it as --borzoi"
    ):
        read_borzoi(folder, kind="flashzoi")


def test_weights_are_read_for_the_published_window(folder: Path) -> None:
    model = read_borzoi(folder)
    assert (model.name, model.upstream) == ("borzoi", 262_144)
    assert not isinstance(model, Flashzoi)
