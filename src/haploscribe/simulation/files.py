"""Write the files of a simulated cohort: genotypes as VCF, expression, truth, genes, genetic values."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pysam
import pysam.bcftools

from haploscribe.genome.htslib import index_variants, quiet
from haploscribe.genome.variants import Variants
from haploscribe.simulation.genes import SimulatedGene
from haploscribe.utils.types import Int8Array

VARIANTS = "genotypes.vcf.gz"
REFERENCE = "reference.fa.gz"
EXPRESSION = "expression.bed.gz"
TRUTH = "truth.tsv"
GENES = "genes.tsv"
GENETIC_VALUES = "genetic_values.parquet"
RECORD = "simulation.json"

INDEXES = (f"{VARIANTS}.tbi", f"{VARIANTS}.csi", f"{REFERENCE}.fai", f"{REFERENCE}.gzi")
FILES = frozenset({VARIANTS, REFERENCE, EXPRESSION, TRUTH, GENES, GENETIC_VALUES, RECORD, *INDEXES})
"""All file names of a simulated cohort's folder."""

GENE_SCHEMA = pl.Schema(
    {
        "gene_id": pl.String(),
        "contig": pl.String(),
        "tss": pl.Int64(),
        "strand": pl.String(),
        "architecture": pl.String(),
        "n_candidates": pl.Int64(),
        "n_terms": pl.Int64(),
        "h2": pl.Float64(),
        "genetic_variance": pl.Float64(),
        "noise_variance": pl.Float64(),
        "additive_share": pl.Float64(),
        "pearson_r": pl.Float64(),
    }
)
"""`tss` is 1-based; `pearson_r` is the correlation of the true genetic value with expression."""

GENETIC_VALUE_SCHEMA = pl.Schema(
    {
        "gene_id": pl.String(),
        "sample_id": pl.String(),
        "haplotype_0": pl.Float64(),
        "haplotype_1": pl.Float64(),
        "genetic_value": pl.Float64(),
    }
)

_LONGEST_IN_TBI = 1 << 29  # longest contig of a .tbi index (SAM/BAM/VCF index specification)


def write_tables(
    folder: Path, genes: Sequence[SimulatedGene], sample_ids: Sequence[str], architecture: str
) -> None:
    """Write the four tables into an unpublished folder.

    Parameters
    ----------
    folder
        Output folder.
    genes
        At least one, in the order of every table.
    sample_ids
        Of the sample axes.
    architecture
        Name of the genetic architecture.
    """
    _write_expression(folder / EXPRESSION, genes, sample_ids)
    pl.concat([gene.truth for gene in genes]).write_csv(folder / TRUTH, separator="\t")
    gene_table(genes, architecture).write_csv(folder / GENES, separator="\t")
    _genetic_values(genes, sample_ids).write_parquet(folder / GENETIC_VALUES)


def gene_table(genes: Sequence[SimulatedGene], architecture: str) -> pl.DataFrame:
    """Return one row per gene; `GENE_SCHEMA`."""
    return pl.DataFrame([_gene_row(gene, architecture) for gene in genes], schema=GENE_SCHEMA, orient="row")


@contextmanager
def vcf_writer(
    path: Path, contigs: Mapping[str, int], sample_ids: Sequence[str]
) -> Iterator[Callable[[Variants], None]]:
    """Open a bgzipped VCF of phased genotypes for writing, and index it when the block succeeds.

    The same records give the same bytes: the header holds neither dates nor versions.

    Parameters
    ----------
    path
        Output file, in an unpublished folder: it is written in place.
    contigs
        Length in base pairs of each contig, in the order of the file.
    sample_ids
        Names of the sample columns.

    Yields
    ------
    Callable
        Writes the given records; calls come in the order of the file.
    """
    with quiet(), pysam.BGZFile(str(path), "w") as file:
        file.write(_vcf_header(contigs, sample_ids).encode())
        yield lambda variants: _write_records(file, variants)
    csi = max(contigs.values()) > _LONGEST_IN_TBI
    index_variants(path, Path(f"{path}.csi" if csi else f"{path}.tbi"), csi=csi)


