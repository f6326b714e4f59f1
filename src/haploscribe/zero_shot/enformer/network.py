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

_STEM_KERNEL, _TOWER_KERNEL = 15, 5


class EnformerNetwork(nn.Module):
    """Everything from one-hot bases to tracks.

    Parameters
    ----------
    configuration
        Dimensions and options.
    """

    def __init__(self, configuration: EnformerConfiguration) -> None:
        super().__init__()
        self.configuration = configuration
        widths = configuration.tower_widths
        self.stem = Stem(widths[0])
        self.tower = nn.ModuleList(TowerBlock(before, after) for before, after in pairwise(widths))
        self.layers = nn.ModuleList(TransformerLayer(configuration) for _ in range(configuration.n_layers))
        self.output = ConvolutionBlock(configuration.width, 2 * configuration.width, 1)
        self.head = nn.Linear(2 * configuration.width, configuration.n_tracks)

    def forward(self, bases: Tensor) -> Tensor:
        """All tracks of all central bins, float32 `(n, n_bins, n_tracks)`; `bases` as in `embed`."""
        return self.tracks(self.embed(bases))

    def embed(self, bases: Tensor) -> Tensor:
        """Compute what the output head reads of the central bins.

        Parameters
        ----------
        bases
            float32 `(n, length, 4)`; one-hot A, C, G, T.

        Returns
        -------
        float32 `(n, n_bins, 2 * width)`

        Raises
        ------
        ValueError
            When `length` is no whole number of bins, or the central bins have no middle in it.
        """
        first = first_central_bin(bases.shape[1], self.configuration)
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
        central = hidden[:, first : first + self.configuration.n_bins].transpose(1, 2)
        return gelu(self.output(central).transpose(1, 2))

    def tracks(self, embedded: Tensor) -> Tensor:
        """Tracks `(…, n_tracks)`, all positive, of what `embed` gave, or of some of its bins."""
        return F.softplus(self.head(embedded))


def first_central_bin(length: int, configuration: EnformerConfiguration) -> int:
    """Find the first bin that is put out, among all bins of a sequence of `length` base pairs.

    Raises
    ------
    ValueError
        When the length is no whole number of bins, too short, or leaves the central bins off the middle.
    """
    n_all, rest = divmod(length, configuration.bin_size)
    outside = n_all - configuration.n_bins
    if rest or outside < 0 or outside % 2:
        raise ValueError(
            f"{length:,} base pairs are not {configuration.n_bins} bins of {configuration.bin_size} with as "
            "many whole bins on either side"
        )
    return outside // 2


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


class TransformerLayer(nn.Module):
    """Attention, then a feed-forward network, each normed before and added to its input."""

    def __init__(self, configuration: EnformerConfiguration) -> None:
        super().__init__()
        width = configuration.width
        self.attention_norm = nn.LayerNorm(width)
        self.attention = RelativeAttention(configuration)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.contract = nn.Linear(2 * width, width)

    def forward(self, hidden: Tensor, positions: Tensor) -> Tensor:
        """Transform `(n, bins, width)`; `positions` as `position_features` gives them."""
        hidden = hidden + self.attention(self.attention_norm(hidden), positions)
        fed: Tensor = self.contract(F.relu(self.expand(self.feed_forward_norm(hidden))))
        return hidden + fed


class RelativeAttention(nn.Module):
    """Multi-head attention by content and by relative position (Dai et al., Transformer-XL, 2019).

    The logit of query i and key j is (q_i + u)·k_j + (q_i + v)·r_(j-i), r a projection of the features of the
    relative position, u and v learned for each head.
    """

    def __init__(self, configuration: EnformerConfiguration) -> None:
        super().__init__()
        width, self.n_heads, self.key_size = (
            configuration.width,
            configuration.n_heads,
            configuration.key_size,
        )
        keys = self.n_heads * self.key_size
        self.query = nn.Linear(width, keys, bias=False)
        self.key = nn.Linear(width, keys, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.position = nn.Linear(configuration.n_position_features, keys, bias=False)
        self.content_bias = nn.Parameter(torch.empty(1, self.n_heads, 1, self.key_size))
        self.position_bias = nn.Parameter(torch.empty(1, self.n_heads, 1, self.key_size))
        self.out = nn.Linear(width, width)

    def forward(self, hidden: Tensor, positions: Tensor) -> Tensor:
        """Attend from and to every bin of `(n, bins, width)`."""
        query, key, value = (
            self._by_head(projection(hidden)) for projection in (self.query, self.key, self.value)
        )
        query = query * self.key_size**-0.5
        relative = self._by_head(self.position(positions)[None])
        logits = (query + self.content_bias) @ key.transpose(-1, -2)
        logits += by_key((query + self.position_bias) @ relative.transpose(-1, -2))
        attended: Tensor = self.out((logits.softmax(-1) @ value).transpose(1, 2).flatten(2))
        return attended

    def _by_head(self, projected: Tensor) -> Tensor:
        """View `(n, length, heads * size)` as `(n, heads, length, size)`."""
        n, length, _ = projected.shape
        return projected.view(n, length, self.n_heads, -1).transpose(1, 2)


def by_key(by_distance: Tensor) -> Tensor:
    """View logits by distance, `(n, heads, bins, 2 * bins - 1)`, as logits by key, `(n, heads, bins, bins)`.

    Query i and key j are j - i apart, which is entry j - i + bins - 1 of row i: the same numbers, read from
    a row that starts one earlier for each query.
    """
    by_distance = by_distance.contiguous()
    n, n_heads, n_bins, _ = by_distance.shape
    batch, head, row, _ = by_distance.stride()
    return by_distance.as_strided(
        (n, n_heads, n_bins, n_bins), (batch, head, row - 1, 1), by_distance.storage_offset() + n_bins - 1
    )
