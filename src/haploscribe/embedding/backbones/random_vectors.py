"""Draw one random vector per sequence: the floor of every model of deltas."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from haploscribe.embedding.backbones.base import SequenceBackbone
from haploscribe.utils.types import Float32Array

DIMENSION = 128


class RandomVectors(SequenceBackbone):
    """Draw a standard normal vector for each distinct sequence, seeded by its digest; no weights.

    The vectors know nothing of DNA: sequences that differ by one SNV are as far apart as any two. What a
    model of deltas predicts with them it owes to the deltas as labels, which say who shares a haplotype with
    whom; what a pretrained backbone adds to that is its own.

    The same sequence has the same vector on every machine: the BLAKE2b digest of the sequence is the key of a
    Philox generator, whose normal variates numpy draws by a method that it keeps for good (NEP 19). Edits of
    length are not part of it.

    See `haploscribe.embedding.backbones.base.Backbone` for the attributes.
    """

    name = "random"
    tile_multiple = 1
    max_tile = 2**20

    settings: Mapping[str, str | int] = {"family": "random", "dimension": DIMENSION}

    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        """Draw vectors: float32 `(n_sequences, 1, 128)`; zeros for a sequence without bases."""
        vectors = np.zeros((len(sequences), 1, DIMENSION), dtype=np.float32)
        for row, sequence in enumerate(sequences):
            if sequence:
                vectors[row, 0] = _standard_normal(sequence)
        return vectors


def _standard_normal(sequence: bytes) -> Float32Array:
    """Draw the vector of one sequence, float32 `(128,)`."""
    key = int.from_bytes(hashlib.blake2b(sequence, digest_size=16).digest(), "little")
    generator = np.random.RandomState(np.random.Philox(key=key))
    return generator.standard_normal(DIMENSION).astype(np.float32)
