"""The inputs of a run, opened and matched: who is in it, and which genes."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from haploscribe.arrays import Float64Array
from haploscribe.errors import InputError
from haploscribe.expression.covariates import read_covariates
from haploscribe.expression.genes import Gene
from haploscribe.expression.samples import SampleMatch, match_samples
from haploscribe.expression.table import ExpressionTable, read_expression, select_genes
from haploscribe.expression.text_tables import listed
from haploscribe.genome.contigs import match_contig
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.options import CohortOptions
from haploscribe.windows import GeneWindows


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort(GeneWindows):
    """Genotypes, sequence and expression of the same people.

    Attributes
    ----------
    options
        What it was opened with.
    expression
        The table of `genes` in the matched samples, as read; in the order of the reference's contigs, then of
        TSS and name, whatever that of the file.
    all_genes
        The whole expression table, genes that the run leaves out among them, contigs named as in the file.
    covariates
        float64 `(n_samples, n_covariates)`, or None.
    hidden_factors
        float64 `(n_samples, n_factors)`, or None.
    match
        Who is in and who was left out; `match.shared` is the order of every sample axis.
    genes_without_variants_file
        Genes left out because the variants file does not cover their contig.
    """

    options: CohortOptions
    expression: ExpressionTable
    all_genes: ExpressionTable
    covariates: Float64Array | None
    hidden_factors: Float64Array | None
    match: SampleMatch
    genes_without_variants_file: int

    @property
    def values(self) -> Float64Array:
        """float64 `(n_genes, n_samples)`; expression as read."""
        return self.expression.values


def open_cohort(options: CohortOptions, index_folder: Path, *, wide: bool = False) -> Cohort:
    """Open all inputs and match them by sample name and contig name.

    Parameters
    ----------
    options
        The inputs.
    index_folder
        Where an index of the FASTA may be written when the user's file has none.
    wide
        Read the dosages of the genes' wide windows too.

    Raises
    ------
    InputError
        When a file cannot be read, no samples are shared, or a gene lies outside the reference.
    """
    _check_ranges(options)
    all_genes = _in_order(read_expression(options.expression))
    table = all_genes if options.genes is None else select_genes(all_genes, options.genes)
    covariates = None if options.covariates is None else read_covariates(options.covariates)
    with ExitStack() as stack:
        reference = stack.enter_context(Reference.open(options.reference, index_folder))
        # Missing calls are judged over the whole run (haploscribe.stages.survey), not region by region.
        reader = stack.enter_context(
            open_variants(
                options.variants, index_folder, assume_phased=options.assume_phased, max_missing=1.0
            )
        )
        match = match_samples(
            reader.sample_ids, table.sample_ids, None if covariates is None else covariates.sample_ids
        )
        expression = _place_genes(table.take_samples(match.shared), reference, reader.contigs, options)
        stack.pop_all()  # all is well: the cohort closes its files itself
    return Cohort(
        options=options,
        genotypes=Genotypes(reference, reader, match.shared, options.maf),
        genes=expression.genes,
        window=options.window,
        tile_size=options.tile,
        wide=wide,
        expression=expression,
        all_genes=all_genes.take_samples(match.shared),
        hidden_factors=_read_hidden_factors(options.hidden_factors, match.shared),
        covariates=None if covariates is None else covariates.take_samples(match.shared).values,
        match=match,
        genes_without_variants_file=len(table.genes) - len(expression.genes),
    )


def open_surveyed(options: CohortOptions, index_folder: Path, folder: Path, *, wide: bool = False) -> Cohort:
    """Open a cohort to read variants from the blocks that its survey left in a folder: see `open_cohort`."""
    cohort = open_cohort(options, index_folder, wide=wide)
    cohort.genotypes.reader.close()
    return cohort.reading_from(folder)


def _read_hidden_factors(path: Path | None, sample_ids: tuple[str, ...]) -> Float64Array | None:
    if path is None:
        return None
    factors = read_covariates(path)
    missing = sorted(set(sample_ids) - set(factors.sample_ids))
    if missing:
        raise InputError(
            f"{path} lacks {len(missing)} of the run's {len(sample_ids)} samples ({listed(missing)}); "
            "give hidden factors of all of them"
        )
    return factors.take_samples(sample_ids).values


def _check_ranges(options: CohortOptions) -> None:
    if options.window <= 0:
        raise InputError(f"--window {options.window}: give a width in base pairs, such as 196608")
    if options.tile <= 0:
        raise InputError(f"--tile {options.tile}: give a size in base pairs, such as 5994")
    if not 0 <= options.maf < 0.5:
        raise InputError(f"--maf {options.maf:g}: give a frequency from 0 to below 0.5")


def placed_genes(genes: Sequence[Gene], reference: Reference, source: Path) -> list[Gene]:
    """Name genes' contigs as the reference does.

    Parameters
    ----------
    genes
        As a table has them.
    reference
        The FASTA.
    source
        The table, for messages.

    Raises
    ------
    InputError
        When a contig is not in the reference, or a gene lies outside it.
    """
    contigs = {name: reference.resolve(name) for name in {gene.contig for gene in genes}}
    placed = [replace(gene, contig=contigs[gene.contig]) for gene in genes]
    outside = [gene for gene in placed if not 0 <= gene.tss < reference.contigs[gene.contig]]
    if outside:
        first = outside[0]
        raise InputError(
            f"{source}: {len(outside)} of {len(placed)} genes lie outside the reference, first "
            f"{first.gene_id} at {first.contig}:{first.tss + 1:,} of {reference.contigs[first.contig]:,} bp; "
            "is the expression table on another genome build than the FASTA?"
        )
    return placed


def _place_genes(
    table: ExpressionTable, reference: Reference, covered: tuple[str, ...], options: CohortOptions
) -> ExpressionTable:
    """Name contigs as the reference does; keep genes on those of the variants file, in genome order."""
    placed = placed_genes(table.genes, reference, options.expression)
    if not covered:
        raise InputError(f"{options.variants} has no variants; check that it was written to its end")
    file, rank = str(options.variants), {name: place for place, name in enumerate(reference.contigs)}
    with_variants = {name for name in rank if match_contig(name, covered, file) is not None}
    kept = [i for i, gene in enumerate(placed) if gene.contig in with_variants]
    if not kept:
        raise InputError(
            f"{options.variants} has no contig of the {len(placed)} genes (such as {placed[0].contig}); "
            f"it has {', '.join(sorted(covered)[:5])}; give the file of the genes' contigs"
        )
    kept.sort(key=lambda i: (rank[placed[i].contig], placed[i].tss, placed[i].gene_id))
    return replace(table, genes=tuple(placed)).take_genes(np.array(kept, dtype=np.int64))


def _in_order(table: ExpressionTable) -> ExpressionTable:
    """Put genes in an order of their own: sums over genes must not depend on that of the file."""
    genes = table.genes
    order = sorted(range(len(genes)), key=lambda i: (genes[i].contig, genes[i].tss, genes[i].gene_id))
    return table.take_genes(np.array(order, dtype=np.int64))
