"""From checkpoint weights to a model, strictly: every tensor has its place and every place its tensor."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from haploscribe.embedding.backbones.checkpoint import Checkpoint, check_tensors, read_weights
from haploscribe.embedding.backbones.esm_configuration import EsmConfiguration
from haploscribe.embedding.backbones.esm_v1 import native_esm
from haploscribe.embedding.backbones.esm_v2 import EsmV2ForMaskedTokens, rotary_frequencies
from haploscribe.errors import InputError

_FREQUENCIES = re.compile(r"esm\.(encoder\.layer\.\d+\.attention\.self\.)?rotary_embeddings\.inv_freq")
# In the published files, but no part of the computation: the protein contact head, position numbers that
# older versions of transformers stored, and under rotary positions a table of learned ones.
_UNUSED = re.compile(r"esm\.contact_head\.regression\.(weight|bias)|esm\.embeddings\.position_ids")
_UNUSED_IN_V2 = re.compile(r"esm\.embeddings\.position_embeddings\.weight")
# Transformers 5 saves a model's layer norms under the names of its TensorFlow days.
_RENAMED = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}

_HEAD_TABLE, _TOKEN_TABLE = "lm_head.decoder.weight", "esm.embeddings.word_embeddings.weight"


def load_masked_token_model(checkpoint: Checkpoint) -> Any:
    """Build the checkpoint's model, head included, and load its weights in float32 on the CPU.

    Returns
    -------
    EsmV2ForMaskedTokens or transformers.EsmForMaskedLM
        In evaluation mode. Both have the encoder as `.esm`.

    Raises
    ------
    InputError
        When a tensor is missing, unexpected or of another shape than `config.json` says.
    """
    configuration = checkpoint.configuration
    with torch.device("meta"):  # no storage and no random numbers for weights that are about to be replaced
        if configuration.family == "nt-v2":
            model: Any = EsmV2ForMaskedTokens(configuration)
        else:
            model = native_esm(configuration)
    tensors = _known_tensors(read_weights(checkpoint.folder), configuration, str(checkpoint.folder))
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    check_tensors(
        tensors,
        shapes,
        str(checkpoint.folder),
        model="the model",
        remedy="give the folder of a masked-token checkpoint of the Nucleotide Transformer, as downloaded",
    )
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return model.eval()


def _known_tensors(
    tensors: Mapping[str, Tensor], configuration: EsmConfiguration, source: str
) -> dict[str, Tensor]:
    """Take out, by name, what the published files carry beside the model, and fill in a tied head."""
    rotary = configuration.family == "nt-v2"
    kept: dict[str, Tensor] = {}
    for stored, tensor in tensors.items():
        name = _current_name(stored)
        if name != stored and name in tensors:  # both spellings: the old one stays, to be refused
            name = stored
        if rotary and _FREQUENCIES.fullmatch(name):
            _check_frequencies(tensor, configuration.head_size, f"{name} in {source}")
        elif not (_UNUSED.fullmatch(name) or (rotary and _UNUSED_IN_V2.fullmatch(name))):
            kept[name] = tensor
    if configuration.tied and _TOKEN_TABLE in kept:
        kept.setdefault(_HEAD_TABLE, kept[_TOKEN_TABLE])
    return kept


def _current_name(stored: str) -> str:
    for old, new in _RENAMED.items():
        if stored.endswith(old):
            return stored.removesuffix(old) + new
    return stored


def _check_frequencies(stored: Tensor, head_size: int, what: str) -> None:
    """Refuse stored frequencies that are not what the model computes, as they are not used."""
    computed = rotary_frequencies(head_size)
    if stored.shape != computed.shape or not torch.allclose(stored.float(), computed, rtol=1e-6, atol=0.0):
        raise InputError(f"{what} is not the rotary position base of 10,000 that this family has")
