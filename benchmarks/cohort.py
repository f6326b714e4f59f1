"""The benchmark cohort: which genes, people and covariates every benchmark on it uses."""

from collections.abc import Iterable
from pathlib import Path

from haploscribe.cohort.cohort import Cohort
from haploscribe.config.options import DEFAULT_TILE, CohortOptions
from haploscribe.expression.table import read_expression
from haploscribe.genome.haplotypes import TileHaplotypes
from haploscribe.genome.tiles import Tile, tile_blocks

EXPRESSION_PCS = 25


def benchmark_cohort(source: Path, out: Path, *, every: int = 1, tile: int = DEFAULT_TILE) -> CohortOptions:
    """Describe the cohort, and write the covariates and the list of genes that its options name.

    Parameters
    ----------
    source
        Folder with `genotypes.vcf.gz`, `reference.fa.gz`, `expression.rpkm.bed.gz`, `covariates.txt`.
    out
        Where the covariates (3 genotype PCs, the first 25 expression PCs), the hidden factors (the other
        expression PCs) and the genes are written.
    every
        Take every N-th gene of the table only.
    tile
        Size of the tile grid in base pairs.
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


def haplotypes_of(cohort: Cohort, tiles: Iterable[Tile]) -> list[TileHaplotypes]:
    """Find the unique haplotypes of tiles, each given once, in genome order; variant-free tiles included."""
    genotypes = cohort.genotypes
    return [
        haplotypes
        for block in tile_blocks(tiles, cohort.options.tile, genotypes.reference.contigs)
        for haplotypes in genotypes.haplotypes(genotypes.common(genotypes.read(block.tiles)), block.wanted)
    ]
