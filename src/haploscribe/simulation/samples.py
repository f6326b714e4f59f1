"""Provide haplotypes of a simulated cohort: copied from a file, or from coalescent simulation."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam

from haploscribe.cohort.windows import WIDE_WINDOW
from haploscribe.config.simulation import SimulationOptions
from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.reference import write_fasta
from haploscribe.genome.tiles import Interval, cis_window
from haploscribe.genome.variants import VariantCounts, VariantReader, Variants, check_reference
from haploscribe.simulation.files import vcf_writer
from haploscribe.simulation.genes import CandidateAlleles, candidate_alleles, generator_for
from haploscribe.utils.progress import stage

EFFECTIVE_SIZE = 10_000
"""Diploid individuals; the long-term effective size of humans (Takahata, Mol. Biol. Evol. 10:2-22, 1993)."""

MUTATION_RATE = 1.25e-8
"""Per base pair and generation, from families (Scally and Durbin, Nat. Rev. Genet. 13:745-753, 2012)."""

RECOMBINATION_RATE = 1e-8
"""Crossovers per base pair and generation: 1 cM/Mb, the human genome-wide mean."""

BASES_AT_ONCE = 500_000
"""Base pairs of genotypes held in memory while variants are copied."""

_GENES_PER_CONTIG = 50
_MOST_CONTIGS = 22
_LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Locus(Interval):
    """The DNA around one simulated gene, with a genealogy independent of the other loci.

    Attributes
    ----------
    contig, start, end
        `chr1` to `chr22`; 0-based half-open, in base pairs.
    index
        From 0.
    """

    index: int

    @property
    def centre(self) -> int:
        """TSS of the gene, 0-based."""
        return (self.start + self.end) // 2


@dataclass(frozen=True, slots=True)
class CopyCounts:
    """Counts of a copy: variants written, genotype calls read, and missing calls among them."""

    n_variants: int
    n_calls: int
    n_missing_calls: int


def draw_samples(
    reader: VariantReader, n_samples: int | None, generator: np.random.Generator
) -> tuple[str, ...]:
    """Draw samples without replacement, in the order of the file; None for all.

    Raises
    ------
    InputError
        When the file has fewer samples than that, or fewer than 2.
    """
    available = len(reader.sample_ids)
    wanted = available if n_samples is None else n_samples
    if wanted > available:
        raise InputError(f"--samples {wanted}: {reader.path} has {available} samples; give at most that many")
    if wanted < 2:
        raise InputError(f"{reader.path} has fewer than 2 samples; give phased genotypes of more")
    chosen = np.sort(generator.choice(available, wanted, replace=False)).tolist()
    return tuple(reader.sample_ids[i] for i in chosen)


def read_candidates(genotypes: Genotypes, gene: Gene, options: SimulationOptions) -> CandidateAlleles:
    """Read the candidate causal alleles of a gene: the variants of its cis window that estimators see.

    Raises
    ------
    InputError
        When the file is damaged, unphased or without calls, or REF differs from the FASTA.
    """
    length = genotypes.reference.contigs[gene.contig]
    variants = genotypes.read_window(cis_window(gene.contig, gene.tss, options.window, length))
    check_reference(variants, genotypes.reference)
    if 0 < variants.counts.n_calls == variants.counts.n_missing_calls:
        raise InputError(
            f"{genotypes.reader.path} has no call with alleles (GT) near {gene.gene_id}; "
            "give a file of phased calls"
        )
    return candidate_alleles(variants, options.maf)


def intervals_around(
    genes: Iterable[Gene], options: SimulationOptions, genotypes: Genotypes
) -> list[Interval]:
    """Return the intervals a run on these genes reads, wide windows included, overlapping ones merged.

    In the order of the reference.
    """
    contigs = genotypes.reference.contigs
    flank = max(options.window, WIDE_WINDOW) // 2 + options.tile
    rank = {contig: index for index, contig in enumerate(contigs)}
    merged: list[Interval] = []
    for gene in sorted(genes, key=lambda gene: (rank[gene.contig], gene.tss)):
        start, end = max(gene.tss - flank, 0), min(gene.tss + flank, contigs[gene.contig])
        last = merged[-1] if merged else None
        if last is not None and last.contig == gene.contig and start <= last.end:
            merged[-1] = Interval(last.contig, last.start, max(last.end, end))
        else:
            merged.append(Interval(gene.contig, start, end))
    return merged


def copy_variants(
    genotypes: Genotypes,
    intervals: Iterable[Interval],
    write: Callable[[Variants], None],
    *,
    bases_at_once: int = BASES_AT_ONCE,
) -> CopyCounts:
    """Copy the variants of some intervals that at least one sample carries, in order and each once.

    Parameters
    ----------
    genotypes
        Of the cohort's samples.
    intervals
        Sorted, not overlapping.
    write
        Writes the variants of a part of an interval.
    bases_at_once
        Longest part of an interval read at once, in base pairs.

    Raises
    ------
    InputError
        When the file is damaged or unphased, or REF differs from the FASTA.
    """
    n_variants = n_calls = n_missing = 0
    done = ("", 0)
    for interval in intervals:
        for start in range(interval.start, interval.end, bases_at_once):
            end = min(start + bases_at_once, interval.end)
            variants = genotypes.reader.read(interval.contig, start, end, genotypes.sample_ids)
            # A deletion that spans a boundary between parts is read with both, and written once.
            variants = variants.starting_in(done[1] if done[0] == interval.contig else 0, end)
            done = (interval.contig, end)
            check_reference(variants, genotypes.reference)
            n_calls += variants.counts.n_calls
            n_missing += variants.counts.n_missing_calls
            carried = variants.take(np.any(variants.genotypes != 0, axis=(1, 2)))
            n_variants += len(carried.positions)
            write(carried)
    return CopyCounts(n_variants, n_calls, n_missing)


def lay_out_loci(n_genes: int, window: int, tile: int) -> list[Locus]:
    """Arrange one locus per gene, end to end on at most 22 contigs.

    A locus is a whole number of tiles long and holds all tiles of the cis window around its centre.

    Parameters
    ----------
    n_genes
        At least 1.
    window, tile
        In base pairs.
    """
    length = (-(-window // tile) + 1) * tile
    n_contigs = min(_MOST_CONTIGS, -(-n_genes // _GENES_PER_CONTIG))
    shares = np.array_split(np.arange(n_genes), n_contigs)
    return [
        Locus(f"chr{contig}", i * length, (i + 1) * length, index)
        for contig, indices in enumerate(shares, start=1)
        for i, index in enumerate(indices.tolist())
    ]


def simulate_haplotypes(
    options: SimulationOptions, loci: Sequence[Locus], variants: Path, reference: Path
) -> None:
    """Simulate haplotypes by the coalescent, and write them with a random reference that REF matches.

    The population has a constant size, and each locus its own genealogy. Sites that mutated once are
    written, as SNVs with the ancestral allele as REF.

    Parameters
    ----------
    options
        Number of samples and seed.
    loci
        From `lay_out_loci`.
    variants, reference
        VCF.gz and FASTA.gz to write; their indexes are put beside them.
    """
    assert options.samples is not None
    contigs: dict[str, int] = {}
    for locus in loci:
        contigs[locus.contig] = locus.end
    width = max(len(str(options.samples)), 4)
    sample_ids = tuple(f"person{number:0{width}d}" for number in range(1, options.samples + 1))
    with (
        stage("Simulating haplotypes", len(loci), "genes") as advance,
        vcf_writer(variants, contigs, sample_ids) as write,
    ):
        for locus in loci:
            write(_simulate_locus(locus, sample_ids, options.seed))
            advance(1)
    _write_reference(loci, options.seed, reference)


def require_msprime() -> None:
    """Raise InputError if msprime is not installed."""
    try:
        import msprime  # noqa: F401, PLC0415 (an optional extra)
    except ImportError:
        raise InputError(
            "simulating haplotypes needs msprime: pip install 'haploscribe[simulate]', or give real ones "
            "with --variants and --reference"
        ) from None


def _simulate_locus(locus: Locus, sample_ids: tuple[str, ...], seed: int) -> Variants:
    import msprime  # noqa: PLC0415 (an optional extra)

    generator = generator_for(seed, f"ancestry {locus.index}")
    ancestry_seed, mutation_seed = generator.integers(1, 1 << 31, 2).tolist()
    trees = msprime.sim_ancestry(
        len(sample_ids),
        population_size=EFFECTIVE_SIZE,
        recombination_rate=RECOMBINATION_RATE,
        sequence_length=locus.end - locus.start,
        random_seed=ancestry_seed,
    )
    mutated = msprime.sim_mutations(
        trees, rate=MUTATION_RATE, model=msprime.BinaryMutationModel(), random_seed=mutation_seed
    )
    once = np.bincount(mutated.mutations_site, minlength=mutated.num_sites) == 1
    offsets = mutated.sites_position[once].astype(np.int64)
    genotypes = mutated.genotype_matrix()[once].reshape(len(offsets), len(sample_ids), 2)
    sequence = np.frombuffer(_reference_sequence(locus, seed), dtype=np.uint8)
    refs = np.searchsorted(_LETTERS, sequence[offsets])
    alts = (refs + generator.integers(1, 4, len(offsets))) % 4
    pairs = [
        (_LETTERS[ref : ref + 1].tobytes(), _LETTERS[alt : alt + 1].tobytes())
        for ref, alt in zip(refs.tolist(), alts.tolist(), strict=True)
    ]
    positions = offsets + locus.start
    return Variants(
        contig=locus.contig,
        positions=positions,
        identifiers=tuple(
            f"{locus.contig}_{position + 1}_{ref.decode()}_{alt.decode()}"
            for position, (ref, alt) in zip(positions.tolist(), pairs, strict=True)
        ),
        alleles=tuple(pairs),
        genotypes=genotypes.astype(np.int8),
        sample_ids=sample_ids,
        counts=VariantCounts(n_records=len(offsets)),
    )


def _reference_sequence(locus: Locus, seed: int) -> bytes:
    generator = generator_for(seed, f"sequence {locus.index}")
    return _LETTERS[generator.integers(0, 4, locus.end - locus.start)].tobytes()


def _write_reference(loci: Sequence[Locus], seed: int, path: Path) -> None:
    plain = path.with_suffix("")
    write_fasta(_reference_records(loci, seed), plain)
    pysam.tabix_compress(str(plain), str(path))
    plain.unlink()
    pysam.faidx(str(path))


def _reference_records(loci: Sequence[Locus], seed: int) -> Iterator[tuple[str, bytes]]:
    for contig in dict.fromkeys(locus.contig for locus in loci):
        yield contig, b"".join(_reference_sequence(locus, seed) for locus in loci if locus.contig == contig)
