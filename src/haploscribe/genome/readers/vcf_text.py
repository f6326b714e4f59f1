"""Decode the text of VCF records, many records at once."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np

from haploscribe.genome.readers.calls import (
    ABSENT,
    MISSING,
    AlleleNumbers,
    Calls,
    Int16Array,
    called_copies,
    joined_calls,
)
from haploscribe.genome.readers.vcf_dosages import DosageError, decode_dosages, dosage_keys
from haploscribe.utils.types import BoolArray, Float32Array, Int8Array, Int64Array, UInt8Array

CHUNK_CHARACTERS = 1 << 19
"""Bytes of text decoded at once, to stay within the processor's cache."""

_CHROM, _POSITION, _IDENTIFIER, _REF, _ALT, _FORMAT, _CALLS, _WHOLE_CALLS = 0, 1, 2, 3, 4, 8, 9, 10
_TAB, _COLON, _PHASED, _UNPHASED, _ZERO, _DOT = b"\t:|/0."
_CALL_BYTES = 4  # allele, separator, allele, and the tab or colon behind them
_SEPARATORS, _PHASED_DIPLOID = np.frombuffer(b"\0\xff\0\xff\0|\0\t", dtype=np.uint32)
"""Masks of the four bytes of a call as one integer, whatever the byte order."""
_CALL = re.compile(r"[|/]?([0-9]{1,4}|\.)(?:([|/])([0-9]{1,4}|\.))?")  # VCF 4.4 allows a phase in front
_POLYPLOID = re.compile(r"[|/]?([0-9]+|\.)([|/]([0-9]+|\.)){2,}")


class MalformedRecordError(ValueError):
    """A record that violates the format; the message (what and where) is appended to a file name."""


def decode_records(
    lines: Iterable[str],
    start: int,
    end: int,
    n_samples: int,
    columns: Int64Array | None = None,
    *,
    chunk_characters: int = CHUNK_CHARACTERS,
) -> Calls:
    """Decode the records that overlap a region.

    Phased diploid VCFs hold little but calls of one-digit alleles, such as `0|1`: these, and haploid calls
    of one digit, are decoded for many records at once. All others are decoded one by one.

    Parameters
    ----------
    lines
        Records of a VCF without their line ends, in file order.
    start, end
        0-based half-open; records without a REF base in it are left out, whatever their INFO/END.
    n_samples
        Number of samples in each record.
    columns
        int64 `(n_wanted,)`; indices of the samples wanted, in order. None for all.
    chunk_characters
        Characters of calls to decode at once.

    Raises
    ------
    MalformedRecordError
        For a record with too few or too many calls, without a position, or with a call that is not one of
        one or two alleles.
    """
    parts = [
        _decode(records, n_samples, columns)
        for records in _chunks(_overlapping(lines, start, end), chunk_characters)
    ]
    return joined_calls(parts, n_samples if columns is None else len(columns))


def _overlapping(lines: Iterable[str], start: int, end: int) -> Iterator[list[str]]:
    """Split records into nine fields and the calls, GT first; whole calls follow where they have dosages."""
    for line in lines:
        fields = line.split("\t", _CALLS)
        if len(fields) <= _ALT or not fields[_POSITION].isdecimal():
            raise MalformedRecordError(f"has the line {line[:40]!r}, which is not a record; make it again")
        position = int(fields[_POSITION]) - 1
        if position < end and position + len(fields[_REF]) > start:
            if len(fields) <= _CALLS:
                fields += [""] * (_CALLS + 1 - len(fields))
            elif fields[_FORMAT] == "GT":
                if ":" in fields[_CALLS]:
                    raise _too_many_values(fields)
            else:
                if dosage_keys(fields[_FORMAT]) is not None:
                    fields.append(fields[_CALLS])
                if not fields[_FORMAT].startswith("GT:"):
                    fields[_CALLS] = _genotypes_first(fields)
            yield fields


def _genotypes_first(fields: list[str]) -> str:
    """Return the GT of each call of a record, `./.` for a call without one."""
    keys = fields[_FORMAT].split(":")
    column = keys.index("GT") if "GT" in keys else len(keys)
    found = []
    for call in fields[_CALLS].split("\t"):
        values = call.split(":")
        if len(values) > len(keys):
            raise _too_many_values(fields)
        found.append("".join(values[column : column + 1]) or "./.")
    return "\t".join(found)


