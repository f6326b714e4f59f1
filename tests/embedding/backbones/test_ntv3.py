"""NTv3: hidden states and logits of the authors' code, and what a backbone makes of them."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from benchmarks.common.measuring import json_of
from haploscribe.embedding.backbones import token_backbone
from haploscribe.embedding.backbones.base import Backbone
from haploscribe.embedding.backbones.checkpoint import CheckpointFolder
from haploscribe.embedding.backbones.ntv3 import (
    NTv3Backbone,
    load_ntv3,
    read_ntv3_configuration,
    tokenise,
)
from haploscribe.genome.haplotypes import LengthEdit, TileHaplotype
from haploscribe.utils.types import Float32Array
from tests.fixtures.backbones import embed_sequences
from tests.fixtures.ntv3 import REFERENCE, TINY, load, read_json, write_8m

TOLERANCES = {"tiny": 2e-5, "tiny_b": 2e-5, "tiny_c": 2e-4}
"""Sums of float32 differ among processors; the states of `tiny_c` are the largest."""
N_STATES = {"tiny": 8, "tiny_b": 17, "tiny_c": 12}
PADDED = "pad_n_right"
BASES = b"GATTACACGTTGCAACGTGCAATTGGCCAATCGATCGGCTAATCGGAT"  # 48, six units of 8
FOLDERS = pytest.mark.parametrize("name", list(TOLERANCES))


@pytest.fixture(scope="module")
def backbone() -> NTv3Backbone:
    return load()


def expected_of(name: str) -> dict[str, torch.Tensor]:
    return load_file(REFERENCE / name / "expected.safetensors")


def cases_of(name: str) -> dict[str, dict[str, int | str]]:
    return {case["case"]: case for case in read_json(REFERENCE / name / "expected.json")["cases"]}


@FOLDERS
def test_hidden_states_and_logits_are_those_of_the_authors_code(name: str) -> None:
    folder, expected = REFERENCE / name, expected_of(name)
    model = load_ntv3(folder, read_ntv3_configuration(folder))
    compared = 0
    for case in (*cases_of(name), "batch"):
        ids = expected[f"{case}.tokens"].reshape(2 if case == "batch" else 1, -1)
        with torch.inference_mode():
            found = {f"hidden.{i:02}": state for i, state in enumerate(model.core.hidden_states(ids))}
            assert len(found) == N_STATES[name]
            found |= {"embedding": found[f"hidden.{N_STATES[name] - 1:02}"], "logits": model(ids)}
        for part, tensor in found.items():
            if (key := f"{case}.{part}") in expected:
                reference = expected[key].reshape(tensor.shape)
                torch.testing.assert_close(tensor, reference, atol=TOLERANCES[name], rtol=0.0)
                compared += 1
    stored = [key for key in expected if not key.endswith((".tokens", ".stem")) and ".attention." not in key]
    assert compared == len(stored)


@FOLDERS
def test_tokens_are_those_of_the_authors_tokeniser(name: str) -> None:
    expected, cases = expected_of(name), cases_of(name)
    for case in ("plain", "with_n", "mixed_case", "one_unit", "other_letters"):
        sequence = str(cases[case]["sequence"]).encode()
        np.testing.assert_array_equal(tokenise(sequence), expected[f"{case}.tokens"])


@FOLDERS
def test_a_sequence_is_padded_with_n_to_its_own_next_multiple(name: str) -> None:
    case, unit = cases_of(name)[PADDED], read_json(REFERENCE / name / "expected.json")["unit"]
    found = tokenise(str(case["sequence"]).encode(), unit)
    np.testing.assert_array_equal(found, expected_of(name)[f"{PADDED}.tokens"])


def shares(n_bases: int, n_states: int, stride: int, n_bins: int) -> Float32Array:
    """The share of each state in each bin, counted in 60ths of a base, on which the edges of 1 or 5 lie."""
    parts = np.arange(60 * n_bases)
    table = np.zeros((n_bins, n_states))
    np.add.at(table, (parts * n_bins // len(parts), parts // 60 // stride), n_bins / len(parts))
    return table.astype(np.float32)


@FOLDERS
@pytest.mark.parametrize("pooling", ["mean", "bins-5"])
def test_every_layer_is_pooled_by_the_share_of_bases_in_each_state(name: str, pooling: str) -> None:
    case, expected = cases_of(name)[PADDED], expected_of(name)
    n_bases, n_tokens = int(case["real_length"]), int(case["n_tokens"])
    for layer in range(N_STATES[name]):
        states = expected[f"{PADDED}.hidden.{layer:02}"].numpy()
        weights = shares(n_bases, len(states), n_tokens // len(states), 1 if pooling == "mean" else 5)
        vectors = embed_sequences(
            load(REFERENCE / name, layer=layer, pooling=pooling), [str(case["sequence"]).encode()]
        )[0]
        np.testing.assert_allclose(vectors, weights @ states, atol=TOLERANCES[name])


def test_the_default_is_the_plain_mean_over_the_bases_of_the_last_state(backbone: NTv3Backbone) -> None:
    case = cases_of("tiny")[PADDED]
    states = expected_of("tiny")[f"{PADDED}.embedding"][: int(case["real_length"])]
    vector = embed_sequences(backbone, [str(case["sequence"]).encode()])[0, 0]
    np.testing.assert_allclose(vector, states.mean(dim=0), atol=2e-5)


@FOLDERS
def test_layers_count_from_the_end(name: str) -> None:
    n_downsamples = read_json(REFERENCE / name / "config.json")["num_downsamples"]
    last_of_transformer = load(REFERENCE / name, layer=-1 - n_downsamples)
    assert last_of_transformer.layer == N_STATES[name] - 1 - n_downsamples
    assert last_of_transformer.dimension == read_json(REFERENCE / name / "config.json")["embed_dim"]
    assert load(REFERENCE / name).settings["layer"] == N_STATES[name] - 1


SEQUENCES = st.text("ACGTN", max_size=40).map(str.encode)


@settings(max_examples=25, deadline=None)
@given(sequences=st.lists(SEQUENCES, min_size=1, max_size=5))
def test_a_row_depends_on_its_own_sequence_alone(backbone: NTv3Backbone, sequences: list[bytes]) -> None:
    alone = np.concatenate([embed_sequences(backbone, [sequence]) for sequence in sequences])
    np.testing.assert_array_equal(embed_sequences(backbone, sequences), alone)  # to the bit, on a CPU


@pytest.mark.parametrize("budget", [1, 24, 100])
def test_the_token_budget_changes_nothing(
    backbone: NTv3Backbone, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    sequences = [BASES, BASES[:20], BASES * 2, b"", BASES[:41], BASES[::-1]]
    expected = embed_sequences(backbone, sequences)
    monkeypatch.setitem(token_backbone.TOKENS_PER_BATCH, "cpu", budget)
    np.testing.assert_allclose(embed_sequences(backbone, sequences), expected, atol=2e-5)


@settings(max_examples=8, deadline=None)
@given(sequence=st.text("ACGTN", min_size=1, max_size=40).map(str.encode))
def test_padding_is_read_but_not_pooled(backbone: NTv3Backbone, sequence: bytes) -> None:
    """Pooled in one bin a base, the bases of a sequence are those of the same sequence with its Ns."""
    missing = -len(sequence) % 8
    short = load(pooling=f"bins-{len(sequence)}")
    whole = load(pooling=f"bins-{len(sequence) + missing}")
    bases = embed_sequences(short, [sequence])[0]
    padded = embed_sequences(whole, [sequence + b"N" * missing])[0]
    np.testing.assert_allclose(bases, padded[: len(sequence)], atol=2e-5)
    np.testing.assert_allclose(embed_sequences(backbone, [sequence])[0, 0], bases.mean(axis=0), atol=2e-5)


def test_n_is_a_letter_of_its_own(backbone: NTv3Backbone) -> None:
    sequences = [BASES, BASES[:20] + b"N" + BASES[21:], b"N" * 48, BASES[:47], BASES[:47] + b"N"]
    vectors = embed_sequences(backbone, sequences)[:, 0]
    distances = [np.abs(a - b).max() for i, a in enumerate(vectors) for b in vectors[:i]]
    assert min(distances) > 1e-3


@pytest.mark.parametrize("threads", [2, 3])
def test_bits_depend_neither_on_the_run_nor_on_the_number_of_threads(threads: int) -> None:
    sequences = [BASES[i:] + BASES[:i] for i in range(10)] + [BASES * 2, BASES[:7], b""]
    before = torch.get_num_threads()
    embedded = []
    for number in (1, threads):
        torch.set_num_threads(number)
        embedded.append(embed_sequences(load(), sequences))
    torch.set_num_threads(before)
    np.testing.assert_array_equal(embedded[0], embedded[1])


def test_a_deleted_tile_is_zeros(backbone: NTv3Backbone) -> None:
    vectors = embed_sequences(backbone, [b"", BASES])
    assert not vectors[0].any()
    assert vectors[1].any()


def test_only_the_sequence_of_a_haplotype_is_read(backbone: NTv3Backbone) -> None:
    edited = backbone.embed([TileHaplotype(BASES[:41], (LengthEdit(5, 7, 0),))])
    np.testing.assert_array_equal(edited, embed_sequences(backbone, [BASES[:41]]))


def test_the_protocol_is_kept(backbone: NTv3Backbone) -> None:
    keeper: Backbone = backbone
    assert (keeper.tile_multiple, keeper.max_tile, keeper.name) == (8, 2**20, "tiny")
    assert keeper.settings["family"] == "ntv3"
    assert str(keeper.settings["revision"]).startswith("sha256:")


def test_the_table_may_name_a_shorter_tile() -> None:
    found = CheckpointFolder(TINY, "ntv3-8m-8kb", "0123456789abcdef", 2**13)
    assert NTv3Backbone(found).max_tile == 8_192


def test_layer_and_pooling_are_part_of_the_settings(backbone: NTv3Backbone) -> None:
    kinds = [backbone, load(layer=4), load(pooling="bins-2")]
    assert len({tuple(sorted(kind.settings.items())) for kind in kinds}) == 3


def test_later_layers_are_not_computed() -> None:
    core = load_ntv3(TINY, read_ntv3_configuration(TINY)).core
    ids = torch.from_numpy(tokenise(BASES))[None]
    expected = core.hidden_state(ids, 4)
    core.deconv_tower_blocks = torch.nn.ModuleList([torch.nn.Linear(1, 1)])  # would not take it
    assert torch.equal(core.hidden_state(ids, 4), expected)


def test_the_8m_model_has_the_published_tensors_and_no_others(tmp_path: Path) -> None:
    shapes = write_8m(tmp_path)
    model = load_ntv3(tmp_path, read_ntv3_configuration(tmp_path))
    found = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert found == {name: shape for name, shape in shapes.items() if not name.endswith("inv_freq")}
    assert sum(np.prod(shape) for shape in found.values()) == 7_692_475
    backbone = load(tmp_path)
    assert (backbone.layer, backbone.dimension, backbone.tile_multiple) == (15, 256, 128)
    assert np.isfinite(embed_sequences(backbone, [BASES * 6])).all()


@pytest.mark.slow
def test_an_eighth_of_a_megabase_of_the_8m_model_fits_in_an_eighth_of_24_gb(tmp_path: Path) -> None:
    """In a process of its own, since the peak of this one may be another test's."""
    write_8m(tmp_path)
    command = [sys.executable, "-m", "benchmarks", "long_tiles", "--one", str(tmp_path), str(2**17)]
    assert json_of(command)["mebibytes"] < 24e9 / 8 / 2**20
