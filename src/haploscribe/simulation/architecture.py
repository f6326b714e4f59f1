"""Draw genetic architectures: causal alleles, their effects, and the genetic value of each haplotype."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from haploscribe.utils.types import BoolArray, Float64Array, Int64Array

NO_PARTNER = -1

_SMALLEST_VARIANCE = 1e-9
"""Genetic variances below this, before scaling to `h2`, mean that the effects cancel."""


@dataclass(frozen=True, slots=True)
class CausalTerms:
    """Causal alleles, and pairs of alleles that act together on the same haplotype, with their effects.

    Attributes
    ----------
    alleles
        int64 `(n_terms,)`; indices of the candidates.
    partners
        int64 `(n_terms,)`; index of the allele that must be on the same haplotype, or `NO_PARTNER`.
    effects
        float64 `(n_terms,)`; effect of one copy of the term, in units of expression.
    """

    alleles: Int64Array
    partners: Int64Array
    effects: Float64Array

    def scaled_by(self, factor: float) -> Self:
        """Return the terms with their effects multiplied; none for a factor of 0."""
        if factor == 0:
            nothing = np.zeros(0, dtype=np.int64)
            return replace(self, alleles=nothing, partners=nothing, effects=np.zeros(0))
        return replace(self, effects=self.effects * factor)


def term_copies(carried: BoolArray, terms: CausalTerms) -> BoolArray:
    """Return whether each haplotype carries each term: the allele, or both alleles of a pair.

    Parameters
    ----------
    carried
        bool `(n_candidates, n_samples, 2)`; whether a haplotype carries the candidate allele.
    terms
        Causal terms.

    Returns
    -------
    bool `(n_terms, n_samples, 2)`
    """
    copies = carried[terms.alleles]
    paired = terms.partners != NO_PARTNER
    copies[paired] &= carried[terms.partners[paired]]
    return copies


def haplotype_values(carried: BoolArray, terms: CausalTerms) -> Float64Array:
    """Return the genetic value of each haplotype: the summed effects of its terms.

    A sample's genetic value is the sum of its two haplotypes.

    Parameters
    ----------
    carried
        bool `(n_candidates, n_samples, 2)`.
    terms
        Causal terms.

    Returns
    -------
    float64 `(n_samples, 2)`
    """
    values = np.zeros(carried.shape[1:])
    # Term by term, because a matrix product differs in the last bits between machines.
    for effect, copies in zip(terms.effects.tolist(), term_copies(carried, terms), strict=True):
        values += effect * copies
    return values


def scale_to_heritability(carried: BoolArray, terms: CausalTerms, h2: float) -> CausalTerms | None:
    """Scale effects to a sample variance of genetic values of `h2`.

    With noise of sample variance `1 - h2`, exactly `h2` of the sum of both variances is genetic.

    Parameters
    ----------
    carried
        bool `(n_candidates, n_samples, 2)`.
    terms
        Terms as drawn, whose sample variances, each alone, sum to 1.
    h2
        Heritability, 0 to 1.

    Returns
    -------
    CausalTerms, or None if the effects cancel in these samples.
    """
    variance = float(np.var(haplotype_values(carried, terms).sum(axis=1), ddof=1))
    if variance < _SMALLEST_VARIANCE:
        return None
    return terms.scaled_by(np.sqrt(h2 / variance))


def draw_noise(n_samples: int, variance: float, generator: np.random.Generator) -> Float64Array:
    """Draw normal noise with sample mean 0 and exactly the given sample variance.

    Parameters
    ----------
    n_samples
        At least 2.
    variance
        Of the sample, with `n_samples - 1` degrees of freedom.
    generator
        Random generator.

    Returns
    -------
    float64 `(n_samples,)`
    """
    noise = generator.standard_normal(n_samples)
    noise -= noise.mean()
    return np.asarray(noise * np.sqrt(variance / np.var(noise, ddof=1)), dtype=np.float64)


def draw_sparse(carried: BoolArray, n_causal: int, generator: np.random.Generator) -> CausalTerms | None:
    """Draw a few causal alleles, no two of them in perfect linkage disequilibrium.

    The shares of variance that each explains alone are drawn from a flat Dirichlet distribution, and each
    effect is positive or negative with probability 1/2.

    Parameters
    ----------
    carried
        bool `(n_candidates, n_samples, 2)`.
    n_causal
        Number of causal alleles.
    generator
        Random generator.

    Returns
    -------
    CausalTerms in the order of the candidates, or None if there are too few.
    """
    chosen: list[int] = []
    seen: set[bytes] = set()
    for row in generator.permutation(len(carried)).tolist():
        pattern = np.packbits(carried[row] ^ carried[row, 0, 0]).tobytes()  # equal for both alleles of a site
        if pattern not in seen:
            seen.add(pattern)
            chosen.append(row)
        if len(chosen) == n_causal:
            alleles = np.array(sorted(chosen), dtype=np.int64)
            return _with_drawn_shares(carried, alleles, np.full_like(alleles, NO_PARTNER), generator)
    return None


def draw_polygenic(carried: BoolArray, generator: np.random.Generator) -> CausalTerms | None:
    """Draw a normal effect per standard deviation of dosage for every allele.

    This is the model of GBLUP and GREML (Yang et al., Nature Genetics 42:565-569, 2010): each allele
    explains the same expected share of variance, whatever its frequency.

    Parameters
    ----------
    carried
        bool `(n_candidates, n_samples, 2)`.
    generator
        Random generator.

    Returns
    -------
    CausalTerms, one per candidate and in their order; None if there is no candidate.
    """
    n_candidates = len(carried)
    if not n_candidates:
        return None
    effects = generator.standard_normal(n_candidates) / np.sqrt(n_candidates * _dosage_variances(carried))
    return CausalTerms(
        alleles=np.arange(n_candidates), partners=np.full(n_candidates, NO_PARTNER), effects=effects
    )


def draw_epistatic(
    carried: BoolArray,
    tiles: Int64Array,
    n_pairs: int,
    minimum_frequency: float,
    generator: np.random.Generator,
    *,
    main_effects: bool = False,
) -> CausalTerms | None:
    """Draw pairs of alleles in one tile that have an effect when on the same haplotype.

    Only pairs with all four gametes are drawn (the four-gamete test of Hudson and Kaplan, Genetics
    111:147-164, 1985): with three, the product is a linear function of the two alleles, so dosages suffice.
    Shares of variance and signs are drawn as in `draw_sparse`.

    Parameters
    ----------
    carried
        bool `(n_candidates, n_samples, 2)`.
    tiles
        int64 `(n_candidates,)`; index of the tile that each candidate starts in.
    n_pairs
        Number of pairs; no allele is in two, and the dosage of each pair varies among samples.
    minimum_frequency
        Smallest frequency of each of the four gametes.
    generator
        Random generator.
    main_effects
        Add an effect of each allele of a pair alone.

    Returns
    -------
    CausalTerms, pair by pair, main effects first; None if there are too few pairs.
    """
    pairs = usable_pairs(carried, tiles, minimum_frequency)
    chosen: list[tuple[int, int]] = []
    used: set[int] = set()
    for row in generator.permutation(len(pairs)).tolist():
        first, second = pairs[row].tolist()
        together = carried[first] & carried[second]
        if used.isdisjoint((first, second)) and np.ptp(together.sum(axis=1)):
            used.update((first, second))
            chosen.append((first, second))
        if len(chosen) == n_pairs:
            break
    if len(chosen) < n_pairs:
        return None
    terms: list[tuple[int, int]] = []
    for first, second in sorted(chosen):
        if main_effects:
            terms += [(first, NO_PARTNER), (second, NO_PARTNER)]
        terms.append((first, second))
    alleles, partners = np.array(terms, dtype=np.int64).T
    return _with_drawn_shares(carried, alleles, partners, generator)


def usable_pairs(carried: BoolArray, tiles: Int64Array, minimum_frequency: float) -> Int64Array:
    """Return the pairs of alleles in one tile whose four gametes are all common enough.

    Parameters
    ----------
    carried, tiles, minimum_frequency
        As in `draw_epistatic`.

    Returns
    -------
    int64 `(n_pairs, 2)`; indices of the candidates, the smaller first, sorted within each tile.
    """
    flat = carried.reshape(len(carried), carried.shape[1] * carried.shape[2])
    least = max(minimum_frequency * flat.shape[1], 1.0) - 1e-9  # counts are whole; 0.05 · 20 is not quite 1
    found = [np.zeros((0, 2), dtype=np.int64)]
    for tile in np.unique(tiles).tolist():
        rows = np.flatnonzero(tiles == tile)
        here = flat[rows].astype(np.float32)  # exact for counts below 2^24
        both = here @ here.T
        one = here.sum(axis=1)
        neither = flat.shape[1] - one[:, None] - one[None, :] + both
        rarest = np.minimum.reduce([both, one[:, None] - both, one[None, :] - both, neither])
        pairs = np.argwhere(np.triu(rarest >= least, k=1))
        found.append(rows[pairs])
    return np.concatenate(found)


def additive_share(carried: BoolArray, terms: CausalTerms) -> float:
    """Return the share of genetic variance explained by linear regression on the causal alleles' dosages.

    1 for terms without partners; the rest cannot be explained by any model linear in these dosages.

    Parameters
    ----------
    carried
        bool `(n_candidates, n_samples, 2)`.
    terms
        At least one, with a genetic variance above 0.
    """
    if np.all(terms.partners == NO_PARTNER):
        return 1.0
    rows = np.union1d(terms.alleles, terms.partners[terms.partners != NO_PARTNER])
    dosages = carried[rows].sum(axis=2).T.astype(np.float64)
    centred = dosages - dosages.mean(axis=0)
    values = haplotype_values(carried, terms).sum(axis=1)
    values -= values.mean()
    fitted = centred @ np.linalg.lstsq(centred, values, rcond=None)[0]
    return float(fitted @ fitted / (values @ values))


def _with_drawn_shares(
    carried: BoolArray, alleles: Int64Array, partners: Int64Array, generator: np.random.Generator
) -> CausalTerms:
    """Draw effects such that the terms' variances, each alone, sum to 1."""
    terms = CausalTerms(alleles, partners, np.ones(len(alleles)))
    shares = generator.dirichlet(np.ones(len(alleles)))
    signs = generator.choice([-1.0, 1.0], len(alleles))
    effects = signs * np.sqrt(shares / _dosage_variances(term_copies(carried, terms)))
    return replace(terms, effects=effects)


def _dosage_variances(copies: BoolArray) -> Float64Array:
    """Return the sample variance of dosages, float64 `(n,)`, of bool `(n, n_samples, 2)`."""
    return np.asarray(np.var(copies.sum(axis=2), axis=1, ddof=1), dtype=np.float64)
