"""Counts of 6-mers."""

import itertools
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from haploscribe.embedding.backbones.kmer import KmerCounts

WORDS = ["".join(letters) for letters in itertools.product("ACGT", repeat=6)]


@given(st.lists(st.text("ACGTN", max_size=40), max_size=4))
def test_counts_are_those_of_a_sliding_window(sequences: list[str]) -> None:
    counts = KmerCounts().embed_sequences([sequence.encode() for sequence in sequences])
    for sequence, row in zip(sequences, counts, strict=True):
        slid = Counter(sequence[i : i + 6] for i in range(len(sequence) - 5))
        np.testing.assert_array_equal(row[0], [slid[word] for word in WORDS])


def test_a_row_is_one_vector_of_float32() -> None:
    counts = KmerCounts().embed_sequences([b"ACGTACGT", b""])
    assert (counts.shape, counts.dtype) == ((2, 1, 4096), np.dtype("float32"))


def test_one_snv_moves_six_words_down_and_six_up() -> None:
    reference, alternate = KmerCounts().embed_sequences([b"AAACCCGGGTTTACG", b"AAACCCGCGTTTACG"])
    delta = alternate - reference
    assert (delta[delta > 0].sum(), delta[delta < 0].sum()) == (6, -6)


def test_lower_case_is_no_base() -> None:
    assert KmerCounts().embed_sequences([b"ACGTacgtACGT"]).sum() == 0
