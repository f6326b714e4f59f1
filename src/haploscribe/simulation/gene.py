"""One gene: its causal terms drawn, and its expression computed from the haplotypes."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from haploscribe.arrays import Float64Array
from haploscribe.config.simulation import SimulationOptions
from haploscribe.expression.genes import Gene
from haploscribe.simulation.architecture import (
    NO_PARTNER,
    CausalTerms,
    additive_share,
    draw_epistatic,
    draw_noise,
    draw_polygenic,
    draw_sparse,
    haplotype_values,
    scale_to_heritability,
    term_copies,
)
from haploscribe.simulation.candidates import Candidates
from haploscribe.simulation.randomness import generator_for

TRUTH_SCHEMA = pl.Schema(
    {
        "gene_id": pl.String(),
        "contig": pl.String(),
        "position": pl.Int64(),
        "ref": pl.String(),
        "alt": pl.String(),
        "identifier": pl.String(),
        "effect": pl.Float64(),
        "frequency": pl.Float64(),
        "variance_share": pl.Float64(),
        "partner_position": pl.Int64(),
        "partner_ref": pl.String(),
        "partner_alt": pl.String(),
        "partner_identifier": pl.String(),
    }
)
"""Positions are 1-based; partners are null where an allele acts alone."""


@dataclass(frozen=True, slots=True)
class SimulatedGene:
    """A gene of known causes.

    Attributes
    ----------
    gene
        The gene.
    n_candidates
        Alleles among which the causal ones were drawn.
    truth
        One row a causal term; `TRUTH_SCHEMA`.
    haplotype_values
        float64 `(n_samples, 2)`; what each haplotype adds. A sample's genetic value is the sum of its row.
    expression
        float64 `(n_samples,)`; genetic value and noise.
    additive_share
        See `haploscribe.simulation.architecture.additive_share`; None where the gene has no causal term.
    """

    gene: Gene
    n_candidates: int
    truth: pl.DataFrame
    haplotype_values: Float64Array
    expression: Float64Array
    additive_share: float | None

    @property
    def genetic_values(self) -> Float64Array:
        """float64 `(n_samples,)`."""
        return np.asarray(self.haplotype_values.sum(axis=1), dtype=np.float64)


def simulate_gene(gene: Gene, candidates: Candidates, options: SimulationOptions) -> SimulatedGene | None:
    """Draw a gene's causal terms and compute everyone's expression.

    What is drawn depends on the seed, the gene's id and the candidates, on nothing else.

    Parameters
    ----------
    gene
        The gene.
    candidates
        Alleles of its cis window, of at least 2 samples.
    options
        Architecture, heritability, tile grid and seed.

    Returns
    -------
    SimulatedGene, or None where the candidates do not suffice for the architecture.
    """
    generator = generator_for(options.seed, f"gene {gene.gene_id}")
    carried = candidates.carried
    drawn = _draw_terms(candidates, options, generator)
    terms = None if drawn is None else scale_to_heritability(carried, drawn, options.h2)
    if terms is None:
        return None
    values = haplotype_values(carried, terms)
    noise = draw_noise(carried.shape[1], 1.0 - options.h2, generator)
    return SimulatedGene(
        gene=gene,
        n_candidates=len(carried),
        truth=_truth(gene, candidates, terms),
        haplotype_values=values,
        expression=values.sum(axis=1) + noise,
        additive_share=additive_share(carried, terms) if len(terms.effects) else None,
    )


def _draw_terms(
    candidates: Candidates, options: SimulationOptions, generator: np.random.Generator
) -> CausalTerms | None:
    match options.architecture:
        case "sparse":
            return draw_sparse(candidates.carried, options.causal, generator)
        case "polygenic":
            return draw_polygenic(candidates.carried, generator)
        case "epistatic":
            return draw_epistatic(
                candidates.carried,
                candidates.positions // options.tile,
                options.causal,
                options.maf,
                generator,
                main_effects=options.main_effects,
            )


def _truth(gene: Gene, candidates: Candidates, terms: CausalTerms) -> pl.DataFrame:
    copies = term_copies(candidates.carried, terms)
    alone = np.var(copies.sum(axis=2), axis=1, ddof=1) * terms.effects**2
    total = np.var(haplotype_values(candidates.carried, terms).sum(axis=1), ddof=1)
    alleles = terms.alleles.tolist()
    partners = [None if row == NO_PARTNER else row for row in terms.partners.tolist()]
    return pl.DataFrame(
        {
            "gene_id": [gene.gene_id] * len(alleles),
            "contig": [gene.contig] * len(alleles),
            "position": [int(candidates.positions[row]) + 1 for row in alleles],
            "ref": [candidates.references[row] for row in alleles],
            "alt": [candidates.alternatives[row] for row in alleles],
            "identifier": [candidates.identifiers[row] for row in alleles],
            "effect": terms.effects,
            "frequency": copies.mean(axis=(1, 2)),
            "variance_share": alone / total,
            "partner_position": [
                None if row is None else int(candidates.positions[row]) + 1 for row in partners
            ],
            "partner_ref": [None if row is None else candidates.references[row] for row in partners],
            "partner_alt": [None if row is None else candidates.alternatives[row] for row in partners],
            "partner_identifier": [None if row is None else candidates.identifiers[row] for row in partners],
        },
        schema=TRUTH_SCHEMA,
    )
