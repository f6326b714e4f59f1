"""Genetic architectures: which alleles are causal, how strongly, and what that makes of each haplotype."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from haploscribe.utils.types import BoolArray, Float64Array, Int64Array

NO_PARTNER = -1

_SMALLEST_VARIANCE = 1e-9
"""Effects that cancel to less than this, where each alone makes up a share of 1, are not scaled up."""


@dataclass(frozen=True, slots=True)
class CausalTerms:
    """What adds to the expression of a haplotype: alleles, and pairs of alleles that act together.

    Attributes
    ----------
    alleles
        int64 `(n_terms,)`; rows of the candidates.
    partners
        int64 `(n_terms,)`; the row of the allele that must lie on the same haplotype, or `NO_PARTNER`.
    effects
        float64 `(n_terms,)`; what a haplotype that carries the term adds, in the unit of expression.
    """

    alleles: Int64Array
    partners: Int64Array
    effects: Float64Array

    def scaled_by(self, factor: float) -> Self:
        """Multiply all effects; a factor of 0 leaves no term."""
        if factor == 0:
            nothing = np.zeros(0, dtype=np.int64)
            return replace(self, alleles=nothing, partners=nothing, effects=np.zeros(0))
        return replace(self, effects=self.effects * factor)


def term_copies(carried: BoolArray, terms: CausalTerms) -> BoolArray:
    """Say which haplotypes carry each term: the allele, or both alleles of a pair.

    Parameters
    ----------
    carried
        bool `(n_candidates, n_samples, 2)`; whether a haplotype carries the candidate allele.
    terms
        The terms.

    Returns
    -------
    bool `(n_terms, n_samples, 2)`
    """
    copies = carried[terms.alleles]
    paired = terms.partners != NO_PARTNER
    copies[paired] &= carried[terms.partners[paired]]
    return copies


def haplotype_values(carried: BoolArray, terms: CausalTerms) -> Float64Array:
    """Sum the effects of the terms that each haplotype carries; a sample's genetic value is its row's sum.

    Parameters
    ----------
    carried
        bool `(n_candidates, n_samples, 2)`.
    terms
        The terms.

    Returns
    -------
    float64 `(n_samples, 2)`
    """
    values = np.zeros(carried.shape[1:])
    # Term by term, so that the sum has the same bits on every machine.
    for effect, copies in zip(terms.effects.tolist(), term_copies(carried, terms), strict=True):
        values += effect * copies
    return values


def scale_to_heritability(carried: BoolArray, terms: CausalTerms, h2: float) -> CausalTerms | None:
    """Scale effects so that the sample variance of the genetic values is `h2`.

    With noise of sample variance `1 - h2` beside it, `h2` is exactly the share of the variance of genetic
    values in the sum of both.

    Parameters
    ----------
    carried
        bool `(n_candidates, n_samples, 2)`.
    terms
        Terms as drawn: alone, each makes a sample variance of at most 1, and together they add up to 1.
    h2
        0 to 1.

    Returns
    -------
    CausalTerms, or None where the effects cancel each other in these samples.
    """
    variance = float(np.var(haplotype_values(carried, terms).sum(axis=1), ddof=1))
    if variance < _SMALLEST_VARIANCE:
        return None
    return terms.scaled_by(np.sqrt(h2 / variance))


def draw_noise(n_samples: int, variance: float, generator: np.random.Generator) -> Float64Array:
    """Draw normal noise whose sample mean is 0 and whose sample variance is exactly as wanted.

    Parameters
    ----------
    n_samples
        At least 2.
    variance
        Of the sample, with `n_samples - 1` degrees of freedom.
    generator
        Source of randomness.

    Returns
    -------
    float64 `(n_samples,)`
    """
    noise = generator.standard_normal(n_samples)
    noise -= noise.mean()
    return np.asarray(noise * np.sqrt(variance / np.var(noise, ddof=1)), dtype=np.float64)


def draw_sparse(carried: BoolArray, n_causal: int, generator: np.random.Generator) -> CausalTerms | None:
    """Draw a few causal alleles, no two of which always come together.

    Each makes, alone, a share of the genetic variance drawn from the flat Dirichlet distribution, and has
    either sign with equal chance.

    Parameters
    ----------
    carried
        bool `(n_candidates, n_samples, 2)`.
    n_causal
        How many.
    generator
        Source of randomness.

    Returns
    -------
    CausalTerms in the order of the candidates, or None where there are too few.
    """
    chosen: list[int] = []
    seen: set[bytes] = set()
    for row in generator.permutation(len(carried)).tolist():
        pattern = np.packbits(
            carried[row] ^ carried[row, 0, 0]
        ).tobytes()  # the same for both of a site's alleles
        if pattern not in seen:
            seen.add(pattern)
            chosen.append(row)
        if len(chosen) == n_causal:
            alleles = np.array(sorted(chosen), dtype=np.int64)
            return _with_drawn_shares(carried, alleles, np.full_like(alleles, NO_PARTNER), generator)
    return None


def draw_polygenic(carried: BoolArray, generator: np.random.Generator) -> CausalTerms | None:
    """Give every allele an effect, normal on the scale of one standard deviation of its dosage.

    That is the model behind GBLUP and GREML (Yang et al., Nature Genetics 42:565-569, 2010): each allele is
    expected to explain the same share of variance, whatever its frequency.

    Parameters
    ----------
    carried
        bool `(n_candidates, n_samples, 2)`.
    generator
        Source of randomness.

    Returns
    -------
    CausalTerms, one a candidate, in their order; None where there is no candidate.
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
    """Draw pairs of alleles that have an effect when they lie on the same haplotype of one tile.

    Only pairs of which all four combinations are seen are drawn (the four-gamete test of Hudson and Kaplan,
    Genetics 111:147-164, 1985): with three, the product is a linear function of the two alleles, and
    dosages tell all. Shares of variance and signs are as in `draw_sparse`.

    Parameters
    ----------
    carried
        bool `(n_candidates, n_samples, 2)`.
    tiles
        int64 `(n_candidates,)`; the tile that each candidate starts in.
    n_pairs
        How many; no allele is in two, and the number of copies of each varies among samples.
    minimum_frequency
        Of each of the four combinations, among haplotypes.
    generator
        Source of randomness.
    main_effects
        Give each allele of a pair an effect of its own beside that of the pair.

    Returns
    -------
    CausalTerms, pair by pair, its alleles' own effects first; None where there are too few pairs.
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
    """List the pairs of alleles in one tile of which all four combinations are common enough.

    Parameters
    ----------
    carried, tiles, minimum_frequency
        As `draw_epistatic`.

    Returns
    -------
    int64 `(n_pairs, 2)`; rows of the candidates, the smaller first, in order.
    """
    flat = carried.reshape(len(carried), carried.shape[1] * carried.shape[2])
    least = max(minimum_frequency * flat.shape[1], 1.0) - 1e-9  # a count is whole; 0.05 · 20 is not quite 1
    found = [np.zeros((0, 2), dtype=np.int64)]
    for tile in np.unique(tiles).tolist():
        rows = np.flatnonzero(tiles == tile)
        here = flat[rows].astype(np.float32)  # counts below 2^24 are exact
        both = here @ here.T
        one = here.sum(axis=1)
        neither = flat.shape[1] - one[:, None] - one[None, :] + both
        rarest = np.minimum.reduce([both, one[:, None] - both, one[None, :] - both, neither])
        pairs = np.argwhere(np.triu(rarest >= least, k=1))
        found.append(rows[pairs])
    return np.concatenate(found)


def additive_share(carried: BoolArray, terms: CausalTerms) -> float:
    """Share of the variance of genetic values that a line through the causal alleles' dosages explains.

    1 for terms without partners; what is missing to 1 is out of reach of these alleles' dosages.

    Parameters
    ----------
    carried
        bool `(n_candidates, n_samples, 2)`.
    terms
        At least one, with effects that do not cancel.
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
    """Draw effects such that the terms' variances, each alone, are shares of 1."""
    terms = CausalTerms(alleles, partners, np.ones(len(alleles)))
    shares = generator.dirichlet(np.ones(len(alleles)))
    signs = generator.choice([-1.0, 1.0], len(alleles))
    effects = signs * np.sqrt(shares / _dosage_variances(term_copies(carried, terms)))
    return replace(terms, effects=effects)


def _dosage_variances(copies: BoolArray) -> Float64Array:
    """Sample variance of the number of copies, float64 `(n,)`, of bool `(n, n_samples, 2)`."""
    return np.asarray(np.var(copies.sum(axis=2), axis=1, ddof=1), dtype=np.float64)
