"""How Borzoi's and Flashzoi's attention read positions."""

import math

import torch
from torch import Tensor

N_FEATURES = 32
"""Features of a relative position."""
_TRAINED_LENGTH = 4096
"""Positions of the sequences that the published model was trained on; its features are scaled to it."""
_ROTARY_BASE = 20_000.0


def position_features(n_positions: int) -> Tensor:
    """Describe every distance from one position to another, as Borzoi's attention reads it.

    Linder et al., Nature Genetics 57:949-961, 2025, methods; they are Enformer's central masks alone: 1 where
    the distance is less than `4097 ** (i / 16) - 1`, i from 1 to 16, else 0; and the same times the sign of
    the distance.

    Returns
    -------
    float32 `(2 * n_positions - 1, 32)`
        A row for each distance, from `-(n_positions - 1)` up.
    """
    distances = torch.arange(1 - n_positions, n_positions, dtype=torch.float32)[:, None]
    n_masks = N_FEATURES // 2
    growth = math.exp(math.log(_TRAINED_LENGTH + 1) / n_masks)
    widths = growth ** torch.arange(1, n_masks + 1, dtype=torch.float32) - 1
    masks = (widths > distances.abs()).float()
    return torch.cat((masks, distances.sign() * masks), dim=1)


def rotations(n_positions: int, size: int) -> Tensor:
    """Angles by which Flashzoi's attention rotates queries and keys (Su et al., arXiv 2104.09864).

    Returns
    -------
    float32 `(2, n_positions, size / 2)`
        Cosine and sine, for each position and pair of channels.
    """
    frequencies = _ROTARY_BASE ** -(torch.arange(0, size, 2, dtype=torch.float32) / size)
    angles = torch.outer(torch.arange(n_positions, dtype=torch.float32), frequencies)
    return torch.stack((angles.cos(), angles.sin()))
