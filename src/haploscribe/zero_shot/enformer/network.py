"""Enformer's network, for prediction: convolutions and attention pooling, a transformer, one output head.

Architecture: Avsec et al., Nature Methods 18:1196-1203, 2021, figure 1 and methods. Dropout is left out: it
does nothing at prediction.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from haploscribe.zero_shot.enformer.configuration import EnformerConfiguration
from haploscribe.zero_shot.enformer.positions import position_features
from haploscribe.zero_shot.signal_at_tss import SignalNetwork
from haploscribe.zero_shot.transformer import RelativeAttention, TransformerLayer

_STEM_KERNEL, _TOWER_KERNEL = 15, 5


class EnformerNetwork(SignalNetwork):
    """Everything from one-hot bases to tracks.

    Parameters
    ----------
    configuration
        Dimensions and options.
    """

    def __init__(self, configuration: EnformerConfiguration) -> None:
        super().__init__(configuration.bin_size, configuration.n_bins)
        self.configuration = configuration
        widths = configuration.tower_widths
        self.stem = Stem(widths[0])
        self.tower = nn.ModuleList(TowerBlock(before, after) for before, after in pairwise(widths))
        self.layers = nn.ModuleList(_layer(configuration) for _ in range(configuration.n_layers))
        self.output = ConvolutionBlock(configuration.width, 2 * configuration.width, 1)
        self.head = nn.Linear(2 * configuration.width, configuration.n_tracks)

    def embed(self, bases: Tensor) -> Tensor:
        """Compute what the output head reads of the central bins, float32 `(n, n_bins, 2 * width)`.

        See `SignalNetwork.embed`.
        """
        first = self.first_central_bin(bases.shape[1])
        hidden = self.stem(bases.transpose(1, 2))
        for block in self.tower:
            hidden = block(hidden)
        hidden = hidden.transpose(1, 2)
        positions = position_features(
            hidden.shape[1],
            self.configuration.n_position_features,
            gamma_peaks_at_position=self.configuration.gamma_peaks_at_position,
        ).to(hidden.device)
        for layer in self.layers:
            hidden = layer(hidden, positions)
        central = hidden[:, first : first + self.n_bins].transpose(1, 2)
        return gelu(self.output(central).transpose(1, 2))

    def tracks(self, embedded: Tensor) -> Tensor:
        """See `SignalNetwork.tracks`."""
        return F.softplus(self.head(embedded))


def _layer(configuration: EnformerConfiguration) -> TransformerLayer:
    attention = RelativeAttention(
        configuration.width,
        n_heads=configuration.n_heads,
        key_size=configuration.key_size,
        value_size=configuration.width // configuration.n_heads,
        n_position_features=configuration.n_position_features,
    )
    return TransformerLayer(configuration.width, attention)


def gelu(value: Tensor) -> Tensor:
    """Approximate GELU by x σ(1.702 x), as published (Hendrycks & Gimpel, arXiv 1606.08415).

    That is silu(1.702 x) / 1.702; in place, as the first values take .6 GB each.
    """
    return F.silu(1.702 * value, inplace=True).div_(1.702)


class ConvolutionBlock(nn.Module):
    """Batch norm, GELU and a convolution that keeps the length."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(before)
        self.convolution = nn.Conv1d(before, after, kernel, padding=kernel // 2)

    def forward(self, hidden: Tensor) -> Tensor:
        """Transform `(n, before, length)` to `(n, after, length)`."""
        convolved: Tensor = self.convolution(gelu(self.norm(hidden)))
        return convolved


class AttentionPooling(nn.Module):
    """Pool neighbours by weights that each channel reads off all channels.

    The softmax over the two is the logistic function of the difference of their logits, and the logits are
    linear: so the difference is projected, at half the cost.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, width, 1, 1))

    def forward(self, hidden: Tensor) -> Tensor:
        """Halve the length of `(n, width, length)`, which is even."""
        second = hidden[..., 1::2]
        difference = hidden[..., 0::2] - second
        share = torch.sigmoid(F.conv1d(difference, self.weight[..., 0]))
        return second + difference.mul_(share)


class Stem(nn.Module):
    """From bases to the tower's first width, at half the length."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(4, width, _STEM_KERNEL, padding=_STEM_KERNEL // 2)
        self.mix = ConvolutionBlock(width, width, 1)
        self.pool = AttentionPooling(width)

    def forward(self, bases: Tensor) -> Tensor:
        """Transform `(n, 4, length)`."""
        hidden = self.convolution(bases)
        pooled: Tensor = self.pool(self.mix(hidden).add_(hidden))
        return pooled


class TowerBlock(nn.Module):
    """One step of the tower: wider, at half the length."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.widen = ConvolutionBlock(before, after, _TOWER_KERNEL)
        self.mix = ConvolutionBlock(after, after, 1)
        self.pool = AttentionPooling(after)

    def forward(self, hidden: Tensor) -> Tensor:
        """Transform `(n, before, length)`."""
        hidden = self.widen(hidden)
        pooled: Tensor = self.pool(self.mix(hidden).add_(hidden))
        return pooled
