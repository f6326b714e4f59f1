"""Phased diploid calls straight from the lines of a VCF, many records at once."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np

from haploscribe.genome.readers.calls import MISSING, Calls, joined_calls
from haploscribe.utils.types import BoolArray, Int8Array, Int64Array, UInt8Array

_CHUNK_CHARACTERS = 1 << 21  # decoded at once; more takes memory and no less time
_POSITION, _IDENTIFIER, _REF, _ALT, _FORMAT, _CALLS = 1, 2, 3, 4, 8, 9
_TAB, _COLON, _PHASED, _UNPHASED, _ZERO, _DOT = b"\t:|/0."
_CALL_BYTES = 4  # allele, separator, allele, and the tab or colon behind them


class IrregularLineError(Exception):
    """A line that a full VCF parser should judge."""


def calls_of_lines(
    lines: Iterable[str], start: int, end: int, n_samples: int, columns: Int64Array | None = None
) -> Calls:
    """Decode the records that overlap a region, where all calls are two one-digit alleles.

    That is what phased diploid VCFs hold: `0|1`, `.|.` or `0/1`, alone or with other keys behind GT. Each
    call is then four bytes, and those of many records are decoded at once.

    Parameters
    ----------
    lines
        Records of a VCF without their line ends, in file order.
    start, end
        0-based half-open; records of which no REF base lies there are left out.
    n_samples
        How many samples each line has; at least one.
    columns
        int64 `(n_wanted,)`; the samples wanted, in order. None for all.

    Raises
    ------
    IrregularLineError
        At any other call, and at a record without GT or with too few or too many columns.
    """
    parts = [_decoded(records, n_samples, columns) for records in _chunks(_overlapping(lines, start, end))]
    return joined_calls(parts, n_samples if columns is None else len(columns))


def _overlapping(lines: Iterable[str], start: int, end: int) -> Iterator[list[str]]:
    """Split lines into nine fields and the calls."""
    for line in lines:
        fields = line.split("\t", _CALLS)
        if len(fields) <= _CALLS or not fields[_POSITION].isdecimal():
            raise IrregularLineError
        position = int(fields[_POSITION]) - 1
        if position < end and position + len(fields[_REF]) > start:
            yield fields


def _chunks(records: Iterable[list[str]]) -> Iterator[list[list[str]]]:
    chunk: list[list[str]] = []
    n_characters = 0
    for record in records:
        chunk.append(record)
        n_characters += len(record[_CALLS])
        if n_characters >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, n_characters = [], 0
    if chunk:
        yield chunk


def _decoded(records: list[list[str]], n_samples: int, columns: Int64Array | None) -> Calls:
    if not all(record[_FORMAT] == "GT" or record[_FORMAT].startswith("GT:") for record in records):
        raise IrregularLineError
    call_bytes = _call_bytes([record[_CALLS] for record in records], n_samples)
    separators, following = call_bytes[..., 1], call_bytes[..., 3]
    phased: BoolArray = separators == _PHASED
    if not (phased | (separators == _UNPHASED)).all():
        raise IrregularLineError
    if not ((following == _TAB) | (following == _COLON)).all():
        raise IrregularLineError
    numbers = _allele_numbers(call_bytes[..., 0:3:2])
    return Calls(
        positions=np.array([int(record[_POSITION]) for record in records], dtype=np.int64) - 1,
        identifiers=tuple(record[_IDENTIFIER] for record in records),
        alleles=tuple(_alleles(record[_REF], record[_ALT]) for record in records),
        numbers=numbers if columns is None else numbers[:, columns],
        phased=phased if columns is None else phased[:, columns],
    )


def _call_bytes(calls: list[str], n_samples: int) -> UInt8Array:
    """uint8 `(n_records, n_samples, 4)`: the first bytes of every call."""
    text = np.frombuffer(("\t".join(calls) + "\t").encode("ascii", "replace"), dtype=np.uint8)
    lengths = np.array([len(record) for record in calls], dtype=np.int64) + 1
    every_fourth = text[_CALL_BYTES - 1 :: _CALL_BYTES]
    if (lengths == _CALL_BYTES * n_samples).all() and (every_fourth == _TAB).all():  # nothing but GT
        return text.reshape(len(calls), n_samples, _CALL_BYTES)
    firsts = np.concatenate(([0], np.flatnonzero(text == _TAB)[:-1] + 1))
    if len(firsts) != len(calls) * n_samples or (firsts[::n_samples] != np.cumsum(lengths) - lengths).any():
        raise IrregularLineError
    within = np.minimum(firsts[:, None] + np.arange(_CALL_BYTES), len(text) - 1)
    return np.take(text, within).reshape(len(calls), n_samples, _CALL_BYTES)


def _allele_numbers(characters: UInt8Array) -> Int8Array:
    """Turn digits into numbers, and dots into `MISSING`."""
    numbers: Int8Array = (characters - _ZERO).view(np.int8)
    if numbers.min() < 0:
        dots = characters == _DOT
        numbers[dots] = 0
        if numbers.min() < 0:
            raise IrregularLineError
        numbers[dots] = MISSING
    if numbers.max() > 9:
        raise IrregularLineError
    return numbers


@lru_cache(maxsize=1024)  # most records are SNVs: twelve pairs
def _alleles(reference: str, alternates: str) -> tuple[str, ...]:
    return (reference,) if alternates == "." else (reference, *alternates.split(","))
