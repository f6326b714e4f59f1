"""Simulate genes: choose positions and candidate alleles, draw causal terms, compute expression."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl

from haploscribe.config.simulation import SimulationOptions
from haploscribe.expression.genes import Gene, Strand
from haploscribe.genome.variants import Variants
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
from haploscribe.utils.types import BoolArray, Float64Array, Int8Array, Int64Array

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
"""Positions are 1-based; the partner's columns are null for an allele that acts alone."""

Simulated = TypeVar("Simulated")

_STRANDS: tuple[Strand, Strand] = ("+", "-")


@dataclass(frozen=True, slots=True)
class CandidateAlleles:
    """ALT alleles of a gene's cis window that may be causal, and the haplotypes that carry them.

    Attributes
    ----------
    contig
        As the reference names it.
    positions
        int64 `(n_candidates,)`; 0-based, sorted.
    ref, alt, identifiers
        `n_candidates` REF and ALT alleles and variant IDs; `.` for a variant without an ID.
    carried
        bool `(n_candidates, n_samples, 2)`; whether a haplotype carries the ALT allele.
    """

    contig: str
    positions: Int64Array
    ref: tuple[str, ...]
    alt: tuple[str, ...]
    identifiers: tuple[str, ...]
    carried: BoolArray


@dataclass(frozen=True, slots=True)
class SimulatedGene:
    """A gene with known causal alleles.

    Attributes
    ----------
    gene
        The gene.
    n_candidates
        Number of alleles among which the causal ones were drawn.
    truth
        One row per causal term; `TRUTH_SCHEMA`.
    haplotype_values
        float64 `(n_samples, 2)`; genetic value of each haplotype. A sample's is the sum of both.
    expression
        float64 `(n_samples,)`; genetic value plus noise.
    additive_share
        See `haploscribe.simulation.architecture.additive_share`; None for a gene without causal terms.
    """

    gene: Gene
    n_candidates: int
    truth: pl.DataFrame
    haplotype_values: Float64Array
    expression: Float64Array
    additive_share: float | None

    @property
    def genetic_values(self) -> Float64Array:
        """Genetic value of each sample, float64 `(n_samples,)`."""
        return np.asarray(self.haplotype_values.sum(axis=1), dtype=np.float64)


