"""Predict expression with Borzoi or Flashzoi, as the RNA-seq signal at the TSS from 524,288 bp.

Linder et al., Nature Genetics 57:949-961, 2025; Hingerl et al., Bioinformatics 41:btaf467, 2025.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from haploscribe.config.zero_shot import DEFAULT_BORZOI_TRACKS
from haploscribe.embedding.backbones.checkpoint import read_weights
from haploscribe.errors import InputError
from haploscribe.zero_shot.borzoi.configuration import find_tracks, parse_configuration
from haploscribe.zero_shot.borzoi.network import BorzoiNetwork
from haploscribe.zero_shot.configuration import Track
from haploscribe.zero_shot.signal_at_tss import SignalAtTss
from haploscribe.zero_shot.weights_folder import BATCH_COUNTER, load_tensors, on_meta, read_configuration

WINDOW = 524_288
"""Base pairs that the published models read."""


class Borzoi(SignalAtTss):
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


def read_borzoi(
    folder: Path, *, tracks: Sequence[str] = DEFAULT_BORZOI_TRACKS, device: str = "cpu", rotary: bool = False
) -> Borzoi:
    """Read the weights of one training of Borzoi, or of Flashzoi.

    Parameters
    ----------
    folder
        As in `read_network`.
    tracks
        As in `find_tracks`.
    device
        `cpu`, `cuda`, `cuda:1`, … or `auto`.
    rotary
        Read Flashzoi.

    Raises
    ------
    InputError
        As `read_network`; when there is no such track or device, or the weights are of the other model.
    """
    found = find_tracks(tracks)
    network = read_network(folder)
    if network.configuration.rotary != rotary:
        wanted, other = ("flashzoi", "borzoi") if rotary else ("borzoi", "flashzoi")
        raise InputError(f"{folder} has the weights of a {other}, not of a {wanted}: give it as --{other}")
    return (Flashzoi if rotary else Borzoi)(network, found, device=device)


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
                (r"coarsen", "unet1.1"),
                (r"up_to_64\.below", "upsampling_unet1.0"),
                (r"up_to_64\.beside", "horizontal_conv1"),
                (r"up_to_32\.below", "upsampling_unet0.0"),
                (r"up_to_32\.beside", "horizontal_conv0"),
                (r"output", "final_joined_convs.0"),
            )
            for our_part, part in _BLOCK
        ),
        (r"^up_to_64\.by_channel\.", r"separable1.conv_layer.0."),
        (r"^up_to_64\.across_channels\.", r"separable1.conv_layer.1."),
        (r"^up_to_32\.by_channel\.", r"separable0.conv_layer.0."),
        (r"^up_to_32\.across_channels\.", r"separable0.conv_layer.1."),
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
        lambda name: stored_name(name, rotary=configuration.rotary),
        source=folder,
        model="Flashzoi" if configuration.rotary else "Borzoi",
        remedy="give the folder as borzoi-pytorch saved it",
    )


def stored_name(name: str, *, rotary: bool) -> str:
    """Return the published checkpoint's name of a parameter or buffer of `BorzoiNetwork`."""
    if _OUT.match(name):
        return _OUT.sub(
            r"transformer.\1.0.fn.1.mha.out_proj." if rotary else r"transformer.\1.0.fn.1.to_out.", name
        )
    for ours, stored in _STORED:
        if ours.match(name):
            return ours.sub(stored, name)
    raise ValueError(f"{name} is not a parameter of BorzoiNetwork")
