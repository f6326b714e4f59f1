"""The people of the cohort, drawn from a file of phased genotypes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from haploscribe.errors import InputError
from haploscribe.estimators.inputs import WIDE_WINDOW
from haploscribe.expression.genes import Gene
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.tiles import cis_tiles
from haploscribe.genome.variants import VariantReader, Variants, check_reference
from haploscribe.options import SimulationOptions
from haploscribe.simulation.candidates import Candidates, candidates_of

_BLOCK = 500_000  # base pairs of genotypes in memory at once


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a contig, 0-based half-open, in base pairs."""

    contig: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class CopiedCounts:
    """What was met while variants were copied: records kept, genotype calls, and missing ones among them."""

    n_variants: int
    n_calls: int
    n_missing_calls: int


def draw_samples(
    reader: VariantReader, n_samples: int | None, generator: np.random.Generator
) -> tuple[str, ...]:
    """Draw people without replacement, in the order of the file; None for all.

    Raises
    ------
    InputError
        When the file has fewer than that, or fewer than 2.
    """
    there = len(reader.sample_ids)
    wanted = there if n_samples is None else n_samples
    if wanted > there:
        raise InputError(f"--samples {wanted}: {reader.path} has {there} people; ask for at most as many")
    if wanted < 2:
        raise InputError(f"{reader.path} has fewer than 2 people; give phased genotypes of more")
    chosen = np.sort(generator.choice(there, wanted, replace=False)).tolist()
    return tuple(reader.sample_ids[i] for i in chosen)


def read_candidates(genotypes: Genotypes, gene: Gene, options: SimulationOptions) -> Candidates:
    """Read the alleles of a gene's cis window that may be causal: those that estimators are given.

    Raises
    ------
    InputError
        When the file is damaged, unphased, or REF is not what the FASTA has.
    """
    length = genotypes.reference.contigs[gene.contig]
    tiles = cis_tiles(gene.contig, gene.tss, options.window, options.tile, length)
    variants = genotypes.read(tiles)
    check_reference(variants, genotypes.reference)
    inside = variants.starting_in(tiles[0].start, tiles[-1].end)
    return candidates_of(inside, options.maf)


def stretches_around(
    genes: Iterable[Gene], options: SimulationOptions, genotypes: Genotypes
) -> list[Stretch]:
    """List the stretches of which a run reads variants, the wide windows among them, joined where they meet.

    In the order of the reference.
    """
    contigs = genotypes.reference.contigs
    half = max(options.window, WIDE_WINDOW) // 2 + options.tile
    place = {contig: number for number, contig in enumerate(contigs)}
    joined: list[Stretch] = []
    for gene in sorted(genes, key=lambda gene: (place[gene.contig], gene.tss)):
        start, end = max(gene.tss - half, 0), min(gene.tss + half, contigs[gene.contig])
        last = joined[-1] if joined else None
        if last is not None and last.contig == gene.contig and start <= last.end:
            joined[-1] = Stretch(last.contig, last.start, max(last.end, end))
        else:
            joined.append(Stretch(gene.contig, start, end))
    return joined


def copy_variants(
    genotypes: Genotypes, stretches: Iterable[Stretch], write: Callable[[Variants], None]
) -> CopiedCounts:
    """Hand over all records of some stretches that anyone of the cohort carries, in order, each once.

    Parameters
    ----------
    genotypes
        Of the cohort's people.
    stretches
        In order, none overlapping another.
    write
        Takes the records of a part of a stretch.

    Raises
    ------
    InputError
        When the file is damaged, unphased, or REF is not what the FASTA has.
    """
    n_variants = n_calls = n_missing = 0
    done = ("", 0)
    for stretch in stretches:
        for start in range(stretch.start, stretch.end, _BLOCK):
            end = min(start + _BLOCK, stretch.end)
            variants = genotypes.reader.read(stretch.contig, start, end, genotypes.sample_ids)
            # A deletion that reaches into the block from the left is handed over once.
            variants = variants.starting_in(done[1] if done[0] == stretch.contig else 0, end)
            done = (stretch.contig, end)
            check_reference(variants, genotypes.reference)
            n_calls += variants.counts.n_calls
            n_missing += variants.counts.n_missing_calls
            carried = variants.take(np.any(variants.genotypes != 0, axis=(1, 2)))
            n_variants += len(carried.positions)
            write(carried)
    return CopiedCounts(n_variants, n_calls, n_missing)
