"""Read the target samples' variants once, and cache their alleles at the variants that saved models know."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np

from haploscribe.cohort.missing_calls import MissingCalls, ModelNames, check_missing_calls
from haploscribe.cohort.windows import GeneWindows
from haploscribe.config.finished_runs import PredictionOptions
from haploscribe.errors import InputError
from haploscribe.genome.contigs import match_contig
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.cache import CachedGenotypes, write_variant_block, write_variant_samples
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import Interval, TileBlock, tile_blocks
from haploscribe.genome.variants import VariantCounts, VariantReader, Variants, sum_counts
from haploscribe.parallel.executor import Executor
from haploscribe.results.known_variants import KnownVariants
from haploscribe.results.models_folder import ModelsRecord, read_known_variants
from haploscribe.results.saved_models import windows_of
from haploscribe.utils.progress import Advance, stage
from haploscribe.utils.types import BoolArray, Float64Array, Int64Array
from haploscribe.workflows.predict.matching import MatchedVariants, match_variants
from haploscribe.workflows.validate import INDEX_NAME
from haploscribe.workflows.work import GenotypeFile, WorkContext, WorkSpec


@dataclass(frozen=True, slots=True)
class ContigColumns:
    """The dosage columns of the known variants of one contig, in genome order.

    Attributes
    ----------
    positions
        int64 `(n_columns,)`; 0-based.
    found, swapped
        bool `(n_columns,)`; whether the target file has the variant, and with REF and ALT swapped.
    means
        float64 `(n_columns,)`; mean dosage of the training samples.
    missing
        int64 `(n_columns,)`; target samples that miss their call.
    extra
        int64 `(n_extra,)`; positions, ascending, of ALT alleles that target samples carry and no model knows.
    """

    positions: Int64Array
    found: BoolArray
    swapped: BoolArray
    means: Float64Array
    missing: Int64Array
    extra: Int64Array

    def between(self, window: Interval) -> "ContigColumns":
        """Return the columns that start in a window."""
        bounds = (window.start, window.end)
        first, last = np.searchsorted(self.positions, bounds)
        first_extra, last_extra = np.searchsorted(self.extra, bounds)
        here = slice(first, last)
        return ContigColumns(
            self.positions[here],
            self.found[here],
            self.swapped[here],
            self.means[here],
            self.missing[here],
            self.extra[first_extra:last_extra],
        )


@dataclass(frozen=True, slots=True)
class TargetSamples:
    """The samples to predict, their variants matched with those that the saved models know.

    Attributes
    ----------
    windows
        The genes' windows in these samples, reading the genotype cache that the matching has left.
    spec
        How other processes open their genotypes.
    columns
        By contig.
    contigs
        Those of `columns` that their file has.
    missing
        Their missing calls at the known variants.
    counts
        Counts of all records read.
    """

    windows: GeneWindows
    spec: WorkSpec
    columns: Mapping[str, ContigColumns]
    contigs: frozenset[str]
    missing: MissingCalls
    counts: VariantCounts


@contextmanager
def target_samples(
    options: PredictionOptions,
    record: ModelsRecord,
    flank: int,
    models: ModelNames,
    executor: Executor,
    work: Path,
) -> Iterator[TargetSamples]:
    """Read the file of the target samples in one pass, and cache their alleles at the known variants.

    Parameters
    ----------
    options
        The inputs.
    record
        The models' record, perhaps with only some of its genes.
    flank
        See `GeneWindows.flank`; 0 where no zero-shot model is queried.
    models
        Models to query.
    executor
        Runs the work.
    work
        Folder for indexes that the inputs lack, and the cache.

    Yields
    ------
    The samples; their files are closed after the block.

    Raises
    ------
    InputError
        When a file is damaged, REF differs from the FASTA, a heterozygote is unphased, too many calls are
        missing, or no known variant is in the file.
    """
    index_folder, folder = work / INDEX_NAME, work / "variants"
    with ExitStack() as stack:
        reference = stack.enter_context(Reference.open(options.reference, index_folder))
        # Missing calls are judged over all blocks, not block by block.
        reader = stack.enter_context(
            open_variants(
                options.variants, index_folder, assume_phased=options.assume_phased, max_missing=1.0
            )
        )
        samples = reader.sample_ids
        if not samples:
            raise InputError(
                f"{options.variants} has no samples; give the genotypes of the samples to predict"
            )
        write_variant_samples(folder, samples)
        genotypes = Genotypes(reference, reader, samples)
        windows = replace(windows_of(record, genotypes), flank=flank)
        blocks = list(tile_blocks(windows.windows_to_read(), record.tile, reference.contigs))
        file = GenotypeFile(
            variants=options.variants,
            reference=options.reference,
            index_folder=index_folder,
            samples=folder,
            assume_phased=options.assume_phased,
        )
        spec = WorkSpec(genotypes=file, folder=work, models=options.models)
        context = WorkContext(spec, genotypes=genotypes)
        task = partial(_match_block, absent_is_reference=options.absent_is_reference)
        with stage("Reading variants", sum(block.n_wanted for block in blocks), "tiles") as advance:
            columns, missing, counts = _merge_blocks(executor.map(spec, task, blocks, context), advance)
        check_missing_calls(counts, options.variants, models)
        n_known = sum(len(part.found) for part in columns.values())
        if n_known and not any(part.found.any() for part in columns.values()):
            raise InputError(
                f"{options.variants} has none of the {n_known:,} variants that the models know; is it of the "
                "genome build that they were trained on?"
            )
        cached = CachedGenotypes(options.reference, index_folder, folder, record.tile)
        in_file = (
            name for name in columns if match_contig(name, reader.contigs, str(options.variants)) is not None
        )
        yield TargetSamples(
            windows.with_cached_genotypes(folder),
            replace(spec, genotypes=cached),
            columns,
            frozenset(in_file),
            MissingCalls.merged(missing, len(samples)),
            counts,
        )


def _merge_blocks(
    matched: Iterable["_MatchedBlock"], advance: Advance
) -> tuple[dict[str, ContigColumns], dict[tuple[str, int], MissingCalls], VariantCounts]:
    """Merge matched blocks in any order: the columns of each contig, the missing calls, and the counts."""
    parts: dict[str, dict[int, ContigColumns]] = {}
    counts, missing = VariantCounts(), {}
    for found in matched:
        parts.setdefault(found.block.contig, {})[found.block.number] = found.columns
        counts = sum_counts(counts, found.counts)
        missing[found.block.contig, found.block.number] = found.missing
        advance(found.block.n_wanted)
    columns = {
        contig: _joined([by_block[number] for number in sorted(by_block)])
        for contig, by_block in parts.items()
    }
    return columns, missing, counts


@dataclass(frozen=True, slots=True)
class _MatchedBlock:
    block: TileBlock
    columns: ContigColumns
    missing: MissingCalls
    counts: VariantCounts


def _match_block(context: WorkContext, block: TileBlock, *, absent_is_reference: bool) -> _MatchedBlock:
    """Read one block of the target samples' variants, and cache their alleles at the known ones."""
    models, genotypes = context.spec.models, context.genotypes
    assert models is not None
    known = read_known_variants(models, block.contig, block.number)
    # Records that reach into the block from the left decide its sequences too.
    start = min([block.start, *known.sites.positions[:1].tolist()])
    read = _read(genotypes.reader, block.contig, start, block.end)
    matched = match_variants(known, read, genotypes.reference, absent_is_reference=absent_is_reference)
    write_variant_block(context.spec.folder / "variants", block.number, matched.variants)
    found = matched.variants.take(matched.found & block.in_windows(matched.variants.positions))
    return _MatchedBlock(block, _columns(block, known, matched), MissingCalls.of(found), read.counts)


