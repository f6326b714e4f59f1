"""People that never lived: haplotypes by coalescent simulation, and a reference that fits them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam

from haploscribe.errors import InputError
from haploscribe.genome.reference import write_fasta
from haploscribe.genome.variants import VariantCounts, Variants
from haploscribe.options import SimulationOptions
from haploscribe.progress import stage
from haploscribe.simulation.randomness import generator_for
from haploscribe.simulation.vcf_file import written_vcf

EFFECTIVE_SIZE = 10_000
"""Diploid people; the classic long-term size of humans (Takahata, Mol. Biol. Evol. 10:2-22, 1993)."""

MUTATION_RATE = 1.25e-8
"""A base pair and generation, counted in families (Scally and Durbin, Nat. Rev. Genet. 13:745-753, 2012)."""

RECOMBINATION_RATE = 1e-8
"""Crossovers per base pair and generation: 1 cM a megabase, humans' genome-wide mean."""

_BLOCKS_OF_CONTIG = 50
_MOST_CONTIGS = 22
_LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of DNA around one gene, with an ancestry of its own.

    Attributes
    ----------
    number
        From 0.
    contig
        `chr1` to `chr22`.
    start, end
        0-based half-open, in base pairs.
    """

    number: int
    contig: str
    start: int
    end: int

    @property
    def centre(self) -> int:
        """Where the gene's TSS is put, 0-based."""
        return (self.start + self.end) // 2


def blocks_for(n_genes: int, window: int, tile: int) -> list[Block]:
    """Lay out one block a gene, end to end on at most 22 contigs.

    A block is a whole number of tiles long, and holds all tiles of the cis window around its centre.

    Parameters
    ----------
    n_genes
        At least 1.
    window, tile
        In base pairs.
    """
    length = (-(-window // tile) + 1) * tile
    n_contigs = min(_MOST_CONTIGS, -(-n_genes // _BLOCKS_OF_CONTIG))
    shares = np.array_split(np.arange(n_genes), n_contigs)
    return [
        Block(number, f"chr{contig}", place * length, (place + 1) * length)
        for contig, numbers in enumerate(shares, start=1)
        for place, number in enumerate(numbers.tolist())
    ]


def write_people(options: SimulationOptions, blocks: list[Block], variants: Path, reference: Path) -> None:
    """Simulate people's haplotypes and write them with a reference that REF matches.

    A population of constant size; each block is independent of the others. Sites that mutated once are
    written, as SNVs with the ancestral allele as REF.

    Parameters
    ----------
    options
        `samples` people; the seed.
    blocks
        From `blocks_for`.
    variants, reference
        VCF.gz and FASTA.gz to write; indexes are put beside them.
    """
    assert options.samples is not None
    contigs: dict[str, int] = {}
    for block in blocks:
        contigs[block.contig] = block.end
    width = max(len(str(options.samples)), 4)
    sample_ids = tuple(f"person{number:0{width}d}" for number in range(1, options.samples + 1))
    with (
        stage("Simulating haplotypes", len(blocks), "genes") as advance,
        written_vcf(variants, contigs, sample_ids) as write,
    ):
        for block in blocks:
            write(_variants(block, sample_ids, options.seed))
            advance(1)
    _write_reference(blocks, options.seed, reference)


def require_msprime() -> None:
    """Raise an InputError that says how to install msprime, where it is missing."""
    try:
        import msprime  # noqa: F401, PLC0415 (an optional extra)
    except ImportError:
        raise InputError(
            "simulating people needs msprime: pip install 'haploscribe[simulate]', or give real ones with "
            "--variants and --reference"
        ) from None


def _variants(block: Block, sample_ids: tuple[str, ...], seed: int) -> Variants:
    import msprime  # noqa: PLC0415 (an optional extra)

    generator = generator_for(seed, f"ancestry {block.number}")
    ancestry_seed, mutation_seed = generator.integers(1, 1 << 31, 2).tolist()
    trees = msprime.sim_ancestry(
        len(sample_ids),
        population_size=EFFECTIVE_SIZE,
        recombination_rate=RECOMBINATION_RATE,
        sequence_length=block.end - block.start,
        random_seed=ancestry_seed,
    )
    mutated = msprime.sim_mutations(
        trees, rate=MUTATION_RATE, model=msprime.BinaryMutationModel(), random_seed=mutation_seed
    )
    once = np.bincount(mutated.mutations_site, minlength=mutated.num_sites) == 1
    offsets = mutated.sites_position[once].astype(np.int64)
    genotypes = mutated.genotype_matrix()[once].reshape(len(offsets), len(sample_ids), 2)
    sequence = np.frombuffer(_sequence(block, seed), dtype=np.uint8)
    references = np.searchsorted(_LETTERS, sequence[offsets])
    alternatives = (references + generator.integers(1, 4, len(offsets))) % 4
    pairs = [
        (_LETTERS[first : first + 1].tobytes(), _LETTERS[second : second + 1].tobytes())
        for first, second in zip(references.tolist(), alternatives.tolist(), strict=True)
    ]
    positions = offsets + block.start
    return Variants(
        contig=block.contig,
        positions=positions,
        identifiers=tuple(
            f"{block.contig}_{position + 1}_{first.decode()}_{second.decode()}"
            for position, (first, second) in zip(positions.tolist(), pairs, strict=True)
        ),
        alleles=tuple(pairs),
        genotypes=genotypes.astype(np.int8),
        sample_ids=sample_ids,
        counts=VariantCounts(n_records=len(offsets)),
    )


def _sequence(block: Block, seed: int) -> bytes:
    generator = generator_for(seed, f"sequence {block.number}")
    return _LETTERS[generator.integers(0, 4, block.end - block.start)].tobytes()


def _write_reference(blocks: list[Block], seed: int, path: Path) -> None:
    plain = path.with_suffix("")
    write_fasta(_records(blocks, seed), plain)
    pysam.tabix_compress(str(plain), str(path))
    plain.unlink()
    pysam.faidx(str(path))


def _records(blocks: list[Block], seed: int) -> Iterator[tuple[str, bytes]]:
    for contig in dict.fromkeys(block.contig for block in blocks):
        yield contig, b"".join(_sequence(block, seed) for block in blocks if block.contig == contig)
