"""Windows over long token lists, and pooling weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haploscribe.embedding.backbones.token_axis import Window, bin_weights, n_bins_of, windows
from haploscribe.errors import InputError

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
    values = np.arange(n_tokens) ** 2.0
    parts = np.repeat(values, n_bins).reshape(n_bins, n_tokens).mean(axis=1)
    np.testing.assert_allclose(bin_weights(n_tokens, n_bins) @ values, parts, rtol=1e-5)


def test_no_tokens_make_no_weights() -> None:
    assert bin_weights(0, 3).shape == (3, 0)


@pytest.mark.parametrize(("pooling", "n_bins"), [("mean", 1), ("bins-1", 1), ("bins-12", 12)])
def test_pooling_names(pooling: str, n_bins: int) -> None:
    assert n_bins_of(pooling) == n_bins


@pytest.mark.parametrize("pooling", ["", "max", "bins", "bins-", "bins-0", "bins--2", "bins-2.5", "bins-²"])
def test_other_pooling_is_refused(pooling: str) -> None:
    with pytest.raises(InputError, match="pooling"):
        n_bins_of(pooling)
