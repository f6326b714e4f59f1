"""Store the variants that models were trained on with their allele counts, but no genotypes of samples."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from haploscribe.genome.dosages import dosages, mean_dosages
from haploscribe.genome.readers.cache import read_sites, site_arrays
from haploscribe.genome.variants import Variants
from haploscribe.utils.types import Float64Array, Int8Array, Int64Array


class _Record(NamedTuple):
    """One record: its place, name and alleles; the count of each allele, and the mean dosage of each ALT."""

    position: int
    identifier: str
    alleles: tuple[bytes, ...]
    counts: Int64Array
    means: Float64Array


@dataclass(frozen=True, slots=True)
class KnownVariants:
    """Training variants of one block of tiles, with allele counts.

    Attributes
    ----------
    sites
        The records, without samples.
    counts
        int64 `(n_alleles,)`; number of training haplotypes with each allele, record by record, REF first.
    means
        float64 `(n_columns,)`; mean training dosage of each ALT allele, where it is not that of the counts.
    """

    sites: Variants
    counts: Int64Array
    means: Float64Array | None = None

    @classmethod
    def of(cls, variants: Variants) -> Self:
        """Count the alleles of training samples, and average their dosages."""
        flat = variants.genotypes.reshape(len(variants.genotypes), 2 * variants.genotypes.shape[1])
        counts = [
            np.bincount(carried, minlength=len(record))
            for carried, record in zip(flat, variants.alleles, strict=True)
        ]
        sites = variants.with_genotypes(np.zeros((len(flat), 0, 2), dtype=np.int8), ())
        differs = variants.alt_dosages is not None or variants.missing is not None
        means = mean_dosages(dosages(variants)[1]) if differs else None
        return cls(sites, np.concatenate([np.zeros(0, dtype=np.int64), *counts]), means)

    def major_alleles(self) -> Int8Array:
        """Return the index of each record's most frequent allele, the first of ties; int8 `(n_variants,)`."""
        return np.array([part.argmax() for part in self._by_record()], dtype=np.int8)

    def mean_dosages(self) -> Float64Array:
        """Return the mean training dosage of each ALT allele, float64 `(n_columns,)`, as in `dosages`."""
        if self.means is not None:
            return self.means
        means = [2.0 * part[1:] / max(part.sum(), 1) for part in self._by_record()]
        return np.concatenate([np.zeros(0), *means])

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the variants and counts as arrays; `from_arrays` is the inverse."""
        means = {} if self.means is None else {"means": self.means}
        return {**site_arrays(self.sites), "counts": self.counts, **means}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], contig: str) -> Self:
        """Create an instance from the result of `arrays`."""
        return cls(read_sites(arrays, contig), arrays["counts"], arrays.get("means"))

    def merge(self, other: Self) -> Self:
        """Return the variants of both, counted in the same samples: of two stretches of one block of tiles.

        Of the records at one position either has all or those that reach its tiles, so the one with more has
        all, in the order of the file.
        """
        mine, theirs = self._by_position(), other._by_position()
        rows = [
            row
            for position in sorted(mine.keys() | theirs.keys())
            for row in max(mine.get(position, []), theirs.get(position, []), key=len)
        ]
        return type(self)(
            sites=replace(
                self.sites,
                positions=np.array([row.position for row in rows], dtype=np.int64),
                identifiers=tuple(row.identifier for row in rows),
                alleles=tuple(row.alleles for row in rows),
                genotypes=np.zeros((len(rows), 0, 2), dtype=np.int8),
            ),
            counts=np.concatenate([np.zeros(0, np.int64), *(row.counts for row in rows)]),
            means=None
            if self.means is None and other.means is None
            else np.concatenate([np.zeros(0), *(row.means for row in rows)]),
        )

    def _by_position(self) -> dict[int, list[_Record]]:
        """Return the records at each position, in their order."""
        ends = np.cumsum([len(record) - 1 for record in self.sites.alleles])
        means = np.split(self.mean_dosages(), ends[:-1]) if len(ends) else []
        columns = (self.sites.positions.tolist(), self.sites.identifiers, self.sites.alleles)
        found: dict[int, list[_Record]] = {}
        for row in map(_Record._make, zip(*columns, self._by_record(), means, strict=True)):
            found.setdefault(row.position, []).append(row)
        return found

    def _by_record(self) -> list[Int64Array]:
        ends = np.cumsum([len(record) for record in self.sites.alleles])
        return np.split(self.counts, ends[:-1]) if len(ends) else []
