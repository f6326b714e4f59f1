"""Predict expression with Enformer, as the CAGE signal at the TSS from 196,608 bp (Avsec et al. 2021)."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from haploscribe.config.zero_shot import DEFAULT_ENFORMER_TRACKS
from haploscribe.embedding.backbones.checkpoint import WEIGHTS_FILE, read_weights
from haploscribe.errors import InputError
from haploscribe.zero_shot.configuration import Track
from haploscribe.zero_shot.enformer.configuration import (
    HEAD,
    HUB_NAMES,
    EnformerConfiguration,
    find_tracks,
    parse_configuration,
)
from haploscribe.zero_shot.enformer.network import EnformerNetwork
from haploscribe.zero_shot.signal_model import SignalModel
from haploscribe.zero_shot.weights_folder import (
    BATCH_COUNTER,
    has_safetensors,
    load_tensors,
    on_meta,
    read_configuration,
)

WINDOW = 196_608
"""Base pairs that the published model reads."""


class Enformer(SignalModel):
    """Predict the signal summed over the bin of the TSS and its two neighbours.

    Of the published bins 0 to 895 these are 447 to 449: the 128 bp before the TSS and the 256 bp from it on.
    """

    name = "enformer"
    n_bins_before = 1
    n_bins_from = 2

    def __init__(
        self, network: EnformerNetwork, tracks: Sequence[Track], window: int = WINDOW, device: str = "cpu"
    ) -> None:
        super().__init__(network, tracks, window, device)


def read_enformer(
    folder: Path, *, tracks: Sequence[str] = DEFAULT_ENFORMER_TRACKS, device: str = "cpu"
) -> Enformer:
    """Read Enformer's weights.

    Parameters
    ----------
    folder
        As in `read_network`.
    tracks
        As in `find_tracks`.
    device
        `cpu`, `cuda`, `cuda:1`, … or `auto`.

    Raises
    ------
    InputError
        As `read_network`; when there is no such track or device, or the model does not read 196,608 bp.
    """
    network = read_network(folder)
    found = find_tracks(tracks, network.configuration.n_tracks)
    try:
        return Enformer(network, found, device=device)
    except ValueError as error:
        raise InputError(f"the Enformer in {folder} does not read {WINDOW:,} bp: {error}") from None


_NAME = next(iter(HUB_NAMES))
_RECIPE = (
    f"give {_NAME}, which is published as safetensors too, or where enformer-pytorch is installed run: "
    f"m = enformer_pytorch.from_pretrained({_NAME!r}); "
    "m.config.use_tf_gamma = True; m.config.save_pretrained('FOLDER'); "
    f"safetensors.torch.save_model(m, 'FOLDER/{WEIGHTS_FILE}'); then give FOLDER"
)

# Patterns of parameter names here, and the published names.
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
# The published model registers its parts twice, the second time in `_trunk`. Pickles have both names of each
# tensor; `safetensors.torch.save_model` writes one of them.
_IN_TRUNK = {"1": "stem", "2": "conv_tower", "4": "transformer", "6": "final_pointwise"}
_TRUNK = re.compile(r"^_trunk\.([1246])\.")


def read_network(folder: Path) -> EnformerNetwork:
    """Read a network and its weights, in float32, on the CPU, for prediction only.

    Parameters
    ----------
    folder
        With the `config.json` and, as `model.safetensors`, the tensors of `enformer-pytorch`'s model, under
        either of their two names. Other output heads than the human one are ignored.

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
    return load_tensors(
        on_meta(lambda: EnformerNetwork(configuration)),
        _known_tensors(read_weights(folder), configuration, str(folder)),
        stored_name,
        source=folder,
        model="Enformer",
        remedy="give the folder as enformer-pytorch saved it",
    )


def stored_name(name: str) -> str:
    """Return the published checkpoint's name of a parameter or buffer of `EnformerNetwork`."""
    for ours, stored in _STORED:
        if ours.match(name):
            return ours.sub(stored, name)
    raise ValueError(f"{name} is not a parameter of EnformerNetwork")


def _known_tensors(
    tensors: Mapping[str, Tensor], configuration: EnformerConfiguration, source: str
) -> dict[str, Tensor]:
    """Rename tensors of `_trunk` to their parts, and drop other output heads and counters of batches."""
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
