"""Draw batches for masked-language-model training, each determined by the seed and step alone."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from haploscribe.embedding.backbones.tokeniser import SixMerTokeniser
from haploscribe.pretraining.data import GenomeSequences, WindowSampler
from haploscribe.utils.types import BoolArray, Int64Array

VOCABULARY: tuple[str, ...] = (
    *("<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>"),
    *("".join(letters) for letters in product("ATCG", repeat=6)),
    *"ATCGN",
)
"""4,107 tokens in the order of the published implementation in JAX (InstaDeepAI/nucleotide-transformer)."""

MASKING_RATE = 0.15
"""Share of 6-mer tokens to predict (Devlin et al., NAACL 2019; Dalla-Torre et al., 2025)."""

# Of the tokens to predict: share replaced by <mask>, share replaced by a random 6-mer; the rest is unchanged.
_MASK_SHARE, _RANDOM_SHARE = 0.8, 0.1

# Second word of a random stream's key; the first is the seed, the third the step.
_TRAINING, _HELD_OUT = 0, 1


class MaskedBatch(NamedTuple):
    """Token sequences, some tokens of which are to be predicted.

    Attributes
    ----------
    input_ids
        int64 `(n, length)`; tokens the model reads.
    masked
        bool `(n, length)`; tokens to predict.
    labels
        int64 `(n_masked,)`; the original tokens at these positions, row by row.
    attention_mask
        bool `(n, length)`; False on padding.
    """

    input_ids: Int64Array
    masked: BoolArray
    labels: Int64Array
    attention_mask: BoolArray


class BatchSampler:
    """Draw masked batches of training and of held-out windows.

    Parameters
    ----------
    sequences
        Reads the windows.
    training, held_out
        Windows to draw from; `held_out` may have none.
    batch_size
        Sequences per step.
    seed
        Seed of all draws.
    """

    def __init__(
        self,
        sequences: GenomeSequences,
        training: WindowSampler,
        held_out: WindowSampler,
        batch_size: int,
        seed: int,
    ) -> None:
        self._sequences = sequences
        self._training = training
        self._held_out = held_out
        self._batch_size = batch_size
        self._seed = seed
        self._tokenise = SixMerTokeniser(VOCABULARY)
        self._six_mer_ids = six_mer_ids(VOCABULARY)

    def training(self, step: int) -> MaskedBatch:
        """Draw the batch of a step (from 0): random windows, strands and, with genotypes, haplotypes."""
        generator = np.random.default_rng([self._seed, _TRAINING, step])
        windows = self._training.draw(generator, self._batch_size)
        sequences = [self._sequences.training_sequence(window, generator) for window in windows]
        return self._mask(sequences, generator, mask_all=False)

    def held_out(self, n: int) -> list[MaskedBatch]:
        """Draw the `n` batches of the held-out loss, the same at every checkpoint.

        They are of the reference's forward strand, with every token to predict replaced by `<mask>`.
        """
        if self._held_out.n_starts == 0:
            return []
        generator = np.random.default_rng([self._seed, _HELD_OUT])
        batches = []
        for _ in range(n):
            windows = self._held_out.draw(generator, self._batch_size)
            sequences = [self._sequences.reference_sequence(window) for window in windows]
            batches.append(self._mask(sequences, generator, mask_all=True))
        return batches

    def _mask(
        self, sequences: Sequence[bytes], generator: np.random.Generator, *, mask_all: bool
    ) -> MaskedBatch:
        ids, attention_mask = pad_tokens([self._tokenise(sequence) for sequence in sequences], self._tokenise)
        masked = choose_masked(ids, self._six_mer_ids, generator)
        if mask_all:
            input_ids = np.where(masked, self._tokenise.mask_id, ids)
        else:
            input_ids = corrupt_tokens(ids, masked, self._six_mer_ids, self._tokenise.mask_id, generator)
        return MaskedBatch(input_ids, masked, ids[masked], attention_mask)


def six_mer_ids(vocabulary: Sequence[str]) -> Int64Array:
    """Return the IDs of the tokens of six bases: int64 `(4096,)`."""
    return np.array(
        [index for index, token in enumerate(vocabulary) if len(token) == 6 and set(token) <= set("ACGT")],
        dtype=np.int64,
    )


def pad_tokens(tokens: Sequence[Int64Array], tokeniser: SixMerTokeniser) -> tuple[Int64Array, BoolArray]:
    """Stack token sequences, each after `<cls>` and padded with `<pad>`.

    Returns
    -------
    ids
        int64 `(n, 1 + longest)`.
    attention_mask
        bool `(n, 1 + longest)`; False on padding.
    """
    ids = np.full((len(tokens), 1 + max(map(len, tokens))), tokeniser.pad_id, dtype=np.int64)
    ids[:, 0] = tokeniser.class_id
    for row, sequence in zip(ids, tokens, strict=True):
        row[1 : 1 + len(sequence)] = sequence
    return ids, ids != tokeniser.pad_id


def choose_masked(ids: Int64Array, six_mers: Int64Array, generator: np.random.Generator) -> BoolArray:
    """Choose the tokens to predict: each 6-mer with probability `MASKING_RATE`, and no other token.

    Parameters
    ----------
    ids
        int64 `(n, length)`; token IDs.
    six_mers
        int64 `(4096,)`; IDs of the 6-mer tokens.
    generator
        Random generator.

    Returns
    -------
    bool `(n, length)`
    """
    chosen: BoolArray = (generator.random(ids.shape) < MASKING_RATE) & np.isin(ids, six_mers)
    return chosen


def corrupt_tokens(
    ids: Int64Array, masked: BoolArray, six_mers: Int64Array, mask_id: int, generator: np.random.Generator
) -> Int64Array:
    """Replace 80 % of the tokens to predict by `<mask>` and 10 % by a random 6-mer; leave 10 % unchanged.

    Parameters
    ----------
    ids, masked
        int64 and bool `(n, length)`.
    six_mers
        int64 `(4096,)`; IDs of the 6-mer tokens.
    mask_id
        ID of `<mask>`.
    generator
        Random generator.

    Returns
    -------
    int64 `(n, length)`
    """
    draw = generator.random(ids.shape)
    random_six_mers = six_mers[generator.integers(len(six_mers), size=ids.shape)]
    corrupted = np.where(masked & (draw < _MASK_SHARE), mask_id, ids)
    randomised = masked & (draw >= _MASK_SHARE) & (draw < _MASK_SHARE + _RANDOM_SHARE)
    return np.where(randomised, random_six_mers, corrupted)
