"""Decode the dosages (DS, HDS) in the text of VCF records, many records at once."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from haploscribe.utils.types import BoolArray, Float32Array, Float64Array, Int64Array, UInt8Array

_TAB, _COLON, _COMMA, _DOT, _ZERO = b"\t:,.0"
_WIDEST = 12
"""Longest number decoded together with others: its digits are a whole number that float64 holds."""
_TOLERANCE = 1e-3
"""How far rounding in the file may carry a dosage beyond its range."""


class DosageKeys(NamedTuple):
    """Where FORMAT has dosages: the index of DS and of HDS among its keys, None for none."""

    of_calls: int | None
    of_haplotypes: int | None


class DosageError(ValueError):
    """A dosage that violates the format; `record` is the index of its record."""

    def __init__(self, record: int, message: str) -> None:
        super().__init__(message)
        self.record = record


@lru_cache(maxsize=64)
def dosage_keys(format_keys: str) -> DosageKeys | None:
    """Find DS and HDS in FORMAT; None where neither is there."""
    keys = format_keys.split(":")
    found = [keys.index(name) if name in keys else None for name in ("DS", "HDS")]
    return DosageKeys(*found) if any(index is not None for index in found) else None


def decode_dosages(
    calls: Sequence[str], format_keys: str, called: Float32Array, haploid: BoolArray
) -> Float32Array:
    """Decode the dosages of records that have the same FORMAT and as many ALT alleles.

    DS, one number per ALT allele, is the dosage of a call, and HDS that of its haplotypes, at sites of one
    ALT allele. DS alone is split as PLINK 2 splits it; where HDS adds up to another number, DS is right.

    Parameters
    ----------
    calls
        For each record, the text of all its calls.
    format_keys
        FORMAT, in which `dosage_keys` finds something.
    called
        float32 `(n_records, n_alternates, n_samples, 2)`; copies by GT.
    haploid
        bool `(n_records, n_samples)`; calls of one allele.

    Returns
    -------
    float32, of the shape of `called`
        Expected copies on each haplotype; by GT where the call has no dosage.

    Raises
    ------
    DosageError
        For a dosage out of range, or that is no number, and for more or fewer of them than there should be.
    """
    keys, n_keys = dosage_keys(format_keys), format_keys.count(":") + 1
    assert keys is not None
    n_records, n_alternates, n_samples, _ = called.shape
    text = np.frombuffer(("\t".join(calls) + "\t").encode("ascii", "replace"), dtype=np.uint8)
    layout = _Layout(text, n_keys, n_records * n_samples, n_samples)
    totals = np.full((n_records, n_alternates, n_samples), np.nan)
    if keys.of_calls is not None:
        read = layout.numbers("DS", keys.of_calls, n_alternates, 2.0)
        totals = read.reshape(n_records, n_samples, n_alternates).transpose(0, 2, 1)
    shape = (n_records * n_alternates, n_samples)
    haploid_columns = np.repeat(haploid, n_alternates, axis=0)
    found = _split(called.reshape(*shape, 2), haploid_columns, totals.reshape(shape))
    if keys.of_haplotypes is None:
        return found.reshape(called.shape)
    if n_alternates > 1:
        if keys.of_calls is None:
            raise DosageError(0, "has HDS of several ALT alleles at {where}; give DS, or split the site")
        return found.reshape(called.shape)
    haplotypes = layout.numbers("HDS", keys.of_haplotypes, 2, 1.0, single=haploid.reshape(-1))
    haplotypes = haplotypes.reshape(*shape, 2)
    known = ~np.isnan(haplotypes).any(axis=2)
    found[known] = _scaled(haplotypes[known], totals.reshape(shape)[known])
    return found.reshape(called.shape)


def _split(called: Float32Array, haploid: BoolArray, dosages: Float64Array) -> Float32Array:
    """Split dosages over the haplotypes, as PLINK 2 does: a heterozygote's carrier takes the first copy.

    Parameters
    ----------
    called
        float32 `(n_columns, n_samples, 2)`; from `haploscribe.genome.readers.calls.called_copies`.
    haploid
        bool `(n_columns, n_samples)`; calls of one allele, whose first haplotype takes all.
    dosages
        float64 `(n_columns, n_samples)`; copies in all, 0 to 2; NaN where there is none.

    Returns
    -------
    float32 `(n_columns, n_samples, 2)`
        Two numbers whose sum is the dosage; those of the call where there is none.
    """
    second_carries = called[..., 1] > called[..., 0]
    one_carries = haploid | second_carries | (called[..., 0] > called[..., 1])
    total = dosages.astype(np.float32)
    most = np.where(one_carries, np.minimum(total, 1.0), total / 2.0)
    least = total - most
    split = np.stack(
        [np.where(second_carries, least, most), np.where(second_carries, most, least)],
        axis=2,
        dtype=np.float32,
    )
    return np.where(np.isnan(total)[..., None], called, split)


def _scaled(haplotypes: Float64Array, dosages: Float64Array) -> Float32Array:
    """Scale dosages of haplotypes, rounded one by one in the file, so that they add up to the call's dosage.

    Parameters
    ----------
    haplotypes
        float64 `(…, 2)`; 0 to 1.
    dosages
        float64 `(…,)`; 0 to 2; NaN where only the haplotypes' are known.
    """
    total = haplotypes.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.where(np.isnan(dosages), 1.0, dosages / total)[..., None]
    halves = np.where(np.isnan(dosages), total, dosages)[..., None] / 2.0
    return np.where(total[..., None] > 0.0, haplotypes * factor, halves).astype(np.float32)


class _Layout:
    """Where the calls, their values and the numbers in these lie in the text of some records."""

    def __init__(self, text: UInt8Array, n_keys: int, n_calls: int, n_samples: int) -> None:
        self._text, self._n_samples = text, n_samples
        self._ends = np.flatnonzero(text == _TAB)
        self._starts = np.concatenate(([0], self._ends[:-1] + 1))
        self._colons, self._commas = np.flatnonzero(text == _COLON), np.flatnonzero(text == _COMMA)
        assert len(self._ends) == n_calls
        self._first_colons, self._n_colons = _within(self._colons, self._starts, self._ends)
        longer = np.flatnonzero(self._n_colons >= n_keys)
        if longer.size:
            raise DosageError(
                self._record(longer[0]),
                "has a call of more values than FORMAT names at {where}; make that file again",
            )

    def numbers(
        self, name: str, key: int, n_numbers: int, highest: float, single: BoolArray | None = None
    ) -> Float64Array:
        """Decode the numbers of one key of FORMAT.

        Parameters
        ----------
        name
            The key, for messages.
        key
            Its index.
        n_numbers
            Numbers of a call; `.`, or nothing, stands for none of them.
        highest
            Largest value; the smallest is 0.
        single
            bool `(n_calls,)`; calls that may have one number, the others being 0. None for no call.

        Returns
        -------
        float64 `(n_calls, n_numbers)`
            NaN where there is none.
        """
        starts, ends = self._values(key)
        first, n_commas = _within(self._commas, starts, ends)
        n_found = n_commas + 1
        lengths = ends - starts
        none = (lengths == 0) | ((lengths == 1) & (self._text[np.minimum(starts, ends - 1)] == _DOT))
        alone = none if single is None else none | (single & (n_found == 1))
        wrong = np.flatnonzero((n_found != n_numbers) & ~alone)
        if wrong.size:
            raise DosageError(
                self._record(wrong[0]),
                f"has {n_found[wrong[0]]} {name} values of a call at {{where}}, not {n_numbers}; "
                f"make that file again, or leave them out: bcftools annotate -x FORMAT/{name}",
            )
        found = np.zeros((len(starts), n_numbers))
        found[none] = np.nan
        rest = np.flatnonzero(~none)
        for number in range(n_numbers):
            chosen = rest[n_found[rest] > number]
            behind = first[chosen] + number
            begin = starts[chosen] if number == 0 else self._commas[behind - 1] + 1
            last = n_found[chosen] == number + 1
            end = ends[chosen].copy()
            end[~last] = self._commas[behind[~last]]
            values, bad = _parse(self._text, begin, end)
            bad |= (values < -_TOLERANCE) | (values > highest + _TOLERANCE)
            if bad.any():
                raise DosageError(
                    self._record(chosen[np.argmax(bad)]),
                    f"has a {name} at {{where}} that is not a number of 0 to {highest:.0f}; "
                    f"make that file again, or leave them out: bcftools annotate -x FORMAT/{name}",
                )
            found[chosen, number] = np.clip(values, 0.0, highest)
        return found

    def _values(self, key: int) -> tuple[Int64Array, Int64Array]:
        """Return where the values of one key begin and end; int64 `(n_calls,)` each."""
        starts, ends = self._starts, self._ends
        if self._colons.size:
            top = len(self._colons) - 1
            before, behind = (np.clip(self._first_colons + at, 0, top) for at in (key - 1, key))
            if key:
                starts = np.where(self._n_colons >= key, self._colons[before] + 1, ends)
            ends = np.where(self._n_colons > key, self._colons[behind], ends)
        elif key:
            starts = ends
        return starts, ends

    def _record(self, call: np.int64) -> int:
        return int(call) // self._n_samples


def _within(marks: Int64Array, starts: Int64Array, ends: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return the index of the first mark in each stretch of text, and how many are in it; all ascending."""
    n_each, rest = divmod(len(marks), len(starts))
    if not rest:  # the usual case: as many in each
        first = n_each * np.arange(len(starts))
        if not n_each or ((marks[first] >= starts).all() and (marks[first + n_each - 1] < ends).all()):
            return first, np.full(len(starts), n_each)
    first = np.searchsorted(marks, starts)
    return first, np.searchsorted(marks, ends) - first


