"""Enformer: expression as the CAGE signal at the TSS, from 196,608 bp around it (Avsec et al. 2021)."""

from collections.abc import Sequence

import numpy as np
import torch

from haploscribe.arrays import Float64Array
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.errors import InputError
from haploscribe.zero_shot.enformer.configuration import HEAD, PUBLISHED_HEADS
from haploscribe.zero_shot.enformer.loading import PUBLISHED, read_network
from haploscribe.zero_shot.enformer.network import EnformerNetwork, first_central_bin
from haploscribe.zero_shot.one_hot import one_hot

WINDOW = 196_608
"""Base pairs that the published model reads."""

TRACKS = {"CAGE:GM12878": 5110, "CAGE:K562": 4828}
"""Tracks of the published human head by name, 0-based as in the authors' `targets_human.txt`: FANTOM5's
CNhs12332 ("B lymphoblastoid cell line: GM12878 ENCODE, biol_rep2") and CNhs11250 ("chronic myelogenous
leukemia cell line:K562")."""
DEFAULT_TRACKS = ("CAGE:GM12878",)


class Enformer:
    """A `SequenceModel`: the signal summed over the bin with the TSS and its two neighbours.

    The window lies so that the TSS is the first base of its second half, hence the first base of the bin
    after the middle, bin 448 of the published 0 to 895. So the three bins hold the 128 bp before the TSS and
    the 256 bp from it on. In a sequence's reverse complement the TSS is the last base of the bin before: the
    same three bins hold the 256 bp before it and 128 from it on. Several tracks are averaged.

    Parameters
    ----------
    network
        As `read_network` gives it.
    tracks
        Places in the human head, at least one.
    window
        Base pairs that are read, an even number.
    device
        Where it runs; float32 everywhere.

    Attributes
    ----------
    name, upstream, downstream, strand_specific
        See `SequenceModel`.
    bins
        The bins that are summed, among those that the network puts out.

    Raises
    ------
    ValueError
        When the window does not fit the network.
    """

    name = "enformer"
    strand_specific = False

    def __init__(
        self, network: EnformerNetwork, tracks: Sequence[int], window: int = WINDOW, device: str = "cpu"
    ) -> None:
        configuration = network.configuration
        self.upstream = window // 2
        self.downstream = window - self.upstream
        tss_bin = self.upstream // configuration.bin_size - first_central_bin(window, configuration)
        self.bins = (tss_bin - 1, tss_bin, tss_bin + 1)
        if min(self.bins) < 0 or max(self.bins) >= configuration.n_bins:
            raise ValueError(f"{configuration.n_bins} bins have no neighbours on both sides of the TSS")
        self._tracks = list(tracks)
        self._device = resolve_device(device)
        self._network = network.to(self._device)

    def predict(self, sequences: Sequence[bytes]) -> Float64Array:
        """Predict expression, float64 `(n,)`: see `SequenceModel.predict`.

        Raises
        ------
        ValueError
            When a sequence has another length.
        """
        return np.array([self._predict_one(sequence) for sequence in sequences], dtype=np.float64)

    def _predict_one(self, sequence: bytes) -> float:
        """One at a time: a batch would need gigabytes more, and round by the company."""
        length = self.upstream + self.downstream
        if len(sequence) != length:
            raise ValueError(f"this Enformer reads {length:,} bases, not {len(sequence):,}")
        # TensorFloat-32 keeps 10 bits: less than most variants move the signal.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            embedded = self._network.embed(torch.from_numpy(one_hot(sequence))[None].to(self._device))
            signal = self._network.tracks(embedded[0, list(self.bins)])[:, self._tracks]
        return float(signal.double().sum(0).mean())


def read_enformer(
    source: str = PUBLISHED, *, tracks: Sequence[str] = DEFAULT_TRACKS, device: str = "cpu"
) -> Enformer:
    """Read Enformer's weights.

    Parameters
    ----------
    source
        As in `read_network`: the hub's name of the published weights, or a folder.
    tracks
        At least one: names of `TRACKS`, or places in the human head, from 0, as digits.
    device
        `cpu`, `cuda`, `cuda:1`, … or `auto`.

    Raises
    ------
    InputError
        As `read_network`; when there is no such track or device, or the model does not read 196,608 bp.
    """
    network = read_network(source)
    places = track_places(tracks, network.configuration.n_tracks)
    try:
        return Enformer(network, places, device=device)
    except ValueError as error:
        raise InputError(f"the Enformer in {source} does not read {WINDOW:,} bp: {error}") from None


def track_places(tracks: Sequence[str], n_tracks: int) -> tuple[int, ...]:
    """Find the places of tracks in a human head of `n_tracks` tracks.

    Raises
    ------
    InputError
        When there is no track, one is not known or out of range, one stands twice, or a name is asked of a
        head that is not the published one.
    """
    places = tuple(_track_place(track, n_tracks) for track in tracks)
    if not places or len(set(places)) < len(places):
        raise InputError(f"tracks {list(tracks)}: give at least one, each once, such as {DEFAULT_TRACKS[0]}")
    return places


def _track_place(track: str, n_tracks: int) -> int:
    if track in TRACKS and n_tracks == PUBLISHED_HEADS[HEAD]:
        return TRACKS[track]
    if track.isascii() and track.isdigit() and int(track) < n_tracks:
        return int(track)
    known = f"{', '.join(TRACKS)} or a number" if n_tracks == PUBLISHED_HEADS[HEAD] else "a number"
    raise InputError(f"this Enformer has no track {track!r}; give {known} from 0 to {n_tracks - 1}")
