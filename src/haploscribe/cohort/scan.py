"""Scan the variants near genes: count them, check REF, phase and missing calls, and cache those used."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from haploscribe.cohort.cohort import Cohort
from haploscribe.cohort.missing_calls import MissingCalls, ModelNames, check_missing_calls
from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.haplotypes import overlaps_skipped
from haploscribe.genome.readers.cache import write_variant_block
from haploscribe.genome.tiles import Interval, TileBlock
from haploscribe.genome.variants import VariantCounts, Variants, check_reference, sum_counts
from haploscribe.utils.types import Int64Array


@dataclass(frozen=True, slots=True)
class VariantScan:
    """The variants of the genes' windows: cis windows, and wide ones where they are read.

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
    missing
        Missing calls of the variants used.
    counts
        Other counts over the blocks that hold the windows.
    """

    n_variants: Int64Array
    n_wide_variants: Int64Array | None
    n_used: int
    n_rare: int
    n_overlaps: int
    missing: MissingCalls
    counts: VariantCounts

    def summary(self, sample_ids: Sequence[str]) -> dict[str, str | int]:
        """Return the counts, of samples of these names, by the labels under which they are printed."""
        counts = self.counts
        return {
            "variants used (REF equals the FASTA at each)": self.n_used,
            "variants below the MAF floor": self.n_rare,
            "genes with variants": int(np.count_nonzero(self.n_variants)),
            "symbolic, breakend and * alleles skipped": counts.n_symbolic,
            **self.missing.summary(counts, sample_ids),
            "haploid calls": counts.n_haploid_calls,
            "unphased heterozygotes, read as phased": counts.n_unphased_heterozygous,
            "overlapping alleles skipped": self.n_overlaps,
        }


@dataclass(frozen=True, slots=True)
class ScannedBlock:
    """The variants of one block of tiles; `columns` is the position of each dosage column in its windows."""

    block: TileBlock
    columns: Int64Array
    n_used: int
    n_rare: int
    n_overlaps: int
    missing: MissingCalls
    counts: VariantCounts


def scan_block(genotypes: Genotypes, block: TileBlock, folder: Path | None) -> ScannedBlock:
    """Read and check the variants of one block, and cache those that are used.

    Parameters
    ----------
    genotypes
        The samples' alleles, as the variants file has them.
    block
        The block of tiles.
    folder
        Of the genotype cache; None to write nothing.

    Raises
    ------
    InputError
        When REF differs from the FASTA or a heterozygote is unphased.
    """
    read = genotypes.read(block.tiles)
    common = genotypes.common(read)
    n_read = int(np.count_nonzero(block.in_windows(read.positions)))
    used = common.take(block.in_windows(common.positions))
    check_reference(used, genotypes.reference)
    if folder is not None:
        write_variant_block(folder, block.number, common)
    return ScannedBlock(
        block,
        columns=_dosage_columns(used),
        n_used=len(used.positions),
        n_rare=n_read - len(used.positions),
        n_overlaps=int(overlaps_skipped(used).sum()),
        missing=MissingCalls.of(used),
        counts=read.counts,
    )


def merge_scans(cohort: Cohort, blocks: Iterable[ScannedBlock], models: ModelNames) -> VariantScan:
    """Merge the scans of all blocks of a cohort, in any order.

    Parameters
    ----------
    cohort
        The cohort.
    blocks
        Its blocks.
    models
        For which too many calls may be missing.

    Raises
    ------
    InputError
        When too many calls are missing, or no window has a variant.
    """
    columns: dict[str, list[Int64Array]] = {}
    n_used = n_rare = n_overlaps = 0
    counts, missing = VariantCounts(), {}
    for scanned in blocks:
        columns.setdefault(scanned.block.contig, []).append(scanned.columns)
        counts = sum_counts(counts, scanned.counts)
        n_used += scanned.n_used
        n_rare += scanned.n_rare
        n_overlaps += scanned.n_overlaps
        missing[scanned.block.contig, scanned.block.number] = scanned.missing
    check_missing_calls(counts, cohort.options.variants, models)
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
    n_variants = _columns_of_genes(columns, cohort.genes, cohort.cis_window)
    n_wide = _columns_of_genes(columns, cohort.genes, cohort.wide_window) if cohort.wide else None
    merged = MissingCalls.merged(missing, len(cohort.match.shared))
    return VariantScan(n_variants, n_wide, n_used, n_rare, n_overlaps, merged, counts)


def _dosage_columns(variants: Variants) -> Int64Array:
    """Return the position of each dosage column: one per ALT allele."""
    return np.repeat(variants.positions, variants.n_alternates)


def _columns_of_genes(
    columns: Mapping[str, Sequence[Int64Array]],
    genes: Sequence[Gene],
    window_of: Callable[[Gene], Interval],
) -> Int64Array:
    """Count the dosage columns in the window of each gene."""
    sorted_columns = {contig: np.sort(np.concatenate(parts)) for contig, parts in columns.items()}
    counts = np.zeros(len(genes), dtype=np.int64)
    for i, gene in enumerate(genes):
        window = window_of(gene)
        first, last = np.searchsorted(sorted_columns[gene.contig], [window.start, window.end])
        counts[i] = last - first
    return counts