def _parse(text: UInt8Array, starts: Int64Array, ends: Int64Array) -> tuple[Float64Array, BoolArray]:
    """Parse numbers, `.` as NaN; also return which are none."""
    whole, n_decimals = np.zeros((2, len(starts)), dtype=np.int64)
    n_digits, n_points = np.zeros((2, len(starts)), dtype=np.int8)
    odd = ends - starts > _WIDEST
    for offset in range(min(int((ends - starts).max(initial=0)), _WIDEST)):
        here = np.flatnonzero(starts + offset < ends) if offset else slice(None)
        found = text[starts[here] + offset]
        digits = found - np.uint8(_ZERO)
        is_digit, is_point = digits <= 9, found == _DOT
        whole[here] = np.where(is_digit, 10 * whole[here] + digits, whole[here])
        n_decimals[here] += is_digit & (n_points[here] > 0)
        n_digits[here] += is_digit
        n_points[here] += is_point
        odd[here] |= ~(is_digit | is_point)
    values = whole / 10.0**n_decimals
    values[(n_digits == 0) & (n_points == 1) & ~odd] = np.nan
    odd |= (n_points > 1) | ((n_digits == 0) & (n_points == 0))
    bad = np.zeros(len(starts), dtype=np.bool_)
    for number in np.flatnonzero(odd).tolist():
        try:
            values[number] = float(text[starts[number] : ends[number]].tobytes())
        except ValueError:
            bad[number] = True
        bad[number] |= not np.isfinite(values[number])
    return values, bad
