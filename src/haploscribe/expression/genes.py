"""Genes, and splits of genes along the genome into training and held-out sets."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from haploscribe.utils.names import require_printable
from haploscribe.utils.types import BoolArray, Int64Array

Strand = Literal["+", "-", "."]
STRANDS: Mapping[str, Strand] = {"+": "+", "-": "-", ".": "."}
"""What files may write for a strand."""


@dataclass(frozen=True, slots=True)
class Gene:
    """A gene and its transcription start site; what only an annotation tells is None without one.

    Attributes
    ----------
    gene_id
        As in the expression table.
    contig
        As the reference FASTA names it in a matched cohort; as in the table before that.
    tss
        0-based position of the transcription start site.
    strand
        `+` or `-`; `.` where it is unknown.
    symbol
        Name of the gene, such as `COMT`; None too where the annotation repeats its ID.
    biotype
        Such as `protein_coding`.
    start, end
        Bounds of the gene, 0-based half-open.
    exons
        Spans of the exons of all transcripts, 0-based half-open, sorted and apart; none where no model reads
        them.
    """

    gene_id: str
    contig: str
    tss: int
    strand: Strand = "."
    symbol: str | None = None
    biotype: str | None = None
    start: int | None = None
    end: int | None = None
    exons: tuple[tuple[int, int], ...] = ()

    @property
    def direction(self) -> Literal[1, -1]:
        """Which way downstream is: 1 towards higher coordinates, also where the strand is unknown, or −1."""
        return -1 if self.strand == "-" else 1

    @property
    def bounds(self) -> tuple[int, int]:
        """Bounds of the gene, 0-based half-open; those of its TSS where no others are known."""
        if self.start is None or self.end is None:
            return self.tss, self.tss + 1
        return self.start, self.end

    @property
    def label(self) -> str:
        """The symbol with the ID in brackets, or the ID alone."""
        return gene_label(self.gene_id, self.symbol)


def gene_label(gene_id: str, symbol: str | None) -> str:
    """Return the symbol of a gene with its ID in brackets, or the ID alone where there is no symbol."""
    return gene_id if symbol is None else f"{symbol} ({gene_id})"


def require_printable_genes(genes: Sequence[Gene], where: object) -> None:
    """Raise InputError for an ID, a symbol or a biotype with characters that are not printable."""
    require_printable((gene.gene_id for gene in genes), "gene id", where)
    require_printable((gene.symbol or "" for gene in genes), "gene symbol", where)
    require_printable((gene.biotype or "" for gene in genes), "gene biotype", where)


def without_version(gene_id: str) -> str:
    """Return an ID without its version: `ENSG00000100030.14` → `ENSG00000100030`."""
    return re.sub(r"\.\d+$", "", gene_id)


@dataclass(frozen=True, slots=True)
class GeneSplit:
    """Genes to train on and to hold out, by their indices in the list that was split.

    Attributes
    ----------
    number
        1-based, along the genome.
    training
        int64 `(n_training,)`; genes to train on. May be empty.
    held_out
        int64 `(n_held_out,)`; genes to predict.
    """

    number: int
    training: Int64Array
    held_out: Int64Array


def single_split(n_genes: int) -> tuple[GeneSplit, ...]:
    """Return one split in which every gene is both trained on and predicted (new samples, known genes)."""
    indices = np.arange(n_genes, dtype=np.int64)
    return (GeneSplit(1, indices, indices),)


def split_genes(genes: Sequence[Gene], spans: Int64Array, n_splits: int) -> tuple[GeneSplit, ...]:
    """Split genes along the genome into contiguous sets, sizes within one gene; hold out each set once.

    Neighbouring genes share variants, tiles and regulatory elements, so a gene whose neighbour was trained on
    is not unseen. Sets are therefore contiguous, and a gene whose span overlaps that of any held-out gene is
    neither trained on nor predicted in that split.

    Parameters
    ----------
    genes
        `n_genes` genes, in any order.
    spans
        int64 `(n_genes, 2)`; start and end of each gene's cis window, 0-based half-open.
    n_splits
        Number of splits, from 1 to `n_genes`.
    """
    order = sorted(range(len(genes)), key=lambda i: (genes[i].contig, genes[i].tss, genes[i].gene_id))
    contigs = np.array([gene.contig for gene in genes], dtype=object)
    splits = []
    for number, held_out in enumerate(np.array_split(np.array(order, dtype=np.int64), n_splits), start=1):
        near = np.zeros(len(genes), dtype=np.bool_)
        for contig in set(contigs[held_out]):
            here = contigs == contig
            near[here] = _overlapping(spans[here], spans[held_out[contigs[held_out] == contig]])
        training = np.array([i for i in order if not near[i]], dtype=np.int64)
        splits.append(GeneSplit(number, training, held_out))
    return tuple(splits)


def _overlapping(spans: Int64Array, others: Int64Array) -> BoolArray:
    """Return which spans `(n, 2)` overlap any of the others `(m, 2)`: bool `(n,)`."""
    # Others that start before a span ends, minus those that end before it starts.
    started = np.searchsorted(np.sort(others[:, 0]), spans[:, 1], side="left")
    ended = np.searchsorted(np.sort(others[:, 1]), spans[:, 0], side="right")
    return np.asarray(started > ended)
