"""Transformer layers of Enformer and Borzoi, for prediction only."""

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn


class TransformerLayer(nn.Module):
    """Apply attention, then a feed-forward network, each with layer norm before and a residual connection.

    Parameters
    ----------
    width
        Channels.
    attention
        Called with `(n, bins, width)` and positions in the form that it reads.
    epsilon
        Of the layer norms.
    """

    def __init__(self, width: int, attention: nn.Module, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=epsilon)
        self.attention = attention
        self.feed_forward_norm = nn.LayerNorm(width, eps=epsilon)
        self.expand = nn.Linear(width, 2 * width)
        self.contract = nn.Linear(2 * width, width)

    def forward(self, hidden: Tensor, positions: Tensor) -> Tensor:
        """Transform `(n, bins, width)`; `positions` as the attention reads them."""
        hidden = hidden + self.attention(self.attention_norm(hidden), positions)
        fed: Tensor = self.contract(F.relu(self.expand(self.feed_forward_norm(hidden))))
        return hidden + fed


class RelativeAttention(nn.Module):
    """Attend by content and relative position, multi-head (Dai et al., Transformer-XL, 2019).

    The logit of query i and key j is (q_i + u)·k_j + (q_i + v)·r_(j-i), r a projection of the features of the
    relative position, u and v learned for each head.

    Parameters
    ----------
    width
        Channels in and out.
    n_heads, key_size, value_size
        `key_size` is the width of one head's queries and keys, `value_size` that of its values.
    n_position_features
        Features of a relative position.
    """

    def __init__(
        self, width: int, *, n_heads: int, key_size: int, value_size: int, n_position_features: int
    ) -> None:
        super().__init__()
        self.n_heads, self.key_size = n_heads, key_size
        self.query = nn.Linear(width, n_heads * key_size, bias=False)
        self.key = nn.Linear(width, n_heads * key_size, bias=False)
        self.value = nn.Linear(width, n_heads * value_size, bias=False)
        self.position = nn.Linear(n_position_features, n_heads * key_size, bias=False)
        self.content_bias = nn.Parameter(torch.empty(1, n_heads, 1, key_size))
        self.position_bias = nn.Parameter(torch.empty(1, n_heads, 1, key_size))
        self.out = nn.Linear(n_heads * value_size, width)

    def forward(self, hidden: Tensor, positions: Tensor) -> Tensor:
        """Apply attention between all bins of `(n, bins, width)`.

        `positions` is `(2 * bins - 1, n_position_features)`, one row per distance from `-(bins - 1)` up.
        """
        query, key, value = (
            self._by_head(projection(hidden)) for projection in (self.query, self.key, self.value)
        )
        query = query * self.key_size**-0.5
        relative = self._by_head(self.position(positions)[None])
        attended = torch.empty_like(value)
        for i in range(self.n_heads):  # the logits of all heads at once would take gigabytes
            head = slice(i, i + 1)
            logits = (query[:, head] + self.content_bias[:, head]) @ key[:, head].transpose(-1, -2)
            logits += by_key(
                (query[:, head] + self.position_bias[:, head]) @ relative[:, head].transpose(-1, -2)
            )
            attended[:, head] = logits.softmax(-1) @ value[:, head]
        joined: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return joined

    def _by_head(self, projected: Tensor) -> Tensor:
        """Return `(n, length, heads * size)` viewed as `(n, heads, length, size)`."""
        n, length, _ = projected.shape
        return projected.view(n, length, self.n_heads, -1).transpose(1, 2)


def by_key(by_distance: Tensor) -> Tensor:
    """Return logits by distance `(n, heads, bins, 2 * bins - 1)` as logits by key `(n, heads, bins, bins)`.

    Query i and key j are j - i apart, which is entry j - i + bins - 1 of row i: a view of the same memory
    whose rows start one element earlier for each query.
    """
    by_distance = by_distance.contiguous()
    n, n_heads, n_bins, _ = by_distance.shape
    batch, head, row, _ = by_distance.stride()
    return by_distance.as_strided(
        (n, n_heads, n_bins, n_bins), (batch, head, row - 1, 1), by_distance.storage_offset() + n_bins - 1
    )
