"""One gene's inputs as scikit-learn takes them: rows are people."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import EllipsisType

import numpy as np
import numpy.typing as npt

from haploscribe.estimators.inputs import GeneInputs
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float64Array, Int64Array

Rows = int | slice | Sequence[int] | npt.NDArray[np.integer | np.bool_]
"""What picks rows of a numpy array."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class GeneSamples:
    """The `X` of one gene, whose rows are people: indexed, split and shuffled as an array is.

    Rows carry covariates beside DNA, so that whoever splits people splits both alike.

    Attributes
    ----------
    inputs
        Dosages, tile deltas and where they lie. `inputs.dosages`, float32 `(n_samples, n_variants)`, is a
        plain array.
    covariates
        float64 `(n_samples, n_covariates)`, or None.
    """

    inputs: GeneInputs
    covariates: Float64Array | None = None

    @property
    def gene(self) -> Gene:
        """The gene."""
        return self.inputs.gene

    @property
    def sample_ids(self) -> tuple[str, ...]:
        """`n_samples` names, in the order of the rows."""
        return self.inputs.sample_ids

    @property
    def shape(self) -> tuple[int, int]:
        """`(n_samples, n_variants)`."""
        return len(self), self.inputs.positions.size

    def __len__(self) -> int:
        return len(self.inputs.sample_ids)

    def __getitem__(self, rows: Rows | tuple[Rows, EllipsisType]) -> "GeneSamples":
        """Keep some people; one alone stays a table of one row.

        Parameters
        ----------
        rows
            As for the first axis of an array: places, a boolean mask or a slice.
        """
        # scikit-learn from 1.6 on asks for `X[rows, ...]`.
        if isinstance(rows, tuple) and len(rows) == 2 and rows[1] is Ellipsis:
            rows = rows[0]
        if isinstance(rows, tuple):
            raise IndexError("a gene's people are indexed by rows alone; columns are in .inputs.dosages")
        kept: Int64Array = np.atleast_1d(np.arange(len(self), dtype=np.int64)[rows])
        covariates = None if self.covariates is None else self.covariates[kept]
        return GeneSamples(self.inputs.take(kept), covariates)

    def __repr__(self) -> str:
        n_samples, n_variants = self.shape
        n_covariates = 0 if self.covariates is None else self.covariates.shape[1]
        tiles = f"{len(self.inputs.tiles)} embedded tiles"
        return (
            f"<{self.gene.gene_id}: {n_samples} samples, {n_variants} variants, {tiles}, "
            f"{n_covariates} covariates>"
        )
