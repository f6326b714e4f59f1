"""Checkpoints of architectures that `transformers` and `gpn` have, tiny and random, read plainly beside."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from haploscribe.embedding.backbones import token_backbone
from haploscribe.embedding.backbones.base import Backbone
from haploscribe.embedding.backbones.registry import load_backbone, opened_checkpoint
from haploscribe.embedding.backbones.tokeniser import windows
from haploscribe.errors import InputError
from tests.fixtures.auto_models import EXAMPLES, N_LAYERS, N_POSITIONS, K, by_base, write_bpe
from tests.fixtures.backbones import embed_sequences

SEQUENCE = b"GATTACACGTTGCAACGTGCAATTGGCCAATCGATCGG"  # 38 bases
NAMES = tuple(EXAMPLES)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {name: example.write(root / name) for name, example in EXAMPLES.items()}


@pytest.fixture(scope="module")
def backbones(folders: dict[str, Path]) -> dict[str, Backbone]:
    return {name: load_backbone(str(folder)) for name, folder in folders.items()}


def plainly(name: str, folder: Path, sequence: bytes) -> list[np.ndarray]:
    """Every layer's states of a sequence that fits, by base `(n_bases, dimension)`; by word for words."""
    ids, lengths = EXAMPLES[name].tokenise(folder, sequence.decode())
    assert len(ids) <= N_POSITIONS
    return [by_base(states, lengths) for states in EXAMPLES[name].states(folder, ids)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sequence", [SEQUENCE, SEQUENCE[:17] + b"NNN" + SEQUENCE[20:]], ids=["", "with Ns"])
def test_every_layer_is_the_mean_over_bases_of_what_transformers_computes(
    folders: dict[str, Path], name: str, sequence: bytes
) -> None:
    states = plainly(name, folders[name], sequence)
    assert len(states) == N_LAYERS + 1
    for layer, expected in enumerate(states):
        backbone = load_backbone(str(folders[name]), layer=layer)
        vector = embed_sequences(backbone, [sequence])[0, 0]
        np.testing.assert_allclose(vector, expected.mean(axis=0), atol=2e-5)
        assert backbone.settings["layer"] == layer
    last = embed_sequences(load_backbone(str(folders[name])), [sequence])[0, 0]
    np.testing.assert_allclose(last, states[-1].mean(axis=0), atol=2e-5)


@pytest.mark.parametrize("name", ["esm", "words", "bert"])
def test_bins_are_equal_stretches_of_bases(folders: dict[str, Path], name: str) -> None:
    sequence = SEQUENCE[: 36 + (K - 1) * (name == "words")]
    expected = plainly(name, folders[name], sequence)[-1].reshape(4, 9, -1).mean(axis=1)
    vectors = embed_sequences(load_backbone(str(folders[name]), pooling="bins-4"), [sequence])[0]
    np.testing.assert_allclose(vectors, expected, atol=2e-5)


@pytest.mark.parametrize("name", ["esm", "words", "big_bird", "llama"])
def test_more_tokens_than_positions_are_read_in_windows(folders: dict[str, Path], name: str) -> None:
    example, sequence = EXAMPLES[name], SEQUENCE * 4
    ids, lengths = example.tokenise(folders[name], sequence.decode())
    begin, end, content, weights = [ids[0]], [ids[-1]], ids[1:-1], lengths[1:-1]
    # ESM numbers its positions from behind the padding token, which is 3 here.
    capacity = N_POSITIONS - 2 - (4 if name == "esm" else 0)
    assert len(content) > capacity
    parts = []
    for window in windows(len(content), capacity):
        states = example.states(folders[name], begin + content[window.start : window.end] + end)[-1]
        parts.append(states[1 + window.keep - window.start : -1])
    expected = by_base(np.concatenate(parts), weights).mean(axis=0)
    vector = embed_sequences(load_backbone(str(folders[name])), [sequence])[0, 0]
    np.testing.assert_allclose(vector, expected, atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_has_the_same_bits_whatever_is_beside_it(backbones: dict[str, Backbone], name: str) -> None:
    sequences = [SEQUENCE, SEQUENCE[:11], b"", b"N" * 60, SEQUENCE * 3, b"G"]
    threads = torch.get_num_threads()
    apart = [embed_sequences(backbones[name], [sequence]) for sequence in reversed(sequences)][::-1]
    torch.set_num_threads(2)
    together = embed_sequences(backbones[name], sequences)
    torch.set_num_threads(threads)
    np.testing.assert_array_equal(together, np.concatenate(apart))
    np.testing.assert_array_equal(together[2], 0)
    assert np.isfinite(together).all()


def test_windows_together_are_near_windows_alone(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sequences = [SEQUENCE, SEQUENCE[::-1], SEQUENCE[:11]]
    backbone = load_backbone(str(folders["words"]))
    alone = embed_sequences(backbone, sequences)
    monkeypatch.setattr(token_backbone, "TOKENS_PER_BATCH", {"cpu": 1_000})
    np.testing.assert_allclose(embed_sequences(backbone, sequences), alone, atol=2e-5)


def test_mixed_precision_is_near_float32_and_says_so(folders: dict[str, Path]) -> None:
    mixed = load_backbone(str(folders["bert"]), precision="mixed")
    expected = embed_sequences(load_backbone(str(folders["bert"])), [SEQUENCE])
    np.testing.assert_allclose(embed_sequences(mixed, [SEQUENCE]), expected, atol=0.02)
    assert mixed.settings["dtype"] == "float16 products"


def test_the_longest_tile_follows_context_and_vocabulary(
    backbones: dict[str, Backbone], folders: dict[str, Path]
) -> None:
    vocabulary = json.loads((folders["llama"] / "tokenizer.json").read_text())["model"]["vocab"]
    longest = max(len(token) for token in vocabulary if set(token) <= set("ACGT"))
    assert longest > 1
    assert backbones["esm"].max_tile == N_POSITIONS - 4 - 2
    assert backbones["words"].max_tile == N_POSITIONS - 2 + K - 1
    assert backbones["llama"].max_tile == (N_POSITIONS - 2) * longest
    assert {backbone.tile_multiple for backbone in backbones.values()} == {1}


def test_settings_name_the_family_and_every_file_that_decides_the_vectors(tmp_path: Path) -> None:
    from transformers import __version__

    folder = EXAMPLES["words"].write(tmp_path / "mine")
    backbone = load_backbone(str(folder))
    assert (backbone.name, backbone.settings["family"]) == ("mine", "bert")
    assert backbone.settings["source"] == f"transformers {__version__}"
    found = {str(backbone.settings["revision"])}
    for file in ("config.json", "tokenizer_config.json", "vocab.txt"):
        (folder / file).write_text((folder / file).read_text() + "\n")
        found.add(str(load_backbone(str(folder)).settings["revision"]))
    assert len(found) == 4


def test_loading_prints_nothing(folders: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    load_backbone(str(folders["modernbert"]))
    assert capfd.readouterr() == ("", "")


def test_a_base_model_without_head_loads(folders: dict[str, Path], tmp_path: Path) -> None:
    from transformers import BertModel

    shutil.copytree(folders["bert"], tmp_path / "base")
    BertModel.from_pretrained(folders["bert"]).save_pretrained(tmp_path / "base")
    vectors = embed_sequences(load_backbone(str(tmp_path / "base")), [SEQUENCE])
    expected = embed_sequences(load_backbone(str(folders["bert"])), [SEQUENCE])
    np.testing.assert_array_equal(vectors, expected)


Spoil = Callable[[Path], object]


def configured(**changes: Any) -> Spoil:
    """Change entries of `config.json`."""

    def spoil(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return spoil


def without(name: str) -> Spoil:
    return lambda folder: (folder / name).unlink()


def reweighed(change: Callable[[dict[str, torch.Tensor]], object]) -> Spoil:
    """Change the tensors of `model.safetensors`."""

    def spoil(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return spoil


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def tokenised(change: Callable[[dict[str, Any]], object]) -> Spoil:
    """Change `tokenizer.json`."""

    def spoil(folder: Path) -> None:
        file = folder / "tokenizer.json"
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))

    return spoil


def drop_g(content: dict[str, Any]) -> None:
    """Delete every G before tokens are made."""
    content["normalizer"] = {"type": "Replace", "pattern": {"String": "G"}, "content": ""}


LAYER = "bert.encoder.layer.0.output.dense.bias"
BAD: dict[str, tuple[Spoil, str]] = {
    "no config": (without("config.json"), r"cannot read .*config\.json"),
    "no vocabulary": (without("tokenizer.json"), r"has no vocabulary \(tokenizer\.json, vocab\.txt"),
    "no weights": (without("model.safetensors"), r"has no model\.safetensors"),
    "pickle alone": (pickled, r"only pickled weights \(pytorch_model\.bin\)"),
    "code of its own": (
        configured(auto_map={"AutoModel": "modeling.Mine"}),
        r"code of its own \(auto_map\), which is never run",
    ),
    "unknown type": (
        configured(model_type="martian"),
        r"model_type 'martian' is unknown to the installed transformers",
    ),
    "type that is no text": (configured(model_type=["bert"]), r"model_type \['bert'\] is unknown"),
    "another type": (configured(model_type="llama"), r"do not fit the llama model of config.json: it lacks"),
    "encoder and decoder": (
        configured(model_type="t5", classifier_dropout=0.0),
        "describes a t5 model, which reads other",
    ),
    "reads pictures": (configured(model_type="vit"), "describes a vit model, which reads other"),
    "quantised": (configured(quantization_config={"quant_method": "gptq"}), "weights are quantised"),
    "a size that is no number": (configured(hidden_size="wide"), r"config\.json cannot be used|cannot load"),
    "missing tensor": (
        reweighed(lambda tensors: tensors.pop(LAYER)),
        "it lacks encoder.layer.0.output.dense",
    ),
    "unexpected tensor": (
        reweighed(lambda tensors: tensors.update({"bert.adapter.weight": torch.ones(2)})),
        "it has unexpected bert.adapter.weight",
    ),
    "another shape": (
        reweighed(lambda tensors: tensors.update({LAYER: torch.ones(3)})),
        r"of another shape than config\.json says, encoder.layer.0.output.dense.bias",
    ),
    "not finite": (
        reweighed(lambda tensors: tensors[LAYER].fill_(float("nan"))),
        f"with values that are not finite, {LAYER}",
    ),
    "vocabulary too large": (
        tokenised(lambda content: content["model"]["vocab"].update({"ACGTACGTA": 500})),
        "numbers its tokens up to 500, but config.json has room for 80",
    ),
    "broken tokenizer": (
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
        "cannot read the tokenizer in",
    ),
    "tokens that leave out bases": (tokenised(drop_g), "do not add up to the sequence"),
    "bases without a token": (
        tokenised(lambda content: content.update(normalizer={"type": "Lowercase"})),
        "knows no token for some bases",
    ),
    "N that vanishes": (
        tokenised(lambda content: content["model"].update(unk_token=None)),
        "do not add up to the sequence",
    ),
    "no room for tokens": (
        lambda folder: (folder / "tokenizer_config.json").write_text('{"model_max_length": 2}'),
        "leave no room for tokens",
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_folder_is_refused_in_one_line(folders: dict[str, Path], tmp_path: Path, fault: str) -> None:
    spoil, message = BAD[fault]
    folder = tmp_path / "tiny"
    shutil.copytree(folders["bert"], folder)
    spoil(folder)
    with pytest.raises(InputError, match=message) as refused:
        load_backbone(str(folder))
    assert "\n" not in str(refused.value)


def test_a_model_of_another_kind_has_no_score(folders: dict[str, Path]) -> None:
    with (
        pytest.raises(InputError, match="guesses no 6-mers"),
        opened_checkpoint(str(folders["bert"])),
    ):
        pass


def test_a_layer_that_does_not_exist_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="layer 7 does not exist"):
        load_backbone(str(folders["bert"]), layer=7)


def test_a_length_that_the_architecture_cannot_take_is_refused(tmp_path: Path) -> None:
    # Its configuration allows more tokens than its table of positions, 4 by 8, has.
    from transformers import ReformerConfig, ReformerModel

    configuration = ReformerConfig(
        vocab_size=80,
        hidden_size=16,
        attention_head_size=8,
        num_attention_heads=2,
        attn_layers=["local"],
        axial_pos_shape=(4, 8),
        axial_pos_embds_dim=(8, 8),
        max_position_embeddings=64,
        feed_forward_size=16,
        is_decoder=False,
        local_attn_chunk_length=4,
    )
    ReformerModel(configuration).eval().save_pretrained(tmp_path / "tiny")
    write_bpe(tmp_path / "tiny")
    backbone = load_backbone(str(tmp_path / "tiny"))
    with pytest.raises(
        InputError, match=r"cannot read \d+ tokens at once .*give a shorter --tile"
    ) as refused:
        embed_sequences(backbone, [SEQUENCE * 4])
    assert "\n" not in str(refused.value)


def test_gpn_needs_its_package(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gpn", None)
    shutil.copytree(folders["bert"], tmp_path / "tiny")
    configured(model_type="GPN")(tmp_path / "tiny")
    with pytest.raises(InputError, match=r"need gpn: pip install 'haploscribe\[gpn\]'"):
        load_backbone(str(tmp_path / "tiny"))


@pytest.mark.parametrize("model", ["GPN", "ConvNet"])
def test_gpn_is_what_its_package_computes(
    model: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from gpn import legacy
    from gpn import model as current
    from transformers import PreTrainedTokenizerFast

    module = {"GPN": current, "ConvNet": legacy}[model]
    sizes = {"num_hidden_layers": 2, "intermediate_size": 32} if model == "GPN" else {"n_layers": 2}
    configuration = getattr(module, f"{model}Config")(vocab_size=7, hidden_size=16, **sizes)
    torch.manual_seed(1)
    masked = getattr(module, f"{model}ForMaskedLM")(configuration).eval()
    masked.save_pretrained(tmp_path / "tiny")
    tokenizer_of_gpn().save(str(tmp_path / "tokenizer.json"))
    wrapped = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"), unk_token="[UNK]")
    wrapped.save_pretrained(tmp_path / "tiny")
    capfd.readouterr()

    backbone = load_backbone(str(tmp_path / "tiny"))
    assert capfd.readouterr() == ("", "")
    sequence = SEQUENCE[:20] + b"N" + SEQUENCE[21:]
    numbers = {"A": 3, "C": 4, "G": 5, "T": 6, "N": 2}
    ids = torch.tensor([[numbers[base] for base in sequence.decode()]])
    with torch.inference_mode():
        expected = masked.base_model(input_ids=ids).last_hidden_state[0].mean(dim=0)
    np.testing.assert_allclose(embed_sequences(backbone, [sequence])[0, 0], expected, atol=2e-5)
    assert backbone.settings["family"] == model
    assert str(backbone.settings["source"]).startswith("gpn ")
    with pytest.raises(InputError, match="its last layer alone; leave out --layer"):
        load_backbone(str(tmp_path / "tiny"), layer=1)


def tokenizer_of_gpn() -> Any:
    """Single bases in lower case, as GPN's published tokenizer."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = {token: number for number, token in enumerate(["[PAD]", "[MASK]", "[UNK]", *"acgt"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer
