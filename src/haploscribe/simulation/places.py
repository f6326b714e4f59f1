"""Where simulated genes lie."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import numpy as np

from haploscribe.expression.genes import Gene, Strand

Attempt = TypeVar("Attempt")

_STRANDS: tuple[Strand, Strand] = ("+", "-")


def gene_at(contig: str, tss: int, generator: np.random.Generator) -> Gene:
    """Make a gene at a place, named by it, on a strand that is drawn.

    Parameters
    ----------
    contig, tss
        Its place; `tss` is 0-based.
    generator
        Source of randomness.
    """
    return Gene(f"GENE_{contig}_{tss + 1}", contig, tss, _STRANDS[generator.integers(2)])


def place_genes(
    contigs: Mapping[str, int],
    window: int,
    n_genes: int,
    generator: np.random.Generator,
    attempt: Callable[[Gene], Attempt | None],
) -> list[Attempt]:
    """Draw TSSs until enough genes are found, spread over the contigs.

    The contigs are cut into cells as wide as the cis window. Each round tries one TSS in each cell, in an
    order drawn once; a cell that fails is not tried again.

    Parameters
    ----------
    contigs
        Lengths in base pairs.
    window
        Width of the cis window in base pairs.
    n_genes
        How many are wanted.
    generator
        Source of randomness.
    attempt
        Makes of a gene what is wanted, or None where its place does not suit.

    Returns
    -------
    list
        What `attempt` made; fewer than `n_genes` where there is no more place.
    """
    cells = [
        (contig, start, min(start + window, length))
        for contig, length in contigs.items()
        for start in range(0, length, window)
    ]
    cells = [cells[i] for i in generator.permutation(len(cells)).tolist()]
    found: dict[tuple[str, int], Attempt] = {}
    while cells and len(found) < n_genes:
        suitable = []
        for contig, start, end in cells:
            tss = int(generator.integers(start, end))
            gene = gene_at(contig, tss, generator)
            made = None if (contig, tss) in found else attempt(gene)
            if made is not None:
                found[contig, tss] = made
                suitable.append((contig, start, end))
            if len(found) == n_genes:
                break
        cells = suitable
    return list(found.values())


def choose_genes(
    genes: Iterable[Gene],
    n_genes: int | None,
    generator: np.random.Generator,
    attempt: Callable[[Gene], Attempt | None],
) -> list[Attempt]:
    """Try given genes in an order that is drawn, until enough suit.

    Parameters
    ----------
    genes
        The genes.
    n_genes
        How many are wanted; None for all that suit.
    generator, attempt
        As `place_genes`.

    Returns
    -------
    list
        What `attempt` made; fewer than `n_genes` where no more genes suit.
    """
    listed = list(genes)
    found: list[Attempt] = []
    for i in generator.permutation(len(listed)).tolist():
        if len(found) == n_genes:
            break
        made = attempt(listed[i])
        if made is not None:
            found.append(made)
    return found
