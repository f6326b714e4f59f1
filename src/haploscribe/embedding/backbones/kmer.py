"""Count 6-mers: the baseline for every pretrained backbone."""

from collections.abc import Mapping, Sequence

import numpy as np

from haploscribe.embedding.backbones.base import SequenceBackbone
from haploscribe.utils.types import Float32Array, Int32Array

K = 6
"""Length of a counted word, that of a Nucleotide Transformer token."""

DIMENSION = 4**K

_BASES = b"ACGT"
# A base that is not A, C, G or T outweighs every word of four-letter bases, so its windows are recognisable.
_BASE_VALUES = np.full(256, DIMENSION, dtype=np.int32)
_BASE_VALUES[np.frombuffer(_BASES, dtype=np.uint8)] = np.arange(4)


class KmerCounts(SequenceBackbone):
    """Count all 4,096 6-mers, overlapping (stride 1), on the forward strand; no weights.

    Column `j` counts the 6-mer whose letters are the base-4 digits of `j` in the order A, C, G, T. A
    window with a base other than A, C, G and T is not counted. One SNV away from a sequence's ends moves at
    most six counts down and six up, so a delta shows which 6-mers were gained and lost, but not where.

    See `haploscribe.embedding.backbones.base.Backbone` for the attributes.
    """

    name = "kmer"
    tile_multiple = 1
    max_tile = 2**20
    """A megabase. Counts stay exact in float32 up to 2**24, which leaves a margin for insertions."""

    settings: Mapping[str, str | int] = {"family": "kmer", "k": K}

    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        """Count 6-mers: float32 `(n_sequences, 1, 4096)`; zeros for a sequence without a full window."""
        counts = np.zeros((len(sequences), 1, DIMENSION), dtype=np.float32)
        for row, sequence in enumerate(sequences):
            words = _words(sequence)
            counts[row, 0] = np.bincount(words[words < DIMENSION], minlength=DIMENSION)
        return counts


def _words(sequence: bytes) -> Int32Array:
    """Return the index of the 6-mer at each offset, int32 `(max(length - 5, 0),)`; 4,096 and up: none."""
    ones = _BASE_VALUES[np.frombuffer(sequence, dtype=np.uint8)]
    if len(ones) < K:
        return np.empty(0, dtype=np.int32)
    twos = 4 * ones[:-1] + ones[1:]
    fours = 16 * twos[:-2] + twos[2:]
    words: Int32Array = 16 * fours[:-2] + twos[4:]
    return words
