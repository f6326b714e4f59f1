"""A backbone without weights: how often each pair of bases stands in a sequence."""

from collections.abc import Mapping, Sequence

import numpy as np

from haploscribe.embedding.backbones.base import SequenceBackbone
from haploscribe.utils.types import Float32Array

_CODES = np.full(256, 4)  # 4: no base that is counted
_CODES[np.frombuffer(b"ACGT", dtype=np.uint8)] = np.arange(4)


class DinucleotideCounts(SequenceBackbone):
    """Counts of AA, AC, …, TT, overlapping, on the forward strand."""

    name = "dinucleotides"
    settings: Mapping[str, str | int] = {"family": "dinucleotides", "k": 2}  # all that decides the vectors
    tile_multiple = 1
    max_tile = 2**20

    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        """Count: float32 `(n_sequences, 1, 16)`."""
        counts = np.zeros((len(sequences), 1, 16), dtype=np.float32)
        for row, sequence in enumerate(sequences):
            codes = _CODES[np.frombuffer(sequence, dtype=np.uint8)]
            pairs = 4 * codes[:-1] + codes[1:]
            known = np.maximum(codes[:-1], codes[1:]) < 4
            counts[row, 0] = np.bincount(pairs[known], minlength=16)
        return counts
