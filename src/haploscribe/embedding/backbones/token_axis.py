"""Cutting a long token list into windows, and pooling hidden states along the token axis."""

from typing import NamedTuple

import numpy as np

from haploscribe.errors import InputError
from haploscribe.utils.types import Float32Array


class Window(NamedTuple):
    """A stretch of one sequence's tokens that goes through the model at once.

    Attributes
    ----------
    start, end
        The tokens that are read, 0-based half-open, without the class token.
    keep
        Hidden states are taken from this token on; those before it belong to an earlier window.
    """

    start: int
    end: int
    keep: int


def windows(n_tokens: int, capacity: int) -> list[Window]:
    """Cover all tokens with windows of at most `capacity`.

    Each window but the last takes the next `capacity` tokens. The last one ends at the last token and
    reaches back as far as it can, so that an overflow of a few tokens (an insertion in a tile of full
    length) is embedded with its context; only tokens that no earlier window held take their hidden state
    from it. A list that fits is one window; an empty list has none.
    """
    found = []
    for keep in range(0, n_tokens, capacity):
        end = min(keep + capacity, n_tokens)
        found.append(Window(start=max(0, end - capacity), end=end, keep=keep))
    return found


def n_bins_of(pooling: str) -> int:
    """How many vectors a sequence is pooled into: 1 for `mean`, K for `bins-K`.

    Raises
    ------
    InputError
        When `pooling` is neither.
    """
    if pooling == "mean":
        return 1
    word, _, number = pooling.partition("-")
    if word == "bins" and number.isascii() and number.isdigit() and int(number) > 0:
        return int(number)
    raise InputError(
        f"pooling {pooling!r} is unknown; use 'mean', or 'bins-K' with K at least 1, as 'bins-4'"
    )


def bin_weights(n_tokens: int, n_bins: int) -> Float32Array:
    """Weights that average tokens within equal parts of the token axis.

    Token `t` fills `[t, t + 1)` and bin `b` covers `[b·n/K, (b+1)·n/K)`; a token's weight is its overlap
    with the bin over the bin's width. So a token on an edge is shared, a list shorter than K still fills
    every bin, and the mean over bins is the mean over tokens.

    Returns
    -------
    float32 `(n_bins, n_tokens)`; rows sum to 1.
    """
    edges = np.arange(n_bins + 1) * (n_tokens / n_bins)
    tokens = np.arange(n_tokens)
    overlap = np.minimum(edges[1:, None], tokens + 1) - np.maximum(edges[:-1, None], tokens)
    weights: Float32Array = (np.maximum(overlap, 0) * (n_bins / max(n_tokens, 1))).astype(np.float32)
    return weights
