"""Name the tracks of AlphaGenome, and where its weights are; without torch, for the command line.

Indices are those of the human tracks in the model's metadata, in which all tracks of the + strand come before
those of the - strand; heads are padded to `Head.width`.
"""

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
TRACKS: Mapping[str, str] = {"CAGE:GM12878": "CAGE:EFO:0002784"}
"""Tracks by name."""


@cache
def cage_tracks() -> Mapping[str, int]:
    """Return the index of each CAGE track of the + strand, by its biosample's term, such as `EFO:0002784`.

    Low-quantity samples are `LQ:` and the term. The same track of the - strand comes as many behind as there
    are tracks of a strand. Terms and order are those of the model's published metadata.
    """
    lines = (files(__package__) / "cage_tracks.txt").read_text(encoding="utf-8").splitlines()
    assays, terms = zip(*(line.split() for line in lines), strict=True)
    return {
        f"LQ:{term}" if assay == "LQhCAGE" else term: index
        for index, (assay, term) in enumerate(zip(assays, terms, strict=True))
    }


def find_tracks(names: Sequence[str]) -> tuple[Track, ...]:
    """Return tracks, by their index in the heads of `HEADS` one behind the other.

    Parameters
    ----------
    names
        At least one, each once: names of `TRACKS`, `CAGE:TERM` with a term of `cage_tracks`, `HEAD:INDEX` of
        an unstranded track, or `HEAD:PLUS/MINUS` of one of each strand.

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
    head_name, _, text = TRACKS.get(name, name).partition(":")
    if head_name == "CAGE" and text in cage_tracks():
        plus = cage_tracks()[text]
        text = f"{plus}/{plus + len(cage_tracks())}"
    indices = text.split("/")
    if head_name not in HEADS or not 1 <= len(indices) <= 2 or not all(map(str.isdecimal, indices)):
        raise InputError(
            f"AlphaGenome has no track {name!r}; give {', '.join(TRACKS)}, CAGE and a biosample's term, such "
            f"as {TRACKS['CAGE:GM12878']}, or HEAD:INDEX or HEAD:PLUS/MINUS with a HEAD of "
            f"{', '.join(HEADS)} and indices from 0, such as CAGE:156/429"
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
    return Track(own, opposite[0] if opposite else None, name=name)
