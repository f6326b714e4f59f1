"""Random vectors, one per sequence."""

import hashlib
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.embedding.backbones.random_vectors import RandomVectors
from haploscribe.embedding.backbones.registry import load_backbone
from haploscribe.genome.haplotypes import LengthEdit, TileHaplotype


def by_hand(sequence: bytes) -> list[float]:
    """Draw a vector with the polar method (Marsaglia and Bray 1964) from the raw bits of the generator."""
    key = int.from_bytes(hashlib.blake2b(sequence, digest_size=16).digest(), "little")
    raw = np.random.Philox(key=key)
    normal: list[float] = []
    while len(normal) < 128:
        x, y = (2 * (int(raw.random_raw()) >> 11) / 2**53 - 1 for _ in range(2))
        squared = x * x + y * y
        if 0 < squared < 1:
            scale = math.sqrt(-2 * math.log(squared) / squared)
            normal += [scale * y, scale * x]
    return normal


@settings(max_examples=20)
@given(st.lists(st.text("ACGTN", min_size=1, max_size=40).map(str.encode), max_size=4))
def test_vectors_are_those_drawn_by_hand_in_any_order(sequences: list[bytes]) -> None:
    vectors = RandomVectors().embed_sequences(sequences)
    for sequence, row in zip(sequences, vectors, strict=True):
        np.testing.assert_allclose(row[0], by_hand(sequence), rtol=1e-6)
    np.testing.assert_array_equal(RandomVectors().embed_sequences(sequences[::-1]), vectors[::-1])


def test_sequences_one_snv_apart_are_as_far_apart_as_any_two() -> None:
    rng = np.random.default_rng(3)
    sequences = ["".join(rng.choice(list("ACGT"), 300)) for _ in range(100)]
    moved = ["A" + s[1:] if s[0] != "A" else "C" + s[1:] for s in sequences]
    vectors = RandomVectors().embed_sequences([s.encode() for s in sequences + moved])[:, 0]
    distances = np.linalg.norm(vectors[:100] - vectors[100:], axis=1)
    others = np.linalg.norm(vectors[:99] - vectors[1:100], axis=1)
    assert abs(distances.mean() - 16) < 0.5  # sqrt(2 · 128)
    assert abs(others.mean() - 16) < 0.5


def test_a_deleted_tile_is_zeros_and_edits_of_length_do_not_count() -> None:
    backbone = load_backbone("random")
    deleted, plain, edited = backbone.embed(
        [
            TileHaplotype(b"", (LengthEdit(0, 6, 0),)),
            TileHaplotype(b"ACGTAC"),
            TileHaplotype(b"ACGTAC", (LengthEdit(1, 0, 1),)),
        ]
    )
    assert (deleted.shape, deleted.dtype) == ((1, 128), np.dtype("float32"))
    assert not deleted.any()
    np.testing.assert_array_equal(plain, edited)