def _too_many_values(fields: list[str]) -> MalformedRecordError:
    return MalformedRecordError(
        f"has a call of more values than FORMAT names at {fields[_CHROM]}:{fields[_POSITION]}; "
        "make that file again"
    )


def _chunks(records: Iterable[list[str]], chunk_characters: int) -> Iterator[list[list[str]]]:
    chunk: list[list[str]] = []
    n_characters = 0
    for record in records:
        chunk.append(record)
        n_characters += len(record[_CALLS])
        if n_characters >= chunk_characters:
            yield chunk
            chunk, n_characters = [], 0
    if chunk:
        yield chunk


def _decode(records: list[list[str]], n_samples: int, columns: Int64Array | None) -> Calls:
    numbers, phased = _decode_calls(records, n_samples)
    dosages = None
    if n_samples and any(len(record) > _WHOLE_CALLS for record in records):
        dosages = _decode_dosages(records, numbers)
    return Calls(
        positions=np.array([int(record[_POSITION]) for record in records], dtype=np.int64) - 1,
        identifiers=tuple(record[_IDENTIFIER] for record in records),
        alleles=tuple(_alleles(record[_REF], record[_ALT]) for record in records),
        numbers=numbers if columns is None else numbers[:, columns],
        phased=phased if columns is None else phased[:, columns],
        dosages=dosages if columns is None or dosages is None else dosages[:, columns],
    )


def _decode_dosages(records: list[list[str]], numbers: AlleleNumbers) -> Float32Array:
    """Return expected copies of each ALT allele on each haplotype: see `Calls.dosages`."""
    n_alternates = [len(_alleles(record[_REF], record[_ALT])) - 1 for record in records]
    first = np.cumsum([0, *n_alternates])
    found = called_copies(numbers, n_alternates)
    haploid = (numbers[..., 1] == ABSENT) & (numbers[..., 0] != MISSING)
    alike: dict[tuple[str, int], list[int]] = {}
    for row, record in enumerate(records):
        if len(record) > _WHOLE_CALLS and n_alternates[row]:
            alike.setdefault((record[_FORMAT], n_alternates[row]), []).append(row)
    for (format_keys, n), rows in alike.items():
        columns = first[rows][:, None] + np.arange(n)
        calls = [records[row][_WHOLE_CALLS] for row in rows]
        try:
            found[columns] = decode_dosages(calls, format_keys, found[columns], haploid[rows])
        except DosageError as error:
            record = records[rows[error.record]]
            where = f"{record[_CHROM]}:{record[_POSITION]}"
            raise MalformedRecordError(str(error).format(where=where)) from None
    return found


