"""Network of Borzoi and its successors: convolutions to 128 bp, transformer, upsampling to bins.

Architecture: Linder et al., Nature Genetics 57:949-961, 2025, figure 1 and methods; Flashzoi, which differs
in its attention alone: Hingerl et al., Bioinformatics 41:btaf467, 2025; Borzoi Prime, which upsamples once
more, to bins of 16 bp: Linder, Yuan & Kelley, bioRxiv 2025.06.10.658961. For prediction only, so dropout
is omitted.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from haploscribe.zero_shot.borzoi.configuration import ROTARY_SIZE, TOKEN_SIZE, BorzoiConfiguration
from haploscribe.zero_shot.signal_model import SignalNetwork
from haploscribe.zero_shot.transformer import RelativeAttention, TransformerLayer

_STEM_KERNEL, _TOWER_KERNEL, _UP_KERNEL = 15, 5, 3
_EPSILON = 1e-3
"""Epsilon of batch and layer norms: TensorFlow's default."""


class BorzoiNetwork(SignalNetwork):
    """Map one-hot bases to tracks.

    Parameters
    ----------
    configuration
        Dimensions and options.
    """

    def __init__(self, configuration: BorzoiConfiguration) -> None:
        super().__init__(configuration.bin_size, configuration.n_bins)
        self.configuration = configuration
        widths, width = configuration.tower_widths, configuration.width
        # Of the tower's output at bins and, coarser and coarser, at all lengths up to the transformer's.
        skipped = (widths[-1], *configuration.coarse_widths, width)
        self.stem = nn.Conv1d(4, widths[0], _STEM_KERNEL, padding=_STEM_KERNEL // 2)
        self.tower = nn.ModuleList(
            ConvolutionBlock(before, after, _TOWER_KERNEL) for before, after in pairwise(widths)
        )
        self.coarsen = nn.ModuleList(
            ConvolutionBlock(before, after, _TOWER_KERNEL) for before, after in pairwise(skipped)
        )
        self.layers = nn.ModuleList(_layer(configuration) for _ in range(configuration.n_layers))
        self.up = nn.ModuleList(UpBlock(width, beside) for beside in reversed(skipped))
        self.output: nn.Module = nn.Identity()
        if configuration.output_width is not None:
            self.output = ConvolutionBlock(width, configuration.output_width, 1)
        self.head = nn.Conv1d(configuration.output_width or width, configuration.n_tracks, 1)

    def embed(self, bases: Tensor) -> Tensor:
        """Compute the input of the output head for the central bins, float32 `(n, n_bins, output_width)`.

        See `SignalNetwork.embed`.

        Raises
        ------
        ValueError
            As `SignalNetwork.embed`; when the length is not a whole number of the transformer's positions.
        """
        first = self.first_central_bin(bases.shape[1])
        if bases.shape[1] % TOKEN_SIZE:
            raise ValueError(f"{bases.shape[1]:,} base pairs are not a multiple of {TOKEN_SIZE}")
        hidden = self.stem(bases.transpose(1, 2))
        for block in self.tower:
            hidden = block(halved(hidden))
        skipped = [hidden]
        for block in self.coarsen:
            skipped.append(block(halved(skipped[-1])))
        hidden = halved(skipped[-1]).transpose(1, 2)
        positions = self._positions(hidden.shape[1]).to(hidden.device)
        for layer in self.layers:
            hidden = layer(hidden, positions)
        hidden = hidden.transpose(1, 2)
        for block in self.up:
            hidden = block(hidden, skipped.pop())
        central = hidden[..., first : first + self.n_bins]
        return gelu(self.output(central)).transpose(1, 2)

    def tracks(self, embedded: Tensor) -> Tensor:
        """Return predicted tracks: see `SignalNetwork.tracks`."""
        return F.softplus(F.linear(embedded, self.head.weight[..., 0], self.head.bias))

    def _positions(self, n_positions: int) -> Tensor:
        if self.configuration.rotary:
            return rotations(n_positions, ROTARY_SIZE)
        return position_features(n_positions)


def _layer(configuration: BorzoiConfiguration) -> TransformerLayer:
    attention: nn.Module
    if configuration.rotary:
        attention = RotaryAttention(configuration.width, configuration.n_heads)
    else:
        attention = RelativeAttention(
            configuration.width,
            n_heads=configuration.n_heads,
            key_size=configuration.key_size,
            value_size=configuration.value_size,
            n_position_features=N_FEATURES,
        )
    return TransformerLayer(configuration.width, attention, _EPSILON)


def gelu(value: Tensor) -> Tensor:
    """Approximate GELU by tanh, as published."""
    return F.gelu(value, approximate="tanh")


def halved(hidden: Tensor) -> Tensor:
    """Halve the length of `(n, width, length)` by max pooling."""
    return F.max_pool1d(hidden, 2)


class ConvolutionBlock(nn.Module):
    """Apply batch norm, GELU and a convolution that keeps the length."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(before, eps=_EPSILON)
        self.convolution = nn.Conv1d(before, after, kernel, padding=kernel // 2)

    def forward(self, hidden: Tensor) -> Tensor:
        """Transform `(n, before, length)` to `(n, after, length)`."""
        convolved: Tensor = self.convolution(gelu(self.norm(hidden)))
        return convolved


class UpBlock(nn.Module):
    """Double the length, and join with the output of the tower at that length.

    Parameters
    ----------
    width
        Channels in and out.
    skipped
        Channels from the tower.
    """

    def __init__(self, width: int, skipped: int) -> None:
        super().__init__()
        self.below = ConvolutionBlock(width, width, 1)
        self.beside = ConvolutionBlock(skipped, width, 1)
        self.by_channel = nn.Conv1d(
            width, width, _UP_KERNEL, padding=_UP_KERNEL // 2, groups=width, bias=False
        )
        self.across_channels = nn.Conv1d(width, width, 1)

    def forward(self, hidden: Tensor, skipped: Tensor) -> Tensor:
        """Join `(n, width, length)` and `(n, skipped, 2 * length)` to `(n, width, 2 * length)`."""
        doubled = self.below(hidden).repeat_interleave(2, dim=-1)
        joined: Tensor = self.across_channels(self.by_channel(doubled.add_(self.beside(skipped))))
        return joined


class RotaryAttention(nn.Module):
    """Attend with rotary positions, multi-head; pairs of heads share keys and values.

    Ainslie et al., arXiv 2305.13245. In each head the first `ROTARY_SIZE` channels of queries and keys are
    rotated; channel i is paired with channel `i + ROTARY_SIZE / 2`.

    Parameters
    ----------
    width
        Channels in and out, a multiple of `n_heads`.
    n_heads
        An even number.
    """

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads, self.head_size = n_heads, width // n_heads
        self.query_key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, hidden: Tensor, rotation: Tensor) -> Tensor:
        """Apply attention between all positions of `(n, length, width)`; `rotation` is from `rotations`."""
        n, length, _ = hidden.shape
        by_head = self.query_key_value(hidden).view(n, length, 2 * self.n_heads, -1).transpose(1, 2)
        query = by_head[:, : self.n_heads]
        key, value = by_head[:, self.n_heads :].chunk(2, dim=1)
        attended = F.scaled_dot_product_attention(
            rotated(query, rotation), rotated(key, rotation), value, enable_gqa=True
        )
        joined: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return joined


def rotated(vectors: Tensor, rotation: Tensor) -> Tensor:
    """Rotate the first channels of `(n, heads, length, head_size)` by position."""
    cosine, sine = rotation
    half = cosine.shape[-1]
    first, second, rest = vectors[..., :half], vectors[..., half : 2 * half], vectors[..., 2 * half :]
    return torch.cat((first * cosine - second * sine, first * sine + second * cosine, rest), dim=-1)


N_FEATURES = 32
"""Features of a relative position."""
_TRAINED_LENGTH = 4096
"""Positions of the sequences that the published model was trained on; its features are scaled to it."""
_ROTARY_BASE = 20_000.0


def position_features(n_positions: int) -> Tensor:
    """Return features of every distance between positions, as Borzoi's attention reads them.

    Linder et al., Nature Genetics 57:949-961, 2025, methods: Enformer's central masks only: 1 where
    the distance is less than `4097 ** (i / 16) - 1`, i from 1 to 16, else 0; and the same times the sign of
    the distance.

    Returns
    -------
    float32 `(2 * n_positions - 1, 32)`
        One row per distance, from `-(n_positions - 1)` up.
    """
    distances = torch.arange(1 - n_positions, n_positions, dtype=torch.float32)[:, None]
    n_masks = N_FEATURES // 2
    growth = math.exp(math.log(_TRAINED_LENGTH + 1) / n_masks)
    widths = growth ** torch.arange(1, n_masks + 1, dtype=torch.float32) - 1
    masks = (widths > distances.abs()).float()
    return torch.cat((masks, distances.sign() * masks), dim=1)


def rotations(n_positions: int, size: int) -> Tensor:
    """Return the rotations of queries and keys in Flashzoi's attention (Su et al., arXiv 2104.09864).

    Returns
    -------
    float32 `(2, n_positions, size / 2)`
        Cosine and sine, for each position and pair of channels.
    """
    frequencies = _ROTARY_BASE ** -(torch.arange(0, size, 2, dtype=torch.float32) / size)
    angles = torch.outer(torch.arange(n_positions, dtype=torch.float32), frequencies)
    return torch.stack((angles.cos(), angles.sin()))
