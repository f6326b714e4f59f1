"""Match the genes of an expression table with those of an annotation, by ID and by place."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene, without_version
from haploscribe.expression.gtf import read_gtf
from haploscribe.genome.contigs import match_contig

FARTHEST = 1_000_000
"""Base pairs between a gene in the table and in the annotation above which they are not the same."""


@dataclass(frozen=True, slots=True)
class GeneAnnotation:
    """What is known of genes from elsewhere than the expression table.

    Attributes
    ----------
    source
        Where from, for messages.
    genes
        Genes with bounds, in any order; an ID may come more than once.
    is_partial
        Whether these are the genes of a finished run, which need not be all of the table: rows whose TSS
        only an annotation can tell are then left out where it lacks them, rather than refused.
    """

    source: str
    genes: tuple[Gene, ...]
    is_partial: bool = False

    @classmethod
    def read(cls, path: Path | None, *, exons: bool = False) -> Self | None:
        """Read a GTF, as `read_gtf` does; None for none."""
        return None if path is None else cls(str(path), read_gtf(path, exons=exons))

    @classmethod
    def of_run(cls, genes: Sequence[Gene]) -> Self:
        """Return what a finished run has saved of its genes."""
        return cls("the run", tuple(gene for gene in genes if gene.start is not None), is_partial=True)


def match_genes(rows: Sequence[Gene], annotation: GeneAnnotation, table: Path) -> list[Gene | None]:
    """Find the genes of an expression table in an annotation.

    An ID matches itself, or else the one ID that differs from it by the version alone. Of several genes of
    that ID, such as those of the pseudoautosomal regions, the nearest is taken. A gene on another contig, or
    more than `FARTHEST` away, is not matched.

    Parameters
    ----------
    rows
        The genes of the table; their bounds are those of the table's rows.
    annotation
        The annotation.
    table
        The table, for messages.

    Returns
    -------
    For each row its gene in the annotation, or None.

    Raises
    ------
    InputError
        When no ID matches, most genes lie elsewhere, or a strand is another.
    """
    named = same_ids(rows, annotation.genes)
    found = [_nearest(row, same) for row, same in zip(rows, named, strict=True)]
    if not annotation.is_partial:
        _check_fit(rows, named, found, annotation, table)
    opposite = [
        (row, gene)
        for row, gene in zip(rows, found, strict=True)
        if gene is not None and {row.strand, gene.strand} == {"+", "-"}
    ]
    if opposite:
        row, gene = opposite[0]
        raise InputError(
            f"{table}: {len(opposite)} of {len(rows)} genes have another strand than in {annotation.source}, "
            f"first {row.gene_id}, {row.strand} here and {gene.strand} there; correct the table, or give the "
            "GTF that it was made with"
        )
    return found


def same_ids(rows: Sequence[Gene], genes: Sequence[Gene]) -> list[list[Gene]]:
    """Return for each row the genes of its ID, wherever they lie.

    An ID matches itself, or else the one ID that differs from it by the version alone.
    """
    by_id: dict[str, list[Gene]] = {}
    for gene in genes:
        by_id.setdefault(gene.gene_id, []).append(gene)
    # What matches exactly is not there for other versions: AC004.1 and AC004.2 may be two genes.
    in_table = {row.gene_id for row in rows}
    n_rows = Counter(without_version(row.gene_id) for row in rows if row.gene_id not in by_id)
    by_stem: dict[str, list[str]] = {}
    for gene_id in by_id.keys() - in_table:
        by_stem.setdefault(without_version(gene_id), []).append(gene_id)
    named = []
    for row in rows:
        stem = without_version(row.gene_id)
        others = by_stem.get(stem, []) if n_rows[stem] == 1 else []
        named.append(by_id.get(row.gene_id) or (by_id[others[0]] if len(others) == 1 else []))
    return named


def _nearest(row: Gene, genes: Sequence[Gene]) -> Gene | None:
    """Return the gene nearest to a row, if it is near."""
    (start, end), near = row.bounds, []
    for gene in genes:
        if match_contig(row.contig, (gene.contig,)) is not None:
            first, last = gene.bounds
            near.append((max(first - end, start - last, 0), gene))
    distance, nearest = min(near, key=lambda one: one[0], default=(FARTHEST + 1, None))
    return nearest if distance <= FARTHEST else None


def _check_fit(
    rows: Sequence[Gene],
    named: Sequence[Sequence[Gene]],
    found: Sequence[Gene | None],
    annotation: GeneAnnotation,
    table: Path,
) -> None:
    """Check that the annotation has the genes of the table, and most of them where the table has them."""
    if not any(named):
        raise InputError(
            f"{annotation.source} has none of the {len(rows)} genes of {table}: its ids look like "
            f"{annotation.genes[0].gene_id}, those of the table like {rows[0].gene_id}; give the GTF "
            "with the ids of the table"
        )
    elsewhere = [i for i, gene in enumerate(found) if gene is None and named[i]]
    n_named = sum(map(bool, named))
    if 2 * len(elsewhere) > n_named:
        row, gene = rows[elsewhere[0]], named[elsewhere[0]][0]
        raise InputError(
            f"{annotation.source} has {len(elsewhere)} of {n_named} genes elsewhere than {table}, first "
            f"{row.gene_id}: {gene.contig}:{gene.bounds[0] + 1:,} there, {row.contig}:{row.tss + 1:,} here; "
            "give the GTF of the table's genome build"
        )
