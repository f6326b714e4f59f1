"""Check the `config.json` of an Enformer checkpoint, and find output tracks by name."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from haploscribe.config.zero_shot import DEFAULT_ENFORMER_TRACKS
from haploscribe.embedding.backbones.configuration import positive_integer
from haploscribe.errors import InputError
from haploscribe.zero_shot.configuration import Track

HUB_NAMES: Mapping[str, str] = {"EleutherAI/enformer-official-rough": "refs/pr/1"}
"""The published weights on the Hugging Face hub, in the layout of `enformer-pytorch`, and the revision that
holds them as safetensors: `main` has pickles only."""
HEAD = "human"
"""The output head used; a checkpoint may have others, such as `mouse`."""

PUBLISHED_SIZES = {
    "dim": 1536,
    "depth": 11,
    "heads": 8,
    "attn_dim_key": 64,
    "target_length": 896,
    "num_downsamples": 7,
    "dim_divisible_by": 128,
}
"""Sizes of the published model; used for sizes that a `config.json` leaves out."""
PUBLISHED_HEADS = {"human": 5313, "mouse": 1643}

_POSITION_BASES = 6
"""Exponential, central mask and gamma features, each also signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnformerConfiguration:
    """Dimensions and options of an Enformer.

    Attributes
    ----------
    width
        Channels of the transformer; the stem has half as many, the output twice as many.
    n_layers, n_heads, key_size
        Of the transformer; `key_size` is the width of one head's queries and keys, its values are
        `width / n_heads` wide.
    n_halvings
        Number of poolings by 2: a bin has `2**n_halvings` base pairs.
    width_multiple
        Widths in the convolutional tower are rounded to a multiple of this.
    n_bins
        Number of output bins, the central ones.
    output_heads
        Number of tracks of each output head.
    gamma_peaks_at_position
        Scale each gamma position feature to a maximum of 1 over all positions, as published; if False, scale
        the features of each position to a maximum of 1, as `enformer-pytorch` does without `use_tf_gamma`.
    """

    width: int
    n_layers: int
    n_heads: int
    key_size: int
    n_halvings: int
    width_multiple: int
    n_bins: int
    output_heads: Mapping[str, int]
    gamma_peaks_at_position: bool = True

    @property
    def bin_size(self) -> int:
        """Return the base pairs per bin."""
        return 1 << self.n_halvings

    @property
    def n_tracks(self) -> int:
        """Return the number of tracks of the human head."""
        return self.output_heads[HEAD]

    @property
    def n_position_features(self) -> int:
        """Return the number of features of a relative position."""
        return self.width // self.n_heads

    @property
    def tower_widths(self) -> tuple[int, ...]:
        """Return the channels into the tower and out of each block, geometric from half to full width."""
        start, n_blocks = self.width // 2, self.n_halvings - 1
        growth = math.exp(math.log(self.width / start) / (n_blocks - 1))
        multiple = self.width_multiple
        return (start, *(round(start * growth**i / multiple) * multiple for i in range(n_blocks)))


def parse_configuration(content: Mapping[str, Any], source: str) -> EnformerConfiguration:
    """Check the content of a `config.json` and name its parts by the names of this package.

    Parameters
    ----------
    content
        The parsed file, with the names of `enformer-pytorch`.
    source
        Path of the file, for error messages.

    Raises
    ------
    InputError
        When the model is not an Enformer, a size is invalid, there is no human head, or the sizes are those
        of the published model but the position features are not.
    """
    if content.get("model_type", "enformer") != "enformer":
        raise InputError(f"{source} is of a {content['model_type']!r} model; give the folder of an Enformer")
    if content.get("use_convnext"):
        raise InputError(f"{source} sets use_convnext, which the published Enformer does not have")
    sizes = {
        name: positive_integer(content.get(name, size), name, source)
        for name, size in PUBLISHED_SIZES.items()
    }
    heads = content.get("output_heads", PUBLISHED_HEADS)
    if not isinstance(heads, dict) or HEAD not in heads:
        raise InputError(
            f"{source} has no output head {HEAD!r} ({heads!r}); give a model that was trained on it"
        )
    configuration = EnformerConfiguration(
        width=sizes["dim"],
        n_layers=sizes["depth"],
        n_heads=sizes["heads"],
        key_size=sizes["attn_dim_key"],
        n_halvings=sizes["num_downsamples"],
        width_multiple=sizes["dim_divisible_by"],
        n_bins=sizes["target_length"],
        output_heads={
            str(name): positive_integer(size, f"output_heads.{name}", source) for name, size in heads.items()
        },
        # The published config.json is older than this key.
        gamma_peaks_at_position=bool(content.get("use_tf_gamma", True)),
    )
    _check_sizes(configuration, source)
    if sizes == PUBLISHED_SIZES and heads == PUBLISHED_HEADS and not configuration.gamma_peaks_at_position:
        raise InputError(
            f"{source} has the published model's sizes but use_tf_gamma false, which its weights were not "
            "trained with (enformer-pytorch writes false though it computes with true): set it to true there"
        )
    return configuration


def _check_sizes(configuration: EnformerConfiguration, source: str) -> None:
    width, n_heads = configuration.width, configuration.n_heads
    if width % (2 * n_heads) or configuration.n_position_features % _POSITION_BASES:
        raise InputError(
            f"{source}: dim {width} must be even and divide into {n_heads} heads of a multiple of "
            f"{_POSITION_BASES} channels"
        )
    if configuration.n_halvings < 3 or configuration.n_halvings > 20:
        raise InputError(f"{source}: num_downsamples is {configuration.n_halvings}; it must be 3 to 20")
    if configuration.tower_widths[1] != width // 2 or configuration.tower_widths[-1] != width:
        raise InputError(
            f"{source}: dim_divisible_by {configuration.width_multiple} does not divide half of dim {width}"
        )


TRACKS = {"CAGE:GM12878": 5110, "CAGE:K562": 4828}
"""Tracks of the published human head by name, 0-based as in the authors' `targets_human.txt`.

Row 5110, "CAGE:B lymphoblastoid cell line: GM12878 ENCODE, biol_", has FANTOM5's sample CNhs12333 as its
identifier and the file of CNhs12331, another replicate of the cell line. Row 4828 is CNhs11250, "chronic
myelogenous leukemia cell line:K562".
"""


def find_tracks(names: Sequence[str], n_tracks: int) -> tuple[Track, ...]:
    """Return tracks of a human head by name or index.

    Parameters
    ----------
    names
        At least one: names of `TRACKS`, or indices from 0, as digits.
    n_tracks
        Number of tracks of the head.

    Raises
    ------
    InputError
        When there is no track, one is unknown, out of range or repeated, or a name is given for a head other
        than the published one.
    """
    indices = tuple(_index(name, n_tracks) for name in names)
    if not indices or len(set(indices)) < len(indices):
        raise InputError(
            f"tracks {list(names)}: give at least one, each once, such as {DEFAULT_ENFORMER_TRACKS[0]}"
        )
    return tuple(Track(index, name=name) for index, name in zip(indices, names, strict=True))


def _index(name: str, n_tracks: int) -> int:
    if name in TRACKS and n_tracks == PUBLISHED_HEADS[HEAD]:
        return TRACKS[name]
    if name.isascii() and name.isdigit() and int(name) < n_tracks:
        return int(name)
    known = f"{', '.join(TRACKS)} or a number" if n_tracks == PUBLISHED_HEADS[HEAD] else "a number"
    raise InputError(f"this Enformer has no track {name!r}; give {known} from 0 to {n_tracks - 1}")
