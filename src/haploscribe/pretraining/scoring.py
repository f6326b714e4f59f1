"""Compute the masked-token loss of backbones, and of a Markov chain of bases on the same 6-mers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from haploscribe.embedding.backbones.checkpoint import Checkpoint
from haploscribe.embedding.backbones.devices import resolve_device
from haploscribe.embedding.backbones.nucleotide_transformer import load_masked_token_model, tokeniser_of
from haploscribe.embedding.backbones.tokeniser import K, SixMerTokeniser
from haploscribe.pretraining.batches import choose_masked, pad_tokens
from haploscribe.utils.types import BoolArray, Float64Array, Int64Array, UInt8Array

ORDER = 5
N_STATES = 4**ORDER
PSEUDOCOUNT = 1.0

_BASE_CODES = bytes(max(0, b"ACGT".find(letter)) for letter in range(256))
_POWERS = 4 ** np.arange(ORDER - 1, -1, -1)


class MaskedWindow(NamedTuple):
    """One sequence to score.

    Attributes
    ----------
    ids
        int64 `(length,)`; token IDs.
    masked
        bool `(length,)`; tokens to predict.
    contexts
        16 bases around each masked token: five, the 6-mer, and five.
    """

    ids: Int64Array
    masked: BoolArray
    contexts: list[bytes]


@dataclass(frozen=True, slots=True)
class MarkovChain:
    """Markov chain of order 5.

    Attributes
    ----------
    log2_next
        float64 `(1024, 4)`; log2 probability of A, C, G, T after each five bases, which are read as a
        number in base 4.
    log2_eleven
        float64 `(1024, 1024)`; log2 probability that five bases are followed, after any six, by five others.
    """

    log2_next: Float64Array
    log2_eleven: Float64Array

    def bits(self, contexts: Sequence[bytes]) -> tuple[Float64Array, Float64Array]:
        """Return the information content of 6-mers given their context.

        Parameters
        ----------
        contexts
            `n` sequences of 16 bases A, C, G, T: five, the 6-mer, and five.

        Returns
        -------
        given_left, given_both
            float64 `(n,)` each, in bits: −log2 P(6-mer | five before), and −log2 P(6-mer | five before, five
            after), the same chain with the context that a masked-token model has: by Bayes' rule, the
            probability of all eleven bases over that of the last five after any 6-mer.
        """
        letters = np.frombuffer(b"".join(contexts).translate(_BASE_CODES), dtype=np.uint8)
        codes = letters.reshape(-1, 2 * ORDER + K).astype(np.int64)
        states = np.lib.stride_tricks.sliding_window_view(codes, ORDER, axis=1) @ _POWERS
        steps = self.log2_next[states[:, :-1], codes[:, ORDER:]]
        given_left = -steps[:, :K].sum(axis=1)
        given_both = self.log2_eleven[states[:, 0], states[:, -1]] - steps.sum(axis=1)
        return given_left, given_both


class MaskedTokenScorer:
    """Compute a checkpoint's loss on masked tokens, for models of both versions.

    Parameters
    ----------
    checkpoint
        With a masked-token head.
    device
        As in `load_backbone`.
    """

    def __init__(self, checkpoint: Checkpoint, device: str) -> None:
        self._device = resolve_device(device)
        self._model: Any = load_masked_token_model(checkpoint).to(self._device)
        self._is_v2 = checkpoint.configuration.family == "nt-v2"
        self._tokenise = tokeniser_of(checkpoint)

    @torch.inference_mode()
    def bits(self, windows: Sequence[MaskedWindow]) -> list[Float64Array]:
        """Return the loss of each masked token of each window, float64 `(n_masked,)`, in bits."""
        ids, attention_mask = pad_tokens([window.ids for window in windows], self._tokenise)
        masked = np.zeros_like(attention_mask)
        for row, window in zip(masked, windows, strict=True):
            row[1 : 1 + len(window.masked)] = window.masked
        input_ids = torch.from_numpy(np.where(masked, self._tokenise.mask_id, ids)).to(self._device)
        attended = None if attention_mask.all() else torch.from_numpy(attention_mask).to(self._device)
        if self._is_v2:
            hidden = self._model.esm(input_ids, attended)
        else:
            mask = None if attended is None else attended.long()
            hidden = self._model.esm(input_ids=input_ids, attention_mask=mask).last_hidden_state
        logits = self._model.lm_head(hidden[torch.from_numpy(masked).to(self._device)])
        labels = torch.from_numpy(ids[masked]).to(self._device)
        nats = F.cross_entropy(logits.float(), labels, reduction="none").cpu().double().numpy()
        ends = np.cumsum([int(window.masked.sum()) for window in windows])[:-1]
        return np.split(nats / np.log(2), ends)


def fit_markov(sequences: Iterable[bytes]) -> MarkovChain:
    """Fit a Markov chain by counting, with a pseudocount of one per cell.

    Parameters
    ----------
    sequences
        Sequences of A, C, G and T; nothing is counted across their ends.
    """
    counts = np.full(N_STATES * 4, PSEUDOCOUNT)
    for sequence in sequences:
        codes = np.frombuffer(sequence.translate(_BASE_CODES), dtype=np.uint8)
        counts += np.bincount(_words(codes, ORDER + 1), minlength=N_STATES * 4)
    table = counts.reshape(N_STATES, 4)
    probabilities = table / table.sum(axis=1, keepdims=True)
    # A state's four successors: its last four bases and one more.
    transition = np.zeros((N_STATES, N_STATES))
    successors = (np.arange(N_STATES)[:, None] * 4 + np.arange(4)) % N_STATES
    np.put_along_axis(transition, successors, probabilities, axis=1)
    eleven = np.linalg.matrix_power(transition, ORDER + K)
    return MarkovChain(np.log2(probabilities), np.log2(eleven))


def _words(codes: UInt8Array, length: int) -> Int64Array:
    """Return each word of `length` bases as a number in base 4: int64 `(n - length + 1,)`."""
    n_words = max(0, len(codes) - length + 1)
    words = np.zeros(n_words, dtype=np.int64)
    for offset in range(length):  # a sliding window times powers of 4 would take `length` times the memory
        words *= 4
        words += codes[offset : offset + n_words]
    return words


def mask_window(
    sequence: bytes, tokeniser: SixMerTokeniser, six_mers: Int64Array, generator: np.random.Generator
) -> MaskedWindow:
    """Choose the 6-mers to predict among those with five known bases on either side."""
    ids = tokeniser(sequence)
    lengths = np.where(np.isin(ids, six_mers), K, 1)
    offsets = np.cumsum(lengths) - lengths
    masked = choose_masked(ids, six_mers, generator)
    contexts = []
    for token in np.flatnonzero(masked).tolist():
        start = int(offsets[token]) - ORDER
        context = sequence[max(start, 0) : start + 2 * ORDER + K]
        if start < 0 or len(context) < 2 * ORDER + K or b"N" in context:
            masked[token] = False
        else:
            contexts.append(context)
    return MaskedWindow(ids, masked, contexts)
