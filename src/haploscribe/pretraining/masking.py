"""Which tokens a model has to guess, and what it sees in their place."""

from typing import NamedTuple

import numpy as np

from haploscribe.utils.types import BoolArray, Int64Array

MASKED_SHARE = 0.15
"""Share of 6-mer tokens that are guessed (Devlin et al., NAACL 2019; Dalla-Torre et al., 2025)."""
_HIDDEN, _REPLACED = 0.8, 0.1  # of the guessed: shown as <mask>; as a random 6-mer; the rest as they are


class MaskedBatch(NamedTuple):
    """Sequences with some tokens to be guessed.

    Attributes
    ----------
    shown
        int64 `(n, length)`; what the model reads.
    guessed
        bool `(n, length)`; the tokens it has to guess.
    answers
        int64 `(n_guessed,)`; those tokens as they were, row by row.
    attend
        bool `(n, length)`; False on padding.
    """

    shown: Int64Array
    guessed: BoolArray
    answers: Int64Array
    attend: BoolArray


def choose(ids: Int64Array, six_mers: Int64Array, generator: np.random.Generator) -> BoolArray:
    """Choose the tokens to be guessed: each 6-mer by itself with `MASKED_SHARE`; never another token.

    Parameters
    ----------
    ids
        int64 `(n, length)`; token numbers.
    six_mers
        int64 `(4096,)`; the numbers of the 6-mer tokens.
    generator
        Source of chance.
    """
    chosen: BoolArray = (generator.random(ids.shape) < MASKED_SHARE) & np.isin(ids, six_mers)
    return chosen


def corrupt(
    ids: Int64Array, guessed: BoolArray, six_mers: Int64Array, mask_id: int, generator: np.random.Generator
) -> Int64Array:
    """Show the tokens to be guessed as training does: 80 % as `<mask>`, 10 % as a random 6-mer, 10 % as is.

    Parameters
    ----------
    ids, guessed
        int64 and bool `(n, length)`.
    six_mers
        int64 `(4096,)`; the numbers of the 6-mer tokens.
    mask_id
        Number of `<mask>`.
    generator
        Source of chance.

    Returns
    -------
    int64 `(n, length)`
    """
    fate = generator.random(ids.shape)
    random_six_mers = six_mers[generator.integers(len(six_mers), size=ids.shape)]
    shown = np.where(guessed & (fate < _HIDDEN), mask_id, ids)
    return np.where(guessed & (fate >= _HIDDEN) & (fate < _HIDDEN + _REPLACED), random_six_mers, shown)
