"""Peak memory of `haploscribe run` against people and genes.

    python -m benchmarks.memory --source FOLDER [--out FOLDER] [--jobs N]

FOLDER is the benchmark cohort's, as for `benchmarks.geuvadis_chr22`. More genes than it has are made by
putting more starts of transcription on the chromosome; more people, by joining pieces of real haplotypes.
Their expression is random, so only what they take is looked at: peak proportional set size of all processes
of a run, and of the largest of them. Writes `benchmarks/results/memory.md`.
"""

import argparse
import gzip
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.peak_memory import Peak, haploscribe_command, peak_of
from benchmarks.tables import write_table
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.variants import Variants
from haploscribe.utils.types import Int8Array

TABLE = Path(__file__).parent / "results" / "memory.md"
MODELS = "elastic-net,blup-distance,blup-delta"
CONTIG = "chr22"
FIRST, LAST = 17_000_000, 50_000_000
"""Where starts of transcription are put, in base pairs."""
STRETCH = (23_000_000, 27_000_000)
"""Where those of made people are put; only there do they have variants."""
FAR = (30_000_000, 50_000_000)
"""Where genes start that share no variants with those of made people."""
PIECE = 100
"""Neighbouring variants that a made haplotype takes from one real one."""
SIZES = ((358, 20), (358, 75), (358, 300), (358, 1_200), (1_000, 20), (3_000, 20))
"""People and genes."""


@dataclass(frozen=True, slots=True)
class Files:
    """Inputs of a run."""

    variants: Path
    expression: Path


def made_haplotypes(genotypes: Int8Array, n_people: int, seed: int) -> Int8Array:
    """Join pieces of real haplotypes: int8 `(n_variants, n_people, 2)`."""
    n_variants = len(genotypes)
    real = genotypes.reshape(n_variants, -1)
    generator = np.random.default_rng(seed)
    made = np.empty((n_variants, 2 * n_people), dtype=np.int8)
    for first in range(0, n_variants, PIECE):
        rows = slice(first, first + PIECE)
        made[rows] = real[rows][:, generator.integers(0, real.shape[1], 2 * n_people)]
    return made.reshape(n_variants, n_people, 2)


def vcf_lines(variants: Variants, genotypes: Int8Array) -> Iterator[str]:
    """Write variants of made people as the lines of a VCF."""
    people = "\t".join(f"P{i:06d}" for i in range(genotypes.shape[1]))
    yield f"##fileformat=VCFv4.2\n##contig=<ID={CONTIG}>\n"
    yield '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    yield f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{people}\n"
    for position, alleles, calls in zip(variants.positions, variants.alleles, genotypes, strict=True):
        site = f"{CONTIG}\t{position + 1}\t.\t{alleles[0].decode()}\t{alleles[1].decode()}\t.\t.\t.\tGT\t"
        yield site + "\t".join(f"{a}|{b}" for a, b in calls.tolist()) + "\n"


def write_expression(path: Path, sample_ids: tuple[str, ...], starts: Sequence[int]) -> Path:
    """Write random expression of genes that start there, in base pairs, and are called G000000 and so on."""
    generator = np.random.default_rng(0)
    lines = ["\t".join(("#chr", "start", "end", "pid", "gid", "strand", *sample_ids))]
    for i, tss in enumerate(starts):
        values = (f"{value:.4f}" for value in generator.normal(size=len(sample_ids)))
        lines.append("\t".join((CONTIG, str(tss - 1), str(tss), f"G{i:06d}", f"G{i:06d}", "+", *values)))
    path.write_text("\n".join(lines) + "\n")
    return path


def cohort_of(source: Path, folder: Path, n_people: int, n_genes: int, n_far: int = 0) -> Files:
    """Find or make a cohort of so many people and genes, and of far genes where made people do not vary."""
    variants = source / "genotypes.vcf.gz"
    with open_variants(variants) as reader:
        sample_ids, span = reader.sample_ids, (FIRST, LAST)
        if n_people != len(sample_ids):
            found = reader.read(CONTIG, *STRETCH, sample_ids)
            made = made_haplotypes(found.genotypes, n_people, seed=0)
            variants, span = folder / "made.vcf.gz", (STRETCH[0] + 200_000, STRETCH[1] - 200_000)
            with gzip.open(variants, "wt", compresslevel=1) as stream:
                stream.writelines(vcf_lines(found, made))
            sample_ids = tuple(f"P{i:06d}" for i in range(n_people))
    starts = [
        *np.linspace(*span, n_genes, dtype=np.int64).tolist(),
        *np.linspace(*FAR, n_far, dtype=np.int64).tolist(),
    ]
    return Files(variants, write_expression(folder / "expression.bed", sample_ids, starts))


def peak_with(source: Path, folder: Path, n_people: int, n_genes: int, jobs: int) -> Peak:
    """Run and look."""
    folder.mkdir(parents=True, exist_ok=True)
    files = cohort_of(source, folder, n_people, n_genes)
    arguments: list[object] = ["run", "--variants", files.variants, "--expression", files.expression]
    arguments += ["--reference", source / "reference.fa.gz", "--backbone", "kmer", "--models", MODELS]
    arguments += ["--folds", 2, "--jobs", jobs, "--out", folder / "results"]
    return peak_of(haploscribe_command(*arguments), folder / "log.txt")


def main() -> None:
    """Run all sizes and write the table."""
    parser = argparse.ArgumentParser(description="Peak memory against people and genes.")
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmark-memory"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    lines = [
        "# Peak memory",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, `python -m benchmarks.memory --source FOLDER "
        f"--jobs {arguments.jobs}`.",
        "",
        f"`haploscribe run` with {arguments.jobs} workers, backbone `kmer`, models "
        f"{MODELS.replace(',', ', ')}, 2 folds, cis windows of 196,608 bp. 358 people are the benchmark "
        "cohort's; more are joined from pieces of their haplotypes. Proportional set size: pages that "
        "processes share count once.",
        "",
        "| people | genes | all processes, GiB | largest process, GiB | seconds |",
        "|---|---|---|---|---|",
    ]
    for n_people, n_genes in SIZES:
        folder = arguments.out / f"{n_people}-{n_genes}"
        peak = peak_with(arguments.source, folder, n_people, n_genes, arguments.jobs)
        lines.append(
            f"| {n_people:,} | {n_genes:,} | {peak.total / 2**30:.2f} | {peak.largest / 2**30:.2f} "
            f"| {peak.seconds:.0f} |"
        )
        print(lines[-1], flush=True)
    write_table(TABLE, [*lines, ""])


if __name__ == "__main__":
    main()
