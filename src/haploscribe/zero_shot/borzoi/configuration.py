"""What a Borzoi or Flashzoi checkpoint's `config.json` says of the model, read into one checked record."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from haploscribe.errors import InputError
from haploscribe.zero_shot.settings import positive_integer

BORZOI_HUB_NAMES = tuple(f"johahi/borzoi-replicate-{i}" for i in range(4))
FLASHZOI_HUB_NAMES = tuple(f"johahi/flashzoi-replicate-{i}" for i in range(4))
"""The published weights on the Hugging Face hub, as `borzoi-pytorch` has them; four trainings of each."""

PUBLISHED_SIZES = {"dim": 1536, "depth": 8, "heads": 8, "attn_dim_key": 64, "attn_dim_value": 192}
"""Sizes of the published models; a size that a `config.json` leaves out is this."""

BIN_SIZE, TOKEN_SIZE = 32, 128
"""Base pairs of a bin that is put out, and of a position of the transformer."""
ROTARY_SIZE = 128
"""Channels of a query or key that Flashzoi rotates by position; what a head has more stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BorzoiConfiguration:
    """Dimensions and options of a Borzoi or Flashzoi.

    Attributes
    ----------
    width
        Channels of the transformer, and of the way back up to bins.
    n_layers, n_heads
        Of the transformer.
    key_size, value_size
        Width of one head's queries and keys, and of its values; only Borzoi has a choice here.
    rotary
        Whether attention reads positions by rotation, as Flashzoi's, or by features of the distance, as
        Borzoi's.
    tower_widths
        Channels behind the stem and behind each block of the tower that stays at 32 bp or finer.
    output_width
        Channels that the output head reads.
    n_bins
        Bins that are put out: the central ones.
    n_tracks
        Tracks of the human head.
    """

    width: int
    n_layers: int
    n_heads: int
    key_size: int
    value_size: int
    rotary: bool
    tower_widths: tuple[int, ...] = (512, 608, 736, 896, 1056, 1280)
    output_width: int = 1920
    n_bins: int = 6144
    n_tracks: int = 7611


def parse_configuration(content: Mapping[str, Any], source: str) -> BorzoiConfiguration:
    """Check the content of a `config.json` and name its parts in our words.

    Parameters
    ----------
    content
        The parsed file, in the words of `borzoi-pytorch`.
    source
        Where it came from, for messages.

    Raises
    ------
    InputError
        When it is not Borzoi's or Flashzoi's, or a size is impossible.
    """
    if content.get("model_type", "borzoi") != "borzoi":
        raise InputError(f"{source} is of a {content['model_type']!r} model; give the folder of a Borzoi")
    if not content.get("enable_human_head", True):
        raise InputError(f"{source} has no human head; give a model that was trained on it")
    sizes = {
        name: positive_integer(content.get(name, size), name, source)
        for name, size in PUBLISHED_SIZES.items()
    }
    rotary = bool(content.get("flashed", False))
    head_size, rest = divmod(sizes["dim"], sizes["heads"])
    if rotary and (rest or sizes["heads"] % 2 or head_size < ROTARY_SIZE):
        raise InputError(
            f"{source}: dim {sizes['dim']} must divide into {sizes['heads']} heads, an even number, of "
            f"{ROTARY_SIZE} or more channels"
        )
    return BorzoiConfiguration(
        width=sizes["dim"],
        n_layers=sizes["depth"],
        n_heads=sizes["heads"],
        key_size=head_size if rotary else sizes["attn_dim_key"],
        value_size=head_size if rotary else sizes["attn_dim_value"],
        rotary=rotary,
    )