def generator_for(seed: int, purpose: str) -> np.random.Generator:
    """Return the random generator of one purpose, independent of those of all other purposes.

    Parameters
    ----------
    seed
        `--seed`.
    purpose
        Any text, such as a gene's ID.
    """
    digest = hashlib.blake2b(f"{seed} {purpose}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest))


def gene_at(contig: str, tss: int, generator: np.random.Generator) -> Gene:
    """Return a gene named after its position, on a random strand.

    Parameters
    ----------
    contig, tss
        Position of the transcription start site, 0-based.
    generator
        Draws the strand.
    """
    return Gene(f"GENE_{contig}_{tss + 1}", contig, tss, _STRANDS[generator.integers(2)])


def place_genes(
    contigs: Mapping[str, int],
    window: int,
    n_genes: int,
    generator: np.random.Generator,
    simulate: Callable[[Gene], Simulated | None],
) -> list[Simulated]:
    """Draw TSSs spread over the contigs until enough genes can be simulated.

    The contigs are cut into cells as wide as the cis window. Each round tries one TSS per cell, in an order
    drawn once; a cell whose TSS fails is dropped.

    Parameters
    ----------
    contigs
        Lengths in base pairs.
    window
        Width of the cis window in base pairs.
    n_genes
        Number of genes to simulate.
    generator
        Draws the order of the cells, the TSSs and the strands.
    simulate
        Simulates a gene; returns None if its cis window has too few candidates.

    Returns
    -------
    list
        Results of `simulate`; fewer than `n_genes` if no cell is left.
    """
    cells = [
        (contig, start, min(start + window, length))
        for contig, length in contigs.items()
        for start in range(0, length, window)
    ]
    cells = [cells[i] for i in generator.permutation(len(cells)).tolist()]
    found: dict[tuple[str, int], Simulated] = {}
    while cells and len(found) < n_genes:
        suitable = []
        for contig, start, end in cells:
            tss = int(generator.integers(start, end))
            gene = gene_at(contig, tss, generator)
            simulated = None if (contig, tss) in found else simulate(gene)
            if simulated is not None:
                found[contig, tss] = simulated
                suitable.append((contig, start, end))
            if len(found) == n_genes:
                break
        cells = suitable
    return list(found.values())


def choose_genes(
    genes: Iterable[Gene],
    n_genes: int | None,
    generator: np.random.Generator,
    simulate: Callable[[Gene], Simulated | None],
) -> list[Simulated]:
    """Choose genes in random order until enough have been simulated.

    Parameters
    ----------
    genes
        Genes to choose from.
    n_genes
        Number of genes to simulate; None for all that can be simulated.
    generator
        Draws the order.
    simulate
        As in `place_genes`.

    Returns
    -------
    list
        Results of `simulate`; fewer than `n_genes` if no more genes can be simulated.
    """
    candidates = list(genes)
    found: list[Simulated] = []
    for i in generator.permutation(len(candidates)).tolist():
        if len(found) == n_genes:
            break
        simulated = simulate(candidates[i])
        if simulated is not None:
            found.append(simulated)
    return found


def candidate_alleles(variants: Variants, minimum_maf: float) -> CandidateAlleles:
    """Return the ALT alleles that are common enough and whose dosage varies among the samples.

    Each ALT allele of a multi-allelic variant is a candidate of its own. `minimum_maf` applies to
    min(f, 1 - f) of the allele's frequency f; a variant with such an allele also passes a run's `--maf`.

    Parameters
    ----------
    variants
        Of the cohort's samples.
    minimum_maf
        At least 0, below 0.5.
    """
    rows, numbers = _alt_alleles(variants)
    carried = variants.genotypes[rows] == numbers[:, None, None]
    n_haplotypes = carried.shape[1] * carried.shape[2]
    counts = np.count_nonzero(carried, axis=(1, 2))
    least = minimum_maf * n_haplotypes - 1e-9  # counts are whole numbers; 0.05 · 20 is not quite 1
    common = np.minimum(counts, n_haplotypes - counts) >= least
    varying = np.ptp(np.count_nonzero(carried, axis=2), axis=1) > 0
    chosen = np.flatnonzero(common & varying).tolist()
    return CandidateAlleles(
        contig=variants.contig,
        positions=variants.positions[rows[chosen]],
        ref=tuple(variants.alleles[rows[i]][0].decode() for i in chosen),
        alt=tuple(variants.alleles[rows[i]][numbers[i]].decode() for i in chosen),
        identifiers=tuple(variants.identifiers[rows[i]] for i in chosen),
        carried=carried[chosen],
    )


def simulate_gene(
    gene: Gene, candidates: CandidateAlleles, options: SimulationOptions
) -> SimulatedGene | None:
    """Draw a gene's causal terms and compute the expression of all samples.

    The draws depend on the seed, the gene's ID and the candidates only.

    Parameters
    ----------
    gene
        The gene.
    candidates
        Alleles of its cis window, in at least 2 samples.
    options
        Architecture, heritability, tile grid and seed.

    Returns
    -------
    SimulatedGene, or None if there are too few candidates for the architecture.
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


def _alt_alleles(variants: Variants) -> tuple[Int64Array, Int8Array]:
    """Return the index of each ALT allele's variant, and of the allele in it, `(n_alleles,)` each."""
    rows = [row for row, record in enumerate(variants.alleles) for _ in record[1:]]
    numbers = [number for record in variants.alleles for number in range(1, len(record))]
    return np.array(rows, dtype=np.int64), np.array(numbers, dtype=np.int8)


def _draw_terms(
    candidates: CandidateAlleles, options: SimulationOptions, generator: np.random.Generator
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


def _truth(gene: Gene, candidates: CandidateAlleles, terms: CausalTerms) -> pl.DataFrame:
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
            "ref": [candidates.ref[row] for row in alleles],
            "alt": [candidates.alt[row] for row in alleles],
            "identifier": [candidates.identifiers[row] for row in alleles],
            "effect": terms.effects,
            "frequency": copies.mean(axis=(1, 2)),
            "variance_share": alone / total,
            "partner_position": [
                None if row is None else int(candidates.positions[row]) + 1 for row in partners
            ],
            "partner_ref": [None if row is None else candidates.ref[row] for row in partners],
            "partner_alt": [None if row is None else candidates.alt[row] for row in partners],
            "partner_identifier": [None if row is None else candidates.identifiers[row] for row in partners],
        },
        schema=TRUTH_SCHEMA,
    )
