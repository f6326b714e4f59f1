"""Convert the calls of a genotype file to phased variants: skip, count and check them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from haploscribe.errors import InputError
from haploscribe.genome.dosages import missing_dosages, uncertain_calls
from haploscribe.genome.reference import as_acgtn
from haploscribe.genome.variants import VariantCounts, Variants
from haploscribe.utils.names import require_printable
from haploscribe.utils.types import BoolArray, Float32Array, Int8Array, Int64Array

MISSING = -1
ABSENT = -2
_MAX_ALLELES = 127  # genotypes are int8

Int16Array: TypeAlias = npt.NDArray[np.int16]
AlleleNumbers: TypeAlias = Int8Array | Int16Array


@dataclass(frozen=True, slots=True)
class Calls:
    """Records as read from a genotype file, before any check.

    Attributes
    ----------
    positions
        int64 `(n_records,)`; 0-based.
    identifiers, alleles
        `n_records` names, and alleles with REF first, as in the file.
    numbers
        int8 or int16 `(n_records, n_samples, 2)`; allele numbers, `MISSING`, or `ABSENT` for the second
        copy of a haploid call.
    phased
        bool `(n_records, n_samples)`; whether the two alleles are phased.
    dosages
        float32 `(n_columns, n_samples, 2)`; expected copies of each ALT allele on each haplotype, by the
        alleles where a call has no dosage, NaN where it has neither. None where no record has dosages.
    """

    positions: Int64Array
    identifiers: tuple[str, ...]
    alleles: tuple[tuple[str, ...], ...]
    numbers: AlleleNumbers
    phased: BoolArray
    dosages: Float32Array | None = None

    def haplotype_dosages(self) -> Float32Array:
        """Return `dosages`, from the alleles alone where no record has any."""
        if self.dosages is not None:
            return self.dosages
        return called_copies(self.numbers, [len(record) - 1 for record in self.alleles])


def called_copies(numbers: AlleleNumbers, n_alternates: Sequence[int]) -> Float32Array:
    """Count the copies of each ALT allele on each haplotype of calls.

    Parameters
    ----------
    numbers
        `(n_records, n_samples, 2)`; as in `Calls`.
    n_alternates
        ALT alleles of each record.

    Returns
    -------
    float32 `(n_columns, n_samples, 2)`
        0 or 1, one row per ALT allele; NaN for both haplotypes where an allele of the call is missing.
    """
    rows = np.repeat(np.arange(len(numbers)), n_alternates)
    allele_of = np.array([a for n in n_alternates for a in range(1, n + 1)], dtype=np.int16)
    copies: Float32Array = (numbers[rows] == allele_of[:, None, None]).astype(np.float32)
    copies[(numbers == MISSING).any(axis=2)[rows]] = np.nan
    return copies


@dataclass(frozen=True, slots=True)
class CallRules:
    """Rules for accepting the calls of a genotype file.

    Attributes
    ----------
    path
        The file, for messages.
    assume_phased
        Take unphased heterozygotes in the order in which they are written.
    max_missing
        Largest fraction of missing calls, 0 to 1.
    """

    path: Path
    assume_phased: bool
    max_missing: float


def unique_samples(sample_ids: Sequence[str], path: Path) -> tuple[str, ...]:
    """Return the names; raise InputError for a duplicate, or a name with unprintable characters."""
    require_printable(sample_ids, "sample name", path)
    twice = [name for name, n in Counter(sample_ids).items() if n > 1]
    if twice:
        raise InputError(
            f"{path} names {len(twice)} samples twice, first {twice[0]}; rename or remove one of them"
        )
    return tuple(sample_ids)


def sample_indices(samples: Sequence[str], sample_ids: Sequence[str], path: Path) -> Int64Array:
    """Return the index of each wanted sample among those of a file.

    Returns
    -------
    int64 `(n_wanted,)`

    Raises
    ------
    InputError
        If the file lacks any.
    """
    index_of = {name: i for i, name in enumerate(sample_ids)}
    unknown = [name for name in samples if name not in index_of]
    if unknown:
        known = f"{len(sample_ids)}: {', '.join(sample_ids[:3])}, …" if sample_ids else "none"
        raise InputError(
            f"{path} lacks {len(unknown)} of {len(samples)} samples, first {unknown[0]} "
            f"(it has {known}); give sample names as in that file"
        )
    return np.array([index_of[name] for name in samples], dtype=np.int64)


def joined_calls(parts: Sequence[Calls], n_samples: int) -> Calls:
    """Concatenate the calls of consecutive records.

    Parameters
    ----------
    parts
        In file order; may be empty.
    n_samples
        Number of samples, should there be no parts.
    """
    if not parts:
        unphased = np.zeros((0, n_samples), dtype=np.bool_)
        return Calls(np.zeros(0, np.int64), (), (), np.zeros((0, n_samples, 2), np.int8), unphased)
    positions = np.concatenate([part.positions for part in parts])
    if all(part.phased.all() for part in parts):  # the usual case, which needs no memory
        phased = np.broadcast_to(np.True_, (len(positions), n_samples))
    else:
        phased = np.concatenate([part.phased for part in parts])
    return Calls(
        positions=positions,
        identifiers=tuple(name for part in parts for name in part.identifiers),
        alleles=tuple(record for part in parts for record in part.alleles),
        numbers=np.concatenate([part.numbers for part in parts]),
        phased=phased,
        dosages=None
        if all(part.dosages is None for part in parts)
        else np.concatenate([part.haplotype_dosages() for part in parts]),
    )


def phased_variants(calls: Calls, contig: str, sample_ids: tuple[str, ...], rules: CallRules) -> Variants:
    """Check and count the calls of one region, and convert them to variants.

    Records without an ALT allele and alleles that are no plain sequence (symbolic, breakend, `*`) are
    skipped; the remaining alleles are renumbered. Missing alleles and the absent copy of a haploid
    call become reference.

    Parameters
    ----------
    calls
        The records of the region.
    contig
        Contig name for the variants.
    sample_ids
        `n_samples` names.
    rules
        Rules for accepting calls.

    Raises
    ------
    InputError
        If records are not sorted, REF is not a sequence, or there are too many missing calls or
        unphased heterozygotes.
    """
    _require_sorted(calls, contig, rules)
    _require_listed(calls, contig, rules)
    _require_plain_reference(calls, contig, rules)
    site_of = {
        record: _site_of(record) for record in set(calls.alleles)
    }  # most sites share their alleles with others
    sites = [site_of[record] for record in calls.alleles]
    rows = np.array([row for row, site in enumerate(sites) if any(site.usable)], dtype=np.int64)
    usable_sites = [sites[row] for row in rows.tolist()]
    numbers = calls.numbers if len(rows) == len(sites) else calls.numbers[rows]
    genotypes = _renumbered(numbers, usable_sites)
    odd = _odd_calls(numbers, genotypes, calls.phased if len(rows) == len(sites) else calls.phased[rows])
    missing = _missing_calls(odd, genotypes)
    dosages = calls.dosages
    if dosages is not None:
        dosages = dosages[[one for site in sites for one in site.usable]]
    variants = Variants(
        contig=contig,
        positions=calls.positions[rows],
        identifiers=tuple(calls.identifiers[row] for row in rows.tolist()),
        alleles=tuple(site.sequences for site in usable_sites),
        genotypes=genotypes,
        sample_ids=sample_ids,
        counts=VariantCounts(
            n_records=len(sites),
            n_monomorphic=sum(not site.usable for site in sites),
            n_symbolic=sum(site.usable.count(False) for site in sites),
            n_calls=len(usable_sites) * len(sample_ids),
            n_missing_calls=int(odd.missing.sum()),
            n_missing_dosages=int(odd.missing.sum()),
            n_haploid_calls=int(odd.haploid.sum()),
            n_unphased_heterozygous=int(odd.unphased.sum()),
        ),
        imputed_mask=_imputed(numbers, genotypes),
        missing=missing,
        alt_dosages=dosages,
    )
    if dosages is not None:
        n_missing, n_uncertain = (int(count(variants).sum()) for count in (missing_dosages, uncertain_calls))
        counts = replace(variants.counts, n_missing_dosages=n_missing, n_uncertain_calls=n_uncertain)
        variants = replace(variants, counts=counts)
    _require_called(variants, odd, rules)
    _require_phased(variants, odd, rules)
    return variants


class _Site(NamedTuple):
    """Which ALT alleles of a record are plain sequence; REF and those as sequences."""

    usable: tuple[bool, ...]
    sequences: tuple[bytes, ...]


class _OddCalls(NamedTuple):
    """Variants with any call that is not complete, phased and diploid: int64 `(n_odd,)`.

    Of those, bool `(n_odd, n_samples)`: calls with a missing allele, of a single allele, and unphased
    heterozygotes.
    """

    rows: Int64Array
    missing: BoolArray
    haploid: BoolArray
    unphased: BoolArray


def _site_of(alleles: tuple[str, ...]) -> _Site:
    return _Site(
        tuple(_is_sequence(allele) for allele in alleles[1:]),
        tuple(as_acgtn(allele.encode()) for allele in alleles if _is_sequence(allele)),
    )


def _is_sequence(allele: str) -> bool:
    return allele.isascii() and allele.isalpha()


def _odd_calls(numbers: AlleleNumbers, genotypes: Int8Array, phased: BoolArray) -> _OddCalls:
    flat = numbers.reshape(len(numbers), 2 * numbers.shape[1])
    rows = np.flatnonzero((flat.min(axis=1, initial=0) < 0) | ~phased.all(axis=1))
    first, second = numbers[rows, :, 0], numbers[rows, :, 1]
    missing = (first == MISSING) | (second == MISSING)
    haploid = (second == ABSENT) & (first >= 0)
    heterozygous = genotypes[rows, :, 0] != genotypes[rows, :, 1]
    return _OddCalls(rows, missing, haploid, ~phased[rows] & ~missing & ~haploid & heterozygous)


def _missing_calls(odd: _OddCalls, genotypes: Int8Array) -> BoolArray | None:
    """Return which calls miss an allele, bool `(n_variants, n_samples)`; None where none does."""
    if not odd.missing.any():
        return None
    missing = np.zeros(genotypes.shape[:2], dtype=np.bool_)
    missing[odd.rows] = odd.missing
    return missing


def _renumbered(numbers: AlleleNumbers, sites: list[_Site]) -> Int8Array:
    """Return allele numbers among plain sequences only; all other alleles become 0."""
    if numbers.dtype == np.int8 and numbers.min(initial=0) == 0 and all(all(usable) for usable, _ in sites):
        return numbers.astype(np.int8, copy=False)
    genotypes = np.maximum(numbers, 0).astype(np.int8)
    for row, (usable, _) in enumerate(sites):
        if not all(usable):
            new = np.concatenate(([0], np.where(usable, np.cumsum(usable), 0))).astype(np.int8)
            genotypes[row] = new[genotypes[row]]
    return genotypes


def _imputed(numbers: AlleleNumbers, genotypes: Int8Array) -> BoolArray | None:
    """Return where a 0 was imputed: see `Variants.imputed_mask`."""
    if genotypes is numbers:
        return None
    found = np.asarray((genotypes == 0) & (numbers != 0))
    return found if found.any() else None


def _require_sorted(calls: Calls, contig: str, rules: CallRules) -> None:
    back = np.flatnonzero(np.diff(calls.positions) < 0)
    if back.size:
        raise InputError(
            f"{rules.path} is not sorted: {contig}:{calls.positions[back[0] + 1] + 1} comes after "
            f"{contig}:{calls.positions[back[0]] + 1}; run bcftools sort"
        )


def _require_listed(calls: Calls, contig: str, rules: CallRules) -> None:
    """Raise InputError for calls of alleles that ALT does not list, and for over 127 alleles."""
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


def _require_plain_reference(calls: Calls, contig: str, rules: CallRules) -> None:
    """Raise InputError for a REF that is not a sequence (empty, `.`, symbolic): ALT would replace it."""
    if all(_is_sequence(record[0]) for record in set(calls.alleles)):
        return
    row = next(row for row, record in enumerate(calls.alleles) if not _is_sequence(record[0]))
    raise InputError(
        f"{rules.path} has REF {calls.alleles[row][0][:20]!r} at {contig}:{calls.positions[row] + 1}; "
        "write there the bases of the reference"
    )


def _require_called(variants: Variants, odd: _OddCalls, rules: CallRules) -> None:
    counts = variants.counts
    if counts.n_missing_calls <= rules.max_missing * counts.n_calls:
        return
    by_sample = odd.missing.sum(axis=0)
    worst = int(by_sample.argmax())
    n_variants = len(variants.positions)
    raise InputError(
        f"{rules.path} has {counts.n_missing_calls / counts.n_calls:.0%} missing calls at "
        f"{_region(variants)} (limit {rules.max_missing:.0%}; most in sample {variants.sample_ids[worst]}: "
        f"{by_sample[worst]} of {n_variants}); "
        + (
            "impute them or leave those samples or variants out"
            if variants.alt_dosages is None
            else "sequences are spelled from phased calls (GT), not from dosages: give a file that has them"
        )
    )


def _require_phased(variants: Variants, odd: _OddCalls, rules: CallRules) -> None:
    n_unphased = variants.counts.n_unphased_heterozygous
    if rules.assume_phased or not n_unphased:
        return
    row, sample = np.argwhere(odd.unphased)[0].tolist()
    raise InputError(
        f"{rules.path} has {n_unphased} unphased heterozygous calls at {_region(variants)}, first sample "
        f"{variants.sample_ids[sample]} at {variants.contig}:{variants.positions[odd.rows[row]] + 1}; "
        "phase the file, or take the alleles as written with --assume-phased"
    )


def _region(variants: Variants) -> str:
    return f"{variants.contig}:{variants.positions[0] + 1}-{variants.positions[-1] + 1}"
