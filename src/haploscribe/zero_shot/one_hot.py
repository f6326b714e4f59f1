"""A sequence as every sequence model reads it."""

import numpy as np

from haploscribe.utils.types import Float32Array

# One channel each for A, C, G and T; an N, or what lies beyond the contig, is all zero.
_ONE_HOT = np.zeros((256, 4), dtype=np.float32)
_ONE_HOT[list(b"ACGT"), range(4)] = 1


def one_hot(sequence: bytes) -> Float32Array:
    """Encode a sequence as float32 `(length, 4)`: A, C, G, T; an N is all zero."""
    return _ONE_HOT[np.frombuffer(sequence, dtype=np.uint8)]
