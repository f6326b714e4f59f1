"""Weights for Borzoi and Flashzoi, drawn from their names: the same in any environment."""

from zlib import crc32

import numpy as np
import numpy.typing as npt

BORZOI = {
    "dim": 24,
    "depth": 2,
    "heads": 2,
    "attn_dim_key": 5,
    "attn_dim_value": 7,
    "bins_to_return": 16,
}
# Two pairs of heads that share keys and values; 128 of each head's 136 channels are rotated.
FLASHZOI = {"dim": 544, "depth": 1, "heads": 4, "bins_to_return": 16, "flashed": True}
LENGTH = 1_024
TSS_BINS = list(range(4, 16))
"""Of the 16 bins that are put out: 128 bp before the middle and 256 bp from it on."""
TRACK_STEP = 700
"""Every so manieth track is kept."""


def drawn_tensor(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Values that make each part of the network matter, for a tensor of that stored name.

    Running means and variances of batch norms differ from 0 and 1, scales from 1, biases from 0.
    """
    draw = np.random.default_rng(crc32(name.encode()))
    if name.endswith("running_var"):
        return draw.uniform(0.5, 2.0, shape).astype(np.float32)
    values = draw.random(shape, dtype=np.float32) * 2 - 1
    if name.endswith(("rel_content_bias", "rel_pos_bias")):
        return values
    if len(shape) > 1:  # so that tracks differ from bin to bin, and are about 1
        gain = 9.0 if "to_rel_k" in name else 0.5 if "human_head" in name else 2.0
        return values * np.float32(gain / np.sqrt(np.prod(shape[1:])))
    is_scale = name.endswith("weight")
    return np.float32(is_scale) + np.float32(0.5) * values
