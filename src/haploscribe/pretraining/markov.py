"""A Markov chain of bases: what a backbone has to beat."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from haploscribe.embedding.backbones.tokeniser import K
from haploscribe.utils.types import Float64Array, Int64Array, UInt8Array

ORDER = 5
N_STATES = 4**ORDER
PSEUDOCOUNT = 1.0

_CODES = bytes(max(0, b"ACGT".find(letter)) for letter in range(256))
_PLACE_VALUES = 4 ** np.arange(ORDER - 1, -1, -1)


@dataclass(frozen=True, slots=True)
class MarkovChain:
    """Each base depends on the five before it.

    Attributes
    ----------
    log2_next
        float64 `(1024, 4)`; log2 of the chance of A, C, G, T behind each five bases, which are read as a
        number in base 4.
    log2_eleven
        float64 `(1024, 1024)`; log2 of the chance that five bases are followed, after any six, by five
        others.
    """

    log2_next: Float64Array
    log2_eleven: Float64Array

    def bits(self, around: Sequence[bytes]) -> tuple[Float64Array, Float64Array]:
        """Information in 6-mers, given what stands beside them.

        Parameters
        ----------
        around
            `n` pieces of 16 bases A, C, G, T: five, the 6-mer, and five.

        Returns
        -------
        given_left, given_both
            float64 `(n,)` each, in bits: −log2 P(6-mer | five before), as a chain reads; and
            −log2 P(6-mer | five before, five behind), which is what the same chain says to someone who sees
            both sides, as a masked-token model does: by Bayes' rule, the chance of all eleven bases over that
            of the last five behind any 6-mer.
        """
        letters = np.frombuffer(b"".join(around).translate(_CODES), dtype=np.uint8)
        codes = letters.reshape(-1, 2 * ORDER + K).astype(np.int64)
        states = np.lib.stride_tricks.sliding_window_view(codes, ORDER, axis=1) @ _PLACE_VALUES
        steps = self.log2_next[states[:, :-1], codes[:, ORDER:]]
        given_left = -steps[:, :K].sum(axis=1)
        given_both = self.log2_eleven[states[:, 0], states[:, -1]] - steps.sum(axis=1)
        return given_left, given_both


def fit_markov(sequences: Iterable[bytes]) -> MarkovChain:
    """Fit a chain by counting, one pseudocount a cell.

    Parameters
    ----------
    sequences
        Stretches of A, C, G and T; nothing is counted across their ends.
    """
    counts = np.full(N_STATES * 4, PSEUDOCOUNT)
    for sequence in sequences:
        codes = np.frombuffer(sequence.translate(_CODES), dtype=np.uint8)
        counts += np.bincount(_words(codes, ORDER + 1), minlength=N_STATES * 4)
    table = counts.reshape(N_STATES, 4)
    chances = table / table.sum(axis=1, keepdims=True)
    # A state's four successors: its last four bases and one more.
    one_step = np.zeros((N_STATES, N_STATES))
    successors = (np.arange(N_STATES)[:, None] * 4 + np.arange(4)) % N_STATES
    np.put_along_axis(one_step, successors, chances, axis=1)
    eleven = np.linalg.matrix_power(one_step, ORDER + K)
    return MarkovChain(np.log2(chances), np.log2(eleven))


def _words(codes: UInt8Array, length: int) -> Int64Array:
    """Read each word of `length` letters as a number in base 4: int64 `(n - length + 1,)`."""
    n_words = max(0, len(codes) - length + 1)
    words = np.zeros(n_words, dtype=np.int64)
    for place in range(length):
        words *= 4
        words += codes[place : place + n_words]
    return words
