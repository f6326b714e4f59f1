"""Define the protocol of zero-shot sequence models, and the base class of those that read one at a time."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from haploscribe.utils.types import Float32Array, Float64Array


class SequenceModel(Protocol):
    """Predict a gene's expression from the sequence around its TSS, with a trained model.

    Attributes
    ----------
    name
        Short name, as in output tables.
    upstream, downstream
        Base pairs read before the TSS, and from the TSS on (its base included), along the gene's strand.
    strand_specific
        Whether the model was trained on sequences along the gene's strand only, so that it cannot read
        reverse complements.
    logarithmic
        Whether predictions are logarithms of expression, on a scale of the model's own.
    reads_exons
        Whether it must be told which bases are the gene's exons, by their case.
    reading
        Description of what is read of the network's output, such as tracks and bins: models with the same
        weights and the same `reading` make the same predictions.
    """

    name: str
    upstream: int
    downstream: int
    strand_specific: bool
    logarithmic: bool
    reads_exons: bool
    reading: str

    def predict(self, sequences: Sequence[bytes], *, reverse_complement: bool = False) -> Float64Array:
        """Predict expression from sequences of A, C, G, T and N.

        Parameters
        ----------
        sequences
            `n` sequences of `upstream + downstream` bases each, along the gene's strand. Upper case, but for
            the gene's exons where the model `reads_exons`.
        reverse_complement
            Predict the same gene from the reverse complements instead; not for a strand-specific model.

        Returns
        -------
        float64 `(n,)`
            Higher is more expression. Each value depends on its own sequence alone.
        """
        ...


class SingleSequenceModel(ABC):
    """Implement `SequenceModel` by predicting one sequence at a time.

    Batches would take more memory, make rounding depend on the batch, and be no faster: each sequence is long
    enough to keep a CPU or a GPU busy.
    """

    name: str
    upstream: int
    downstream: int
    strand_specific: bool
    logarithmic: bool = False
    reads_exons: bool = False
    reading: str

    def predict(self, sequences: Sequence[bytes], *, reverse_complement: bool = False) -> Float64Array:
        """Predict expression, float64 `(n,)`: see `SequenceModel.predict`.

        Raises
        ------
        ValueError
            When a sequence has another length, or `reverse_complement` is set for a strand-specific model.
        """
        if reverse_complement and self.strand_specific:
            raise ValueError(f"{self.name} does not read reverse complements")
        length = self.upstream + self.downstream
        for sequence in sequences:
            if len(sequence) != length:
                raise ValueError(f"this {self.name} reads {length:,} bases, not {len(sequence):,}")
        predicted = [
            self.predict_one(sequence, reverse_complement=reverse_complement) for sequence in sequences
        ]
        return np.array(predicted, dtype=np.float64)

    @abstractmethod
    def predict_one(self, sequence: bytes, *, reverse_complement: bool) -> float:
        """Predict from one sequence of checked length."""


# Channels are A, C, G and T, in any case; an N, as beyond the ends of a contig, is all zero.
_ONE_HOT = np.zeros((256, 4), dtype=np.float32)
_ONE_HOT[list(b"ACGTacgt"), 2 * [*range(4)]] = 1


def one_hot(sequence: bytes) -> Float32Array:
    """Return the one-hot encoding of a sequence, float32 `(length, 4)`: A, C, G, T; an N is all zero."""
    return _ONE_HOT[np.frombuffer(sequence, dtype=np.uint8)]
