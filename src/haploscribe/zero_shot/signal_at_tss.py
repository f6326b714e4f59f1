"""Sequence models that predict a signal along the genome: expression is the signal at the TSS."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.genome.centred import reverse_complement as reverse_complement_of
from haploscribe.zero_shot.one_hot import one_hot
from haploscribe.zero_shot.protocol import OneByOne
from haploscribe.zero_shot.tracks import Track


class SignalNetwork(nn.Module, ABC):
    """A network from one-hot bases to tracks in bins, of which the central ones are put out.

    Parameters
    ----------
    bin_size
        Base pairs of a bin.
    n_bins
        Bins that are put out.
    """

    def __init__(self, bin_size: int, n_bins: int) -> None:
        super().__init__()
        self.bin_size = bin_size
        self.n_bins = n_bins

    def forward(self, bases: Tensor) -> Tensor:
        """All tracks of all central bins, float32 `(n, n_bins, n_tracks)`; `bases` as in `embed`."""
        return self.tracks(self.embed(bases))

    @abstractmethod
    def embed(self, bases: Tensor) -> Tensor:
        """Compute what the output head reads of the central bins.

        Parameters
        ----------
        bases
            float32 `(n, length, 4)`; one-hot A, C, G, T.

        Returns
        -------
        float32 `(n, n_bins, width)`

        Raises
        ------
        ValueError
            As `first_central_bin`.
        """

    @abstractmethod
    def tracks(self, embedded: Tensor) -> Tensor:
        """Tracks `(…, n_tracks)`, all positive, of what `embed` gave, or of some of its bins."""

    def first_central_bin(self, length: int) -> int:
        """Find the first bin that is put out, among all bins of a sequence of `length` base pairs.

        Raises
        ------
        ValueError
            When the length is no whole number of bins, too short, or leaves the central bins off the middle.
        """
        n_all, rest = divmod(length, self.bin_size)
        outside = n_all - self.n_bins
        if rest or outside < 0 or outside % 2:
            raise ValueError(
                f"{length:,} base pairs are not {self.n_bins} bins of {self.bin_size} with as many whole "
                "bins on either side"
            )
        return outside // 2


class SignalAtTss(OneByOne):
    """A `SequenceModel`: the signal summed over some bins at the TSS, as counts; the mean over tracks.

    The window lies so that the TSS is the first base of its second half, hence the first base of a bin, with
    the same number of bins on either side. A sequence's reverse complement is read in the same base pairs,
    and in the tracks of the other strand.

    Parameters
    ----------
    network
        In evaluation mode.
    tracks
        At least one.
    window
        Base pairs that are read, an even number.
    device
        Where it runs; float32 everywhere.

    Attributes
    ----------
    name, upstream, downstream, strand_specific, reading
        See `SequenceModel`.
    n_bins_before, n_bins_from
        Bins that are summed before the TSS, and from it on.
    bins
        Those bins, among the ones that the network puts out, of a sequence along the gene's strand.

    Raises
    ------
    ValueError
        When the window does not fit the network.
    """

    strand_specific = False
    n_bins_before: ClassVar[int]
    n_bins_from: ClassVar[int]

    def __init__(
        self, network: SignalNetwork, tracks: Sequence[Track], window: int, device: str = "cpu"
    ) -> None:
        self.upstream = window // 2
        self.downstream = window - self.upstream
        tss_bin = self.upstream // network.bin_size - network.first_central_bin(window)
        self.bins = tuple(range(tss_bin - self.n_bins_before, tss_bin + self.n_bins_from))
        if self.bins[0] < 0 or self.bins[-1] >= network.n_bins:
            raise ValueError(
                f"{network.n_bins} bins have not {self.n_bins_before} before the TSS and {self.n_bins_from} "
                "from it on"
            )
        self.reading = (
            f"sum over bins {self.bins[0]} to {self.bins[-1]} of {network.n_bins}, mean over tracks "
            + ", ".join(map(str, tracks))
        )
        self._tracks = tuple(tracks)
        self._device = resolve_device(device)
        self._network = network.to(self._device)

    def predict_one(self, sequence: bytes, *, reverse_complement: bool) -> float:
        """See `OneByOne.predict_one`."""
        bins = list(self.bins)
        if reverse_complement:
            sequence = reverse_complement_of(sequence)
            bins = [self._network.n_bins - 1 - number for number in bins]
        places = [track.on(opposite_strand=reverse_complement) for track in self._tracks]
        # TensorFloat-32 keeps 10 bits: less than most variants move the signal.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            embedded = self._network.embed(torch.from_numpy(one_hot(sequence))[None].to(self._device))
            signal = self._network.tracks(embedded[0, bins])[:, places].double().cpu()
        totals = [
            counts(values, track).sum() for values, track in zip(signal.unbind(1), self._tracks, strict=True)
        ]
        return float(torch.stack(totals).mean())


def counts(values: Tensor, track: Track) -> Tensor:
    """Undo the squashing of a track's values: see `Track`."""
    squeezed = values / track.scale
    above = (squeezed - track.soft_clip).clamp(min=0.0)
    powers = torch.where(above > 0, above.square() + track.soft_clip, squeezed)
    return powers.pow(1 / track.power)
