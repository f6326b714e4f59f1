"""Open the inputs of a run, and match their samples and contigs."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from haploscribe.cohort.windows import GeneWindows
from haploscribe.config.options import CohortOptions
from haploscribe.errors import InputError
from haploscribe.expression.covariates import read_covariates, read_covariates_of
from haploscribe.expression.gene_annotation import GeneAnnotation
from haploscribe.expression.genes import Gene
from haploscribe.expression.table import ExpressionTable, read_expression, select_genes
from haploscribe.expression.text_tables import listed
from haploscribe.genome.contigs import match_contig
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.variant_filter import VariantFilter
from haploscribe.utils.files import write_if_absent
from haploscribe.utils.types import Float64Array
from haploscribe.utils.validated_json import validate_as


@dataclass(frozen=True, slots=True)
class SampleMatch:
    """Samples that all inputs share.

    Attributes
    ----------
    shared
        Their names, sorted, so that no result depends on the order of a file's columns.
    left_out
        For each input (`genotypes`, `expression`, and `covariates` where given), the names, sorted, that
        it has and another lacks.
    """

    shared: tuple[str, ...]
    left_out: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def describe(self) -> str:
        """Describe in one line how many samples are shared, and which are left out of each input."""
        parts = [f"{len(self.shared)} samples shared"]
        parts += [
            f"{len(names)} of {source} left out ({listed(names)})"
            for source, names in self.left_out.items()
            if names
        ]
        return "; ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort(GeneWindows):
    """Genotypes, reference sequence and expression of matched samples.

    Attributes
    ----------
    options
        Options that it was opened with.
    expression
        The table of `genes` in the matched samples, as read; in the order of the reference's contigs, then of
        TSS and name, whatever that of the file.
    all_genes
        The whole expression table, including genes that the run leaves out; contigs named as in the file.
    covariates
        float64 `(n_samples, n_covariates)`, or None.
    hidden_factors
        float64 `(n_samples, n_factors)`, or None.
    match
        The samples used and left out; `match.shared` is the order of every sample axis.
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


def open_cohort(
    options: CohortOptions,
    index_folder: Path,
    *,
    wide: bool = False,
    annotation: GeneAnnotation | None = None,
) -> Cohort:
    """Open all inputs and match them by sample name and contig name.

    Parameters
    ----------
    options
        The inputs.
    index_folder
        Where an index of the FASTA may be written when the user's file has none.
    wide
        Read the dosages of the genes' wide windows too.
    annotation
        Of the genes; None for that of `options.gtf`.

    Raises
    ------
    InputError
        When a file cannot be read, no samples are shared, or a gene lies outside the reference.
    """
    annotation = annotation or GeneAnnotation.read(options.gtf)
    variant_filter = VariantFilter(options.maf, options.no_ambiguous, options.snps).read()
    all_genes = _in_order(read_expression(options.expression, options.position, annotation))
    table = all_genes if options.genes is None else select_genes(all_genes, options.genes)
    if options.contig is not None:
        table = _on_contig(table, options.contig, options.expression)
    covariates = None if options.covariates is None else read_covariates(options.covariates)
    with ExitStack() as stack:
        reference = stack.enter_context(Reference.open(options.reference, index_folder))
        # Missing calls are checked over the whole run (haploscribe.cohort.scan), not region by region.
        reader = stack.enter_context(
            open_variants(
                options.variants, index_folder, assume_phased=options.assume_phased, max_missing=1.0
            )
        )
        match = match_samples(
            reader.sample_ids, table.sample_ids, None if covariates is None else covariates.sample_ids
        )
        expression = _match_genes(table.take_samples(match.shared), reference, reader.contigs, options)
        stack.pop_all()  # the cohort closes its files itself
    return Cohort(
        options=options,
        genotypes=Genotypes(reference, reader, match.shared, variant_filter),
        genes=expression.genes,
        window=options.window,
        tile_size=options.tile_size,
        wide=wide,
        expression=expression,
        all_genes=all_genes.take_samples(match.shared),
        hidden_factors=(
            None
            if options.hidden_factors is None
            else read_covariates_of(options.hidden_factors, match.shared, "hidden factors")
        ),
        covariates=None if covariates is None else covariates.take_samples(match.shared).values,
        match=match,
        genes_without_variants_file=len(table.genes) - len(expression.genes),
    )


_TABLES = "tables.json"
_ARRAYS = ("expression", "all_expression", "covariates", "hidden_factors")


def save_cohort(folder: Path, cohort: Cohort) -> None:
    """Write a matched cohort, without its genotypes, for other processes to open.

    Parameters
    ----------
    folder
        Output folder, named after the content; an existing one is left as it is.
    cohort
        The cohort.
    """
    if folder.is_dir():
        return
    tables = {
        "samples": cohort.match.shared,
        "genes": [asdict(gene) for gene in cohort.genes],
        "all_genes": [asdict(gene) for gene in cohort.all_genes.genes],
    }
    arrays = (cohort.values, cohort.all_genes.values, cohort.covariates, cohort.hidden_factors)
    with write_if_absent(folder) as aside:
        aside.mkdir()
        (aside / _TABLES).write_text(json.dumps(tables), encoding="utf-8")
        for name, array in zip(_ARRAYS, arrays, strict=True):
            if array is not None:
                np.save(aside / f"{name}.npy", array, allow_pickle=False)


