"""What is known of a gene before anyone's genotype."""

from dataclasses import dataclass
from typing import Literal

Strand = Literal["+", "-"]


@dataclass(frozen=True, slots=True)
class Gene:
    """A gene and where its transcription starts.

    Attributes
    ----------
    gene_id
        As in the expression table.
    contig
        As the reference FASTA names it, once the cohort is matched; before that, as the table does.
    tss
        0-based position of the transcription start site (the BED row's `end` − 1).
    strand
        `+` or `-`; tables that do not say are read as `+`.
    """

    gene_id: str
    contig: str
    tss: int
    strand: Strand = "+"
