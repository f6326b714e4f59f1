"""Weights and sequences for Enformer, drawn from their names and a seed: the same in any environment."""

from zlib import crc32

import numpy as np
import numpy.typing as npt


def drawn_tensor(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Values that make each part of the network matter, for a tensor of that stored name.

    Running means and variances of batch norms differ from 0 and 1, scales from 1, biases from 0.
    """
    draw = np.random.default_rng(crc32(name.encode()))
    if name.endswith("running_var"):
        return draw.uniform(0.5, 2.0, shape).astype(np.float32)
    values = draw.uniform(-1.0, 1.0, shape)
    if name.endswith(("rel_content_bias", "rel_pos_bias")):
        return values.astype(np.float32)
    if len(shape) > 1:  # so that tracks differ from bin to bin, and are about 1
        gain = 9.0 if "to_rel_k" in name else 0.2 if "_heads" in name else 3.0
        return np.asarray(gain * values / np.sqrt(np.prod(shape[1:])), dtype=np.float32)
    is_scale = name.endswith("weight")
    return (is_scale + 0.5 * values).astype(np.float32)


def drawn_sequence(seed: int, length: int, letters: bytes = b"ACGTN") -> bytes:
    """Bases, each as likely."""
    draw = np.random.default_rng(seed)
    return bytes(np.frombuffer(letters, dtype=np.uint8)[draw.integers(0, len(letters), length)])
