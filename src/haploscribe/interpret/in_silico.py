"""Estimate allele effects by in-silico mutagenesis: predict samples that differ in one allele."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from haploscribe.genome.alleles import substitute_alleles, trim_allele
from haploscribe.genome.tiles import Tile
from haploscribe.genome.variants import AltAllele, Variants
from haploscribe.utils.types import BoolArray, Float64Array, Int8Array, Int64Array


@dataclass(frozen=True, slots=True)
class Allele:
    """An ALT allele whose effect is estimated.

    Attributes
    ----------
    row
        Index of its record among those of the region.
    index
        Its index among the ALT alleles of the record, from 1, as in GT.
    """

    row: int
    index: int


@dataclass(frozen=True, slots=True)
class InSilicoSamples:
    """Samples constructed for alleles, with one haplotype each and the reference as the other.

    Attributes
    ----------
    variants
        Their genotypes. The first sample carries the reference twice; three samples per allele follow: the
        allele alone, and its most common background with and without it.
    """

    variants: Variants

    def effects(self, predicted: Float64Array) -> Float64Array:
        """Compute allele effects from predictions of the samples, float64 `(n_samples,)`.

        Returns
        -------
        float64 `(n_alleles,)`
            Change in expression with the allele on one haplotype: the mean of that on the reference and that
            on the most common background.
        """
        alone, with_it, without = predicted[1:].reshape(-1, 3).T
        return np.asarray(((alone - predicted[0]) + (with_it - without)) / 2.0)


@dataclass(frozen=True, slots=True)
class OwnSamples:
    """A sample's own haplotypes with no, one and two copies of each of some alleles.

    Attributes
    ----------
    variants
        Their genotypes: the sample without each allele, then with it on haplotype 0, on haplotype 1, on both.
    carried
        bool `(n_alleles, 2)`; whether haplotype 0 and 1 of the sample carry the allele.
    """

    variants: Variants
    carried: BoolArray

    @classmethod
    def of(cls, variants: Variants, alleles: Sequence[Allele], background: Int8Array) -> Self:
        """Construct the samples from what a sample carries, int8 `(n_variants, 2)`."""
        rows = np.array([allele.row for allele in alleles], dtype=np.int64)
        numbers = np.array([allele.index for allele in alleles], dtype=np.int8)
        spans = variants.positions, variants.ends
        without, with_it = substitute_alleles(spans, rows, numbers, background)
        on_first, on_second = without.copy(), without.copy()
        on_first[..., 0], on_second[..., 1] = with_it[..., 0], with_it[..., 1]
        genotypes = np.concatenate([without, on_first, on_second, with_it], axis=1)
        names = tuple(f"in-silico-{i}" for i in range(genotypes.shape[1]))
        return cls(variants.with_genotypes(genotypes, names), background[rows] == numbers[:, None])

    def effects(self, predicted: Float64Array) -> Float64Array:
        """Compute effects from predictions of the samples, float64 `(n_samples,)`.

        Returns
        -------
        float64 `(n_alleles, 2)`
            Change in expression with one and two copies against none. One copy is on the haplotype that
            carries it; where none or both do, the mean of either.
        """
        none, on_first, on_second, both = predicted.reshape(4, -1)
        first, second = self.carried.T
        one = np.where(first == second, (on_first + on_second) / 2.0, np.where(first, on_first, on_second))
        return np.stack([one - none, both - none], axis=1)


def in_silico_samples(
    variants: Variants, alleles: Sequence[Allele], tiles: Sequence[Tile], *, backgrounds: bool = True
) -> InSilicoSamples:
    """Construct samples that estimate the effects of alleles.

    The background of an allele is the most common observed haplotype of its tile among those that carry it;
    for an allele without carriers, the most common haplotype of the tile. It is the reference outside the
    tile and over the allele's REF: of overlapping alleles a haplotype carries only the first, which would
    mask the allele.

    Parameters
    ----------
    variants
        The records of the region, with observed genotypes.
    alleles
        The alleles.
    tiles
        The region's tiles, in genome order.
    backgrounds
        Use the most common background besides the reference; else the reference alone.
    """
    positions, ends = variants.positions, variants.ends
    carried = np.zeros((len(positions), 1 + 3 * len(alleles)), dtype=np.int8)
    starts = np.array([tile.start for tile in tiles], dtype=np.int64)
    observed: dict[int, _ObservedHaplotypes] = {}
    for i, allele in enumerate(alleles):
        alone, with_it, without = range(1 + 3 * i, 4 + 3 * i)
        carried[allele.row, alone] = allele.index
        if backgrounds:
            position = positions[allele.row]
            number = max(int(np.searchsorted(starts, position, side="right")) - 1, 0)
            if number not in observed:
                tile = tiles[number]
                rows = np.flatnonzero((positions < tile.end) & (ends > tile.start))
                observed[number] = _ObservedHaplotypes.of(variants.genotypes, rows)
            here = observed[number]
            carried[here.rows, without] = here.most_common(allele)
            carried[(positions < ends[allele.row]) & (ends > position), without] = 0
        carried[:, with_it] = carried[:, without]
        carried[allele.row, with_it] = allele.index
    genotypes = np.zeros((*carried.shape, 2), dtype=np.int8)
    genotypes[:, :, 0] = carried
    names = tuple(f"in-silico-{i}" for i in range(carried.shape[1]))
    return InSilicoSamples(variants.with_genotypes(genotypes, names))


@dataclass(frozen=True, slots=True)
class _ObservedHaplotypes:
    """The haplotypes of one tile in samples.

    Attributes
    ----------
    rows
        int64 `(n_rows,)`; indices of the tile's records, sorted.
    patterns
        int8 `(n_rows, n_unique)`; the alleles of each unique haplotype.
    counts
        int64 `(n_unique,)`; how many haplotypes of samples are like it.
    """

    rows: Int64Array
    patterns: Int8Array
    counts: Int64Array

    @classmethod
    def of(cls, genotypes: Int8Array, rows: Int64Array) -> Self:
        """Count the haplotypes of some records of genotypes `(n_variants, n_samples, 2)`."""
        flat = genotypes[rows].reshape(len(rows), 2 * genotypes.shape[1])
        patterns, counts = np.unique(flat, axis=1, return_counts=True)
        return cls(rows, patterns, counts)

    def most_common(self, allele: Allele) -> Int8Array:
        """Return the most common haplotype among carriers of an allele, else among all; int8 `(n_rows,)`."""
        carriers = self.patterns[np.searchsorted(self.rows, allele.row)] == allele.index
        counts = np.where(carriers, self.counts, 0) if carriers.any() else self.counts
        if not counts.size:
            return np.zeros(len(self.rows), dtype=np.int8)
        return np.asarray(self.patterns[:, int(counts.argmax())])


def with_alleles(variants: Variants, wanted: Sequence[AltAllele]) -> tuple[Variants, list[Allele], BoolArray]:
    """Find alleles among records, and add a record without carriers for each missing one.

    Alleles are the same if they are equal after trimming bases shared by REF and ALT (`trim_allele`).

    Parameters
    ----------
    variants
        Sorted records.
    wanted
        The alleles; their identifiers are ignored.

    Returns
    -------
    variants
        All records, sorted; added ones after others at their position.
    alleles
        The wanted alleles.
    known
        bool `(n_columns,)`; which of the dosage columns existed before.
    """
    keys = [trim_allele(allele.position, allele.reference, allele.alternate) for allele in wanted]
    present = set(_index_alleles(variants))
    added = list(dict.fromkeys(key for key in keys if key not in present))
    positions = np.concatenate([variants.positions, np.array([a[0] for a in added], dtype=np.int64)])
    order = np.argsort(positions, kind="stable")
    records = [*variants.alleles, *((reference, alternate) for _, reference, alternate in added)]
    names = [*variants.identifiers, *("." for _ in added)]
    absent = np.zeros((len(added), *variants.genotypes.shape[1:]), dtype=np.int8)
    joined = replace(
        variants.with_genotypes(np.concatenate([variants.genotypes, absent])[order], variants.sample_ids),
        positions=positions[order],
        alleles=tuple(records[i] for i in order.tolist()),
        identifiers=tuple(names[i] for i in order.tolist()),
    )
    index = _index_alleles(joined)
    known = [old < len(variants.positions) for old in order.tolist() for _ in records[old][1:]]
    return joined, [index[key] for key in keys], np.array(known, dtype=np.bool_)


def _index_alleles(variants: Variants) -> dict[tuple[int, bytes, bytes], Allele]:
    """Return the first record of each ALT allele, by the `trim_allele` allele."""
    index: dict[tuple[int, bytes, bytes], Allele] = {}
    for row, (position, record) in enumerate(zip(variants.positions.tolist(), variants.alleles, strict=True)):
        for i, alternate in enumerate(record[1:], start=1):
            index.setdefault(trim_allele(position, record[0], alternate), Allele(row, i))
    return index