def _decode_calls(records: list[list[str]], n_samples: int) -> tuple[AlleleNumbers, BoolArray]:
    """Return `(n_records, n_samples, 2)` allele numbers and `(n_records, n_samples)` phased."""
    calls = [record[_CALLS] for record in records]
    if n_samples == 0 and not any(calls):
        return np.zeros((len(records), 0, 2), dtype=np.int8), np.zeros((len(records), 0), dtype=np.bool_)
    text = np.frombuffer(("\t".join(calls) + "\t").encode("ascii", "replace"), dtype=np.uint8)
    lengths = np.array([len(call) for call in calls], dtype=np.int64) + 1
    is_narrow = bool((lengths == _CALL_BYTES * n_samples).all())
    if is_narrow and ((text.view(np.uint32) & _SEPARATORS) == _PHASED_DIPLOID).all():
        alleles: UInt8Array = text[::2].reshape(len(records), n_samples, 2) - _ZERO
        if alleles.max() <= 9:
            return alleles.view(np.int8), np.ones((len(records), n_samples), dtype=np.bool_)
    if is_narrow and (text[_CALL_BYTES - 1 :: _CALL_BYTES] == _TAB).all():  # nothing but GT
        call_bytes = text.reshape(len(records), n_samples, _CALL_BYTES)
    else:
        starts = _call_starts(records, text, lengths, n_samples)
        within = np.minimum(starts[:, None] + np.arange(_CALL_BYTES), len(text) - 1)
        call_bytes = np.take(text, within).reshape(len(records), n_samples, _CALL_BYTES)
    separators, following = call_bytes[..., 1], call_bytes[..., 3]
    phased: BoolArray = separators == _PHASED
    diploid = (phased | (separators == _UNPHASED)) & ((following == _TAB) | (following == _COLON))
    digits: UInt8Array = call_bytes[..., 0:3:2] - _ZERO
    if digits.max() <= 9:
        if diploid.all():
            return digits.view(np.int8), phased
        dots = np.zeros_like(digits, dtype=np.bool_)
    else:
        dots = digits == np.uint8(256 + _DOT - _ZERO)
    is_allele = (digits <= 9) | dots
    numbers: Int8Array = digits.view(np.int8)
    numbers[dots] = MISSING
    diploid &= is_allele.all(axis=2)
    if diploid.all():
        return numbers, phased
    haploid = ((separators == _TAB) | (separators == _COLON)) & is_allele[..., 0]
    numbers[haploid, 1] = ABSENT
    phased[haploid] = True
    return _decode_others(records, ~(diploid | haploid), numbers, phased)


def _call_starts(
    records: list[list[str]], text: UInt8Array, lengths: Int64Array, n_samples: int
) -> Int64Array:
    """Return where each call begins in the text of records of these lengths; int64 `(n_calls,)`."""
    starts = np.concatenate(([0], np.flatnonzero(text == _TAB)[:-1] + 1))
    if len(starts) != len(records) * n_samples or (
        n_samples and (starts[::n_samples] != np.cumsum(lengths) - lengths).any()
    ):
        for record in records:
            n_calls = record[_CALLS].count("\t") + 1 if record[_CALLS] else 0
            if n_calls != n_samples:
                raise MalformedRecordError(
                    f"has {n_calls + 9} columns at {record[_CHROM]}:{record[_POSITION]}, "
                    f"the header has {n_samples + 9}; make that file again"
                )
    return starts


def _decode_others(
    records: list[list[str]], others: BoolArray, numbers: Int8Array, phased: BoolArray
) -> tuple[AlleleNumbers, BoolArray]:
    """Decode the calls where `others`, bool `(n_records, n_samples)`, one by one, and add them."""
    if not others.any():
        return numbers, phased
    wide: Int16Array = numbers.astype(np.int16)
    for row in np.flatnonzero(others.any(axis=1)).tolist():
        record = records[row]
        calls = record[_CALLS].split("\t")
        for sample in np.flatnonzero(others[row]).tolist():
            call = calls[sample].partition(":")[0]
            try:
                *wide[row, sample], phased[row, sample] = _decode_call(call)
            except MalformedRecordError as error:
                where = f"{record[_CHROM]}:{record[_POSITION]}"
                raise MalformedRecordError(str(error).format(where=where)) from None
    return (wide.astype(np.int8) if wide.max() <= np.iinfo(np.int8).max else wide), phased


@lru_cache(maxsize=1024)
def _decode_call(call: str) -> tuple[int, int, bool]:
    """Return two allele numbers and whether they are phased."""
    match = _CALL.fullmatch(call)
    if match is None and _POLYPLOID.fullmatch(call):
        raise MalformedRecordError(
            "has calls of more than two alleles at {where}; "
            "leave those samples or records out: haploid and diploid calls can be read"
        )
    if match is None:
        # The call itself is not shown: logs hold no genotypes.
        raise MalformedRecordError("has a call at {where} that is not a genotype; make that file again")
    first, separator, second = match.groups()
    numbers = [MISSING if allele == "." else int(allele) for allele in (first, second) if allele]
    return (numbers[0], numbers[1], separator == "|") if separator else (numbers[0], ABSENT, True)


@lru_cache(maxsize=1024)  # most records are SNVs: twelve pairs
def _alleles(reference: str, alternates: str) -> tuple[str, ...]:
    return (reference,) if alternates == "." else (reference, *alternates.split(","))
