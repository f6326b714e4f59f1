"""Name the tracks of AlphaGenome, and where its weights are; without torch, for the command line.

Indices are those of the human tracks in the model's metadata, in which all tracks of the + strand come first,
then those of the - strand, then those of no strand; heads are padded to `Head.width`.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from haploscribe.config.zero_shot import DEFAULT_ALPHAGENOME_TRACKS
from haploscribe.errors import InputError
from haploscribe.zero_shot.configuration import Track

HUB_NAMES: Mapping[str, str] = {"gtca/alphagenome_pytorch": "main"}
"""The published weights on the Hugging Face hub, converted to PyTorch, and the revision."""
HUB_FILE = "model_all_folds.safetensors"
"""The weights of the model that was trained on all folds."""
TERMS = "AlphaGenome's weights are for non-commercial use: https://deepmind.google.com/science/alphagenome/model-terms"


@dataclass(frozen=True, slots=True)
class Head:
    """An output head that predicts signals base by base.

    Attributes
    ----------
    name
        In the network.
    n_tracks, width
        Human tracks, and channels with the padding behind them.
    """

    name: str
    n_tracks: int
    width: int


HEADS: Mapping[str, Head] = {
    "CAGE": Head("cage", 546, 640),
    "PROCAP": Head("procap", 12, 128),
    "RNA": Head("rna_seq", 667, 768),
}
TRACKS: Mapping[str, str] = {"CAGE:GM12878": "CAGE:EFO:0002784", "RNA:GM12878": "RNA:polyA:EFO:0002784"}
"""Short names of tracks, and the names that they stand for."""


@cache
def named_tracks() -> Mapping[str, str]:
    """Return the indices of each named track, of both strands where it is stranded: `156/429`.

    After the head comes the term of a biosample, as in `CAGE:EFO:0002784`, or `LQ:` and the term for CAGE of
    little RNA. For RNA-seq it is `polyA:` or `total:` and the term, with `-unstranded` where strands are not
    told apart, or `gtex:` and a tissue. Terms and order are those of the model's published metadata.
    """
    lines = (files(__package__) / "tracks.tsv").read_text(encoding="utf-8").splitlines()
    return dict(csv.reader(lines[1:], delimiter="\t"))


def find_tracks(names: Sequence[str]) -> tuple[Track, ...]:
    """Return tracks, by their index in the heads of `HEADS` one behind the other.

    Parameters
    ----------
    names
        At least one, each once: names of `TRACKS` or `named_tracks`, `HEAD:INDEX` of an unstranded track, or
        `HEAD:PLUS/MINUS` of one of each strand. RNA-seq is read over exons.

    Raises
    ------
    InputError
        When there is no track, or one is unknown, out of range or repeated.
    """
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"tracks {list(names)}: give at least one, each once, such as {DEFAULT_ALPHAGENOME_TRACKS[0]}"
        )
    return tuple(_track(name) for name in names)


def _track(name: str) -> Track:
    full = TRACKS.get(name, name)
    head_name, _, text = full.partition(":")
    indices = named_tracks().get(full, text).split("/")
    if head_name not in HEADS or not 1 <= len(indices) <= 2 or not all(map(str.isdecimal, indices)):
        raise InputError(
            f"AlphaGenome has no track {name!r}; give {', '.join(TRACKS)}, a biosample's term, such as "
            f"{', '.join(TRACKS.values())} or PROCAP:EFO:0002067, a tissue, such as RNA:gtex:Whole_Blood, or "
            f"HEAD:INDEX or HEAD:PLUS/MINUS with a HEAD of {', '.join(HEADS)} and indices from 0, such as "
            f"CAGE:{named_tracks()[TRACKS['CAGE:GM12878']]}"
        )
    head = HEADS[head_name]
    if max(map(int, indices)) >= head.n_tracks:
        raise InputError(
            f"AlphaGenome has no track {name!r}: {head_name} has {head.n_tracks} human tracks, 0 to "
            f"{head.n_tracks - 1}"
        )
    before = list(HEADS)[: list(HEADS).index(head_name)]
    first = sum(HEADS[other].width for other in before)
    own, *opposite = (first + int(index) for index in indices)
    return Track(own, opposite[0] if opposite else None, over_exons=head_name == "RNA", name=name)
