"""Tiny checkpoints in the hub's own format, and a second computation of the v2 architecture in NumPy."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from haploscribe.utils.types import Float64Array

SIX_MERS = ["".join(letters) for letters in itertools.product("ATCG", repeat=6)]
V1_VOCABULARY = ["<unk>", "<pad>", "<mask>", "<cls>", *SIX_MERS, *"ATCGN"]
V2_VOCABULARY = ["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>", *SIX_MERS, *"ATCGN"]

# Short, so that overflow is cheap to reach: 12 tokens with the class token, hence tiles of 66 bp.
N_POSITIONS = 14

V1_CONFIGURATION: dict[str, Any] = {
    "model_type": "esm",
    "vocab_size": len(V1_VOCABULARY),
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": N_POSITIONS,
    "pad_token_id": 1,
    "mask_token_id": 2,
    "layer_norm_eps": 1e-12,
    "position_embedding_type": "absolute",
    "emb_layer_norm_before": False,
    "token_dropout": True,
    "tie_word_embeddings": False,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
# As published: no model_type, remote code named.
V2_CONFIGURATION: dict[str, Any] = {
    **{key: value for key, value in V1_CONFIGURATION.items() if key != "model_type"},
    "auto_map": {"AutoModelForMaskedLM": "modeling_esm.EsmForMaskedLM"},
    "vocab_size": len(V2_VOCABULARY),
    "position_embedding_type": "rotary",
    "add_bias_fnn": False,
    "token_dropout": False,
}


def v2_shapes(configuration: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a published v2 file, the unused ones included."""
    hidden, inner = configuration["hidden_size"], configuration["intermediate_size"]
    layers, heads = configuration["num_hidden_layers"], configuration["num_attention_heads"]
    vocabulary = configuration["vocab_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "esm.embeddings.word_embeddings.weight": (vocabulary, hidden),
        "esm.embeddings.position_embeddings.weight": (configuration["max_position_embeddings"], hidden),
        "esm.encoder.emb_layer_norm_after.weight": (hidden,),
        "esm.encoder.emb_layer_norm_after.bias": (hidden,),
        "esm.contact_head.regression.weight": (1, layers * heads),
        "esm.contact_head.regression.bias": (1,),
        "lm_head.bias": (vocabulary,),
        "lm_head.dense.weight": (hidden, hidden),
        "lm_head.dense.bias": (hidden,),
        "lm_head.layer_norm.weight": (hidden,),
        "lm_head.layer_norm.bias": (hidden,),
        "lm_head.decoder.weight": (vocabulary, hidden),
    }
    for layer in range(layers):
        block = f"esm.encoder.layer.{layer}."
        for dense in ("self.query", "self.key", "self.value", "output.dense"):
            shapes[f"{block}attention.{dense}.weight"] = (hidden, hidden)
            shapes[f"{block}attention.{dense}.bias"] = (hidden,)
        for norm in ("attention.LayerNorm", "LayerNorm"):
            shapes[f"{block}{norm}.weight"] = shapes[f"{block}{norm}.bias"] = (hidden,)
        shapes[f"{block}attention.self.rotary_embeddings.inv_freq"] = (hidden // heads // 2,)
        shapes[f"{block}intermediate.dense.weight"] = (2 * inner, hidden)
        shapes[f"{block}output.dense.weight"] = (hidden, inner)
    return shapes


def random_v2_tensors(configuration: Mapping[str, Any], seed: int = 1) -> dict[str, torch.Tensor]:
    """Tensors of a published v2 file with random values, large enough that nothing is near linear."""
    generator = np.random.default_rng(seed)
    tensors = {}
    for name, shape in v2_shapes(configuration).items():
        values = generator.normal(scale=0.3, size=shape) + ("Norm.weight" in name)
        if name.endswith("inv_freq"):
            values = 10_000.0 ** (-np.arange(shape[0]) / shape[0])
        tensors[name] = torch.tensor(values, dtype=torch.float32)
    return tensors


def write_folder(
    folder: Path,
    configuration: Mapping[str, Any],
    vocabulary: list[str],
    tensors: Mapping[str, torch.Tensor] | None,
) -> Path:
    """Write `config.json`, `vocab.txt` and, where given, `model.safetensors`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(configuration))
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    if tensors is not None:
        save_file(dict(tensors), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def write_v2(folder: Path, **changes: Any) -> Path:
    """A tiny v2 checkpoint as the hub would hold it."""
    configuration = V2_CONFIGURATION | changes
    return write_folder(folder, configuration, V2_VOCABULARY, random_v2_tensors(configuration))


def write_v1(folder: Path, **changes: Any) -> Path:
    """A tiny v1 checkpoint that transformers itself saved."""
    from transformers import EsmConfig, EsmForMaskedLM

    torch.manual_seed(1)
    model = EsmForMaskedLM(EsmConfig(**(V1_CONFIGURATION | changes)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(V1_VOCABULARY))
    return folder


def v2_hidden_states(
    parameters: Mapping[str, torch.Tensor], configuration: Mapping[str, Any], ids: list[int]
) -> list[Float64Array]:
    """All hidden states of one sequence, by loops over heads and positions in float64."""
    value = {name: tensor.numpy().astype(np.float64) for name, tensor in parameters.items()}
    heads = configuration["num_attention_heads"]
    head_size = configuration["hidden_size"] // heads

    def normed(x: Float64Array, name: str) -> Float64Array:
        centred = x - x.mean(axis=1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + configuration["layer_norm_eps"])
        return np.asarray(scaled * value[name + ".weight"] + value[name + ".bias"])

    def dense(x: Float64Array, name: str) -> Float64Array:
        return np.asarray(np.einsum("oi,ti->to", value[name + ".weight"], x) + value.get(name + ".bias", 0.0))

    def rotated(x: Float64Array) -> Float64Array:
        """Multiply the pair (i, i + half) as one complex number by exp(i·position·frequency)."""
        half = head_size // 2
        turned = np.empty_like(x)
        for position, i in itertools.product(range(len(x)), range(half)):
            angle = position * 10_000.0 ** (-2 * i / head_size)
            number = complex(x[position, i], x[position, i + half]) * np.exp(1j * angle)
            turned[position, i], turned[position, i + half] = number.real, number.imag
        return turned

    hidden = value["esm.embeddings.word_embeddings.weight"][ids]
    if configuration["token_dropout"]:
        masked = np.array(ids) == configuration["mask_token_id"]
        hidden = np.where(masked[:, None], 0.0, hidden) * (1 - 0.15 * 0.8) / (1 - masked.mean())
    states = [hidden]
    for layer in range(configuration["num_hidden_layers"]):
        block = f"esm.encoder.layer.{layer}."
        x = normed(hidden, block + "attention.LayerNorm")
        query, key, content = (dense(x, f"{block}attention.self.{p}") for p in ("query", "key", "value"))
        mixed = np.zeros_like(x)
        for head in range(heads):
            part = slice(head * head_size, (head + 1) * head_size)
            scores = rotated(query[:, part] / np.sqrt(head_size)) @ rotated(key[:, part]).T
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            mixed[:, part] = (weights / weights.sum(axis=1, keepdims=True)) @ content[:, part]
        hidden = hidden + dense(mixed, block + "attention.output.dense")
        both = dense(normed(hidden, block + "LayerNorm"), block + "intermediate.dense")
        gate, gated = both[:, : both.shape[1] // 2], both[:, both.shape[1] // 2 :]
        hidden = hidden + dense(gate / (1 + np.exp(-gate)) * gated, block + "output.dense")
        states.append(hidden)
    states[-1] = normed(hidden, "esm.encoder.emb_layer_norm_after")
    return states
