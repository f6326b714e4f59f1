"""From the calls in a genotype file to phased alleles: what is skipped, counted, and refused."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from haploscribe.arrays import BoolArray, Int8Array, Int64Array
from haploscribe.errors import InputError
from haploscribe.genome.reference import as_acgtn
from haploscribe.genome.variants import VariantCounts, Variants

MISSING = -1
ABSENT = -2
_MAX_ALLELES = 127  # genotypes are int8

Int16Array = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Calls:
    """Records as a genotype file has them, before anything is judged.

    Attributes
    ----------
    positions
        int64 `(n_records,)`; 0-based.
    identifiers, alleles
        `n_records` names, and alleles with REF first, as in the file.
    numbers
        int16 `(n_records, n_samples, 2)`; allele numbers, `MISSING`, or `ABSENT` for the second copy of a
        haploid call.
    phased
        bool `(n_records, n_samples)`; whether the order of the two alleles is known.
    """

    positions: Int64Array
    identifiers: tuple[str, ...]
    alleles: tuple[tuple[str, ...], ...]
    numbers: Int16Array
    phased: BoolArray


@dataclass(frozen=True, slots=True)
class CallRules:
    """What is refused.

    Attributes
    ----------
    path
        The file, for messages.
    assume_phased
        Take unphased heterozygotes in the order in which they are written.
    max_missing
        Largest share of missing calls, 0 to 1.
    """

    path: Path
    assume_phased: bool
    max_missing: float


def phased_variants(calls: Calls, contig: str, sample_ids: tuple[str, ...], rules: CallRules) -> Variants:
    """Judge and count the calls of one region.

    Records without an ALT allele and alleles that are no plain sequence (symbolic, breakend, `*`) are
    skipped; the alleles that remain are numbered anew. Missing alleles and the absent copy of a haploid
    call become reference.

    Parameters
    ----------
    calls
        The records of the region.
    contig
        Name to be given to the variants.
    sample_ids
        `n_samples` names.
    rules
        What is refused.

    Raises
    ------
    InputError
        When records are not sorted, or missing calls or unphased heterozygotes are refused.
    """
    _require_sorted(calls, contig, rules)
    _require_listed(calls, contig, rules)
    plain = [[allele.isalpha() for allele in record[1:]] for record in calls.alleles]
    keep = np.array([any(usable) for usable in plain], dtype=np.bool_)
    rows = np.flatnonzero(keep)
    numbers, phased = calls.numbers[rows], calls.phased[rows]
    missing = (numbers[..., 0] == MISSING) | (numbers[..., 1] == MISSING)
    haploid = (numbers[..., 1] == ABSENT) & (numbers[..., 0] >= 0)
    genotypes = _renumbered(numbers, [plain[row] for row in rows.tolist()])
    unphased = ~phased & ~missing & ~haploid & (genotypes[..., 0] != genotypes[..., 1])
    kept = Variants(
        contig=contig,
        positions=calls.positions[rows],
        identifiers=tuple(calls.identifiers[row] for row in rows.tolist()),
        alleles=tuple(
            tuple(as_acgtn(allele.encode()) for allele in calls.alleles[row] if allele.isalpha())
            for row in rows.tolist()
        ),
        genotypes=genotypes,
        sample_ids=sample_ids,
        counts=VariantCounts(
            n_records=len(calls.positions),
            n_monomorphic=sum(not usable for usable in plain),
            n_symbolic=sum(usable.count(False) for usable in plain),
            n_calls=missing.size,
            n_missing_calls=int(missing.sum()),
            n_haploid_calls=int(haploid.sum()),
            n_unphased_heterozygous=int(unphased.sum()),
        ),
    )
    _require_called(kept, missing, rules)
    _require_phased(kept, unphased, rules)
    return kept


def _renumbered(numbers: Int16Array, plain: list[list[bool]]) -> Int8Array:
    """Allele numbers after the alleles that are no plain sequence are taken out; those become 0."""
    genotypes = np.maximum(numbers, 0).astype(np.int8)
    for row, usable in enumerate(plain):
        if not all(usable):
            new = np.concatenate(([0], np.where(usable, np.cumsum(usable), 0))).astype(np.int8)
            genotypes[row] = new[genotypes[row]]
    return genotypes


def _require_sorted(calls: Calls, contig: str, rules: CallRules) -> None:
    back = np.flatnonzero(np.diff(calls.positions) < 0)
    if back.size:
        raise InputError(
            f"{rules.path} is not sorted: {contig}:{calls.positions[back[0] + 1] + 1} comes after "
            f"{contig}:{calls.positions[back[0]] + 1}; run bcftools sort"
        )


def _require_listed(calls: Calls, contig: str, rules: CallRules) -> None:
    """Refuse alleles that are called but not listed, and more alleles than int8 can number."""
    n_alleles = np.array([len(record) for record in calls.alleles], dtype=np.int64)
    highest = calls.numbers.reshape(len(n_alleles), 2 * calls.numbers.shape[1]).max(axis=1, initial=0)
    unlisted = np.flatnonzero(highest >= n_alleles)
    if unlisted.size:
        raise InputError(
            f"{rules.path} calls allele {highest[unlisted[0]]} at {contig}:"
            f"{calls.positions[unlisted[0]] + 1}, which lists {n_alleles[unlisted[0]]}; make that file again"
        )
    most = int(n_alleles.max(initial=0))
    if most > _MAX_ALLELES:
        raise InputError(
            f"{rules.path} has a site with {most} alleles on {contig}; split it with bcftools norm -m-"
        )


def _require_called(variants: Variants, missing: BoolArray, rules: CallRules) -> None:
    counts = variants.counts
    if counts.n_missing_calls <= rules.max_missing * counts.n_calls:
        return
    by_sample = missing.sum(axis=0)
    worst = int(by_sample.argmax())
    raise InputError(
        f"{rules.path} has {counts.n_missing_calls / counts.n_calls:.0%} missing calls at "
        f"{_region(variants)} (limit {rules.max_missing:.0%}; most in sample {variants.sample_ids[worst]}: "
        f"{by_sample[worst]} of {len(missing)}); impute them or leave those samples or variants out"
    )


def _require_phased(variants: Variants, unphased: BoolArray, rules: CallRules) -> None:
    n_unphased = variants.counts.n_unphased_heterozygous
    if rules.assume_phased or not n_unphased:
        return
    row, sample = np.argwhere(unphased)[0].tolist()
    raise InputError(
        f"{rules.path} has {n_unphased} unphased heterozygous calls at {_region(variants)}, first sample "
        f"{variants.sample_ids[sample]} at {variants.contig}:{variants.positions[row] + 1}; phase the file, "
        "or take the alleles as written with --assume-phased"
    )


def _region(variants: Variants) -> str:
    return f"{variants.contig}:{variants.positions[0] + 1}-{variants.positions[-1] + 1}"
