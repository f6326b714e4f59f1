"""The Nucleotide Transformer computes what the authors' JAX code does (`reference/nt_jax`).

The folders hold random weights under the hub's names, every parameter moved away from its initial value, and
what the JAX code (instadeepai/nucleotide-transformer, commit 2dc37b8) makes of them in float32: `tokens.I` of
sequence I, class token first, `hidden.I.L`, the hidden states after layer L, and `logits.2`.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from haploscribe.embedding.backbones.checkpoint import CheckpointFolder, read_checkpoint
from haploscribe.embedding.backbones.nucleotide_transformer import (
    NucleotideTransformer,
    load_masked_token_model,
    tokeniser_of,
)
from haploscribe.utils.types import Float32Array, Int64Array
from tests.fixtures.backbones import embed_sequences

REFERENCE = Path(__file__).parent / "reference" / "nt_jax"
LAYERS = {"v1": 3, "v2": 4}
TOLERANCE = 2e-5


def sequences_of(family: str) -> list[bytes]:
    return [sequence.encode() for sequence in json.loads((REFERENCE / family / "sequences.json").read_text())]


def expected_of(family: str) -> dict[str, np.ndarray]:
    return load_file(REFERENCE / family / "expected.safetensors")


def load(folder: Path, layer: int) -> NucleotideTransformer:
    return NucleotideTransformer(read_checkpoint(CheckpointFolder(folder, "reference")), layer=layer)


def states(backbone: NucleotideTransformer, ids: Int64Array) -> Float32Array:
    with torch.inference_mode():
        found: Float32Array = backbone.hidden_states(torch.from_numpy(ids)[None])[0].numpy()
    return found


@pytest.mark.parametrize("family", LAYERS)
def test_tokens_are_those_of_the_jax_code(family: str) -> None:
    tokeniser = tokeniser_of(read_checkpoint(CheckpointFolder(REFERENCE / family, "reference")))
    expected = expected_of(family)
    for number, sequence in enumerate(sequences_of(family)):
        assert [tokeniser.class_id, *tokeniser(sequence)] == expected[f"tokens.{number}"].tolist()


@pytest.mark.parametrize(
    ("family", "layer"),
    [(family, layer) for family, last in LAYERS.items() for layer in range(1, last + 1)],
)
def test_hidden_states_and_their_mean_are_those_of_the_jax_code(family: str, layer: int) -> None:
    backbone, expected = load(REFERENCE / family, layer), expected_of(family)
    vocabulary = (REFERENCE / family / "vocab.txt").read_text().split()
    for number, sequence in enumerate(sequences_of(family)):
        ids, hidden = expected[f"tokens.{number}"], expected[f"hidden.{number}.{layer}"]
        np.testing.assert_allclose(states(backbone, ids), hidden, rtol=0, atol=TOLERANCE)
        if b"N" in sequence:  # breaks the frame of a bare sequence, but not of a haplotype
            continue
        bases = [len(vocabulary[token]) for token in ids[1:]]
        mean = np.average(hidden[1:], axis=0, weights=bases)
        np.testing.assert_allclose(embed_sequences(backbone, [sequence])[0, 0], mean, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("family", LAYERS)
def test_logits_are_those_of_the_jax_code(family: str) -> None:
    model = load_masked_token_model(read_checkpoint(CheckpointFolder(REFERENCE / family, "reference")))
    expected = expected_of(family)
    with torch.inference_mode():
        found = model(torch.from_numpy(expected["tokens.2"])[None])
    logits = getattr(found, "logits", found)[0].numpy()
    np.testing.assert_allclose(logits, expected["logits.2"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("family", LAYERS)
def test_the_layer_norm_epsilon_of_the_configuration_is_used(family: str, tmp_path: Path) -> None:
    folder = tmp_path / family
    shutil.copytree(REFERENCE / family, folder)
    configuration = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(configuration | {"layer_norm_eps": 1e-12}))  # the hub's
    backbone, expected = load(folder, -1), expected_of(family)
    hidden = {name: values for name, values in expected.items() if name.endswith(f".{LAYERS[family]}")}
    apart = max(
        float(np.abs(states(backbone, expected[f"tokens.{name.split('.')[1]}"]) - values).max())
        for name, values in hidden.items()
        if name.startswith("hidden.")
    )
    assert TOLERANCE < apart < 2e-4
