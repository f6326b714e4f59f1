"""From a checkpoint to Enformer's network, strictly: every tensor has its place, every place its tensor."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from haploscribe.embedding.backbones.checkpoint import WEIGHTS_FILE, read_weights
from haploscribe.errors import InputError
from haploscribe.zero_shot.enformer.configuration import (
    HEAD,
    HUB_NAMES,
    EnformerConfiguration,
    parse_configuration,
)
from haploscribe.zero_shot.enformer.network import EnformerNetwork
from haploscribe.zero_shot.weights_folder import (
    BATCH_COUNTER,
    has_safetensors,
    on_meta,
    placed,
    read_configuration,
)

_RECIPE = (
    f"where enformer-pytorch is installed run: m = enformer_pytorch.from_pretrained({HUB_NAMES[0]!r}); "
    "m.config.use_tf_gamma = True; m.config.save_pretrained('FOLDER'); "
    f"safetensors.torch.save_model(m, 'FOLDER/{WEIGHTS_FILE}'); then give FOLDER"
)

# Our names of the network's parts, as patterns, and the published ones.
_STORED = tuple(
    (re.compile(ours), stored)
    for ours, stored in (
        (r"^stem\.convolution\.", r"stem.0."),
        (r"^stem\.mix\.norm\.", r"stem.1.fn.0."),
        (r"^stem\.mix\.convolution\.", r"stem.1.fn.2."),
        (r"^stem\.pool\.", r"stem.2.to_attn_logits."),
        (r"^tower\.(\d+)\.widen\.norm\.", r"conv_tower.\1.0.0."),
        (r"^tower\.(\d+)\.widen\.convolution\.", r"conv_tower.\1.0.2."),
        (r"^tower\.(\d+)\.mix\.norm\.", r"conv_tower.\1.1.fn.0."),
        (r"^tower\.(\d+)\.mix\.convolution\.", r"conv_tower.\1.1.fn.2."),
        (r"^tower\.(\d+)\.pool\.", r"conv_tower.\1.2.to_attn_logits."),
        (r"^layers\.(\d+)\.attention_norm\.", r"transformer.\1.0.fn.0."),
        (r"^layers\.(\d+)\.attention\.query\.", r"transformer.\1.0.fn.1.to_q."),
        (r"^layers\.(\d+)\.attention\.key\.", r"transformer.\1.0.fn.1.to_k."),
        (r"^layers\.(\d+)\.attention\.value\.", r"transformer.\1.0.fn.1.to_v."),
        (r"^layers\.(\d+)\.attention\.position\.", r"transformer.\1.0.fn.1.to_rel_k."),
        (r"^layers\.(\d+)\.attention\.out\.", r"transformer.\1.0.fn.1.to_out."),
        (r"^layers\.(\d+)\.attention\.content_bias$", r"transformer.\1.0.fn.1.rel_content_bias"),
        (r"^layers\.(\d+)\.attention\.position_bias$", r"transformer.\1.0.fn.1.rel_pos_bias"),
        (r"^layers\.(\d+)\.feed_forward_norm\.", r"transformer.\1.1.fn.0."),
        (r"^layers\.(\d+)\.expand\.", r"transformer.\1.1.fn.1."),
        (r"^layers\.(\d+)\.contract\.", r"transformer.\1.1.fn.4."),
        (r"^output\.norm\.", r"final_pointwise.1.0."),
        (r"^output\.convolution\.", r"final_pointwise.1.2."),
        (r"^head\.", rf"_heads.{HEAD}.0."),
    )
)
# The published model holds its parts twice, also in one sequence, `_trunk`. Pickles have both names of each
# tensor; `safetensors.torch.save_model` writes one of them.
_IN_TRUNK = {"1": "stem", "2": "conv_tower", "4": "transformer", "6": "final_pointwise"}
_TRUNK = re.compile(r"^_trunk\.([1246])\.")


def read_network(folder: Path) -> EnformerNetwork:
    """Read a network and its weights, in float32, on the CPU, for prediction only.

    Parameters
    ----------
    folder
        With the `config.json` and, as `model.safetensors`, the tensors of `enformer-pytorch`'s model, either
        of its two names for each. Other output heads than the human one are left.

    Raises
    ------
    InputError
        When a file cannot be read or is a pickle, or a tensor is missing, unexpected, of another shape than
        `config.json` says, or not finite.
    """
    configuration = parse_configuration(*read_configuration(folder))
    if not has_safetensors(folder):
        raise InputError(
            f"{folder} has no {WEIGHTS_FILE}, and pickled weights, which can run code, are not read; "
            f"{_RECIPE}"
        )
    return placed(
        on_meta(lambda: EnformerNetwork(configuration)),
        _known_tensors(read_weights(folder), configuration, str(folder)),
        stored_name,
        source=folder,
        model="Enformer",
        remedy="give the folder as enformer-pytorch saved it",
    )


def stored_name(name: str) -> str:
    """Name a parameter or buffer of `EnformerNetwork` as the published checkpoint does."""
    for ours, stored in _STORED:
        if ours.match(name):
            return ours.sub(stored, name)
    raise ValueError(f"{name} is no parameter of EnformerNetwork")


def _known_tensors(
    tensors: Mapping[str, Tensor], configuration: EnformerConfiguration, source: str
) -> dict[str, Tensor]:
    """Take the trunk's names back to its parts', and leave out what the computation does not need.

    That is the other output heads, and how many batches each batch norm has seen.
    """
    others = tuple(f"_heads.{name}.0." for name in configuration.output_heads if name != HEAD)
    kept: dict[str, Tensor] = {}
    for stored, tensor in tensors.items():
        name = _TRUNK.sub(lambda match: f"{_IN_TRUNK[match[1]]}.", stored)
        if name.startswith(others) or name.endswith(BATCH_COUNTER):
            continue
        if name in kept and not torch.equal(kept[name], tensor):
            raise InputError(f"{source} holds {name} twice, with different values; save or download it again")
        kept[name] = tensor
    return kept
