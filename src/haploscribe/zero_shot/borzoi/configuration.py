"""Check the `config.json` of a Borzoi or Flashzoi checkpoint, and find output tracks by name.

Indices, scales and strands of tracks are those of the authors' table, whose descriptions are the names here:
repository calico/borzoi, `examples/targets_rna.txt` and `examples/targets_gtex.txt`; with all other tracks in
the package borzoi-pytorch 0.5.1, `precomputed/targets.txt`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from haploscribe.config.zero_shot import DEFAULT_BORZOI_TRACKS
from haploscribe.embedding.backbones.configuration import positive_integer
from haploscribe.errors import InputError
from haploscribe.zero_shot.configuration import Track

BORZOI_HUB_NAMES: Mapping[str, str] = {f"johahi/borzoi-replicate-{i}": "main" for i in range(4)}
FLASHZOI_HUB_NAMES: Mapping[str, str] = {f"johahi/flashzoi-replicate-{i}": "main" for i in range(4)}
"""The published weights on the Hugging Face hub, in the layout of `borzoi-pytorch`, four of each, and the
revision that holds them as safetensors."""

PUBLISHED_SIZES = {"dim": 1536, "depth": 8, "heads": 8, "attn_dim_key": 64, "attn_dim_value": 192}
"""Sizes of the published models; used for sizes that a `config.json` leaves out."""

BIN_SIZE, TOKEN_SIZE = 32, 128
"""Base pairs per output bin, and per position of the transformer."""
ROTARY_SIZE = 128
"""Channels of a query or key that Flashzoi rotates by position; further channels of a head stay unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BorzoiConfiguration:
    """Dimensions and options of a Borzoi or Flashzoi.

    Attributes
    ----------
    width
        Channels of the transformer, and of the upsampling to bins.
    n_layers, n_heads
        Of the transformer.
    key_size, value_size
        Width of one head's queries and keys, and of its values; free in Borzoi only.
    rotary
        Whether attention encodes positions by rotation (Flashzoi) or by features of the distance (Borzoi).
    tower_widths
        Channels after the stem and after each block of the tower down to 32 bp.
    output_width
        Channels that the output head reads.
    n_bins
        Number of output bins, the central ones.
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
    """Check the content of a `config.json` and name its parts by the names of this package.

    Parameters
    ----------
    content
        The parsed file, with the names of `borzoi-pytorch`.
    source
        Path of the file, for error messages.

    Raises
    ------
    InputError
        When the model is not a Borzoi or Flashzoi, or a size is invalid.
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


_SOFT_CLIP = 384.0
_ENCODE_RNA = partial(Track, scale=0.3, power=0.75, soft_clip=_SOFT_CLIP)
_GTEX_RNA = partial(Track, scale=0.01, power=0.75, soft_clip=_SOFT_CLIP)

# Indices of experiments on whole cells; the first eight are stranded.
_GM12878_STRANDED = (6112, 6114, 6116, 6118, 6204, 6514, 6668, 7306)
_GM12878_UNSTRANDED = (6120, 6121, 6340, 6434, 7334, 7394)

# Tissues of GTEx in the order of their unstranded tracks, with the number of tracks of each.
_FIRST_OF_GTEX = 7522
_GTEX = {
    "adipose_tissue": 3,
    "adrenal_gland": 3,
    "bladder": 3,
    "blood": 3,
    "blood_vessel": 3,
    "bone_marrow": 2,
    "brain": 3,
    "breast": 3,
    "cervix_uteri": 3,
    "colon": 3,
    "esophagus": 3,
    "fallopian_tube": 3,
    "heart": 3,
    "kidney": 3,
    "liver": 3,
    "lung": 3,
    "muscle": 3,
    "nerve": 2,
    "ovary": 3,
    "pancreas": 3,
    "pituitary": 3,
    "prostate": 3,
    "salivary_gland": 3,
    "skin": 3,
    "small_intestine": 3,
    "spleen": 3,
    "stomach": 3,
    "testis": 2,
    "thyroid": 3,
    "uterus": 2,
    "vagina": 3,
}


def _gtex() -> dict[str, tuple[Track, ...]]:
    found, first = {}, _FIRST_OF_GTEX
    for tissue, n_tracks in _GTEX.items():
        found[f"RNA:{tissue}"] = tuple(map(_GTEX_RNA, range(first, first + n_tracks)))
        first += n_tracks
    return found


TRACKS: Mapping[str, tuple[Track, ...]] = {
    "RNA:GM12878": (
        *(_ENCODE_RNA(index, index + 1) for index in _GM12878_STRANDED),
        *map(_ENCODE_RNA, _GM12878_UNSTRANDED),
    ),
    "CAGE:GM12878": (Track(870, 871, soft_clip=_SOFT_CLIP),),
    **_gtex(),
}
"""Tracks by name: RNA-seq and CAGE of GM12878, a lymphoblastoid cell line, and RNA-seq of GTEx's tissues."""


def find_tracks(names: Sequence[str]) -> tuple[Track, ...]:
    """Return tracks by names of `TRACKS`; a name may denote several tracks.

    Raises
    ------
    InputError
        When there is no name, or one is unknown or repeated.
    """
    for name in names:
        if name not in TRACKS:
            raise InputError(f"Borzoi has no tracks {name!r}; give any of {', '.join(TRACKS)}")
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"tracks {list(names)}: give at least one, each once, such as {DEFAULT_BORZOI_TRACKS[0]}"
        )
    return tuple(chain.from_iterable(TRACKS[name] for name in names))
