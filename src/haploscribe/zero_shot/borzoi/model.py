"""Borzoi and Flashzoi: expression as the RNA-seq signal at the TSS, from 524,288 bp around it.

Linder et al., Nature Genetics 57:949-961, 2025; Hingerl et al., Bioinformatics 41:btaf467, 2025.
"""

from collections.abc import Sequence
from pathlib import Path

from haploscribe.config.options import DEFAULT_BORZOI_TRACKS
from haploscribe.errors import InputError
from haploscribe.zero_shot.borzoi.loading import read_network
from haploscribe.zero_shot.borzoi.network import BorzoiNetwork
from haploscribe.zero_shot.borzoi.tracks import find_tracks
from haploscribe.zero_shot.signal_at_tss import SignalAtTss
from haploscribe.zero_shot.tracks import Track

WINDOW = 524_288
"""Base pairs that the published models read."""


class Borzoi(SignalAtTss):
    """A `SequenceModel`: the signal summed over the same base pairs as Enformer's.

    Of the published bins 0 to 6143 they are 3068 to 3079: the 128 bp before the TSS and the 256 bp from it
    on. The authors sum RNA-seq over a gene's exons. Those are not among our inputs: what is summed is the
    coverage of the first exon's start, which stands for how much is transcribed.
    """

    name = "borzoi"
    n_bins_before = 4
    n_bins_from = 8

    def __init__(
        self, network: BorzoiNetwork, tracks: Sequence[Track], window: int = WINDOW, device: str = "cpu"
    ) -> None:
        super().__init__(network, tracks, window, device)


class Flashzoi(Borzoi):
    """Borzoi with rotary attention; otherwise the same."""

    name = "flashzoi"


def read_borzoi(
    folder: Path, *, tracks: Sequence[str] = DEFAULT_BORZOI_TRACKS, device: str = "cpu", rotary: bool = False
) -> Borzoi:
    """Read the weights of one training of Borzoi, or of Flashzoi.

    Parameters
    ----------
    folder
        As in `read_network`.
    tracks
        As in `find_tracks`.
    device
        `cpu`, `cuda`, `cuda:1`, … or `auto`.
    rotary
        Read Flashzoi.

    Raises
    ------
    InputError
        As `read_network`; when there is no such track or device, or the weights are of the other of the two.
    """
    found = find_tracks(tracks)
    network = read_network(folder)
    if network.configuration.rotary != rotary:
        wanted, other = ("flashzoi", "borzoi") if rotary else ("borzoi", "flashzoi")
        raise InputError(f"{folder} has the weights of a {other}, not of a {wanted}: give it as --{other}")
    return (Flashzoi if rotary else Borzoi)(network, found, device=device)
