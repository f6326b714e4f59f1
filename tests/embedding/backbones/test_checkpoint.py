"""Strict reading of checkpoint folders: what does not fit is refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from haploscribe.embedding.backbones.checkpoint import Checkpoint, CheckpointFolder, read_checkpoint
from haploscribe.embedding.backbones.nucleotide_transformer import load_masked_token_model
from haploscribe.errors import InputError
from tests.fixtures.backbones import (
    V2_CONFIGURATION,
    V2_VOCABULARY,
    random_v2_tensors,
    write_folder,
    write_v1,
    write_v2,
)

Tensors = dict[str, torch.Tensor]


def load(folder: Path) -> Any:
    return load_masked_token_model(read_checkpoint(CheckpointFolder(folder, "tiny")))


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as refused:
        load(folder)
    message = str(refused.value)
    assert "\n" not in message
    return message


def edit_weights(folder: Path, edit: Callable[[Tensors], Any]) -> Path:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")
    return folder


WRITERS = pytest.mark.parametrize("write", [write_v1, write_v2], ids=["v1", "v2"])
QUERY = "esm.encoder.layer.1.attention.self.query.weight"


@WRITERS
def test_every_tensor_arrives_with_its_value(write: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = write(tmp_path)
    stored = {
        name.replace("Norm.gamma", "Norm.weight").replace("Norm.beta", "Norm.bias"): tensor
        for name, tensor in load_file(folder / "model.safetensors").items()
    }
    loaded = load(folder).state_dict()
    assert all(torch.equal(tensor, stored[name]) for name, tensor in loaded.items())


@WRITERS
def test_a_layer_norm_stored_under_both_spellings_is_refused(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    gamma = "esm.encoder.layer.1.LayerNorm.gamma"

    def double(tensors: Tensors) -> None:
        tensors |= {gamma: torch.ones(24), gamma.replace("gamma", "weight"): torch.ones(24)}

    assert f"unexpected {gamma};" in refusal(edit_weights(write(tmp_path), double))


@WRITERS
def test_a_missing_tensor_is_named(write: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = edit_weights(write(tmp_path), lambda tensors: tensors.pop(QUERY))
    assert f"lacks {QUERY};" in refusal(folder)


@WRITERS
def test_an_unexpected_tensor_is_named(write: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = edit_weights(write(tmp_path), lambda tensors: tensors.update(extra=torch.zeros(1)))
    assert "unexpected extra;" in refusal(folder)


@WRITERS
def test_a_tensor_of_another_shape_is_named(write: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = edit_weights(write(tmp_path), lambda tensors: tensors.update({QUERY: torch.zeros(2, 2)}))
    assert f"another shape than config.json says, {QUERY};" in refusal(folder)


def test_a_v2_file_without_the_unused_tensors_loads(tmp_path: Path) -> None:
    def strip(tensors: Tensors) -> None:
        for name in [name for name in tensors if "inv_freq" in name or "contact_head" in name]:
            del tensors[name]
        del tensors["esm.embeddings.position_embeddings.weight"]

    assert load(edit_weights(write_v2(tmp_path), strip)).esm is not None


def test_position_numbers_stored_by_old_transformers_are_passed_over(tmp_path: Path) -> None:
    folder = edit_weights(
        write_v1(tmp_path), lambda tensors: tensors.update({"esm.embeddings.position_ids": torch.arange(14)})
    )
    assert load(folder).esm is not None


def test_v1_needs_its_position_table(tmp_path: Path) -> None:
    name = "esm.embeddings.position_embeddings.weight"
    assert name in refusal(edit_weights(write_v1(tmp_path), lambda tensors: tensors.pop(name)))


def test_other_rotary_frequencies_are_refused(tmp_path: Path) -> None:
    name = "esm.encoder.layer.0.attention.self.rotary_embeddings.inv_freq"
    folder = edit_weights(write_v2(tmp_path), lambda tensors: tensors[name].mul_(0.5))
    assert "rotary" in refusal(folder)


def test_a_tied_head_reads_the_token_table(tmp_path: Path) -> None:
    folder = edit_weights(
        write_v2(tmp_path, tie_word_embeddings=True), lambda tensors: tensors.pop("lm_head.decoder.weight")
    )
    model = load(folder)
    assert torch.equal(model.lm_head.decoder.weight, model.esm.embeddings.word_embeddings.weight)


def test_an_untied_head_must_be_there(tmp_path: Path) -> None:
    folder = edit_weights(write_v2(tmp_path), lambda tensors: tensors.pop("lm_head.decoder.weight"))
    assert "lm_head.decoder.weight" in refusal(folder)


def test_half_precision_weights_are_read_as_float32(tmp_path: Path) -> None:
    def halve(tensors: Tensors) -> None:
        tensors.update({n: t.half() for n, t in tensors.items() if "inv_freq" not in n})

    model = load(edit_weights(write_v2(tmp_path), halve))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def sharded(folder: Path) -> Path:
    tensors = random_v2_tensors(V2_CONFIGURATION)
    write_folder(folder, V2_CONFIGURATION, V2_VOCABULARY, None)
    names = sorted(tensors)
    weight_map: dict[str, str] = {}
    for shard, part in {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}.items():
        save_file({name: tensors[name] for name in part}, folder / shard)
        weight_map |= dict.fromkeys(part, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


def test_shards_are_joined(tmp_path: Path) -> None:
    whole, parts = load(write_v2(tmp_path / "whole")), load(sharded(tmp_path / "parts"))
    torch.testing.assert_close(parts.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    (sharded(tmp_path) / "model-2.safetensors").unlink()
    assert "model-2.safetensors" in refusal(tmp_path)


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    write_folder(tmp_path, V2_CONFIGURATION, V2_VOCABULARY, None)
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    assert "only safetensors load" in refusal(tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, V2_CONFIGURATION, V2_VOCABULARY, None)
    assert "no model.safetensors" in refusal(tmp_path)


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    (write_v2(tmp_path) / "model.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00nonsense")
    assert "model.safetensors" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "vocab.txt"])
def test_a_missing_text_file_is_named(tmp_path: Path, name: str) -> None:
    (write_v2(tmp_path) / name).unlink()
    assert name in refusal(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_configuration_that_is_no_json_object_is_refused(tmp_path: Path, content: str) -> None:
    (write_v2(tmp_path) / "config.json").write_text(content)
    assert "JSON" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"hidden_size": None}, "hidden_size", id="no size"),
        pytest.param({"num_hidden_layers": 0}, "num_hidden_layers", id="no layers"),
        pytest.param({"num_attention_heads": 5}, "5 heads", id="heads do not divide"),
        pytest.param({"num_attention_heads": 8}, "even width", id="a head that cannot be rotated"),
        pytest.param({"add_bias_fnn": True}, "neither family", id="rotary with biases"),
        pytest.param({"position_embedding_type": "absolute"}, "neither family", id="positions without bias"),
        pytest.param({"emb_layer_norm_before": True}, "emb_layer_norm_before", id="a norm before"),
        pytest.param({"pad_token_id": 0}, "pad_token_id", id="another padding number"),
        pytest.param({"max_position_embeddings": 3}, "leaves no tokens", id="no room"),
    ],
)
def test_a_configuration_of_another_model_is_refused(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    write_folder(tmp_path, V2_CONFIGURATION | changes, V2_VOCABULARY, {"extra": torch.zeros(1)})
    assert complaint in refusal(tmp_path)


def digest(folder: Path) -> str:
    checkpoint: Checkpoint = read_checkpoint(CheckpointFolder(folder, "tiny"))
    return checkpoint.revision


def test_the_revision_of_a_folder_is_a_digest_of_its_bytes(tmp_path: Path) -> None:
    assert digest(write_v2(tmp_path / "a")) == digest(write_v2(tmp_path / "b"))


def test_other_weights_are_another_revision(tmp_path: Path) -> None:
    before = digest(write_v2(tmp_path))
    edit_weights(tmp_path, lambda tensors: tensors[QUERY].add_(1e-3))
    assert digest(tmp_path) != before
