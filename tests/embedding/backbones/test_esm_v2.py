"""The v2 architecture against a second computation, against transformers, and against the published file."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from haploscribe.embedding.backbones.checkpoint import CheckpointFolder, read_checkpoint
from haploscribe.embedding.backbones.esm import parse_configuration
from haploscribe.embedding.backbones.esm_v2 import EsmV2ForMaskedTokens
from haploscribe.embedding.backbones.nucleotide_transformer import load_masked_token_model
from tests.fixtures.backbones import (
    V2_CONFIGURATION,
    random_v2_tensors,
    v2_hidden_states,
    v2_shapes,
    write_v2,
)

IDS = [3, 700, 45, 4102, 2, 6, 9, 2800, 4106]  # with a mask (2)


def load(folder: Path) -> EsmV2ForMaskedTokens:
    model = load_masked_token_model(read_checkpoint(CheckpointFolder(folder, "tiny")))
    assert isinstance(model, EsmV2ForMaskedTokens)
    return model


@pytest.mark.parametrize("token_dropout", [False, True])
@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_hidden_states_are_those_of_the_second_computation(
    tmp_path: Path, layer: int, token_dropout: bool
) -> None:
    model = load(write_v2(tmp_path, token_dropout=token_dropout))
    configuration = V2_CONFIGURATION | {"token_dropout": token_dropout}
    expected = v2_hidden_states(random_v2_tensors(configuration), configuration, IDS)[layer]
    with torch.inference_mode():
        hidden = model.esm(torch.tensor([IDS]), layer=layer)[0]
    np.testing.assert_allclose(hidden, expected, atol=1e-5, rtol=1e-5)


def test_hidden_states_are_those_of_transformers_with_a_gated_feed_forward(tmp_path: Path) -> None:
    from transformers import EsmConfig, EsmForMaskedLM

    class Gated(torch.nn.Module):
        def __init__(self, hidden: int, inner: int) -> None:
            super().__init__()
            self.dense = torch.nn.Linear(hidden, 2 * inner, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            gate, value = self.dense(x).chunk(2, -1)
            return torch.nn.functional.silu(gate).mul(value)

    known = {
        key: V2_CONFIGURATION[key] for key in V2_CONFIGURATION if key not in ("auto_map", "add_bias_fnn")
    }
    native = EsmForMaskedLM(EsmConfig(**known)).eval()
    for layer in native.esm.encoder.layer:
        layer.intermediate = Gated(24, 48)
        layer.output.dense = torch.nn.Linear(48, 24, bias=False)
    tensors = random_v2_tensors(V2_CONFIGURATION)
    del tensors["esm.embeddings.position_embeddings.weight"]
    native.load_state_dict(tensors)
    ids = torch.tensor([IDS, [*IDS[:5], 1, 1, 1, 1]])
    attend = ids != 1
    model = load(write_v2(tmp_path))
    with torch.inference_mode():
        expected = native(ids, attention_mask=attend.long()).logits
        torch.testing.assert_close(model(ids, attend)[attend], expected[attend], atol=1e-4, rtol=1e-4)


def test_padding_changes_nothing(tmp_path: Path) -> None:
    model = load(write_v2(tmp_path))
    padded = torch.tensor([IDS[:4] + [1] * 5, IDS])
    with torch.inference_mode():
        alone = model.esm(padded[:1, :4])
        torch.testing.assert_close(model.esm(padded, padded != 1)[:1, :4], alone, atol=1e-5, rtol=1e-5)


def test_every_parameter_learns() -> None:
    model = EsmV2ForMaskedTokens(parse_configuration(V2_CONFIGURATION, "test"))
    model(torch.tensor([IDS])).logsumexp(-1).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_names_and_shapes_fill_the_published_file_to_the_byte() -> None:
    """`model.safetensors` of nucleotide-transformer-v2-50m-multi-species at revision 81b29e5 (its hub
    pointer's size). A name of another length or a tensor more or less would show."""
    published: dict[str, Any] = V2_CONFIGURATION | {
        "hidden_size": 512,
        "num_hidden_layers": 12,
        "num_attention_heads": 16,
        "intermediate_size": 2048,
        "max_position_embeddings": 2050,
    }
    with torch.device("meta"):
        model = EsmV2ForMaskedTokens(parse_configuration(published, "test"))
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    unused = {name: shape for name, shape in v2_shapes(published).items() if name not in shapes}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in sorted((shapes | unused).items()):
        start, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    n_header = len(json.dumps(header, separators=(",", ":")))
    assert 8 + math.ceil(n_header / 8) * 8 + end == 223_642_688
