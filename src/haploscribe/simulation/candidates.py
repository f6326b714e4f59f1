"""The alleles among which causal ones are drawn."""

from dataclasses import dataclass

import numpy as np

from haploscribe.genome.variants import Variants
from haploscribe.utils.types import BoolArray, Int8Array, Int64Array


@dataclass(frozen=True, slots=True)
class Candidates:
    """ALT alleles of a gene's cis window that may be causal, and who carries them.

    Attributes
    ----------
    contig
        As the reference names it.
    positions
        int64 `(n_candidates,)`; 0-based, sorted.
    references, alternatives, identifiers
        `n_candidates` REF and ALT alleles, and names, `.` where the file has none.
    carried
        bool `(n_candidates, n_samples, 2)`; whether a haplotype carries the ALT allele.
    """

    contig: str
    positions: Int64Array
    references: tuple[str, ...]
    alternatives: tuple[str, ...]
    identifiers: tuple[str, ...]
    carried: BoolArray


def candidates_of(variants: Variants, minimum_maf: float) -> Candidates:
    """List the ALT alleles that are common enough and of which not all samples have as many copies.

    A multi-allelic variant has a candidate for each ALT allele. `minimum_maf` is held against the allele's
    own frequency f as min(f, 1 - f); a variant with such an allele also passes the `--maf` of a run.

    Parameters
    ----------
    variants
        Of the samples of the cohort.
    minimum_maf
        0 to below 0.5.
    """
    rows, numbers = _alternatives(variants)
    carried = variants.genotypes[rows] == numbers[:, None, None]
    n_haplotypes = carried.shape[1] * carried.shape[2]
    counts = np.count_nonzero(carried, axis=(1, 2))
    least = minimum_maf * n_haplotypes - 1e-9  # a count is whole; 0.05 · 20 is not quite 1
    common = np.minimum(counts, n_haplotypes - counts) >= least
    varying = np.ptp(np.count_nonzero(carried, axis=2), axis=1) > 0
    kept = np.flatnonzero(common & varying).tolist()
    return Candidates(
        contig=variants.contig,
        positions=variants.positions[rows[kept]],
        references=tuple(variants.alleles[rows[i]][0].decode() for i in kept),
        alternatives=tuple(variants.alleles[rows[i]][numbers[i]].decode() for i in kept),
        identifiers=tuple(variants.identifiers[rows[i]] for i in kept),
        carried=carried[kept],
    )


def _alternatives(variants: Variants) -> tuple[Int64Array, Int8Array]:
    """List the ALT alleles: the variant and the number in it of each, `(n_alleles,)`."""
    rows = [row for row, record in enumerate(variants.alleles) for _ in record[1:]]
    numbers = [number for record in variants.alleles for number in range(1, len(record))]
    return np.array(rows, dtype=np.int64), np.array(numbers, dtype=np.int8)
