"""Made-up people who differ in one allele: what a model says of them is what it says of the allele."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from haploscribe.arrays import BoolArray, Float64Array, Int8Array, Int64Array
from haploscribe.genome.alleles import trim_allele
from haploscribe.genome.tiles import Tile
from haploscribe.genome.variants import AltAllele, Variants


@dataclass(frozen=True, slots=True)
class Allele:
    """An ALT allele to be switched on and off.

    Attributes
    ----------
    row
        Its record, among those of the region.
    number
        Its number in the record, from 1.
    """

    row: int
    number: int


@dataclass(frozen=True, slots=True)
class MadeUpPeople:
    """People for some alleles: one haplotype each, the reference beside it.

    Attributes
    ----------
    variants
        Their genotypes. The first person carries the reference twice; behind it come three for each allele:
        the allele alone, and its commonest background with and without it.
    """

    variants: Variants

    def effects(self, predicted: Float64Array) -> Float64Array:
        """Turn what a model predicts for them, float64 `(n_people,)`, into an effect an allele.

        Returns
        -------
        float64 `(n_alleles,)`; the change in expression with the allele on one haplotype, the mean of that on
        the reference and that on the commonest background.
        """
        alone, with_it, without = predicted[1:].reshape(-1, 3).T
        return np.asarray(((alone - predicted[0]) + (with_it - without)) / 2.0)


def made_up_people(
    variants: Variants, alleles: Sequence[Allele], tiles: Sequence[Tile], *, backgrounds: bool = True
) -> MadeUpPeople:
    """Make people up for some alleles.

    The commonest background of an allele is that of the people's haplotypes of its tile that most often
    carries it; for an allele that nobody carries, the commonest haplotype of the tile. It is the reference
    outside the tile, and wherever the allele's REF lies: of alleles that overlap, a haplotype has only the
    first, so another one there would hide it.

    Parameters
    ----------
    variants
        The records of the region, and people who carry them.
    alleles
        The alleles.
    tiles
        The region's tiles, in genome order.
    backgrounds
        Without them, the background is the reference alone.
    """
    flat = variants.genotypes.reshape(len(variants.genotypes), 2 * variants.genotypes.shape[1])
    carried = np.zeros((len(flat), 1 + 3 * len(alleles)), dtype=np.int8)
    starts = np.array([tile.start for tile in tiles], dtype=np.int64)
    for place, allele in enumerate(alleles):
        alone, with_it, without = (1 + 3 * place + i for i in range(3))
        carried[allele.row, alone] = allele.number
        if backgrounds:
            tile = tiles[
                max(int(np.searchsorted(starts, variants.positions[allele.row], side="right")) - 1, 0)
            ]
            rows = np.flatnonzero((variants.positions < tile.end) & (variants.ends > tile.start))
            carried[rows, without] = _commonest(flat, rows, allele)
            carried[_overlapping(variants, allele.row), without] = 0
        carried[:, with_it] = carried[:, without]
        carried[allele.row, with_it] = allele.number
    people = np.zeros((*carried.shape, 2), dtype=np.int8)
    people[:, :, 0] = carried
    names = tuple(f"made-up-{number}" for number in range(carried.shape[1]))
    return MadeUpPeople(replace(variants, genotypes=people, sample_ids=names))


def _commonest(flat: Int8Array, rows: Int64Array, allele: Allele) -> Int8Array:
    """Find the commonest haplotype of a tile that carries an allele, or of all if none does."""
    here = flat[rows]
    carriers = here[:, flat[allele.row] == allele.number]
    patterns, counts = np.unique(carriers if carriers.shape[1] else here, axis=1, return_counts=True)
    if not counts.size:
        return np.zeros(len(rows), dtype=np.int8)
    return np.asarray(patterns[:, int(counts.argmax())])


def _overlapping(variants: Variants, row: int) -> BoolArray:
    """Tell which records overlap the REF of one of them, itself included; bool `(n_variants,)`."""
    ends = variants.ends
    return np.asarray((variants.positions < ends[row]) & (ends > variants.positions[row]))


def with_alleles(variants: Variants, wanted: Sequence[AltAllele]) -> tuple[Variants, list[Allele], BoolArray]:
    """Find alleles among records, and add a record for each that is not there, carried by nobody.

    Alleles are the same if they are once bases that REF and ALT share are `trim_allele`.

    Parameters
    ----------
    variants
        Sorted records.
    wanted
        The alleles; their identifiers are not read.

    Returns
    -------
    variants
        The records and those added, sorted; added ones behind others at their position.
    alleles
        Where the wanted ones are.
    known
        bool `(n_columns,)`; which of the dosage columns were there before.
    """
    keys = [trim_allele(allele.position, allele.reference, allele.alternate) for allele in wanted]
    there = set(_places(variants))
    added = list(dict.fromkeys(key for key in keys if key not in there))
    positions = np.concatenate([variants.positions, np.array([a[0] for a in added], dtype=np.int64)])
    order = np.argsort(positions, kind="stable")
    records = [*variants.alleles, *((reference, alternate) for _, reference, alternate in added)]
    names = [*variants.identifiers, *("." for _ in added)]
    nobody = np.zeros((len(added), *variants.genotypes.shape[1:]), dtype=np.int8)
    joined = replace(
        variants,
        positions=positions[order],
        alleles=tuple(records[i] for i in order.tolist()),
        identifiers=tuple(names[i] for i in order.tolist()),
        genotypes=np.concatenate([variants.genotypes, nobody])[order],
    )
    places = _places(joined)
    known = [old < len(variants.positions) for old in order.tolist() for _ in records[old][1:]]
    return joined, [places[key] for key in keys], np.array(known, dtype=np.bool_)


def _places(variants: Variants) -> dict[tuple[int, bytes, bytes], Allele]:
    """Find the first record of each ALT allele, by what is left of it when `trim_allele`."""
    places: dict[tuple[int, bytes, bytes], Allele] = {}
    for row, (position, record) in enumerate(zip(variants.positions.tolist(), variants.alleles, strict=True)):
        for number, alternate in enumerate(record[1:], start=1):
            places.setdefault(trim_allele(position, record[0], alternate), Allele(row, number))
    return places
