"""Blocks of genes along the genome: which are learned from and which are held out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from haploscribe.expression.genes import Gene
from haploscribe.utils.types import BoolArray, Int64Array


@dataclass(frozen=True, slots=True)
class GeneBlock:
    """One split of the genes, by their places in the list that was split.

    Attributes
    ----------
    number
        1-based, along the genome.
    training
        int64 `(n_training,)`; the genes to learn from. May be empty.
    held_out
        int64 `(n_held_out,)`; the genes to predict.
    """

    number: int
    training: Int64Array
    held_out: Int64Array


def all_genes_seen(n_genes: int) -> tuple[GeneBlock, ...]:
    """Learn from all genes and predict all: for new people at trained genes."""
    everything = np.arange(n_genes, dtype=np.int64)
    return (GeneBlock(1, everything, everything),)


def cut_genes(genes: Sequence[Gene], spans: Int64Array, n_blocks: int) -> tuple[GeneBlock, ...]:
    """Cut genes into blocks along the genome, each held out once, their sizes differing by one at most.

    Neighbours share variants, tiles and regulatory elements, so a gene whose neighbour was learned from is
    not unseen. Hence blocks are contiguous, and a gene that shares a base with the span of any held-out
    gene is neither learned from nor predicted in that split.

    Parameters
    ----------
    genes
        `n_genes` genes; their order does not matter to the blocks.
    spans
        int64 `(n_genes, 2)`; start and end of what is read of each gene, 0-based half-open: its cis window,
        extended to whole tiles.
    n_blocks
        How many, from 1 to `n_genes`.
    """
    order = sorted(range(len(genes)), key=lambda i: (genes[i].contig, genes[i].tss, genes[i].gene_id))
    contigs = np.array([gene.contig for gene in genes], dtype=object)
    blocks = []
    for number, held_out in enumerate(np.array_split(np.array(order, dtype=np.int64), n_blocks), start=1):
        near = np.zeros(len(genes), dtype=np.bool_)
        for contig in set(contigs[held_out]):
            here = contigs == contig
            near[here] = _overlapping(spans[here], spans[held_out[contigs[held_out] == contig]])
        training = np.array([i for i in order if not near[i]], dtype=np.int64)
        blocks.append(GeneBlock(number, training, held_out))
    return tuple(blocks)


def _overlapping(spans: Int64Array, others: Int64Array) -> BoolArray:
    """Mark the spans `(n, 2)` that share a base with any of the others `(m, 2)`, bool `(n,)`."""
    # Of the others, those that begin before a span ends, less those that end before it begins.
    begun = np.searchsorted(np.sort(others[:, 0]), spans[:, 1], side="left")
    ended = np.searchsorted(np.sort(others[:, 1]), spans[:, 0], side="right")
    return np.asarray(begun > ended)
