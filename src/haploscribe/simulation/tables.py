"""The tables of a simulated cohort: expression, truth, genes, genetic values."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pysam

from haploscribe.genome.htslib import quiet
from haploscribe.simulation.files import EXPRESSION, GENES, GENETIC_VALUES, TRUTH
from haploscribe.simulation.gene import SimulatedGene

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
"""`tss` is 1-based; `pearson_r` is that of the true genetic value with expression."""

GENETIC_VALUE_SCHEMA = pl.Schema(
    {
        "gene_id": pl.String(),
        "sample_id": pl.String(),
        "haplotype_0": pl.Float64(),
        "haplotype_1": pl.Float64(),
        "genetic_value": pl.Float64(),
    }
)


def write_tables(
    folder: Path, genes: Sequence[SimulatedGene], sample_ids: Sequence[str], architecture: str
) -> None:
    """Write the four tables into a folder that is being built aside.

    Parameters
    ----------
    folder
        Where they go.
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
    """Describe each gene in a row; `GENE_SCHEMA`."""
    return pl.DataFrame([_gene_row(gene, architecture) for gene in genes], schema=GENE_SCHEMA, orient="row")


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
    """Write tensorQTL's columns; the BED row's end is the TSS."""
    places = pl.DataFrame(
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
    text = pl.concat([places, values], how="horizontal").write_csv(separator="\t")
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
