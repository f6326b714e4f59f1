"""The benchmark cohort: the genes, samples, covariates and splits that benchmarks use."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from haploscribe.cohort.cohort import Cohort, open_cohort
from haploscribe.config.options import DEFAULT_TILE, CohortOptions
from haploscribe.embedding.backbones.catalogue import BACKBONES
from haploscribe.expression.table import read_expression
from haploscribe.genome.haplotypes import TileHaplotypes
from haploscribe.genome.tiles import Interval, tile_blocks

EXPRESSION_PCS = 25
TRAINING_SIZES = (69, 138, 206, 290)
N_TEST = 68
SPLIT_SEED = 0
GENOME_BASES = 2_937_639_396  # A, C, G and T of GRCh38's 24 assembled chromosomes
NANO_TILE = next(entry.default_tile for entry in BACKBONES if entry.name == "nano")


def benchmark_cohort(source: Path, out: Path, *, every: int = 1, tile: int | None = None) -> CohortOptions:
    """Return the cohort's options, and write the covariates and the list of genes that they name.

    Parameters
    ----------
    source
        Folder with `genotypes.vcf.gz`, `reference.fa.gz`, `expression.rpkm.bed.gz`, `covariates.txt`.
    out
        Folder for the covariates (3 genotype PCs, the first 25 expression PCs), the hidden factors (the
        other expression PCs) and the genes.
    every
        Take every N-th gene of the table only.
    tile
        Size of the tile grid in base pairs; None for the backbone's own.
    """
    out.mkdir(parents=True, exist_ok=True)
    wanted = {f"expression_PC{number}" for number in range(1, EXPRESSION_PCS + 1)}
    header, *rows = (source / "covariates.txt").read_text().splitlines()
    kept = [row for row in rows if row.startswith("genotype_PC") or row.split("\t", 1)[0] in wanted]
    covariates, factors, genes = out / "covariates.txt", out / "hidden_factors.txt", out / "genes.txt"
    covariates.write_text("\n".join([header, *kept]) + "\n")
    factors.write_text("\n".join([header, *(row for row in rows if row not in kept)]) + "\n")
    expression = source / "expression.rpkm.bed.gz"
    ids = [gene.gene_id for gene in read_expression(expression).genes][::every]
    genes.write_text("\n".join(ids) + "\n")
    return CohortOptions(
        variants=source / "genotypes.vcf.gz",
        reference=source / "reference.fa.gz",
        expression=expression,
        covariates=covariates,
        hidden_factors=factors,
        genes=str(genes),
        tile=tile,
    )


def haplotypes_of(cohort: Cohort, windows: Iterable[Interval]) -> list[TileHaplotypes]:
    """Return the unique haplotypes of the tiles of windows, as they are embedded; variant-free ones too."""
    blocks = tile_blocks(windows, cohort.options.tile_size, cohort.genotypes.reference.contigs)
    return [each for block in blocks for each in cohort.genotypes.block_haplotypes(block)]


def passes_of_genome(source: Path, tile: int = DEFAULT_TILE) -> float:
    """Count the unique haplotypes of the cohort's chromosome, by tile size, and scale them to the genome."""
    with tempfile.TemporaryDirectory() as folder:
        options = benchmark_cohort(source, Path(folder), tile=tile)
        with open_cohort(options, Path(folder)) as cohort:
            contig = cohort.genes[0].contig
            length = cohort.genotypes.reference.contigs[contig]
            whole = [Interval(contig, 0, length)]
            counts = [len(each.sequences) for each in haplotypes_of(cohort, whole)]
            sequence = cohort.genotypes.reference.fetch(contig, 0, length)
    passes = sum(count for count in counts if count > 1)
    return passes * GENOME_BASES / (length - sequence.count(b"N"))


def read_populations(source: Path) -> dict[str, str]:
    """Read each sample's population from the cohort's `populations.tsv`."""
    header, *rows = (source / "populations.tsv").read_text().splitlines()
    assert header.split("\t")[:2] == ["sample_id", "population"], header
    found = {}
    for row in rows:
        sample_id, population = row.split("\t")[:2]
        found[sample_id] = population
    return found


def splits_of(populations: Mapping[str, str]) -> dict[str, dict[str, list[str]]]:
    """Return the sample names of each set of each split.

    Parameters
    ----------
    populations
        Population of each sample.
    """
    shuffled = np.random.default_rng(SPLIT_SEED).permutation(sorted(populations)).tolist()
    tested, others = shuffled[:N_TEST], shuffled[N_TEST:]
    found = {
        f"{size} samples, others tested": {"train": others[:size], "test": tested} for size in TRAINING_SIZES
    }
    finns = [sample_id for sample_id in sorted(populations) if populations[sample_id] == "FIN"]
    rest = sorted(populations.keys() - set(finns))
    return {**found, "CEU, GBR and TSI, FIN tested": {"train": rest, "test": finns}}


def write_split(sets: Mapping[str, Sequence[str]], path: Path) -> Path:
    """Write a split file as `--split` reads it."""
    lines = [f"{sample_id}\t{name}\n" for name, sample_ids in sets.items() for sample_id in sample_ids]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("sample_id\tset\n" + "".join(lines))
    return path
