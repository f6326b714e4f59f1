"""Predict expression with models of signals along the genome, as the signal at the TSS or over exons."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.genome.haplotypes import reverse_complement as reverse_complement_of
from haploscribe.utils.types import Float64Array
from haploscribe.zero_shot.base import SingleSequenceModel, one_hot
from haploscribe.zero_shot.configuration import Track

_BINS_AT_ONCE = 16_384
"""Their tracks are in memory together."""
_PSEUDOCOUNTS = {False: 1.0, True: 0.001}
"""What is added before a logarithm to a sum at the TSS, and to a mean over exons (Avsec et al. 2026)."""


class SignalNetwork(nn.Module, ABC):
    """Map one-hot bases to tracks in bins, of which the central ones are output.

    Parameters
    ----------
    bin_size
        Base pairs per bin.
    n_bins
        Number of output bins, the central ones.
    """

    def __init__(self, bin_size: int, n_bins: int) -> None:
        super().__init__()
        self.bin_size = bin_size
        self.n_bins = n_bins

    def forward(self, bases: Tensor) -> Tensor:
        """Return all tracks of all central bins, float32 `(n, n_bins, n_tracks)`; `bases` as in `embed`."""
        return self.tracks(self.embed(bases))

    @abstractmethod
    def embed(self, bases: Tensor) -> Tensor:
        """Compute the input of the output head for the central bins.

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
        """Return tracks `(…, n_tracks)`, all positive, from the output of `embed` or some of its bins."""

    def first_central_bin(self, length: int) -> int:
        """Return the index of the first output bin among all bins of a sequence of `length` base pairs.

        Raises
        ------
        ValueError
            When the length is not a whole number of bins, is too short, or does not centre the output bins.
        """
        n_all, rest = divmod(length, self.bin_size)
        outside = n_all - self.n_bins
        if rest or outside < 0 or outside % 2:
            raise ValueError(
                f"{length:,} base pairs are not {self.n_bins} bins of {self.bin_size} with as many whole "
                "bins on either side"
            )
        return outside // 2


