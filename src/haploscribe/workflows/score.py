"""Score alleles with published sequence models: the subcommand `score`."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from haploscribe.cohort.cohort import match_gene_contigs
from haploscribe.config.scoring import ScoringOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.errors import InputError
from haploscribe.expression.gene_positions import read_gene_positions
from haploscribe.expression.genes import Gene
from haploscribe.expression.gtf import read_gtf
from haploscribe.expression.table import find_genes
from haploscribe.expression.text_tables import listed, refuse_duplicates
from haploscribe.genome.contigs import match_contig
from haploscribe.genome.haplotypes import read_for_tiles
from haploscribe.genome.readers.open import open_variants, variant_files
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import Tile, cis_window
from haploscribe.genome.variant_filter import VariantFilter, Verdict
from haploscribe.genome.variants import VariantReader, Variants, alt_alleles, check_reference
from haploscribe.utils.files import (
    atomic_write,
    remove_atomically,
    remove_on_error,
    remove_on_input_error,
    temporary_prefix,
)
from haploscribe.utils.hashing import work_key
from haploscribe.utils.progress import Advance, stage
from haploscribe.utils.types import Float64Array, Int64Array
from haploscribe.workflows.validate import INDEX_NAME
from haploscribe.zero_shot.allele_scores import AlleleScorer, AlleleScores, track_names
from haploscribe.zero_shot.base import SequenceModel
from haploscribe.zero_shot.predictions import TestTimeAugmentation, require_exons
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES, LoadedModel, read_models

ALLELES_AT_ONCE = 64
"""Their sequences are in memory together, 34 MB for Borzoi, and are scored anew where a run was killed."""

KEYS = pl.Schema(
    {"gene_id": pl.String, "chrom": pl.String, "pos": pl.Int64, "ref": pl.String, "alt": pl.String}
)
"""Columns before the scores; `pos` is 1-based."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of alleles, and what they took.

    Attributes
    ----------
    columns
        Names of the scores.
    n_genes, n_alleles
        Genes with an allele, and scored pairs of both.
    without_strand
        Genes whose strand is not known.
    n_missing
        Calls of the sample that are missing, read as the reference.
    forward_passes
        Sequences read in this call.
    scores
        `KEYS` and the scores, one row per gene and allele; None where they were written to a file.
    """

    columns: tuple[str, ...]
    n_genes: int
    n_alleles: int
    without_strand: tuple[str, ...]
    n_missing: int
    forward_passes: int
    scores: pl.DataFrame | None = None

    def summary(self) -> dict[str, str | int]:
        """Return what was done, by its names in print."""
        summary: dict[str, str | int] = {
            "genes": self.n_genes,
            "pairs of a gene and an allele": self.n_alleles,
            "scores": ", ".join(self.columns),
            "sequences read": self.forward_passes,
        }
        if self.without_strand:
            names = listed(self.without_strand)
            summary["genes without strand, taken as on +"] = f"{len(self.without_strand):,} ({names})"
        if self.n_missing:
            summary["missing calls of the sample, taken as REF"] = self.n_missing
        return summary


def score(
    options: ScoringOptions, zero_shot: ZeroShotOptions | None = None, out: Path | None = None
) -> Scored:
    """Score the alleles in the windows of genes; models read each distinct sequence of a gene once.

    Parameters
    ----------
    options
        Alleles, genes and models.
    zero_shot
        Weights and tracks of the models, and what their predictions are averaged over; None for the defaults.
    out
        File of scores, `.parquet` or `.tsv`, as `--annotations` reads it, of which only a part is ever in
        memory. An interrupted call resumes when it is repeated. None to return all scores.

    Raises
    ------
    InputError
        When an input is at fault, or no variant lies in a window. Nothing is written then.
    """
    zero_shot = zero_shot or ZeroShotOptions()
    if out is None:
        with tempfile.TemporaryDirectory(prefix=temporary_prefix()) as folder:
            scored, files = _score(options, zero_shot, Path(folder))
            return replace(scored, scores=pl.read_parquet(files))
    if out.suffix not in (".parquet", ".tsv"):
        raise InputError(f"--out {out}: name a file that ends in .parquet or .tsv")
    works = out.with_name(f".{out.name}.work")
    scored, files = _score(options, zero_shot, works)
    with atomic_write(out) as aside:
        found = pl.scan_parquet(files)
        found.sink_parquet(aside) if out.suffix == ".parquet" else found.sink_csv(aside, separator="\t")
    remove_atomically(works)
    return scored


def _score(options: ScoringOptions, zero_shot: ZeroShotOptions, works: Path) -> tuple[Scored, list[Path]]:
    """Write the scores of some alleles each to files in a folder, and return these in order."""
    given = [zero_shot.weights_of(name) for name in options.models if name in ZERO_SHOT_NAMES]
    weights = [None if source is None else Path(source) for source in given]
    inputs = (*variant_files(options.variants), options.reference, options.gtf, options.snps, *weights)
    work = works / work_key(options, zero_shot, *inputs)
    with ExitStack() as stack:
        stack.enter_context(remove_on_input_error(works))
        with remove_on_error(works), remove_on_error(work):
            models = [loaded.model for loaded in _read_models(options, zero_shot)]
            reader = stack.enter_context(
                open_variants(options.variants, work / INDEX_NAME, assume_phased=options.assume_phased)
            )
            reference = stack.enter_context(Reference.open(options.reference, work / INDEX_NAME))
            shift = max(map(abs, zero_shot.shifts))
            reach = shift + max(max(model.upstream, model.downstream) for model in models)
            source = _Source(options, reader, reference, reach, VariantFilter(snps=options.snps).read())
            genes = _genes(options, models, reader, reference)
            with stage("Reading variants", len(genes), "genes") as advance:
                counts = _count(source, genes, advance)
        augmentation = TestTimeAugmentation(zero_shot.shifts, zero_shot.reverse_complement)
        files, forward_passes = [], 0
        n_alleles = sum(count.n_alleles for count in counts)
        with stage("Scoring", n_alleles, "alleles") as advance:
            for number, (gene, count) in enumerate(zip(genes, counts, strict=True)):
                if count.n_alleles:
                    found = _score_gene(source, gene, models, augmentation, work / f"{number:06d}", advance)
                    files += found.files
                    forward_passes += found.forward_passes
    used = [gene for gene, count in zip(genes, counts, strict=True) if count.n_alleles]
    scored = Scored(
        columns=tuple(name for name in pl.read_parquet_schema(files[0]) if name not in KEYS),
        n_genes=len(used),
        n_alleles=n_alleles,
        without_strand=tuple(gene.gene_id for gene in used if gene.strand == "."),
        n_missing=sum(count.n_missing for count in counts),
        forward_passes=forward_passes,
    )
    return scored, files


def _read_models(options: ScoringOptions, zero_shot: ZeroShotOptions) -> list[LoadedModel]:
    unknown = [name for name in options.models if name not in ZERO_SHOT_NAMES]
    if unknown or not options.models or len(set(options.models)) < len(options.models):
        raise InputError(
            f"--models {','.join(options.models)}: give sequence models, each once, of "
            f"{', '.join(ZERO_SHOT_NAMES)}"
        )
    return read_models(options.models, zero_shot, options.device)


def _genes(
    options: ScoringOptions, models: Sequence[SequenceModel], reader: VariantReader, reference: Reference
) -> list[Gene]:
    """Return the genes on contigs of the variants, named as in the reference, in genome order."""
    source = options.gtf
    is_bed = source.name.lower().endswith((".bed", ".bed.gz"))
    exons = any(model.reads_exons for model in models)
    if is_bed and exons:
        raise InputError(f"--gtf {source}: RNA is read over exons; give a GTF, or read other tracks than RNA")
    genes = read_gene_positions(source) if is_bed else read_gtf(source, exons=exons)
    if options.genes is not None:
        genes = tuple(genes[i] for i in find_genes(genes, options.genes, str(source)))
    contigs = {
        name for name in {gene.contig for gene in genes} if match_contig(name, reader.contigs) is not None
    }
    if not contigs:
        raise InputError(
            f"{options.variants} has no contig of the {len(genes):,} genes (such as {genes[0].contig}); it "
            f"has {listed(reader.contigs) or 'no variants'}; give the file of the genes' contigs"
        )
    chosen = [gene for gene in genes if gene.contig in contigs]
    refuse_duplicates([gene.gene_id for gene in chosen], "genes", source)
    placed = match_gene_contigs(chosen, reference, source)
    for model in models:
        require_exons(model, placed, source)
    rank = {name: index for index, name in enumerate(reference.contigs)}
    return sorted(placed, key=lambda gene: (rank[gene.contig], gene.tss, gene.gene_id))


@dataclass(frozen=True, slots=True)
class _Source:
    """The open inputs, and how far from a TSS models read."""

    options: ScoringOptions
    reader: VariantReader
    reference: Reference
    reach: int
    chosen: VariantFilter

    def variants(self, gene: Gene) -> Variants:
        """Read the records that determine what models read of a gene, and those of its window.

        Deletions pull in bases from farther away, so records are read that much farther.
        """
        length = self.reference.contigs[gene.contig]
        reach, deleted = max(self.reach, self.options.window // 2 + 1), 0
        samples = () if self.options.sample is None else (self.options.sample,)
        while True:
            start, end = gene.tss - reach - deleted, gene.tss + reach + deleted
            tile = Tile(gene.contig, 0, max(start, 0), min(end, length))
            found = read_for_tiles(self.reader, [tile], samples)
            shorter = sum(
                max(0, len(record[0]) - min(map(len, record[1:]), default=0)) for record in found.alleles
            )
            if shorter <= deleted:
                check_reference(found, self.reference)
                return found
            deleted = shorter

    def columns(self, gene: Gene, variants: Variants) -> Int64Array:
        """Return which ALT alleles are scored, int64 `(n_alleles,)`, in the order of `alt_alleles`."""
        window = cis_window(gene.contig, gene.tss, self.options.window, self.reference.contigs[gene.contig])
        inside = (variants.positions >= window.start) & (variants.positions < window.end)
        wanted = inside & (self.chosen.judge(variants) == Verdict.USED)
        return np.flatnonzero(np.repeat(wanted, variants.n_alternates))


@dataclass(frozen=True, slots=True)
class _Count:
    """Alleles of a gene that are scored, and calls of the sample that are missing in its window."""

    n_alleles: int
    n_missing: int


def _count(source: _Source, genes: Sequence[Gene], advance: Advance) -> list[_Count]:
    """Read the variants of all genes, so that what is wrong with them is found before a model runs."""
    counts = []
    for gene in genes:
        variants = source.variants(gene)
        n_missing = 0 if variants.missing is None else int(variants.missing.sum())
        counts.append(_Count(len(source.columns(gene, variants)), n_missing))
        advance(1)
    if not any(count.n_alleles for count in counts):
        listed_only = "" if source.options.snps is None else " that --snps names"
        raise InputError(
            f"{source.options.variants} has no variant{listed_only} in the windows of {len(genes):,} genes; "
            "give variants near these genes, or a wider --window"
        )
    return counts


@dataclass(frozen=True, slots=True)
class _GeneFiles:
    """The files of one gene's scores, in order, and the sequences read for those that were missing."""

    files: list[Path]
    forward_passes: int


