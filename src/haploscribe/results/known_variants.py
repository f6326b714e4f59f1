"""The variants that models were trained on, and how often each allele was there: no person's genotype."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from haploscribe.genome.readers.cache import read_sites, site_arrays
from haploscribe.genome.variants import Variants
from haploscribe.utils.types import Float64Array, Int8Array, Int64Array


@dataclass(frozen=True, slots=True)
class KnownVariants:
    """Records of training, of one block of tiles.

    Attributes
    ----------
    sites
        The records, with nobody who carries them.
    counts
        int64 `(n_alleles,)`; how many training haplotypes carried each allele, record by record, REF first.
    """

    sites: Variants
    counts: Int64Array

    @classmethod
    def of(cls, variants: Variants) -> Self:
        """Count the alleles of training people."""
        flat = variants.genotypes.reshape(len(variants.genotypes), 2 * variants.genotypes.shape[1])
        counts = [
            np.bincount(carried, minlength=len(record))
            for carried, record in zip(flat, variants.alleles, strict=True)
        ]
        nobody = np.zeros((len(flat), 0, 2), dtype=np.int8)
        sites = Variants(
            variants.contig,
            variants.positions,
            variants.identifiers,
            variants.alleles,
            nobody,
            (),
            variants.counts,
        )
        return cls(sites, np.concatenate([np.zeros(0, dtype=np.int64), *counts]))

    def commonest(self) -> Int8Array:
        """Find each record's most frequent allele, the first of equals; int8 `(n_variants,)`."""
        return np.array([part.argmax() for part in self._by_record()], dtype=np.int8)

    def mean_dosages(self) -> Float64Array:
        """Mean copies of each ALT allele in a training person, in the order of `dosages`; `(n_columns,)`."""
        means = [2.0 * part[1:] / max(part.sum(), 1) for part in self._by_record()]
        return np.concatenate([np.zeros(0), *means])

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Write it as arrays: undone by `from_arrays`."""
        return {**site_arrays(self.sites), "counts": self.counts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], contig: str) -> Self:
        """Make what `arrays` gave again."""
        return cls(read_sites(arrays, contig), arrays["counts"])

    def _by_record(self) -> list[Int64Array]:
        ends = np.cumsum([len(record) for record in self.sites.alleles])
        return np.split(self.counts, ends[:-1]) if len(ends) else []
