"""Check the `config.json` of a Borzoi, Flashzoi or Borzoi Prime checkpoint, and find output tracks by name.

Indices, scales and strands of tracks are those of the authors' tables, whose descriptions are the names here.
Borzoi: repository calico/borzoi, `examples/targets_rna.txt` and `examples/targets_gtex.txt`; with all other
tracks in the package borzoi-pytorch 0.5.1, `precomputed/targets.txt`. Borzoi Prime: repository
calico/baskerville, `releases/borzoi_prime/targets_human.txt`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from haploscribe.config.zero_shot import DEFAULT_BORZOI_TRACKS
from haploscribe.embedding.backbones.configuration import positive_integer
from haploscribe.errors import InputError
from haploscribe.zero_shot.configuration import Track

BORZOI_HUB_NAMES: Mapping[str, str] = {f"johahi/borzoi-replicate-{i}": "main" for i in range(4)}
FLASHZOI_HUB_NAMES: Mapping[str, str] = {f"johahi/flashzoi-replicate-{i}": "main" for i in range(4)}
PRIME_HUB_NAMES: Mapping[str, str] = {f"johahi/borzoi-prime-replicate-{i}": "main" for i in range(4)}
"""The published weights on the Hugging Face hub, in the layout of `borzoi-pytorch`, four of each, and the
revision that holds them as safetensors."""

PUBLISHED_SIZES = {"dim": 1536, "depth": 8, "heads": 8, "attn_dim_key": 64, "attn_dim_value": 192}
"""Sizes of the published models; used for sizes that a `config.json` leaves out."""

TOKEN_SIZE = 128
"""Base pairs per position of the transformer."""
ROTARY_SIZE = 128
"""Channels of a query or key that Flashzoi rotates by position; further channels of a head stay unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BorzoiConfiguration:
    """Dimensions and options of a Borzoi, Flashzoi or Borzoi Prime.

    Attributes
    ----------
    kind
        Name of the model: `borzoi`, `flashzoi` or `borzoi-prime`.
    width
        Channels of the transformer, and of the upsampling to bins.
    n_layers, n_heads
        Of the transformer.
    key_size, value_size
        Width of one head's queries and keys, and of its values; free in Borzoi only.
    tower_widths
        Channels after the stem and after each block of the tower down to bins.
    coarse_widths
        Channels at the lengths between bins and twice the transformer's.
    output_width
        Channels of a last convolution, which the output head reads; None where there is none.
    bin_size
        Base pairs per output bin.
    n_bins
        Number of output bins, the central ones.
    n_tracks
        Tracks of the human head.
    """

    kind: str
    width: int
    n_layers: int
    n_heads: int
    key_size: int
    value_size: int
    tower_widths: tuple[int, ...] = (512, 608, 736, 896, 1056, 1280)
    coarse_widths: tuple[int, ...] = ()
    output_width: int | None = 1920
    bin_size: int = 32
    n_bins: int = 6144
    n_tracks: int = 7611

    @property
    def rotary(self) -> bool:
        """Whether attention encodes positions by rotation, or by features of the distance."""
        return self.kind == "flashzoi"


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
        When the model is none of these, or a size is invalid.
    """
    model_type, rotary = content.get("model_type", "borzoi"), bool(content.get("flashed", False))
    if model_type not in ("borzoi", "prime"):
        raise InputError(f"{source} is of a {model_type!r} model; give the folder of a Borzoi")
    if model_type == "prime" and rotary:
        raise InputError(f"{source}: no Borzoi Prime with 'flashed' was published; give one without")
    if not content.get("enable_human_head", True):
        raise InputError(f"{source} has no human head; give a model that was trained on it")
    sizes = {
        name: positive_integer(content.get(name, size), name, source)
        for name, size in PUBLISHED_SIZES.items()
    }
    head_size, rest = divmod(sizes["dim"], sizes["heads"])
    if rotary and (rest or sizes["heads"] % 2 or head_size < ROTARY_SIZE):
        raise InputError(
            f"{source}: dim {sizes['dim']} must divide into {sizes['heads']} heads, an even number, of "
            f"{ROTARY_SIZE} or more channels"
        )
    borzoi = BorzoiConfiguration(
        kind="flashzoi" if rotary else "borzoi",
        width=sizes["dim"],
        n_layers=sizes["depth"],
        n_heads=sizes["heads"],
        key_size=head_size if rotary else sizes["attn_dim_key"],
        value_size=head_size if rotary else sizes["attn_dim_value"],
    )
    return borzoi if model_type == "borzoi" else _prime(borzoi)


def _prime(borzoi: BorzoiConfiguration) -> BorzoiConfiguration:
    """Return the Borzoi Prime of these sizes: bins half as wide, without a last convolution."""
    *tower, coarse = borzoi.tower_widths
    return replace(
        borzoi,
        kind="borzoi-prime",
        tower_widths=tuple(tower),
        coarse_widths=(coarse,),
        output_width=None,
        bin_size=16,
        n_bins=12_288,
        n_tracks=5431,
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

# Prime's head has Borzoi's CAGE tracks first, and its RNA-seq tracks in the same order.
_FEWER_BEFORE_RNA = 3886


def _prime_track(name: str, track: Track) -> Track:
    """Return a track of Borzoi in the head of Borzoi Prime."""
    fewer = _FEWER_BEFORE_RNA if name.startswith("RNA") else 0
    opposite = track.opposite_index
    return replace(
        track,
        index=track.index - fewer,
        opposite_index=None if opposite is None else opposite - fewer,
        scale=2 * track.scale if track.index >= _FIRST_OF_GTEX else track.scale,
        power=0.75,
        soft_clip=64.0,
        shifted=True,
    )


PRIME_TRACKS: Mapping[str, tuple[Track, ...]] = {
    name: tuple(_prime_track(name, track) for track in tracks) for name, tracks in TRACKS.items()
}
"""Tracks of Borzoi Prime, by the same names."""


def find_tracks(names: Sequence[str], *, prime: bool = False) -> tuple[Track, ...]:
    """Return tracks of Borzoi, or of Borzoi Prime, by names of `TRACKS`; a name may denote several tracks.

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
    tracks = PRIME_TRACKS if prime else TRACKS
    return tuple(replace(track, name=name) for name in names for track in tracks[name])