class SignalModel(SingleSequenceModel):
    """A `SequenceModel` of signals in bins, as counts: the mean over tracks of the expression in each.

    That is the sum over some bins at the TSS or, in tracks read over exons, the mean over the bins of all
    exons in the window, 0 where a haplotype has none.

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
        Base pairs that the model reads, an even number.
    device
        Device to run on; float32 on all.

    Attributes
    ----------
    name, upstream, downstream, strand_specific, reads_exons, reading
        See `SequenceModel`.
    n_bins_before, n_bins_from
        Number of bins summed before the TSS, and from it on.
    bins
        Their indices among the output bins, for a sequence along the gene's strand.
    track_names
        Names of the tracks, each once, in the order given.
    pseudocounts
        float64 `(n_names,)`; what is added to expression in each of them before its logarithm is taken.

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
        self._first_bin = network.first_central_bin(window)
        tss_bin = self.upstream // network.bin_size - self._first_bin
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
        self.reads_exons = any(track.over_exons for track in tracks)
        over_exons = {track.name: track.over_exons for track in tracks}
        self.track_names = tuple(over_exons)
        self.pseudocounts = np.array([_PSEUDOCOUNTS[over] for over in over_exons.values()])
        self._tracks = tuple(tracks)
        self._device = resolve_device(device)
        self._network = network.to(self._device)

    def predict_one(self, sequence: bytes, *, reverse_complement: bool) -> float:
        """Predict from one sequence: see `SingleSequenceModel.predict_one`."""
        return float(self._read(sequence, [], reverse_complement)[0].mean())

    def read(
        self, sequence: bytes, groups: Sequence[Sequence[int]], *, reverse_complement: bool = False
    ) -> tuple[Float64Array, Float64Array]:
        """Predict expression, and the signal in groups of bins; neither depends on what else is asked for.

        Parameters
        ----------
        sequence
            `upstream + downstream` bases, along the gene's strand; exons in lower case, if any is read.
        groups
            Indices of output bins, for a sequence along the gene's strand; as many in each group.
        reverse_complement
            Predict the same bins from the reverse complement instead.

        Returns
        -------
        expression
            float64 `(n_names,)`; the mean over the tracks of each of `track_names`.
        signal
            float64 `(n_groups, n_names, n_bins)`; counts, likewise.
        """
        expression, signals = self._read(sequence, groups, reverse_complement)
        own = [[i for i, track in enumerate(self._tracks) if track.name == name] for name in self.track_names]
        signal = np.array([[of_group[rows].mean(dim=0).numpy() for rows in own] for of_group in signals])
        return np.array([expression[rows].mean().item() for rows in own]), signal

    def bins_around(self, offset: int) -> tuple[int, ...] | None:
        """Return as many output bins as are summed at the TSS, around a base; None if not all are output.

        Parameters
        ----------
        offset
            Base pairs from the TSS to the base, along the gene's strand.
        """
        bin_size, n_bins = self._network.bin_size, len(self.bins)
        first = (self.upstream + offset) // bin_size - self._first_bin - n_bins // 2
        return tuple(range(first, first + n_bins)) if 0 <= first <= self._network.n_bins - n_bins else None

    def _read(
        self, sequence: bytes, groups: Sequence[Sequence[int]], reverse_complement: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """Return expression, float64 `(n_tracks,)`, and the counts of each group as `_signal` does."""
        exons = self._exon_bins(sequence)
        at_tss, *rest = self._signal(sequence, [self.bins, *exons, *groups], reverse_complement)
        over_exons = rest[0] if exons else torch.zeros(len(self._tracks), 1, dtype=torch.float64)
        expression = [
            over.mean() if track.over_exons else values.sum()
            for track, values, over in zip(self._tracks, at_tss, over_exons, strict=True)
        ]
        return torch.stack(expression), rest[len(exons) :]

    def _exon_bins(self, sequence: bytes) -> list[list[int]]:
        """Return the output bins with a base of an exon: no list where there is none."""
        exonic = np.frombuffer(sequence, dtype=np.uint8) >= ord("a")
        bins = np.unique(np.flatnonzero(exonic) // self._network.bin_size) - self._first_bin
        found: list[int] = bins[(bins >= 0) & (bins < self._network.n_bins)].tolist()
        return [found] if found else []

    def _signal(
        self, sequence: bytes, groups: Sequence[Sequence[int]], reverse_complement: bool
    ) -> list[Tensor]:
        """Return the counts of each group, float64 `(n_tracks, n_bins)`, along the gene's strand."""
        if reverse_complement:
            sequence = reverse_complement_of(sequence)
            groups = [[self._network.n_bins - 1 - i for i in bins] for bins in groups]
        indices = [track.strand_index(opposite_strand=reverse_complement) for track in self._tracks]
        # TensorFloat-32 keeps 10 bits: too few for the effect of most variants.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            embedded = self._network.embed(torch.from_numpy(one_hot(sequence))[None].to(self._device))[0]
            found = [
                torch.cat(
                    [
                        self._network.tracks(part)[:, indices].double().cpu()
                        for part in torch.split(embedded[list(bins)], _BINS_AT_ONCE)
                    ]
                )
                for bins in groups
            ]
        return [
            torch.stack(
                [counts(values, track) for values, track in zip(each.unbind(1), self._tracks, strict=True)]
            )
            for each in found
        ]


def counts(values: Tensor, track: Track) -> Tensor:
    """Invert the compression of a track's values: see `Track`."""
    if track.shifted:
        above = (values - track.soft_clip + 1).clamp(min=1.0)
        powers = torch.where(above > 1, above.square() + track.soft_clip - 1, values)
        return ((powers + 1).pow(1 / track.power) - 1) / track.scale
    scaled = values / track.scale
    above = (scaled - track.soft_clip).clamp(min=0.0)
    powers = torch.where(above > 0, above.square() + track.soft_clip, scaled)
    return powers.pow(1 / track.power)
