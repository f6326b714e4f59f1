"""From a checkpoint to Borzoi's network, strictly: every tensor has its place, every place its tensor."""

import re
from pathlib import Path

from haploscribe.embedding.backbones.checkpoint import read_weights
from haploscribe.zero_shot.borzoi.configuration import parse_configuration
from haploscribe.zero_shot.borzoi.network import BorzoiNetwork
from haploscribe.zero_shot.weights_folder import BATCH_COUNTER, on_meta, placed, read_configuration

# Our names of the network's parts, as patterns, and the published ones.
_BLOCK = ((r"norm\.", r"norm."), (r"convolution\.", r"conv_layer."))
_STORED = tuple(
    (re.compile(ours), stored)
    for ours, stored in (
        (r"^stem\.", r"conv_dna.conv_layer."),
        *(
            (rf"^{ours}\.{our_part}", rf"{stored}.{part}")
            for ours, stored in (
                # Poolings stand between the published tower's blocks, and are counted.
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
# What prediction has no use for: the frequencies of rotary positions, which some versions of flash-attn
# store, are constants.
_UNUSED = (BATCH_COUNTER, ".rotary_emb.inv_freq")


def read_network(folder: Path) -> BorzoiNetwork:
    """Read a network and its weights, in float32, on the CPU, for prediction only.

    Parameters
    ----------
    folder
        With the `config.json` and, as `model.safetensors`, the tensors of `borzoi-pytorch`'s model. A mouse
        head is left.

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
    return placed(
        network,
        tensors,
        lambda name: stored_name(name, rotary=configuration.rotary),
        source=folder,
        model="Flashzoi" if configuration.rotary else "Borzoi",
        remedy="give the folder as borzoi-pytorch saved it",
    )


def stored_name(name: str, *, rotary: bool) -> str:
    """Name a parameter or buffer of `BorzoiNetwork` as the published checkpoint of its kind does."""
    if _OUT.match(name):
        return _OUT.sub(
            r"transformer.\1.0.fn.1.mha.out_proj." if rotary else r"transformer.\1.0.fn.1.to_out.", name
        )
    for ours, stored in _STORED:
        if ours.match(name):
            return ours.sub(stored, name)
    raise ValueError(f"{name} is no parameter of BorzoiNetwork")