def _gene_row(simulated: SimulatedGene, architecture: str) -> tuple[object, ...]:
    gene, values = simulated.gene, simulated.genetic_values
    genetic = float(np.var(values, ddof=1))
    noise = float(np.var(simulated.expression - values, ddof=1))
    heritable = len(simulated.truth) > 0
    return (
        *(gene.gene_id, gene.contig, gene.tss + 1, gene.strand, architecture),
        *(simulated.n_candidates, len(simulated.truth)),
        *(genetic / (genetic + noise), genetic, noise),
        # Linear algebra differs between machines in the last digits.
        None if simulated.additive_share is None else round(simulated.additive_share, 6),
        round(float(np.corrcoef(values, simulated.expression)[0, 1]), 6) if heritable else None,
    )


def _write_expression(path: Path, genes: Sequence[SimulatedGene], sample_ids: Sequence[str]) -> None:
    """Write the expression BED of tensorQTL, in which a row's end is the TSS."""
    coordinates = pl.DataFrame(
        {
            "#chr": [simulated.gene.contig for simulated in genes],
            "start": [simulated.gene.tss for simulated in genes],
            "end": [simulated.gene.tss + 1 for simulated in genes],
            "gene_id": [simulated.gene.gene_id for simulated in genes],
        }
    )
    values = pl.DataFrame(
        np.stack([simulated.expression for simulated in genes]), schema=list(sample_ids), orient="row"
    )
    text = pl.concat([coordinates, values], how="horizontal").write_csv(separator="\t")
    with quiet(), pysam.BGZFile(str(path), "w") as file:
        file.write(text.encode())


def _genetic_values(genes: Sequence[SimulatedGene], sample_ids: Sequence[str]) -> pl.DataFrame:
    n_samples = len(sample_ids)
    haplotypes = np.concatenate([simulated.haplotype_values for simulated in genes])
    return pl.DataFrame(
        {
            "gene_id": [simulated.gene.gene_id for simulated in genes for _ in range(n_samples)],
            "sample_id": list(sample_ids) * len(genes),
            "haplotype_0": haplotypes[:, 0],
            "haplotype_1": haplotypes[:, 1],
            "genetic_value": haplotypes.sum(axis=1),
        },
        schema=GENETIC_VALUE_SCHEMA,
    )


def _vcf_header(contigs: Mapping[str, int], sample_ids: Sequence[str]) -> str:
    lines = [
        "##fileformat=VCFv4.2",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        *(f"##contig=<ID={name},length={length}>" for name, length in contigs.items()),
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *sample_ids]),
    ]
    return "\n".join(lines) + "\n"


def _write_records(file: pysam.BGZFile, variants: Variants) -> None:
    for position, name, alleles, genotypes in zip(
        variants.positions.tolist(), variants.identifiers, variants.alleles, variants.genotypes, strict=True
    ):
        ref, *alts = (allele.decode() for allele in alleles)
        fields = [variants.contig, str(position + 1), name, ref, ",".join(alts), ".", "PASS", ".", "GT"]
        file.write("\t".join(fields).encode() + _format_genotypes(genotypes) + b"\n")


def _format_genotypes(genotypes: Int8Array) -> bytes:
    """Format one record's genotypes, int8 `(n_samples, 2)`, each after a tab."""
    if genotypes.size and genotypes.max() > 9:
        return "".join(f"\t{first}|{second}" for first, second in genotypes.tolist()).encode()
    cells = np.empty((len(genotypes), 4), dtype=np.uint8)
    cells[:, 0], cells[:, 2] = ord("\t"), ord("|")
    cells[:, 1::2] = genotypes + ord("0")
    return cells.tobytes()
