"""Calls of any ploidy from the records of a VCF or BCF, one by one."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cyvcf2
import numpy as np

from haploscribe.errors import InputError
from haploscribe.genome.readers.calls import ABSENT, MISSING, AlleleNumbers, Calls, Int16Array, joined_calls
from haploscribe.utils.types import Int64Array

_CHUNK_RECORDS = 256  # decoded at once, so that not all records are held in memory


def calls_of_records(
    records: Iterable[cyvcf2.Variant],
    start: int,
    end: int,
    n_samples: int,
    path: Path,
    columns: Int64Array | None = None,
) -> Calls:
    """Decode the records that overlap a region.

    Parameters
    ----------
    records
        In file order; few are held at once.
    start, end
        0-based half-open; records of which no REF base lies there are left out, whatever INFO/END says.
    n_samples
        How many samples each record has.
    path
        The file, for messages.
    columns
        int64 `(n_wanted,)`; the samples wanted, in order. None for all.

    Raises
    ------
    InputError
        At calls of more than two alleles.
    """
    overlapping = (
        record for record in records if record.start < end and record.start + len(record.REF) > start
    )
    parts = [_decoded(chunk, n_samples, path, columns) for chunk in _chunks(overlapping)]
    return joined_calls(parts, n_samples if columns is None else len(columns))


def _decoded(
    records: Sequence[cyvcf2.Variant], n_samples: int, path: Path, columns: Int64Array | None
) -> Calls:
    called = np.stack([_genotype(record, n_samples, path) for record in records])
    if columns is not None:
        called = called[:, columns]
    numbers: AlleleNumbers = np.ascontiguousarray(called[:, :, :2])
    if numbers.max(initial=0) <= np.iinfo(np.int8).max:
        numbers = numbers.astype(np.int8)
    return Calls(
        positions=np.array([record.start for record in records], dtype=np.int64),
        identifiers=tuple(record.ID or "." for record in records),
        alleles=tuple((record.REF, *record.ALT) for record in records),
        numbers=numbers,
        phased=called[:, :, 2] != 0,
    )


def _chunks(records: Iterable[cyvcf2.Variant]) -> Iterator[list[cyvcf2.Variant]]:
    iterator = iter(records)
    while chunk := list(itertools.islice(iterator, _CHUNK_RECORDS)):
        yield chunk


def _has_genotypes(record: cyvcf2.Variant) -> bool:
    """Whether anyone has a GT: htslib ends the process where it is asked for one that all calls omit."""
    keys = record.FORMAT
    if "GT" not in keys or keys[0] == "GT":  # the first value of a call cannot be omitted
        return "GT" in keys
    place = keys.index("GT")
    calls = (call.split(":") for call in str(record).rstrip("\n").split("\t")[9:])
    return any(call[place:] and call[place] != "." for call in calls)


def _genotype(record: cyvcf2.Variant, n_samples: int, path: Path) -> Int16Array:
    """int16 `(n_samples, 3)`: two allele numbers and whether they are phased; all missing without GT."""
    genotype = record.genotype if _has_genotypes(record) else None
    if genotype is None or genotype.ploidy == 0:  # a BCF may give every call no allele at all
        return np.full((n_samples, 3), (MISSING, MISSING, 0), dtype=np.int16)
    called: Int16Array = genotype.array()
    ploidy = called.shape[1] - 1
    if ploidy == 2:
        return called
    if ploidy == 1:
        absent = np.full(len(called), ABSENT, dtype=np.int16)
        return np.stack((called[:, 0], absent, called[:, 1]), axis=1)
    if (called[:, 2:-1] != ABSENT).any():
        raise InputError(
            f"{path} has calls of more than two alleles at {record.CHROM}:{record.POS}; "
            "leave those samples or records out: haploid and diploid calls can be read"
        )
    return called[:, [0, 1, -1]]
