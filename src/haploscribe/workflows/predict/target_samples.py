"""Reads new people's variants once, and leaves their alleles at the variants that kept models know."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from haploscribe.cohort.scan import require_called, sum_counts
from haploscribe.cohort.windows import GeneWindows
from haploscribe.config.options import PredictionOptions
from haploscribe.errors import InputError
from haploscribe.genome.contigs import match_contig
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.cache import CachedGenotypes, write_variant_block, write_variant_samples
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import Tile, TileBlock, tile_blocks
from haploscribe.genome.variants import VariantCounts, VariantReader, Variants
from haploscribe.parallel.executor import Workers
from haploscribe.results.known_variants import KnownVariants
from haploscribe.results.models_folder import ModelsRecord, read_known_variants
from haploscribe.results.saved_models import windows_of
from haploscribe.utils.progress import Advance, stage
from haploscribe.utils.types import BoolArray, Float64Array, Int64Array
from haploscribe.workflows.predict.matching import Matched, match_variants
from haploscribe.workflows.validate import INDEX_NAME


@dataclass(frozen=True, slots=True)
class ContigColumns:
    """The dosage columns of the known variants of one contig, in genome order.

    Attributes
    ----------
    positions
        int64 `(n_columns,)`; 0-based.
    found, swapped
        bool `(n_columns,)`; whether new people's file has the variant, and with REF and ALT swapped.
    means
        float64 `(n_columns,)`; mean dosage of the training people.
    extra
        int64 `(n_extra,)`; positions, ascending, of ALT alleles that new people carry and no model knows.
    """

    positions: Int64Array
    found: BoolArray
    swapped: BoolArray
    means: Float64Array
    extra: Int64Array

    def between(self, tiles: Sequence[Tile]) -> "ContigColumns":
        """Keep what starts in neighbouring tiles."""
        bounds = (tiles[0].start, tiles[-1].end)
        first, last = np.searchsorted(self.positions, bounds)
        first_extra, last_extra = np.searchsorted(self.extra, bounds)
        here = slice(first, last)
        return ContigColumns(
            self.positions[here],
            self.found[here],
            self.swapped[here],
            self.means[here],
            self.extra[first_extra:last_extra],
        )


@dataclass(frozen=True, slots=True)
class MatchJob:
    """What every process needs to match any block.

    Attributes
    ----------
    options
        The inputs.
    index_folder
        Where indexes that the inputs lack are.
    folder
        Where the variant blocks are left.
    run
        See `CachedGenotypes`.
    """

    options: PredictionOptions
    index_folder: Path
    folder: Path
    run: str = field(default_factory=lambda: uuid.uuid4().hex)

    def open(self) -> "OpenedMatch":
        """Open the files."""
        options = self.options
        reference = Reference.open(options.reference, self.index_folder)
        # Missing calls are judged over all blocks, not block by block.
        reader = open_variants(
            options.variants, self.index_folder, assume_phased=options.assume_phased, max_missing=1.0
        )
        return OpenedMatch(self, reference, reader)


@dataclass(frozen=True, slots=True)
class OpenedMatch:
    """The files of new people, opened; see `MatchJob`."""

    job: MatchJob
    reference: Reference
    reader: VariantReader

    def close(self) -> None:
        """Close the files."""
        self.reader.close()
        self.reference.close()


@dataclass(frozen=True, slots=True)
class NewPeople:
    """New people, matched with what kept models know.

    Attributes
    ----------
    windows
        The genes' windows in the new people, read from what the matching left.
    kept
        How other processes open their genotypes.
    columns
        By contig.
    contigs
        Those of `columns` that their file has.
    """

    windows: GeneWindows
    kept: CachedGenotypes
    columns: Mapping[str, ContigColumns]
    contigs: frozenset[str]


@contextmanager
def matched_people(
    options: PredictionOptions, record: ModelsRecord, reach: int, workers: Workers, work: Path
) -> Iterator[NewPeople]:
    """Read new people's file in one pass, and leave their alleles at the variants that the models know.

    Parameters
    ----------
    options
        The inputs.
    record
        What `read_record` says of the models, perhaps with only some of its genes.
    reach
        See `GeneWindows`; 0 where no zero-shot model is asked.
    workers
        Who reads.
    work
        Folder for indexes that the inputs lack, and the alleles.

    Yields
    ------
    The people; their files are closed behind the block.

    Raises
    ------
    InputError
        When a file is damaged, REF differs from the FASTA, a heterozygote is unphased, too many calls are
        missing, or no known variant is in the file.
    """
    job = MatchJob(options, work / INDEX_NAME, work / "variants")
    opened = job.open()
    with closing(opened):
        samples = opened.reader.sample_ids
        if not samples:
            raise InputError(f"{options.variants} has no samples; give the genotypes of the new people")
        write_variant_samples(job.folder, samples)
        windows = windows_of(record, Genotypes(opened.reference, opened.reader, samples))
        windows = replace(windows, reach=reach)
        blocks = list(tile_blocks(windows.tiles_to_read(), record.tile, opened.reference.contigs))
        with stage("Reading variants", sum(len(block.wanted) for block in blocks), "tiles") as advance:
            columns, counts = _match_blocks(opened, blocks, workers, advance)
        require_called(counts, options.variants)
        n_known = sum(len(part.found) for part in columns.values())
        if n_known and not any(part.found.any() for part in columns.values()):
            raise InputError(
                f"{options.variants} has none of the {n_known:,} variants that the models know; is it of the "
                "genome build that they were trained on?"
            )
        kept = CachedGenotypes(options.reference, job.index_folder, job.folder, record.tile, job.run)
        file = str(options.variants)
        there = (name for name in columns if match_contig(name, opened.reader.contigs, file) is not None)
        yield NewPeople(windows.reading_from(job.folder), kept, columns, frozenset(there))


def _match_blocks(
    opened: OpenedMatch, blocks: Sequence[TileBlock], workers: Workers, advance: Advance
) -> tuple[dict[str, ContigColumns], VariantCounts]:
    """Match all blocks: the columns of each contig, and what else was met."""
    parts: dict[str, dict[int, ContigColumns]] = {}
    counts = VariantCounts()
    for found in workers.map(opened.job, _match_block, blocks, lambda: opened):
        parts.setdefault(found.block.contig, {})[found.block.number] = found.columns
        counts = sum_counts(counts, found.counts)
        advance(len(found.block.wanted))
    columns = {
        contig: _joined([by_block[number] for number in sorted(by_block)])
        for contig, by_block in parts.items()
    }
    return columns, counts


@dataclass(frozen=True, slots=True)
class _MatchedBlock:
    block: TileBlock
    columns: ContigColumns
    counts: VariantCounts


def _match_block(opened: OpenedMatch, block: TileBlock) -> _MatchedBlock:
    """Read one block of new people's variants, and leave their alleles at the known ones."""
    options = opened.job.options
    known = read_known_variants(options.models, block.contig, block.number)
    # Records that reach into the block from the left decide its sequences too.
    start = min([block.start, *known.sites.positions[:1].tolist()])
    read = _read(opened.reader, block.contig, start, block.end)
    matched = match_variants(known, read, opened.reference, absent_is_reference=options.absent_is_reference)
    write_variant_block(opened.job.folder, block.number, matched.variants)
    return _MatchedBlock(block, _columns(block, known, matched), read.counts)


