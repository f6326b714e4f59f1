"""Predict expression with Borzoi, Flashzoi or Borzoi Prime, as the RNA-seq signal at the TSS from 524,288 bp.

Linder et al., Nature Genetics 57:949-961, 2025; Hingerl et al., Bioinformatics 41:btaf467, 2025; Linder, Yuan
& Kelley, bioRxiv 2025.06.10.658961.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from haploscribe.config.zero_shot import DEFAULT_BORZOI_TRACKS
from haploscribe.embedding.backbones.checkpoint import read_weights
from haploscribe.errors import InputError
from haploscribe.zero_shot.borzoi.configuration import BorzoiConfiguration, find_tracks, parse_configuration
from haploscribe.zero_shot.borzoi.network import BorzoiNetwork
from haploscribe.zero_shot.configuration import Track
from haploscribe.zero_shot.signal_model import SignalModel
from haploscribe.zero_shot.weights_folder import BATCH_COUNTER, load_tensors, on_meta, read_configuration

WINDOW = 524_288
"""Base pairs that the published models read."""


class Borzoi(SignalModel):
    """Predict the signal summed over the same base pairs as Enformer's.

    Of the published bins 0 to 6143 these are 3068 to 3079: the 128 bp before the TSS and the 256 bp from it
    on. The authors sum RNA-seq over a gene's exons, which need an annotation; the coverage at the start of
    the first exon is used instead, as a measure of transcription.
    """

    name = "borzoi"
    n_bins_before = 4
    n_bins_from = 8

    def __init__(
        self, network: BorzoiNetwork, tracks: Sequence[Track], window: int = WINDOW, device: str = "cpu"
    ) -> None:
        super().__init__(network, tracks, window, device)


class Flashzoi(Borzoi):
    """Predict as Borzoi, with rotary attention."""

    name = "flashzoi"


class BorzoiPrime(Borzoi):
    """Predict as Borzoi, in bins of 16 bp: 6136 to 6159 of 0 to 12,287."""

    name = "borzoi-prime"
    n_bins_before = 8
    n_bins_from = 16


_MODELS = {model.name: model for model in (Borzoi, Flashzoi, BorzoiPrime)}


def read_borzoi(
    folder: Path, *, tracks: Sequence[str] = DEFAULT_BORZOI_TRACKS, device: str = "cpu", kind: str = "borzoi"
) -> Borzoi:
    """Read the weights of one training of Borzoi, Flashzoi or Borzoi Prime.

    Parameters
    ----------
    folder
        As in `read_network`.
    tracks
        As in `find_tracks`.
    device
        `cpu`, `cuda`, `cuda:1`, … or `auto`.
    kind
        `borzoi`, `flashzoi` or `borzoi-prime`.

    Raises
    ------
    InputError
        As `read_network`; when there is no such track or device, or the weights are of another of the models.
    """
    found = find_tracks(tracks, prime=kind == BorzoiPrime.name)
    network = read_network(folder)
    other = network.configuration.kind
    if other != kind:
        raise InputError(f"{folder} has the weights of a {other}, not of a {kind}: give it as --{other}")
    return _MODELS[kind](network, found, device=device)


# Patterns of parameter names here, and the published names.
_BLOCK = ((r"norm\.", r"norm."), (r"convolution\.", r"conv_layer."))
_STORED = tuple(
    (re.compile(ours), stored)
    for ours, stored in (
        (r"^stem\.", r"conv_dna.conv_layer."),
        *(
            (rf"^{ours}\.{our_part}", rf"{stored}.{part}")
            for ours, stored in (
                # The published numbering counts the poolings between blocks.
                *((rf"tower\.{i}", f"res_tower.{2 * i}") for i in range(5)),
                *((rf"coarsen\.{i}", f"unet{i + 1}.1") for i in range(2)),
                (r"up\.(\d)\.below", r"upsampling_unet\1.0"),
                (r"up\.(\d)\.beside", r"horizontal_conv\1"),
                (r"output", "final_joined_convs.0"),
            )
            for our_part, part in _BLOCK
        ),
        (r"^up\.(\d)\.by_channel\.", r"separable\1.conv_layer.0."),
        (r"^up\.(\d)\.across_channels\.", r"separable\1.conv_layer.1."),
        (r"^layers\.(\d+)\.attention_norm\.", r"transformer.\1.0.fn.0."),
        (r"^layers\.(\d+)\.attention\.query_key_value\.", r"transformer.\1.0.fn.1.mha.Wqkv."),
        (r"^layers\.(\d+)\.attention\.query\.", r"transformer.\1.0.fn.1.to_q."),
        (r"^layers\.(\d+)\.attention\.key\.", r"transformer.\1.0.fn.1.to_k."),
        (r"^layers\.(\d+)\.attention\.value\.", r"transformer.\1.0.fn.1.to_v."),
        (r"^layers\.(\d+)\.attention\.position\.", r"transformer.\1.0.fn.1.to_rel_k."),
        (r"^layers\.(\d+)\.attention\.content_bias$", r"transformer.\1.0.fn.1.rel_content_bias"),
        (r"^layers\.(\d+)\.attention\.position_bias$", r"transformer.\1.0.fn.1.rel_pos_bias"),
        (r"^layers\.(\d+)\.feed_forward_norm\.", r"transformer.\1.1.fn.0."),
        (r"^layers\.(\d+)\.expand\.", r"transformer.\1.1.fn.1."),
        (r"^layers\.(\d+)\.contract\.", r"transformer.\1.1.fn.4."),
        (r"^head\.", r"human_head."),
    )
)
_UP = re.compile(r"^up\.(\d)")
_OUT = re.compile(r"^layers\.(\d+)\.attention\.out\.")
_OTHER_HEAD = "mouse_head."
# Not used at prediction; the frequencies of rotary positions, which some versions of flash-attn store, are
# constants.
_UNUSED = (BATCH_COUNTER, ".rotary_emb.inv_freq")


def read_network(folder: Path) -> BorzoiNetwork:
    """Read a network and its weights, in float32, on the CPU, for prediction only.

    Parameters
    ----------
    folder
        With the `config.json` and, as `model.safetensors`, the tensors of `borzoi-pytorch`'s model. A mouse
        head is ignored.

    Raises
    ------
    InputError
        When a file cannot be read or is a pickle, or a tensor is missing, unexpected, of another shape than
        `config.json` says, or not finite.
    """
    configuration = parse_configuration(*read_configuration(folder))
    tensors = {
        name: tensor
        for name, tensor in read_weights(folder).items()
        if not name.startswith(_OTHER_HEAD) and not name.endswith(_UNUSED)
    }
    network = on_meta(lambda: BorzoiNetwork(configuration))
    return load_tensors(
        network,
        tensors,
        lambda name: stored_name(name, configuration),
        source=folder,
        model=configuration.kind,
        remedy="give the folder as borzoi-pytorch saved it",
    )


def stored_name(name: str, configuration: BorzoiConfiguration) -> str:
    """Return the published checkpoint's name of a parameter or buffer of a `BorzoiNetwork`."""
    if _OUT.match(name):
        out = "mha.out_proj" if configuration.rotary else "to_out"
        return _OUT.sub(rf"transformer.\1.0.fn.1.{out}.", name)
    # Steps up to bins are counted from the last one.
    n_coarse = len(configuration.coarse_widths) + 1
    name = _UP.sub(lambda step: f"up.{n_coarse - int(step[1])}", name)
    for ours, stored in _STORED:
        if ours.match(name):
            return ours.sub(stored, name)
    raise ValueError(f"{name} is not a parameter of BorzoiNetwork")
