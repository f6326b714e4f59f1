"""Simulate samples of European ancestry, any number of them, as the variants of a phased VCF.

The demography is that of Tennessen et al., Science 337:64, 2012, fitted to thousands of exomes: out of
Africa, and in the last 5,115 years growth of 1.95 % a generation to half a million. That growth is why large
cohorts hold so many rare variants; a model without it would underestimate the cost.

The model was fitted with 2.36e-8 mutations a base pair and generation, and pedigrees now say 1.29e-8
(Jónsson et al., Nature 549:519, 2017). The coalescent knows only products of rates with sizes and times. So
sizes, times and the mutation rate stay as published, and recombination, which is measured in families, is
raised by 2.36 / 1.29.
"""

import math
from dataclasses import dataclass, replace

import msprime
import numpy as np
import tskit

from haploscribe.genome.tiles import Tile, overlapping_tiles
from haploscribe.genome.variants import VariantCounts, Variants
from haploscribe.utils.types import Int8Array

LETTERS = ("A", "C", "G", "T")
YEARS_PER_GENERATION = 25
TENNESSEN_MUTATION_RATE = 2.36e-8
PEDIGREE_MUTATION_RATE = 1.29e-8


@dataclass(frozen=True, slots=True)
class Stretch:
    """Ancestry of a stretch of one chromosome.

    Attributes
    ----------
    ancestry
        Tree sequence of all samples, and of one more, whose first haplotype is the reference genome: a
        reference is a sample's DNA as well, and is often carried by others.
    tiles
        All tiles of the stretch, in order.
    references
        The reference sequence of each tile.
    """

    ancestry: tskit.TreeSequence
    tiles: tuple[Tile, ...]
    references: tuple[bytes, ...]


def european_demography() -> msprime.Demography:
    """Build the two-population model of Tennessen et al. 2012; populations are AFR and EUR."""
    expansion, out_of_africa, split, growth = (
        years / YEARS_PER_GENERATION for years in (148_000, 51_000, 23_000, 5_115)
    )
    slow, fast, african = 0.00307, 0.0195, 0.0166
    before_growth = 1_032 * math.exp(slow * (split - growth))
    demography = msprime.Demography()
    demography.add_population(
        name="AFR", initial_size=14_474 * math.exp(african * growth), growth_rate=african
    )
    demography.add_population(
        name="EUR", initial_size=before_growth * math.exp(fast * growth), growth_rate=fast
    )
    demography.set_symmetric_migration_rate(["AFR", "EUR"], 2.5e-5)
    # Backwards in time: growth begins, Europeans split, they leave Africa, Africans expand.
    demography.add_population_parameters_change(
        time=growth, population="AFR", initial_size=14_474, growth_rate=0
    )
    demography.add_population_parameters_change(
        time=growth, population="EUR", initial_size=before_growth, growth_rate=slow
    )
    demography.add_population_parameters_change(
        time=split, population="EUR", initial_size=1_861, growth_rate=0
    )
    demography.add_symmetric_migration_rate_change(time=split, populations=["AFR", "EUR"], rate=15e-5)
    demography.add_mass_migration(time=out_of_africa, source="EUR", dest="AFR", proportion=1)
    demography.add_symmetric_migration_rate_change(time=out_of_africa, populations=["AFR", "EUR"], rate=0)
    demography.add_population_parameters_change(time=expansion, population="AFR", initial_size=7_310)
    return demography


def simulate_stretch(
    n_samples: int,
    n_tiles: int,
    tile_size: int,
    seed: int,
    *,
    recombination_rate: float = 1.25e-8,
    diversity: float = 1.0,
) -> Stretch:
    """Simulate the ancestry and the mutations of a stretch; samples are exchangeable.

    Parameters
    ----------
    n_samples
        Number of samples.
    n_tiles, tile_size
        Length of the stretch, in tiles and in base pairs a tile.
    seed
        Of the random numbers, from 1.
    recombination_rate
        Crossovers per base pair and generation, as measured in families; the same everywhere.
    diversity
        How many times as many variants as the demographic model alone gives.
    """
    length = n_tiles * tile_size
    trees = msprime.sim_ancestry(
        {"EUR": n_samples + 1},
        demography=european_demography(),
        sequence_length=length,
        recombination_rate=recombination_rate * TENNESSEN_MUTATION_RATE / PEDIGREE_MUTATION_RATE,
        random_seed=seed,
    )
    ancestry = msprime.sim_mutations(trees, rate=TENNESSEN_MUTATION_RATE * diversity, random_seed=seed)
    letters = np.frombuffer("".join(LETTERS).encode(), dtype=np.uint8)
    chromosome = np.random.default_rng(seed).choice(letters, length)
    reference_sample = ancestry.samples()[2 * n_samples : 2 * n_samples + 1]
    for site in ancestry.variants(samples=reference_sample, alleles=LETTERS, isolated_as_missing=False):
        chromosome[int(site.site.position)] = letters[site.genotypes[0]]
    tiles = overlapping_tiles("simulated", 0, length, tile_size, length)
    return Stretch(ancestry, tiles, tuple(chromosome[tile.start : tile.end].tobytes() for tile in tiles))


def tile_variants(stretch: Stretch, number: int) -> Variants:
    """Return the variants of one tile of all samples, as read from a phased VCF.

    Parameters
    ----------
    stretch
        From `simulate_stretch`.
    number
        Which tile.
    """
    tile, reference = stretch.tiles[number], stretch.references[number]
    ancestry = stretch.ancestry
    n_samples = ancestry.num_individuals - 1
    sites = ancestry.sites_position
    n_sites = int(np.count_nonzero((sites >= tile.start) & (sites < tile.end)))
    genotypes: Int8Array = np.empty((n_sites, 2 * n_samples), dtype=np.int8)
    positions: list[int] = []
    alleles: list[tuple[bytes, ...]] = []
    samples = ancestry.samples()[: 2 * n_samples]
    found = ancestry.variants(samples=samples, alleles=LETTERS, left=tile.start, right=tile.end)
    for row, site in enumerate(found):
        position = int(site.site.position)
        here = LETTERS.index(chr(reference[position - tile.start]))
        carried = np.flatnonzero(np.bincount(site.genotypes, minlength=len(LETTERS))).tolist()
        order = [here, *(code for code in carried if code != here)]
        number_of = np.zeros(len(LETTERS), dtype=np.int8)
        number_of[order] = np.arange(len(order))
        genotypes[row] = number_of[site.genotypes]
        positions.append(position)
        alleles.append(tuple(LETTERS[code].encode() for code in order))
    return Variants(
        contig=tile.contig,
        positions=np.array(positions, dtype=np.int64),
        identifiers=(".",) * n_sites,
        alleles=tuple(alleles),
        genotypes=genotypes.reshape(n_sites, n_samples, 2),
        sample_ids=tuple(f"sample{number}" for number in range(n_samples)),
        counts=VariantCounts(),
    )


def first_samples(variants: Variants, n_samples: int) -> Variants:
    """Keep the first samples, and the variants that one of them carries: a smaller cohort's VCF."""
    genotypes = variants.genotypes[:, :n_samples]
    smaller = replace(variants, genotypes=genotypes, sample_ids=variants.sample_ids[:n_samples])
    return smaller.take(np.any(genotypes, axis=(1, 2)))
