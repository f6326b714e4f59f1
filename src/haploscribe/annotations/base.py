"""What readers of annotations are given, and what they return."""

from dataclasses import dataclass
from typing import Protocol

from haploscribe.utils.types import Float64Array, Int64Array


@dataclass(frozen=True, slots=True)
class AnnotatedAlleles:
    """ALT alleles of one contig, to be annotated.

    Attributes
    ----------
    contig
        As the reference names it.
    positions
        int64 `(n_alleles,)`; 0-based, of the first base of REF; sorted.
    references, alternates
        `n_alleles` sequences.
    gene_id
        The gene that they are annotated for; None for what is the same for every gene.
    """

    contig: str
    positions: Int64Array
    references: tuple[str, ...]
    alternates: tuple[str, ...]
    gene_id: str | None = None


class AnnotationReader(Protocol):
    """One open source of annotations."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Name of each feature."""
        ...

    def read(self, alleles: AnnotatedAlleles) -> Float64Array:
        """Return the features of alleles, float64 `(n_alleles, n_columns)`, NaN where it has none."""
        ...
