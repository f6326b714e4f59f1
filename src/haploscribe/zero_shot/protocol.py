"""What every zero-shot sequence model offers, and what those that read one sequence at a time share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from haploscribe.utils.types import Float64Array


class SequenceModel(Protocol):
    """A trained model that reads the sequence around a TSS and predicts the gene's expression.

    Attributes
    ----------
    name
        Short name, as in every table.
    upstream, downstream
        Base pairs that it reads before the TSS, and from the TSS on (its base included), along the gene's
        strand.
    strand_specific
        True where the model was trained on sequences that all run along the gene's strand, so that the
        reverse complement is no input it knows.
    reading
        What is read of the network's output, in words, such as tracks and bins: two models with the same
        weights and the same `reading` predict the same.
    """

    name: str
    upstream: int
    downstream: int
    strand_specific: bool
    reading: str

    def predict(self, sequences: Sequence[bytes], *, reverse_complement: bool = False) -> Float64Array:
        """Predict expression from sequences of upper-case A, C, G, T and N.

        Parameters
        ----------
        sequences
            `n` sequences of `upstream + downstream` bases each, along the gene's strand.
        reverse_complement
            Have the network read their reverse complements instead, and look there for the same gene. Not
            for a strand-specific model.

        Returns
        -------
        float64 `(n,)`; higher is more expression. Each depends on its own sequence alone.
        """
        ...


class OneByOne(ABC):
    """A `SequenceModel` that reads one sequence at a time.

    A batch would take more memory and round by the company, and be no faster: each sequence is long enough
    to keep a CPU or a GPU busy.
    """

    name: str
    upstream: int
    downstream: int
    strand_specific: bool
    reading: str

    def predict(self, sequences: Sequence[bytes], *, reverse_complement: bool = False) -> Float64Array:
        """Predict expression, float64 `(n,)`: see `SequenceModel.predict`.

        Raises
        ------
        ValueError
            When a sequence has another length, or the reverse complement is asked of a strand-specific
            model.
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
        """Predict from one sequence, whose length is right."""
