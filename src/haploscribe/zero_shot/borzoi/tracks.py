"""Tracks of Borzoi's human head, by name.

Places, scales and strands are those of the authors' table, where a track's description is its name here:
repository calico/borzoi, `examples/targets_rna.txt` and `examples/targets_gtex.txt`; with all other tracks in
the package borzoi-pytorch 0.5.1, `precomputed/targets.txt`.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain

from haploscribe.config.options import DEFAULT_BORZOI_TRACKS
from haploscribe.errors import InputError
from haploscribe.zero_shot.tracks import Track

_SOFT_CLIP = 384.0
_ENCODE_RNA = partial(Track, scale=0.3, power=0.75, soft_clip=_SOFT_CLIP)
_GTEX_RNA = partial(Track, scale=0.01, power=0.75, soft_clip=_SOFT_CLIP)

# Experiments on whole cells; the first eight tell the strands apart.
_GM12878_STRANDED = (6112, 6114, 6116, 6118, 6204, 6514, 6668, 7306)
_GM12878_UNSTRANDED = (6120, 6121, 6340, 6434, 7334, 7394)

# Tissues of GTEx in the order of their tracks, which have no strands, and how many each has.
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
        *(_ENCODE_RNA(place, place + 1) for place in _GM12878_STRANDED),
        *map(_ENCODE_RNA, _GM12878_UNSTRANDED),
    ),
    "CAGE:GM12878": (Track(870, 871, soft_clip=_SOFT_CLIP),),
    **_gtex(),
}
"""Tracks by name: RNA-seq and CAGE of GM12878, a lymphoblastoid cell line, and RNA-seq of GTEx's tissues."""


def find_tracks(names: Sequence[str]) -> tuple[Track, ...]:
    """Find tracks by name, each name of `TRACKS` and given once; there may be several tracks of a name.

    Raises
    ------
    InputError
        When there is no name, one is not known, or one stands twice.
    """
    for name in names:
        if name not in TRACKS:
            raise InputError(f"Borzoi has no tracks {name!r}; give any of {', '.join(TRACKS)}")
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"tracks {list(names)}: give at least one, each once, such as {DEFAULT_BORZOI_TRACKS[0]}"
        )
    return tuple(chain.from_iterable(TRACKS[name] for name in names))
