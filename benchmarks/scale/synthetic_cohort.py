"""Make cohorts of more samples and genes than the benchmark cohort has, with random expression."""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.variants import Variants
from haploscribe.utils.types import Int8Array

CONTIG = "chr22"
FIRST, LAST = 17_000_000, 50_000_000
"""Where TSSs are placed, in base pairs."""
VARIABLE = (23_000_000, 27_000_000)
"""Where TSSs of synthetic samples are placed; they have variants only there."""
INVARIANT = (30_000_000, 50_000_000)
"""Where TSSs of synthetic samples without variants are placed."""
SEGMENT = 100
"""Neighbouring variants that a synthetic haplotype takes from one real one."""


@dataclass(frozen=True, slots=True)
class Files:
    """Inputs of a run."""

    variants: Path
    expression: Path


def synthetic_haplotypes(genotypes: Int8Array, n_samples: int, seed: int) -> Int8Array:
    """Join segments of real haplotypes: int8 `(n_variants, n_samples, 2)`."""
    n_variants = len(genotypes)
    real = genotypes.reshape(n_variants, -1)
    generator = np.random.default_rng(seed)
    made = np.empty((n_variants, 2 * n_samples), dtype=np.int8)
    for first in range(0, n_variants, SEGMENT):
        rows = slice(first, first + SEGMENT)
        made[rows] = real[rows][:, generator.integers(0, real.shape[1], 2 * n_samples)]
    return made.reshape(n_variants, n_samples, 2)


def vcf_lines(variants: Variants, genotypes: Int8Array) -> Iterator[str]:
    """Yield the lines of a VCF of synthetic samples."""
    names = "\t".join(f"P{i:06d}" for i in range(genotypes.shape[1]))
    yield f"##fileformat=VCFv4.2\n##contig=<ID={CONTIG}>\n"
    yield '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    yield f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{names}\n"
    for position, alleles, calls in zip(variants.positions, variants.alleles, genotypes, strict=True):
        site = f"{CONTIG}\t{position + 1}\t.\t{alleles[0].decode()}\t{alleles[1].decode()}\t.\t.\t.\tGT\t"
        yield site + "\t".join(f"{a}|{b}" for a, b in calls.tolist()) + "\n"


def write_expression(path: Path, sample_ids: tuple[str, ...], starts: Sequence[int]) -> Path:
    """Write random expression of genes G000000, G000001, … whose TSSs are at `starts`, in base pairs."""
    generator = np.random.default_rng(0)
    lines = ["\t".join(("#chr", "start", "end", "pid", "gid", "strand", *sample_ids))]
    for i, tss in enumerate(starts):
        values = (f"{value:.4f}" for value in generator.normal(size=len(sample_ids)))
        lines.append("\t".join((CONTIG, str(tss - 1), str(tss), f"G{i:06d}", f"G{i:06d}", "+", *values)))
    path.write_text("\n".join(lines) + "\n")
    return path


def synthetic_cohort(source: Path, folder: Path, n_samples: int, n_genes: int, n_far: int = 0) -> Files:
    """Return a real or synthetic cohort of so many samples and genes, with `n_far` genes without variants."""
    variants = source / "genotypes.vcf.gz"
    with open_variants(variants) as reader:
        sample_ids, span = reader.sample_ids, (FIRST, LAST)
        if n_samples != len(sample_ids):
            found = reader.read(CONTIG, *VARIABLE, sample_ids)
            made = synthetic_haplotypes(found.genotypes, n_samples, seed=0)
            variants, span = folder / "made.vcf.gz", (VARIABLE[0] + 200_000, VARIABLE[1] - 200_000)
            with gzip.open(variants, "wt", compresslevel=1) as stream:
                stream.writelines(vcf_lines(found, made))
            sample_ids = tuple(f"P{i:06d}" for i in range(n_samples))
    starts = [
        *np.linspace(*span, n_genes, dtype=np.int64).tolist(),
        *np.linspace(*INVARIANT, n_far, dtype=np.int64).tolist(),
    ]
    return Files(variants, write_expression(folder / "expression.bed", sample_ids, starts))
