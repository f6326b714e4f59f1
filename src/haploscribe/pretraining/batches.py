"""Batches of training: each depends on the seed and its step alone, so that a stopped run goes on exactly."""

from collections.abc import Sequence

import numpy as np

from haploscribe.embedding.backbones.tokeniser import SixMerTokeniser
from haploscribe.pretraining.masking import MaskedBatch, choose, corrupt
from haploscribe.pretraining.segments import WindowStarts
from haploscribe.pretraining.vocabulary import VOCABULARY, six_mer_numbers
from haploscribe.pretraining.windows import GenomeSequences
from haploscribe.utils.types import BoolArray, Int64Array

# Second word of a random stream's key; the first is the seed, the third the step.
_TRAINING, _HELD_OUT = 0, 1


class Batches:
    """Draws batches.

    Parameters
    ----------
    sequences
        Where windows are read.
    training, held_out
        Windows to draw from; `held_out` may have none.
    batch
        Sequences a step.
    seed
        Seed of all draws.
    """

    def __init__(
        self,
        sequences: GenomeSequences,
        training: WindowStarts,
        held_out: WindowStarts,
        batch: int,
        seed: int,
    ) -> None:
        self._sequences = sequences
        self._training = training
        self._held_out = held_out
        self._batch = batch
        self._seed = seed
        self._tokenise = SixMerTokeniser(VOCABULARY)
        self._six_mers = six_mer_numbers(VOCABULARY)

    def training(self, step: int) -> MaskedBatch:
        """Draw the batch of one step (from 0): random places, frames, strands and, with genotypes, people."""
        generator = np.random.default_rng([self._seed, _TRAINING, step])
        windows = self._training.draw(generator, self._batch)
        sequences = [self._sequences.drawn_sequence(window, generator) for window in windows]
        return self._masked(sequences, generator, hide_all=False)

    def held_out(self, n: int) -> list[MaskedBatch]:
        """Draw the `n` batches that watch the held-out loss, the same at every checkpoint.

        They are of the reference's forward strand, and every guessed token is shown as `<mask>`.
        """
        if self._held_out.n_starts == 0:
            return []
        generator = np.random.default_rng([self._seed, _HELD_OUT])
        found = []
        for _ in range(n):
            windows = self._held_out.draw(generator, self._batch)
            sequences = [self._sequences.reference_sequence(window) for window in windows]
            found.append(self._masked(sequences, generator, hide_all=True))
        return found

    def _masked(
        self, sequences: Sequence[bytes], generator: np.random.Generator, *, hide_all: bool
    ) -> MaskedBatch:
        ids, attend = padded([self._tokenise(sequence) for sequence in sequences], self._tokenise)
        guessed = choose(ids, self._six_mers, generator)
        if hide_all:
            shown = np.where(guessed, self._tokenise.mask_id, ids)
        else:
            shown = corrupt(ids, guessed, self._six_mers, self._tokenise.mask_id, generator)
        return MaskedBatch(shown, guessed, ids[guessed], attend)


def padded(tokens: Sequence[Int64Array], tokeniser: SixMerTokeniser) -> tuple[Int64Array, BoolArray]:
    """Put token lists under each other, `<cls>` before and `<pad>` behind.

    Returns
    -------
    ids
        int64 `(n, 1 + longest)`.
    attend
        bool `(n, 1 + longest)`; False on padding.
    """
    ids = np.full((len(tokens), 1 + max(map(len, tokens))), tokeniser.pad_id, dtype=np.int64)
    ids[:, 0] = tokeniser.class_id
    for row, list_ in zip(ids, tokens, strict=True):
        row[1 : 1 + len(list_)] = list_
    return ids, ids != tokeniser.pad_id
