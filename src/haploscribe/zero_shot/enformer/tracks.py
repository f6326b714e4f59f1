"""Tracks of Enformer's human head, by name or by place."""

from collections.abc import Sequence

from haploscribe.config.options import DEFAULT_ENFORMER_TRACKS
from haploscribe.errors import InputError
from haploscribe.zero_shot.enformer.configuration import HEAD, PUBLISHED_HEADS
from haploscribe.zero_shot.tracks import Track

TRACKS = {"CAGE:GM12878": 5110, "CAGE:K562": 4828}
"""Tracks of the published human head by name, 0-based as in the authors' `targets_human.txt`: FANTOM5's
CNhs12332 ("B lymphoblastoid cell line: GM12878 ENCODE, biol_rep2") and CNhs11250 ("chronic myelogenous
leukemia cell line:K562")."""


def find_tracks(names: Sequence[str], n_tracks: int) -> tuple[Track, ...]:
    """Find tracks in a human head of `n_tracks` tracks.

    Parameters
    ----------
    names
        At least one: names of `TRACKS`, or places from 0, as digits.
    n_tracks
        Tracks of the head.

    Raises
    ------
    InputError
        When there is no track, one is not known or out of range, one stands twice, or a name is asked of a
        head that is not the published one.
    """
    places = tuple(_place(name, n_tracks) for name in names)
    if not places or len(set(places)) < len(places):
        raise InputError(
            f"tracks {list(names)}: give at least one, each once, such as {DEFAULT_ENFORMER_TRACKS[0]}"
        )
    return tuple(map(Track, places))


def _place(name: str, n_tracks: int) -> int:
    if name in TRACKS and n_tracks == PUBLISHED_HEADS[HEAD]:
        return TRACKS[name]
    if name.isascii() and name.isdigit() and int(name) < n_tracks:
        return int(name)
    known = f"{', '.join(TRACKS)} or a number" if n_tracks == PUBLISHED_HEADS[HEAD] else "a number"
    raise InputError(f"this Enformer has no track {name!r}; give {known} from 0 to {n_tracks - 1}")
