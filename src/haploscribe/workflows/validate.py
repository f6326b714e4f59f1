"""Open a run's inputs, read them all once, and stop at the first fault."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from haploscribe.cohort.cohort import Cohort, open_cohort, save_cohort
from haploscribe.cohort.missing_calls import TWINS_LABEL, ModelNames
from haploscribe.cohort.scan import ScannedBlock, VariantScan, merge_scans, scan_block
from haploscribe.config.options import CohortOptions
from haploscribe.estimators.registry import ModelSpec, missing_twins
from haploscribe.expression.gene_annotation import GeneAnnotation
from haploscribe.expression.text_tables import listed
from haploscribe.genome.readers.cache import CachedGenotypes, write_variant_samples
from haploscribe.genome.readers.open import variant_files
from haploscribe.genome.tiles import TileBlock, tile_blocks
from haploscribe.genome.variants import VariantCounts
from haploscribe.parallel.executor import Executor
from haploscribe.utils.files import remove_on_error, temporary_prefix
from haploscribe.utils.hashing import work_key
from haploscribe.utils.progress import Advance, stage
from haploscribe.utils.types import BoolArray
from haploscribe.workflows.work import GenotypeFile, WorkContext, WorkSpec

INDEX_NAME = "index"
WITHOUT_STRAND = "genes without strand"
"""What a summary calls them."""
UNFINISHED_NAME = ".unfinished"


@dataclass(frozen=True, slots=True)
class ValidatedCohort:
    """A cohort whose inputs were all read and found sound.

    Attributes
    ----------
    cohort
        The opened cohort; it reads the variants file.
    scan
        Its variants.
    spec
        What other processes need: the cached genotypes and the matched expression.
    """

    cohort: Cohort
    scan: VariantScan
    spec: WorkSpec

    @property
    def cached(self) -> Cohort:
        """The cohort, reading the genotype cache that the scan has left in place of the file."""
        assert isinstance(self.spec.genotypes, CachedGenotypes)
        return self.cohort.with_cached_genotypes(self.spec.genotypes.folder)

    def summary(self, models: Sequence[ModelSpec] | None = None) -> dict[str, str | int]:
        """Return what was found, by its names in print.

        Parameters
        ----------
        models
            Models of the run, of which those that lack the strand of a gene, or a dosage twin, are named;
            None where they are not known.
        """
        cohort = self.cohort
        without_gtf = np.array([gene.start is None for gene in cohort.genes], dtype=np.bool_)
        annotated: dict[str, str | int] = {}
        if cohort.options.gtf is not None:
            annotated["genes that the GTF lacks"] = _named(cohort, without_gtf)
        n_without_strand = sum(gene.strand == "." for gene in cohort.genes)
        if n_without_strand:
            annotated[WITHOUT_STRAND] = (
                f"{n_without_strand:,} of {len(cohort.genes):,}, {_taken_as_forward(models)}"
            )
        return {
            "samples": cohort.match.describe(),
            "genes": len(cohort.genes),
            **annotated,
            "cis window": f"±{cohort.window // 2:,} bp",
            "genes on contigs without variants, left out": cohort.genes_without_variants_file,
            "genes without variation": _named(cohort, np.ptp(cohort.values, axis=1) == 0),
            "genes with zeros in over half of the samples": _named(
                cohort, (cohort.values == 0).mean(axis=1) > 0.5
            ),
            "covariates": 0 if cohort.covariates is None else cohort.covariates.shape[1],
            "hidden factors": 0 if cohort.hidden_factors is None else cohort.hidden_factors.shape[1],
            "genes for expression heterogeneity": len(cohort.all_genes.genes),
            **self.scan.summary(cohort.match.shared),
            **_twins_to_add(self.scan.counts, models or ()),
        }


def _twins_to_add(counts: VariantCounts, models: Sequence[ModelSpec]) -> dict[str, str]:
    """Say which dosage twins compare like with like, where dosages are not the counts of the alleles."""
    missing = missing_twins(models)
    if not missing or not (counts.n_missing_calls or counts.n_uncertain_calls):
        return {}
    return {TWINS_LABEL: ", ".join(missing)}


def _taken_as_forward(models: Iterable[ModelSpec] | None) -> str:
    """Say which models take genes without a strand as on +."""
    if models is None:
        readers = "models that know upstream from downstream"
    else:
        readers = ", ".join(spec.name for spec in models if spec.capabilities.reads_strand)
    if not readers:
        return "which no model of the run reads"
    return f"taken as on + by {readers}; give --gtf, or a column strand"


def _named(cohort: Cohort, chosen: BoolArray) -> str | int:
    """Return how many genes are chosen, bool `(n_genes,)`, and the names of the first."""
    names = [gene.gene_id for gene, one in zip(cohort.genes, chosen.tolist(), strict=True) if one]
    return f"{len(names):,} ({listed(names)})" if names else 0


def names_by_input(specs: Iterable[ModelSpec]) -> ModelNames:
    """Tell models that spell haplotypes from calls, or count their alleles, from those of dosages."""
    able = {spec.name: spec.capabilities for spec in specs}
    of_calls = [name for name, one in able.items() if one.reads_deltas or one.zero_shot or one.hard_calls]
    return ModelNames(tuple(of_calls), tuple(name for name in able if name not in of_calls))


@contextmanager
def validated_cohort(
    options: CohortOptions,
    executor: Executor,
    folder: Path | None = None,
    *,
    wide: bool = False,
    annotation: GeneAnnotation | None = None,
    models: ModelNames = ModelNames(),  # noqa: B008 - immutable
) -> Iterator[ValidatedCohort]:
    """Open the inputs and read them all; they are closed after the block.

    Parameters
    ----------
    options
        The inputs.
    executor
        Reads the variants.
    folder
        Where indexes that the inputs lack, the genotype cache and the matched cohort may stay for later
        stages and other processes; None for a temporary folder and no cache.
    wide
        Read the dosages of the genes' wide windows too.
    annotation
        As for `open_cohort`.
    models
        Models for which too many calls may be missing.

    Raises
    ------
    InputError
        When an input is at fault.
    """
    with ExitStack() as stack:
        temporary = None
        if folder is None:
            temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=temporary_prefix())))
        index_folder = temporary or folder / INDEX_NAME  # type: ignore[operator]
        cohort = stack.enter_context(open_cohort(options, index_folder, wide=wide, annotation=annotation))
        work = temporary or folder / UNFINISHED_NAME / _cache_key(cohort)  # type: ignore[operator]
        with ExitStack() as keeping:
            if temporary is None:
                keeping.enter_context(remove_on_error(work.parent))
                keeping.enter_context(remove_on_error(work))
            contigs = cohort.genotypes.reference.contigs
            blocks = list(tile_blocks(cohort.windows_to_read(), cohort.tile_size, contigs))
            n_tiles = sum(block.n_wanted for block in blocks)
            advance = keeping.enter_context(stage("Reading variants", n_tiles, "tiles"))
            scan = _scan(
                cohort, blocks, executor, index_folder, work, advance, models, cache=temporary is None
            )
            if temporary is None:
                save_cohort(work / "cohort", cohort)
        cached = CachedGenotypes(options.reference, index_folder, work / "variants", options.tile_size)
        spec = WorkSpec(genotypes=cached, folder=work, cohort=options, cohort_folder=work / "cohort")
        yield ValidatedCohort(cohort, scan, spec)


def _scan(
    cohort: Cohort,
    blocks: Sequence[TileBlock],
    executor: Executor,
    index_folder: Path,
    work: Path,
    advance: Advance,
    models: ModelNames,
    *,
    cache: bool,
) -> VariantScan:
    """Read all variants near the genes, in one pass."""
    options, folder = cohort.options, work / "variants"
    write_variant_samples(folder, cohort.match.shared)
    file = GenotypeFile(
        variants=options.variants,
        reference=options.reference,
        index_folder=index_folder,
        samples=folder,
        filter=cohort.genotypes.filter,
        assume_phased=options.assume_phased,
    )
    spec = WorkSpec(genotypes=file, folder=work)
    context = WorkContext(spec, genotypes=cohort.genotypes)
    task = partial(_scan_block, folder=folder if cache else None)

    def scanned() -> Iterator[ScannedBlock]:
        for found in executor.map(spec, task, blocks, context):
            advance(found.block.n_wanted)
            yield found

    return merge_scans(cohort, scanned(), models)


def _scan_block(context: WorkContext, block: TileBlock, folder: Path | None) -> ScannedBlock:
    return scan_block(context.genotypes, block, folder)


def _cache_key(cohort: Cohort) -> str:
    """Return a name for all that the cache depends on, so that the cache of another run is never used."""
    return "cohort-" + work_key(
        cohort.options,
        *variant_files(cohort.options.variants),
        cohort.options.expression,
        cohort.options.covariates,
        cohort.options.hidden_factors,
        cohort.options.gtf,
        cohort.options.snps,
        cohort.wide,
        *cohort.match.shared,
    )
