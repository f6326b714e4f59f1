"""The Nucleotide Transformer as a backbone: both families on tiny checkpoints in the hub's format."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.embedding.backbones import token_backbone
from haploscribe.embedding.backbones.base import Backbone
from haploscribe.embedding.backbones.checkpoint import CheckpointFolder, read_checkpoint
from haploscribe.embedding.backbones.nucleotide_transformer import NucleotideTransformer
from haploscribe.embedding.backbones.tokeniser import SixMerTokeniser, windows
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.utils.types import Float32Array
from tests.fixtures.backbones import (
    V1_VOCABULARY,
    V2_CONFIGURATION,
    V2_VOCABULARY,
    embed_sequences,
    random_v2_tensors,
    v2_hidden_states,
    write_folder,
    write_v1,
    write_v2,
)

N_LAYERS = 3
CAPACITY = 11  # tokens beside the class token
FULL = b"GATTACACGTTGCAACGTGCAATTGGCCAATCGATCGGCTAATCGGATCCATTAGCAACGTTAGCA"  # 66 bp, 11 tokens


@pytest.fixture(scope="module")
def v1_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v1(tmp_path_factory.mktemp("v1"))


@pytest.fixture(scope="module")
def v2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v2(tmp_path_factory.mktemp("v2"))


@pytest.fixture(scope="module", params=["v1_folder", "v2_folder"], ids=["v1", "v2"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def load(folder: Path, **options: Any) -> NucleotideTransformer:
    return NucleotideTransformer(read_checkpoint(CheckpointFolder(folder, "tiny")), **options)


@pytest.fixture(scope="module")
def backbone(folder: Path) -> NucleotideTransformer:
    return load(folder)


def native_hidden_states(folder: Path, ids: list[int]) -> list[Float32Array]:
    from transformers import EsmForMaskedLM

    model = EsmForMaskedLM.from_pretrained(folder).esm.eval()
    with torch.inference_mode():
        states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    return [state[0].numpy() for state in states]


@pytest.mark.parametrize("layer", range(N_LAYERS + 1))
def test_v1_is_the_mean_of_what_transformers_computes(v1_folder: Path, layer: int) -> None:
    ids = [3, *SixMerTokeniser(V1_VOCABULARY)(FULL)]
    expected = native_hidden_states(v1_folder, ids)[layer][1:].mean(axis=0)
    vector = embed_sequences(load(v1_folder, layer=layer), [FULL])[0, 0]
    np.testing.assert_allclose(vector, expected, atol=1e-5)


@pytest.mark.parametrize("layer", range(N_LAYERS + 1))
def test_v2_is_the_mean_of_the_second_computation(v2_folder: Path, layer: int) -> None:
    ids = [3, *SixMerTokeniser(V2_VOCABULARY)(FULL)]
    states = v2_hidden_states(random_v2_tensors(V2_CONFIGURATION), V2_CONFIGURATION, ids)
    vector = embed_sequences(load(v2_folder, layer=layer), [FULL])[0, 0]
    np.testing.assert_allclose(vector, states[layer][1:].mean(axis=0), atol=1e-5)


def test_token_dropout_is_as_the_checkpoint_says(v1_folder: Path, tmp_path: Path) -> None:
    without = embed_sequences(load(write_v1(tmp_path, token_dropout=False), layer=0), [FULL])
    assert not np.allclose(embed_sequences(load(v1_folder, layer=0), [FULL]), without)


def test_bins_are_parts_of_the_sequence(v1_folder: Path) -> None:
    sequence = FULL[:36]  # 6 tokens, 2 a bin
    ids = [3, *SixMerTokeniser(V1_VOCABULARY)(sequence)]
    expected = native_hidden_states(v1_folder, ids)[-1][1:].reshape(3, 2, -1).mean(axis=1)
    np.testing.assert_allclose(
        embed_sequences(load(v1_folder, pooling="bins-3"), [sequence])[0], expected, atol=1e-5
    )


@pytest.mark.parametrize("pooling", ["mean", "bins-4"])
@pytest.mark.parametrize(
    "sequence",
    [
        pytest.param(FULL + b"A", id="one token over"),
        pytest.param(FULL[:30] + b"CACACAGAGA" + FULL[30:], id="insertion"),
        pytest.param(b"N" * 66, id="all N"),
    ],
)
def test_an_overflow_is_read_in_windows_and_nothing_is_dropped(
    v2_folder: Path, sequence: bytes, pooling: str
) -> None:
    ids, lengths = SixMerTokeniser(V2_VOCABULARY).haplotype(TileHaplotype(sequence))
    tokens = ids.tolist()
    parameters = random_v2_tensors(V2_CONFIGURATION)
    parts = []
    for start, end, keep in windows(len(tokens), CAPACITY):
        states = v2_hidden_states(parameters, V2_CONFIGURATION, [3, *tokens[start:end]])[-1]
        parts.append(states[1 + keep - start :])
    hidden = np.concatenate(parts)
    assert len(hidden) == len(tokens) > CAPACITY
    n_bins = 1 if pooling == "mean" else 4
    by_base = np.repeat(hidden, n_bins * lengths, axis=0)
    expected = by_base.reshape(n_bins, len(sequence), -1).mean(axis=1)
    np.testing.assert_allclose(
        embed_sequences(load(v2_folder, pooling=pooling), [sequence])[0], expected, atol=1e-5
    )


@settings(max_examples=40, deadline=None)
@given(sequences=st.lists(st.text("ACGTN", max_size=90).map(str.encode), min_size=1, max_size=6))
def test_a_row_depends_on_its_own_sequence_alone(
    backbone: NucleotideTransformer, sequences: list[bytes]
) -> None:
    alone = np.concatenate([embed_sequences(backbone, [sequence]) for sequence in sequences])
    np.testing.assert_array_equal(embed_sequences(backbone, sequences), alone)  # to the bit, on a CPU


@pytest.mark.parametrize("threads", [2, 3])
def test_bits_do_not_depend_on_the_number_of_threads(backbone: NucleotideTransformer, threads: int) -> None:
    sequences = [FULL[i:] + FULL[:i] for i in range(20)] + [FULL * 2, FULL[:7], b""]
    before = torch.get_num_threads()
    embedded = []
    for number in (1, threads):
        torch.set_num_threads(number)
        embedded.append(embed_sequences(backbone, sequences))
    torch.set_num_threads(before)
    np.testing.assert_array_equal(embedded[0], embedded[1])


@pytest.mark.parametrize("budget", [1, 20, 50])
def test_the_token_budget_changes_nothing(
    backbone: NucleotideTransformer, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    sequences = [FULL, FULL[:20], FULL + FULL, b"", FULL[:41], FULL]
    expected = embed_sequences(backbone, sequences)
    monkeypatch.setitem(token_backbone.TOKENS_PER_BATCH, "cpu", budget)
    np.testing.assert_allclose(embed_sequences(backbone, sequences), expected, atol=1e-5)


def test_a_deleted_tile_is_zeros(backbone: NucleotideTransformer) -> None:
    assert not embed_sequences(backbone, [b"", FULL])[0].any()


def test_no_sequences_make_no_rows(backbone: NucleotideTransformer) -> None:
    assert embed_sequences(backbone, []).shape == (0, 1, 24)


def test_the_protocol_is_kept(backbone: NucleotideTransformer) -> None:
    keeper: Backbone = backbone
    assert (keeper.tile_multiple, keeper.max_tile, keeper.name) == (6, 66, "tiny")


@pytest.mark.parametrize(
    "options",
    [{"layer": 2}, {"pooling": "bins-2"}, {"precision": "mixed"}],
    ids=["layer", "pooling", "precision"],
)
def test_an_option_that_changes_vectors_changes_settings(
    backbone: NucleotideTransformer, folder: Path, options: dict[str, Any]
) -> None:
    assert load(folder, **options).settings != backbone.settings


def test_a_layer_counted_from_the_end_has_the_settings_of_its_index(
    backbone: NucleotideTransformer, folder: Path
) -> None:
    assert load(folder, layer=N_LAYERS).settings == backbone.settings


@pytest.mark.parametrize("layer", [0, 2, N_LAYERS])
def test_mixed_precision_loses_no_more_than_float16_does(folder: Path, layer: int) -> None:
    sequences = [FULL, FULL[:30] + b"C" + FULL[31:], FULL * 2]
    exact = embed_sequences(load(folder, layer=layer), sequences)
    mixed = embed_sequences(load(folder, layer=layer, precision="mixed"), sequences)
    assert mixed.dtype == np.float32
    # Ten bits of mantissa, three layers.
    np.testing.assert_allclose(mixed, exact, atol=20 * 2.0**-11 * np.abs(exact).max())


def test_mixed_precision_keeps_the_residual_stream_in_float32(folder: Path) -> None:
    assert np.array_equal(
        embed_sequences(load(folder, layer=0, precision="mixed"), [FULL]),
        embed_sequences(load(folder, layer=0), [FULL]),
    )
    mixed = embed_sequences(load(folder, layer=2, precision="mixed"), [FULL])
    assert not np.array_equal(mixed, mixed.astype(np.float16))


def test_numbers_beyond_float16_are_refused_in_mixed_precision(tmp_path: Path) -> None:
    tensors = random_v2_tensors(V2_CONFIGURATION)
    tensors["esm.encoder.layer.1.intermediate.dense.weight"] *= 1e4
    write_folder(tmp_path, V2_CONFIGURATION, V2_VOCABULARY, tensors)
    assert np.isfinite(embed_sequences(load(tmp_path), [FULL])).all()
    with pytest.raises(InputError, match="--precision float32"):
        embed_sequences(load(tmp_path, precision="mixed"), [FULL])


def test_an_unknown_precision_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="float32 or mixed"):
        load(folder, precision="bfloat16")


@pytest.mark.parametrize("layer", [N_LAYERS + 1, -N_LAYERS - 2])
def test_a_layer_that_is_not_there_is_refused(folder: Path, layer: int) -> None:
    with pytest.raises(InputError, match=f"layer {layer} does not exist"):
        load(folder, layer=layer)


@pytest.mark.parametrize("device", ["nonsense", "cuda:77"])
def test_a_device_that_is_not_there_is_refused(folder: Path, device: str) -> None:
    with pytest.raises(InputError, match=device):
        load(folder, device=device)


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        pytest.param(lambda tokens: [*tokens[:-1], "<eos>", tokens[-1]], "has room for", id="longer"),
        pytest.param(lambda tokens: [tokens[0], *tokens[3:0:-1], *tokens[4:]], "disagree", id="reordered"),
    ],
)
def test_a_vocabulary_of_another_checkpoint_is_refused(
    tmp_path: Path, edit: Callable[[list[str]], list[str]], complaint: str
) -> None:
    folder = write_v2(tmp_path)
    (folder / "vocab.txt").write_text("\n".join(edit(V2_VOCABULARY)))
    with pytest.raises(InputError, match=complaint):
        load(folder)


def test_loading_says_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    embed_sequences(load(folder), [FULL])
    assert capfd.readouterr() == ("", "")
