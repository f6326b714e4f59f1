"""The one reading of all variants a run will use: whatever is wrong with them stops it here."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from haploscribe.arrays import Int64Array
from haploscribe.cohort import Cohort, open_cohort
from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.genome.haplotypes import overlaps_skipped
from haploscribe.genome.readers.cache import write_variant_block, write_variant_samples
from haploscribe.genome.tiles import Tile, TileBlock, tile_blocks
from haploscribe.genome.variants import VariantCounts, Variants, check_reference
from haploscribe.options import CohortOptions
from haploscribe.progress import Advance
from haploscribe.workers.workers import Workers

MAX_MISSING = 0.1
"""Largest share of missing calls a run may have; they count as reference."""


@dataclass(frozen=True, slots=True)
class VariantSurvey:
    """What the variants of the genes' windows are like: cis windows, and wide ones where they are read.

    Attributes
    ----------
    n_variants
        int64 `(n_genes,)`; dosage columns in each gene's cis window.
    n_wide_variants
        int64 `(n_genes,)`; dosage columns in each gene's wide window; None where these are not read.
    n_used
        Variants in any window above the frequency floor; REF equals the FASTA at each.
    n_rare
        Variants in any window below the frequency floor.
    n_overlaps
        ALT alleles on a haplotype displaced by an earlier, overlapping one.
    counts
        What else was met in the blocks that hold the windows.
    """

    def facts(self) -> dict[str, str | int]:
        """Say what was found, for a person to read."""
        counts = self.counts
        return {
            "variants used (REF equals the FASTA at each)": self.n_used,
            "variants below the MAF floor": self.n_rare,
            "genes with variants": int(np.count_nonzero(self.n_variants)),
            "symbolic, breakend and * alleles skipped": counts.n_symbolic,
            "missing calls, read as reference": f"{counts.n_missing_calls} of {counts.n_calls}",
            "haploid calls": counts.n_haploid_calls,
            "unphased heterozygotes, read as phased": counts.n_unphased_heterozygous,
            "overlapping alleles skipped": self.n_overlaps,
        }

    n_variants: Int64Array
    n_wide_variants: Int64Array | None
    n_used: int
    n_rare: int
    n_overlaps: int
    counts: VariantCounts


@dataclass(frozen=True, slots=True)
class SurveyJob:
    """What every process needs to survey any block of the run.

    Attributes
    ----------
    cohort
        The inputs.
    index_folder
        Where indexes that the inputs lack are.
    wide
        Whether wide windows are read too.
    folder
        Where the variants used are left for later stages; None to leave nothing.
    run
        Different in every run: workers that outlive one open the files of the next anew.
    """

    cohort: CohortOptions
    index_folder: Path
    wide: bool
    folder: Path | None
    run: str = field(default_factory=lambda: uuid.uuid4().hex)

    def open(self) -> "OpenedSurvey":
        """Open the cohort."""
        return OpenedSurvey(open_cohort(self.cohort, self.index_folder, wide=self.wide), self.folder)


@dataclass(frozen=True, slots=True)
class OpenedSurvey:
    """A cohort to be surveyed, and where its variants are left; see `SurveyJob`."""

    cohort: Cohort
    folder: Path | None

    def close(self) -> None:
        """Close the cohort's files."""
        self.cohort.close()


@dataclass(frozen=True, slots=True)
class _SurveyedBlock:
    """What one block's variants are like; `columns` is the position of each dosage column in its tiles."""

    block: TileBlock
    columns: Int64Array
    n_used: int
    n_rare: int
    n_overlaps: int
    counts: VariantCounts


