"""The vectorised tokeniser against the one of transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.embedding.backbones.tokeniser import SixMerTokeniser, Window, bin_weights, n_bins_of, windows
from haploscribe.errors import InputError
from tests.fixtures.backbones import V1_VOCABULARY, V2_VOCABULARY

Tokenise = Callable[[str], list[int]]


@pytest.fixture(scope="module", params=[V1_VOCABULARY, V2_VOCABULARY], ids=["v1", "v2"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenise, Any]:
    """Ours, with the class token put before, and the one of transformers; on the same vocabulary file."""
    from transformers import EsmTokenizer

    file: Path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    file.write_text("\n".join(request.param))
    ours = SixMerTokeniser(request.param)
    theirs = EsmTokenizer(str(file), eos_token=None)
    return lambda text: [ours.class_id, *ours(text.encode()).tolist()], theirs


def assert_equal(pair: tuple[Tokenise, Any], text: str) -> None:
    ours, theirs = pair
    assert ours(text) == theirs(text)["input_ids"]


# Mostly long runs of bases, broken by now and then one N, lower case, or IUPAC code.
SEQUENCES = st.lists(
    st.one_of(
        st.text("ACGT", max_size=30),
        st.text("N", max_size=9),
        st.text("acgtn", max_size=8),
        st.text("RYKMSWBDHVXU-.*", max_size=4),
    ),
    max_size=12,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(text=SEQUENCES)
def test_equals_transformers_on_drawn_sequences(pair: tuple[Tokenise, Any], text: str) -> None:
    assert_equal(pair, text)


@settings(max_examples=200, deadline=None)
@given(text=st.text("ACGTNacgtR", max_size=60))
def test_equals_transformers_on_letter_soup(pair: tuple[Tokenise, Any], text: str) -> None:
    assert_equal(pair, text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("ACGTA", id="shorter than a token"),
        pytest.param("ACGTACG", id="remainder"),
        pytest.param("ACGTACGTNACGTACGT", id="N breaks the frame"),
        pytest.param("ACGNACGTAC", id="an N in what would be a 6-mer"),
        pytest.param("N" * 700, id="all N"),
        pytest.param("ACGTACacgtACGTAC", id="lower case is one unknown"),
        pytest.param("ACGTACRrYNACGTAC", id="IUPAC codes are one unknown"),
        pytest.param("GATTACA" * 857, id="a whole tile"),
    ],
)
def test_equals_transformers_on_edges(pair: tuple[Tokenise, Any], text: str) -> None:
    assert_equal(pair, text)


def test_the_published_example_has_the_published_tokens() -> None:
    # The README of instadeepai/nucleotide-transformer spells this one out.
    tokeniser = SixMerTokeniser(V1_VOCABULARY)
    tokens = [V1_VOCABULARY[number] for number in tokeniser(b"ACGTGTACNTGCACGGANCGACTAGTCTGA")]
    assert tokens == ["ACGTGT", "A", "C", "N", "TGCACG", "G", "A", "N", "CGACTA", "GTCTGA"]


def test_numbers_follow_the_order_of_the_vocabulary() -> None:
    shuffled = list(np.random.default_rng(1).permutation(V1_VOCABULARY))
    tokeniser = SixMerTokeniser(shuffled)
    assert [shuffled[number] for number in tokeniser(b"GATTACANT")] == ["GATTAC", "A", "N", "T"]


@pytest.mark.parametrize("token", ["<cls>", "<pad>", "N", "GATTAC"])
def test_a_vocabulary_without_a_needed_token_is_refused(token: str) -> None:
    with pytest.raises(InputError, match=token):
        SixMerTokeniser([known for known in V1_VOCABULARY if known != token])


N_TOKENS = st.integers(0, 500)
CAPACITY = st.integers(1, 60)


def test_a_list_that_fits_is_one_window() -> None:
    assert windows(999, 999) == [Window(start=0, end=999, keep=0)]


def test_an_overflow_is_read_with_all_the_context_that_fits() -> None:
    assert windows(1003, 999) == [Window(start=0, end=999, keep=0), Window(start=4, end=1003, keep=999)]


@given(N_TOKENS, CAPACITY)
def test_every_token_is_kept_once_and_in_order(n_tokens: int, capacity: int) -> None:
    kept = [token for window in windows(n_tokens, capacity) for token in range(window.keep, window.end)]
    assert kept == list(range(n_tokens))


@given(N_TOKENS, CAPACITY)
def test_windows_are_as_long_as_the_model_reads_or_as_the_list(n_tokens: int, capacity: int) -> None:
    assert all(w.end - w.start == min(capacity, n_tokens) for w in windows(n_tokens, capacity))


@given(st.integers(1, 60), st.integers(1, 9))
def test_bins_are_means_over_equal_parts(n_tokens: int, n_bins: int) -> None:
    # With every token repeated K times, parts are whole tokens and NumPy can average them.
    values = 1.0 + np.arange(n_tokens) ** 2.0
    parts = np.repeat(values, n_bins).reshape(n_bins, n_tokens).mean(axis=1)
    np.testing.assert_allclose(bin_weights(np.ones(n_tokens), n_bins) @ values, parts, rtol=1e-5)


@given(st.lists(st.sampled_from([1, 6]), min_size=1, max_size=60), st.integers(1, 9))
def test_a_token_counts_by_its_length(lengths: list[int], n_bins: int) -> None:
    values = 1.0 + np.arange(len(lengths)) ** 2.0  # no mean is 0, which rounding would miss by any ratio
    by_base = np.repeat(values, np.array(lengths) * n_bins).reshape(n_bins, -1).mean(axis=1)
    np.testing.assert_allclose(bin_weights(np.array(lengths) / 6, n_bins) @ values, by_base, rtol=1e-5)


def test_no_tokens_make_no_weights() -> None:
    assert bin_weights(np.empty(0), 3).shape == (3, 0)


@pytest.mark.parametrize(("pooling", "n_bins"), [("mean", 1), ("bins-1", 1), ("bins-12", 12)])
def test_pooling_names(pooling: str, n_bins: int) -> None:
    assert n_bins_of(pooling) == n_bins


@pytest.mark.parametrize("pooling", ["", "max", "bins", "bins-", "bins-0", "bins--2", "bins-2.5", "bins-²"])
def test_other_pooling_is_refused(pooling: str) -> None:
    with pytest.raises(InputError, match="pooling"):
        n_bins_of(pooling)
