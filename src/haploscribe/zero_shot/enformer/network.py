"""Enformer's network, for prediction: convolutions and attention pooling, a transformer, one output head.

Architecture: Avsec et al., Nature Methods 18:1196-1203, 2021, figure 1 and methods. Dropout is omitted: it
does nothing at prediction.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from haploscribe.zero_shot.enformer.configuration import EnformerConfiguration
from haploscribe.zero_shot.signal_model import SignalNetwork
from haploscribe.zero_shot.transformer import RelativeAttention, TransformerLayer

_STEM_KERNEL, _TOWER_KERNEL = 15, 5


class EnformerNetwork(SignalNetwork):
    """Map one-hot bases to tracks.

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
        """Compute the input of the output head for the central bins, float32 `(n, n_bins, 2 * width)`.

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
        """Return predicted tracks: see `SignalNetwork.tracks`."""
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

    Computed as silu(1.702 x) / 1.702, in place: the first activations take 0.6 GB each.
    """
    return F.silu(1.702 * value, inplace=True).div_(1.702)


class ConvolutionBlock(nn.Module):
    """Apply batch norm, GELU and a convolution that keeps the length."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(before)
        self.convolution = nn.Conv1d(before, after, kernel, padding=kernel // 2)

    def forward(self, hidden: Tensor) -> Tensor:
        """Transform `(n, before, length)` to `(n, after, length)`."""
        convolved: Tensor = self.convolution(gelu(self.norm(hidden)))
        return convolved


class AttentionPooling(nn.Module):
    """Pool neighbours with attention weights per channel, linear in all channels.

    The softmax over two logits is the logistic function of their difference, and the logits are linear:
    projecting the difference halves the cost.
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
    """Map bases to the first width of the tower, at half the length."""

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
    """Widen and halve the length: one step of the tower."""

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


_SHORTEST_HALF_LIFE = 3.0
"""log2 of the shortest half-life, in bins."""
_FLOOR = 1e-8
"""Added to the gamma densities before they are scaled."""


def position_features(n_bins: int, n_features: int, *, gamma_peaks_at_position: bool = True) -> Tensor:
    """Return features of every distance between bins, as Enformer's attention reads them.

    Avsec et al., Nature Methods 18:1196-1203, 2021, methods ("relative positional encodings"): three classes
    of basis functions of the distance |d|, in equal number, and each again times the sign of d.

    Parameters
    ----------
    n_bins
        Length of the sequence, in bins.
    n_features
        A multiple of 6.
    gamma_peaks_at_position
        See `EnformerConfiguration`.

    Returns
    -------
    float32 `(2 * n_bins - 1, n_features)`
        One row per distance, in bins, from `-(n_bins - 1)` up.
    """
    offsets = torch.arange(1 - n_bins, n_bins, dtype=torch.float32)[:, None]
    distances, n = offsets.abs(), n_features // 6
    features = torch.cat(
        (
            exponential_features(distances, n, n_bins),
            central_mask_features(distances, n),
            gamma_features(distances, n, n_bins, 0 if gamma_peaks_at_position else 1),
        ),
        dim=1,
    )
    return torch.cat((features, offsets.sign() * features), dim=1)


def exponential_features(distances: Tensor, n: int, n_bins: int) -> Tensor:
    """Return exponential decays of the distance, half-lives geometric from 8 bins to the whole length."""
    half_lives = 2.0 ** torch.linspace(_SHORTEST_HALF_LIFE, math.log2(n_bins), n)
    return torch.exp(-math.log(2.0) / half_lives * distances)


def central_mask_features(distances: Tensor, n: int) -> Tensor:
    """Return 1 where the distance is less than 2^i - 1, i from 1 to n, else 0."""
    widths = 2.0 ** torch.arange(1, n + 1) - 1
    return (widths > distances).float()


def gamma_features(distances: Tensor, n: int, n_bins: int, axis: int) -> Tensor:
    """Return gamma densities of the distance, scaled to a maximum of 1 along an axis.

    Means are evenly spaced over the sequence's length, with standard deviation `n_bins / 2n`. Computed in
    float32 and in the published order of terms: the logarithms are large, and rounding alone moves a feature
    by up to 0.002. In this order 99.5 % are within 1e-4 of TensorFlow's for 1,536 bins and 32 features.
    """
    deviation = n_bins / (2 * n)
    means = torch.linspace(n_bins / n, n_bins, n)
    shape, rate = (means / deviation) ** 2, means / deviation**2
    logarithms = torch.xlogy(shape - 1, distances) - rate * distances
    normalisers = torch.lgamma(shape) - shape * torch.log(rate)
    densities = torch.exp(logarithms - normalisers) + _FLOOR
    return densities / densities.amax(dim=axis, keepdim=True)