def survey_variants(cohort: Cohort, job: SurveyJob, workers: Workers, advance: Advance) -> VariantSurvey:
    """Read all variants near the genes, in one pass; check REF, phase and missing calls.

    Parameters
    ----------
    cohort
        The opened cohort.
    job
        What opens it elsewhere, and where the variants are left.
    workers
        Who reads.
    advance
        Told of each tile read.

    Raises
    ------
    InputError
        When REF differs from the FASTA, a heterozygote is unphased, or too many calls are missing.
    """
    if job.folder is not None:
        write_variant_samples(job.folder, cohort.match.shared)
    blocks = list(tile_blocks(cohort.tiles_to_read(), cohort.tile_size, cohort.genotypes.reference.contigs))
    columns: dict[str, list[Int64Array]] = {}
    n_used = n_rare = n_overlaps = 0
    counts = VariantCounts()
    for found in workers.map(job, _survey_block, blocks, lambda: OpenedSurvey(cohort, job.folder)):
        columns.setdefault(found.block.contig, []).append(found.columns)
        counts = sum_counts(counts, found.counts)
        n_used += found.n_used
        n_rare += found.n_rare
        n_overlaps += found.n_overlaps
        advance(len(found.block.wanted))
    require_called(counts, cohort.options.variants)
    if n_used == 0 and len(cohort.genes) == 1:
        raise InputError(
            f"{cohort.options.variants}: {cohort.genes[0].gene_id} has no variant with MAF "
            f"{cohort.options.maf:g} or more in its cis window; name a gene that has some"
        )
    if n_used == 0:
        raise InputError(
            f"{cohort.options.variants}: no variant with MAF {cohort.options.maf:g} or more in the cis "
            f"windows of {len(cohort.genes)} genes; is it of the same genome build, and phased?"
        )
    n_variants = _columns_of_genes(columns, cohort.genes, cohort.tiles)
    n_wide = _columns_of_genes(columns, cohort.genes, cohort.wide_tiles) if cohort.wide else None
    return VariantSurvey(n_variants, n_wide, n_used, n_rare, n_overlaps, counts)


def _survey_block(opened: OpenedSurvey, block: TileBlock) -> _SurveyedBlock:
    """Read, check and leave one block's variants."""
    genotypes = opened.cohort.genotypes
    read = genotypes.read(block.tiles)
    common = genotypes.common(read)
    n_wanted = len(_within(read, block).positions)
    used = _within(common, block)
    check_reference(used, genotypes.reference)
    if opened.folder is not None:
        write_variant_block(opened.folder, block.number, common)
    return _SurveyedBlock(
        block,
        columns=_dosage_columns(used),
        n_used=len(used.positions),
        n_rare=n_wanted - len(used.positions),
        n_overlaps=int(overlaps_skipped(used).sum()),
        counts=read.counts,
    )


def _within(variants: Variants, block: TileBlock) -> Variants:
    """Keep the variants that start in the tiles wanted of a block."""
    keep = np.zeros(len(variants.positions), dtype=np.bool_)
    for tile in block.wanted:
        keep |= (variants.positions >= tile.start) & (variants.positions < tile.end)
    return variants.take(keep)


def _dosage_columns(variants: Variants) -> Int64Array:
    """Position of each dosage column: one an ALT allele."""
    n_alternates = np.array([len(alleles) - 1 for alleles in variants.alleles], dtype=np.int64)
    return np.repeat(variants.positions, n_alternates)


def _columns_of_genes(
    columns: Mapping[str, Sequence[Int64Array]],
    genes: Sequence[Gene],
    tiles_of: Callable[[Gene], tuple[Tile, ...]],
) -> Int64Array:
    """Count the dosage columns in the tiles of each gene."""
    sorted_columns = {contig: np.sort(np.concatenate(parts)) for contig, parts in columns.items()}
    counts = np.zeros(len(genes), dtype=np.int64)
    for i, gene in enumerate(genes):
        tiles = tiles_of(gene)
        first, last = np.searchsorted(sorted_columns[gene.contig], [tiles[0].start, tiles[-1].end])
        counts[i] = last - first
    return counts


def sum_counts(a: VariantCounts, b: VariantCounts) -> VariantCounts:
    """Add up what was met in two regions."""
    names = [count.name for count in fields(VariantCounts)]
    return VariantCounts(*(getattr(a, name) + getattr(b, name) for name in names))


def require_called(counts: VariantCounts, variants: Path) -> None:
    """Stop where too many calls of a variants file are missing.

    Raises
    ------
    InputError
        Above `MAX_MISSING`.
    """
    share = counts.n_missing_calls / max(1, counts.n_calls)
    if counts.n_calls and share > MAX_MISSING:
        raise InputError(
            f"{variants}: {share:.0%} of {counts.n_calls:,} calls are missing near the genes, "
            f"more than {MAX_MISSING:.0%}; impute them, or drop the samples or variants that miss them"
        )