def _read(reader: VariantReader, contig: str, start: int, end: int) -> Variants:
    """Read the variants of a region; none where the file has no such contig."""
    if match_contig(contig, reader.contigs, str(reader.path)) is not None:
        return reader.read(contig, start, end, reader.sample_ids)
    genotypes = np.zeros((0, len(reader.sample_ids), 2), dtype=np.int8)
    return Variants(
        contig, np.zeros(0, dtype=np.int64), (), (), genotypes, reader.sample_ids, VariantCounts()
    )


def _columns(block: TileBlock, known: KnownVariants, matched: MatchedVariants) -> ContigColumns:
    """Return the columns of the variants of the block that start in its windows."""
    sites = known.sites
    n_alternates, missing = sites.n_alternates, matched.variants.missing
    by_record = np.zeros(len(n_alternates), dtype=np.int64) if missing is None else missing.sum(axis=1)
    positions = np.repeat(sites.positions, n_alternates)
    here, extra = block.in_windows(positions), block.in_windows(matched.extra)
    return ContigColumns(
        positions[here],
        np.repeat(matched.found, n_alternates)[here],
        np.repeat(matched.swapped, n_alternates)[here],
        known.mean_dosages()[here],
        np.repeat(by_record, n_alternates)[here],
        matched.extra[extra],
    )


def _joined(parts: Sequence[ContigColumns]) -> ContigColumns:
    """Concatenate consecutive blocks; at least one."""
    names = [field.name for field in fields(ContigColumns)]
    return ContigColumns(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
