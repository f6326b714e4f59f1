"""Genes, and splits of genes along the genome into training and held-out sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from haploscribe.utils.types import BoolArray, Int64Array

Strand = Literal["+", "-"]


@dataclass(frozen=True, slots=True)
class Gene:
    """A gene and its transcription start site.

    Attributes
    ----------
    gene_id
        As in the expression table.
    contig
        As the reference FASTA names it in a matched cohort; as in the table before that.
    tss
        0-based position of the transcription start site (the BED row's `end` − 1).
    strand
        `+` or `-`; `+` if the table has no strand.
    """

    gene_id: str
    contig: str
    tss: int
    strand: Strand = "+"


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