def _score_gene(
    source: _Source,
    gene: Gene,
    models: Sequence[SequenceModel],
    augmentation: TestTimeAugmentation,
    folder: Path,
    advance: Advance,
) -> _GeneFiles:
    variants = source.variants(gene)
    background = None if source.options.sample is None else variants.genotypes[:, 0]
    scorers = {
        model: AlleleScorer(model, source.reference, gene, variants, augmentation, background)
        for model in models
    }
    alleles, columns, files = alt_alleles(variants), source.columns(gene, variants), []
    for first in range(0, len(columns), ALLELES_AT_ONCE):
        part = columns[first : first + ALLELES_AT_ONCE]
        files.append(folder.with_name(f"{folder.name}-{first:08d}.parquet"))
        if not files[-1].exists():
            here = [alleles[column] for column in part.tolist()]
            table: dict[str, object] = {
                "gene_id": gene.gene_id,
                "chrom": gene.contig,
                "pos": [allele.position + 1 for allele in here],
                "ref": [allele.reference.decode() for allele in here],
                "alt": [allele.alternate.decode() for allele in here],
            }
            for model, scorer in scorers.items():
                table |= _named(model, scorer.score(part))
            with atomic_write(files[-1]) as aside:
                pl.DataFrame(table, schema_overrides=KEYS).write_parquet(aside)
        advance(len(part))
    return _GeneFiles(files, sum(scorer.forward_passes for scorer in scorers.values()))


def _named(model: SequenceModel, scores: AlleleScores) -> dict[str, pl.Series]:
    """Return the columns of one model's scores, by name; null where there is none."""
    named: dict[str, Float64Array] = {}
    for i, track in enumerate(track_names(model)):
        label = f"{model.name} {track}" if track else model.name
        measure = "difference" if model.logarithmic else "log2_fold"
        named[f"{label} {measure}"] = scores.fold[:, i]
        if track:
            named[f"{label} profile_change"] = scores.change[:, i]
        if scores.own_folds is not None:
            named[f"{label} {measure}_one_copy"] = scores.own_folds[:, i, 0]
            named[f"{label} {measure}_two_copies"] = scores.own_folds[:, i, 1]
    return {name: pl.Series(name, values).fill_nan(None) for name, values in named.items()}
