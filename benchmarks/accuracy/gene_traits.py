"""Describe the genes of a cohort: heritability, lead variant, and the lead's share of the heritability."""

from collections.abc import Collection

import numpy as np
import polars as pl

from haploscribe.cohort.cohort import Cohort
from haploscribe.estimators.inputs import gene_inputs
from haploscribe.evaluation.heritability import snp_heritability
from haploscribe.expression.normalise import fit_normaliser, prepare
from haploscribe.utils.types import Float32Array, Float64Array

TRAIT_SCHEMA = pl.Schema(
    {
        "gene_id": pl.String,
        "tss": pl.Int64,
        "n_variants": pl.Int64,
        "heritability": pl.Float64,
        "lead_share": pl.Float64,
        "lead_distance": pl.Int64,
    }
)


def gene_traits(cohort: Cohort, gene_ids: Collection[str]) -> pl.DataFrame:
    """Measure the traits of some genes, in all samples.

    - `heritability`: by REML, of inverse-normal expression beyond the covariates.
    - `lead_share`: R² of the variant that correlates best with expression freed of covariates, divided by the
      heritability; above 1 by chance, or where one variant does more than REML grants all together. Infinite
      where the heritability is 0.
    - `lead_distance`: from the TSS to that variant in base pairs, signed along the gene's strand.

    Returns
    -------
    One row per gene that has variants, in genome order, with the columns of `TRAIT_SCHEMA`.
    """
    rows = []
    for gene, values in zip(cohort.genes, cohort.values, strict=True):
        inputs = gene_inputs(cohort, gene, None)
        if gene.gene_id not in gene_ids or not inputs.positions.size:
            continue
        normalised = fit_normaliser(values, "inverse-normal").transform(values)
        h2 = snp_heritability(inputs.dosages, normalised, cohort.covariates).estimate
        everyone = np.ones(len(values), dtype=np.bool_)
        r2 = squared_correlations(
            inputs.dosages, prepare(values, cohort.covariates, everyone, "inverse-normal")
        )
        lead = int(np.argmax(r2))
        away = int(inputs.positions[lead]) - gene.tss
        rows.append(
            {
                "gene_id": gene.gene_id,
                "tss": gene.tss,
                "n_variants": inputs.positions.size,
                "heritability": h2,
                "lead_share": r2[lead] / h2 if h2 > 0 else np.inf,
                "lead_distance": -away if gene.strand == "-" else away,
                "contig": gene.contig,
            }
        )
    table = pl.DataFrame(rows, schema={**TRAIT_SCHEMA, "contig": pl.String})
    return table.sort("contig", "tss").select(TRAIT_SCHEMA.names())


def squared_correlations(dosages: Float32Array, expression: Float64Array) -> Float64Array:
    """Square the correlation of each variant with expression, float64 `(n_variants,)`; 0 if none varies."""
    centred = dosages - dosages.mean(axis=0, dtype=np.float64)
    deviation = expression - expression.mean()
    product = (centred**2).sum(axis=0) * (deviation @ deviation)
    r2: Float64Array = np.zeros(len(product))
    np.divide((deviation @ centred) ** 2, product, out=r2, where=product > 0)
    return r2
