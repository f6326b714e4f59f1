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
from haploscribe.genome.variant_filter import VariantFilter, Verdict
from haploscribe.genome.variants import (
    VariantCounts,
    Variants,
    alt_alleles,
    check_reference,
    sum_counts,
)
from haploscribe.utils.types import Int64Array

N_USED = "variants used (REF equals the FASTA at each)"
"""Label under which the number of variants is printed and recorded."""


@dataclass(frozen=True, slots=True)
class VariantScan:
    """The variants of the genes' windows: cis windows, and wide ones where they are read.

    Attributes
    ----------
    n_variants
        int64 `(n_genes,)`; dosage columns in each gene's cis window.
    n_wide_variants
        int64 `(n_genes,)`; dosage columns in each gene's wide window; None where these are not read.
    filter
        Which variants are used.
    n_judged
        Variants in any window of each verdict; REF equals the FASTA at each that is used.
    n_overlaps
        ALT alleles on a haplotype displaced by an earlier, overlapping one.
    missing
        Missing calls of the variants used.
    counts
        Other counts over the blocks that hold the windows.
    """

    n_variants: Int64Array
    n_wide_variants: Int64Array | None
    filter: VariantFilter
    n_judged: Mapping[Verdict, int]
    n_overlaps: int
    missing: MissingCalls
    counts: VariantCounts

    def summary(self, sample_ids: Sequence[str]) -> dict[str, str | int]:
        """Return the counts, of samples of these names, by the labels under which they are printed."""
        counts = self.counts
        left_out = {"variants below the MAF floor": self.n_judged[Verdict.RARE]}
        if self.filter.no_ambiguous:
            left_out["A/T and C/G variants left out"] = self.n_judged[Verdict.AMBIGUOUS]
        if self.filter.snps is not None:
            left_out["variants that --snps does not name"] = self.n_judged[Verdict.UNLISTED]
        return {
            N_USED: self.n_judged[Verdict.USED],
            **left_out,
            "genes with variants": int(np.count_nonzero(self.n_variants)),
            "symbolic, breakend and * alleles skipped": counts.n_symbolic,
            **self.missing.summary(counts, sample_ids),
            "haploid calls": counts.n_haploid_calls,
            "unphased heterozygotes, read as phased": counts.n_unphased_heterozygous,
            "overlapping alleles skipped": self.n_overlaps,
        }


@dataclass(frozen=True, slots=True)
class ScannedBlock:
    """The variants of one block of tiles.

    Attributes
    ----------
    block
        The block.
    columns
        int64 `(n_columns,)`; the position of each dosage column in its windows.
    n_judged
        Variants in its windows of each verdict.
    unlisted
        Name of the first that the list of variants lacks; None where there is none.
    n_overlaps, missing, counts
        As in `VariantScan`.
    """

    block: TileBlock
    columns: Int64Array
    n_judged: Mapping[Verdict, int]
    unlisted: str | None
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
    verdicts, here = genotypes.filter.judge(read), block.in_windows(read.positions)
    used = read.take(here & (verdicts == Verdict.USED))
    unlisted = np.flatnonzero(here & (verdicts == Verdict.UNLISTED))
    check_reference(used, genotypes.reference)
    if folder is not None:
        write_variant_block(folder, block.number, read.take(verdicts == Verdict.USED))
    return ScannedBlock(
        block,
        columns=_dosage_columns(used),
        n_judged={verdict: int(np.count_nonzero(verdicts[here] == verdict)) for verdict in Verdict},
        unlisted=_name(read, int(unlisted[0])) if unlisted.size else None,
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
    n_judged, n_overlaps = dict.fromkeys(Verdict, 0), 0
    unlisted: str | None = None
    counts, missing = VariantCounts(), {}
    for scanned in blocks:
        columns.setdefault(scanned.block.contig, []).append(scanned.columns)
        counts = sum_counts(counts, scanned.counts)
        n_judged = {verdict: n + scanned.n_judged[verdict] for verdict, n in n_judged.items()}
        unlisted = min(filter(None, (unlisted, scanned.unlisted)), default=None)
        n_overlaps += scanned.n_overlaps
        missing[scanned.block.contig, scanned.block.number] = scanned.missing
    check_missing_calls(counts, cohort.options.variants, models)
    if n_judged[Verdict.USED] == 0:
        raise InputError(_nothing_used(cohort, n_judged[Verdict.UNLISTED], unlisted))
    n_variants = _columns_of_genes(columns, cohort.genes, cohort.cis_window)
    n_wide = _columns_of_genes(columns, cohort.genes, cohort.wide_window) if cohort.wide else None
    merged = MissingCalls.merged(missing, len(cohort.match.shared))
    return VariantScan(n_variants, n_wide, cohort.genotypes.filter, n_judged, n_overlaps, merged, counts)


def _nothing_used(cohort: Cohort, n_unlisted: int, unlisted: str | None) -> str:
    """Say why no variant is used; `unlisted` is the name of one that the list lacks, if any does."""
    file, rule = cohort.options.variants, cohort.genotypes.filter
    if rule.listed is not None and unlisted is not None:
        return (
            f"--snps {rule.snps} names none of the {n_unlisted:,} variants in the cis windows: its names are "
            f"like {rule.listed.example}, those of {file} like {unlisted}; name them as in its ID column, or "
            "by CHR:POS:REF:ALT of the same genome build"
        )
    but = " but A/T and C/G ones" if rule.no_ambiguous else ""
    if len(cohort.genes) == 1:
        return (
            f"{file}: {cohort.genes[0].gene_id} has no variant with MAF {rule.maf:g} or more{but} in its cis "
            "window; name a gene that has some"
        )
    return (
        f"{file}: no variant with MAF {rule.maf:g} or more{but} in the cis windows of {len(cohort.genes)} "
        "genes; is it of the same genome build, and phased?"
    )


def _name(variants: Variants, row: int) -> str:
    return alt_alleles(variants.consecutive(row, row + 1))[0].name(variants.contig)


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