def open_saved_cohort(folder: Path, options: CohortOptions, genotypes: Genotypes, *, wide: bool) -> Cohort:
    """Open a cohort that `save_cohort` wrote; processes of one machine share its memory-mapped arrays.

    Parameters
    ----------
    folder
        The folder that `save_cohort` wrote.
    options
        Options that the cohort was opened with.
    genotypes
        The samples' alleles.
    wide
        Read the dosages of the genes' wide windows too.
    """
    tables = json.loads((folder / _TABLES).read_text(encoding="utf-8"))
    samples = tuple(tables["samples"])
    genes, all_genes = (
        validate_as(tuple[Gene, ...], tables[name], folder / _TABLES) for name in ("genes", "all_genes")
    )
    files = {name: folder / f"{name}.npy" for name in _ARRAYS}
    arrays = {
        name: np.load(path, mmap_mode="r", allow_pickle=False)
        for name, path in files.items()
        if path.exists()
    }
    return Cohort(
        options=options,
        genotypes=genotypes,
        genes=genes,
        window=options.window,
        tile_size=options.tile_size,
        wide=wide,
        expression=ExpressionTable(genes, samples, arrays["expression"]),
        all_genes=ExpressionTable(all_genes, samples, arrays["all_expression"]),
        covariates=arrays.get("covariates"),
        hidden_factors=arrays.get("hidden_factors"),
        match=SampleMatch(samples),
        genes_without_variants_file=0,
    )


def match_gene_contigs(genes: Sequence[Gene], reference: Reference, source: Path) -> list[Gene]:
    """Return genes with their contigs named as in the reference.

    Parameters
    ----------
    genes
        Genes of a table.
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
            "is the file on another genome build than the FASTA?"
        )
    return placed


def _match_genes(
    table: ExpressionTable, reference: Reference, covered: tuple[str, ...], options: CohortOptions
) -> ExpressionTable:
    """Return the genes on contigs of the variants file, in genome order, named as in the reference."""
    placed = match_gene_contigs(table.genes, reference, options.expression)
    if not covered:
        raise InputError(f"{options.variants} has no variants; check that the file is complete")
    file, rank = str(options.variants), {name: index for index, name in enumerate(reference.contigs)}
    with_variants = {name for name in rank if match_contig(name, covered, file) is not None}
    covered_genes = [i for i, gene in enumerate(placed) if gene.contig in with_variants]
    if not covered_genes:
        raise InputError(
            f"{options.variants} has no contig of the {len(placed)} genes (such as {placed[0].contig}); "
            f"it has {', '.join(sorted(covered)[:5])}; give the file of the genes' contigs"
        )
    covered_genes.sort(key=lambda i: (rank[placed[i].contig], placed[i].tss, placed[i].gene_id))
    return replace(table, genes=tuple(placed)).take_genes(np.array(covered_genes, dtype=np.int64))


def _on_contig(table: ExpressionTable, contig: str, source: Path) -> ExpressionTable:
    """Return the table of the genes of a contig, named as in the table or not."""
    contigs = [gene.contig for gene in table.genes]
    name = match_contig(contig, dict.fromkeys(contigs), str(source))
    if name is None:
        raise InputError(
            f"--contig {contig}: no gene of the run is on it in {source}, they are on "
            f"{listed(list(dict.fromkeys(contigs)))}; name one of these"
        )
    return table.take_genes(np.flatnonzero(np.array(contigs, dtype=object) == name))


def _in_order(table: ExpressionTable) -> ExpressionTable:
    """Sort genes by contig, TSS and name, so that sums over genes do not depend on the order of the file."""
    genes = table.genes
    order = sorted(range(len(genes)), key=lambda i: (genes[i].contig, genes[i].tss, genes[i].gene_id))
    return table.take_genes(np.array(order, dtype=np.int64))


def match_samples(
    genotype_ids: Sequence[str], expression_ids: Sequence[str], covariate_ids: Sequence[str] | None = None
) -> SampleMatch:
    """Find the samples that the genotypes, the expression and the covariates (where given) share.

    Raises
    ------
    InputError
        When no sample is shared; shows how each input names its samples.
    """
    sources = {"genotypes": set(genotype_ids), "expression": set(expression_ids)}
    if covariate_ids is not None:
        sources["covariates"] = set(covariate_ids)
    shared = set.intersection(*sources.values())
    if not shared:
        names = "; ".join(f"{source}: {listed(sorted(ids)) or 'none'}" for source, ids in sources.items())
        transposed = " (rows are covariates, columns samples)" if covariate_ids is not None else ""
        raise InputError(
            f"{' and '.join(sources)} share no sample ({names}); "
            f"name the samples alike in every file{transposed}"
        )
    return SampleMatch(
        tuple(sorted(shared)), {source: tuple(sorted(ids - shared)) for source, ids in sources.items()}
    )