def _read(reader: VariantReader, contig: str, start: int, end: int) -> Variants:
    """Read everyone's variants of a region; none where the file has no such contig."""
    if match_contig(contig, reader.contigs, str(reader.path)) is not None:
        return reader.read(contig, start, end, reader.sample_ids)
    nobody = np.zeros((0, len(reader.sample_ids), 2), dtype=np.int8)
    return Variants(contig, np.zeros(0, dtype=np.int64), (), (), nobody, reader.sample_ids, VariantCounts())


def _columns(block: TileBlock, known: KnownVariants, matched: Matched) -> ContigColumns:
    """Give the columns of the variants that start in the block's tiles that are wanted."""
    sites = known.sites
    n_alternates = np.array([len(record) - 1 for record in sites.alleles], dtype=np.int64)
    positions = np.repeat(sites.positions, n_alternates)
    here, extra = _starts_in(positions, block), _starts_in(matched.extra, block)
    return ContigColumns(
        positions[here],
        np.repeat(matched.found, n_alternates)[here],
        np.repeat(matched.swapped, n_alternates)[here],
        known.mean_dosages()[here],
        matched.extra[extra],
    )


def _starts_in(positions: Int64Array, block: TileBlock) -> BoolArray:
    inside = np.zeros(len(positions), dtype=np.bool_)
    for tile in block.wanted:
        inside |= (positions >= tile.start) & (positions < tile.end)
    return inside


def _joined(parts: Sequence[ContigColumns]) -> ContigColumns:
    """Join neighbouring blocks; at least one."""
    names = [field.name for field in fields(ContigColumns)]
    return ContigColumns(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
