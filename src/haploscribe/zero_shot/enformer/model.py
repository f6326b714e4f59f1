"""Enformer: expression as the CAGE signal at the TSS, from 196,608 bp around it (Avsec et al. 2021)."""

from collections.abc import Sequence
from pathlib import Path

from haploscribe.config.options import DEFAULT_ENFORMER_TRACKS
from haploscribe.errors import InputError
from haploscribe.zero_shot.enformer.loading import read_network
from haploscribe.zero_shot.enformer.network import EnformerNetwork
from haploscribe.zero_shot.enformer.tracks import find_tracks
from haploscribe.zero_shot.signal_at_tss import SignalAtTss
from haploscribe.zero_shot.tracks import Track

WINDOW = 196_608
"""Base pairs that the published model reads."""


class Enformer(SignalAtTss):
    """A `SequenceModel`: the signal summed over the bin with the TSS and its two neighbours.

    Of the published bins 0 to 895 they are 447 to 449: the 128 bp before the TSS and the 256 bp from it on.
    """

    name = "enformer"
    n_bins_before = 1
    n_bins_from = 2

    def __init__(
        self, network: EnformerNetwork, tracks: Sequence[Track], window: int = WINDOW, device: str = "cpu"
    ) -> None:
        super().__init__(network, tracks, window, device)


def read_enformer(
    folder: Path, *, tracks: Sequence[str] = DEFAULT_ENFORMER_TRACKS, device: str = "cpu"
) -> Enformer:
    """Read Enformer's weights.

    Parameters
    ----------
    folder
        As in `read_network`.
    tracks
        As in `find_tracks`.
    device
        `cpu`, `cuda`, `cuda:1`, … or `auto`.

    Raises
    ------
    InputError
        As `read_network`; when there is no such track or device, or the model does not read 196,608 bp.
    """
    network = read_network(folder)
    found = find_tracks(tracks, network.configuration.n_tracks)
    try:
        return Enformer(network, found, device=device)
    except ValueError as error:
        raise InputError(f"the Enformer in {folder} does not read {WINDOW:,} bp: {error}") from None
