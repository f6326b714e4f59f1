"""What every zero-shot sequence model offers."""

from collections.abc import Sequence
from typing import Protocol

from haploscribe.arrays import Float64Array


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
    """

    name: str
    upstream: int
    downstream: int
    strand_specific: bool

    def predict(self, sequences: Sequence[bytes]) -> Float64Array:
        """Predict expression from sequences of upper-case A, C, G, T and N.

        Parameters
        ----------
        sequences
            `n` sequences of `upstream + downstream` bases each, along the gene's strand.

        Returns
        -------
        float64 `(n,)`; higher is more expression. Each depends on its own sequence alone.
        """
        ...
