"""Check that a backbone keeps to the protocol, by embedding haplotypes made for that."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import NamedTuple

import numpy as np

from haploscribe.embedding.backbones.base import Backbone, vectors_fault
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import LengthEdit, TileHaplotype
from haploscribe.utils.types import Float32Array

DEFAULT_TOLERANCE = 1e-5
"""Accepted difference of vectors alone and in a batch; an SNV moves them a hundred times as far."""

_LONGEST_BY_DEFAULT = 12_288
_TIMES_NOISE = 10
"""A delta is seen where it is so many times the difference that a batch makes."""

_SNV_POSITIONS = (1 / 8, 1 / 2, 7 / 8)
_SNVS = dict(zip(b"ACGT", b"CATG", strict=True))
"""Transversions between bases of two and of three hydrogen bonds: also GC content tells them apart."""


@dataclass(frozen=True, slots=True)
class ConformanceCheck:
    """One property that was checked.

    Attributes
    ----------
    name
        Of the property.
    passed
        Whether the backbone has it.
    finding
        What was measured; where it failed, on which input, and how to fix it.
    """

    name: str
    passed: bool
    finding: str


@dataclass(frozen=True, slots=True, repr=False)
class Conformance:
    """What was checked of a backbone; it prints as one line per check.

    Attributes
    ----------
    backbone
        Its name.
    checks
        The checks, in order.
    """

    backbone: str
    checks: tuple[ConformanceCheck, ...]

    def __repr__(self) -> str:
        rows = (("ok" if check.passed else "FAILED", check) for check in self.checks)
        return "\n".join(f"{mark:6} {check.name:20} {check.finding}" for mark, check in rows)

    def require(self) -> None:
        """Raise InputError where a check failed, in one line that names all that did."""
        failed = [check for check in self.checks if not check.passed]
        if failed:
            faults = "; ".join(f"{check.name}: {check.finding}" for check in failed)
            raise InputError(
                f"backbone {self.backbone} fails {len(failed)} of {len(self.checks)} checks: {faults}"
            )


def check_conformance(
    backbone: Backbone,
    load_again: Callable[[], Backbone],
    *,
    tile: int | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Conformance:
    """Check that a backbone keeps to the protocol.

    Parameters
    ----------
    backbone
        The backbone.
    load_again
        Loads it another time.
    tile, tolerance
        As in `haploscribe.check_backbone`, which lists the checks.
    """
    if tile is None:
        tile = min(backbone.max_tile, max(_LONGEST_BY_DEFAULT, backbone.tile_multiple))
        tile -= tile % backbone.tile_multiple
    if tile < 1:
        raise InputError(
            f"backbone {backbone.name}: max_tile {backbone.max_tile} is below tile_multiple "
            f"{backbone.tile_multiple}, so it takes no tile"
        )
    inspection = _Inspection(backbone, _inputs(tile), tolerance)
    checks = list(inspection.outputs())
    if checks[0].passed:
        further = {
            "determinism": inspection.determinism,
            "loading again": lambda: inspection.loading_again(load_again),
            "batch independence": inspection.batch_independence,
            "padding": inspection.padding,
            "deltas": inspection.deltas,
            "precision": inspection.precision,
            "lower case": inspection.lower_case,
        }
        checks += [_checked(name, check) for name, check in further.items()]
    return Conformance(backbone.name, tuple(checks))


class _Input(NamedTuple):
    """A haplotype, the check that it is for, and what messages call it."""

    check: str
    label: str
    haplotype: TileHaplotype


def _inputs(tile: int) -> list[_Input]:
    """Make haplotypes of one tile, the reference first, by check; always the same."""
    reference = np.random.default_rng(17).choice(np.frombuffer(b"ACGT", dtype=np.uint8), tile).tobytes()
    middle = tile // 2

    def edited(*changes: tuple[int, int, bytes]) -> TileHaplotype:
        """Replace bases of the reference, each change by its start, the number of bases, and the new ones."""
        pieces, done = [], 0
        for start, replaced, added in changes:
            pieces += [reference[done:start], added]
            done = start + replaced
        edits = [LengthEdit(start, n, len(added)) for start, n, added in changes if n != len(added)]
        return TileHaplotype(b"".join([*pieces, reference[done:]]), tuple(edits))

    def inserted(length: int) -> tuple[int, int, bytes]:
        """Insert at the middle; the last base is not the one before it, so the edit is left-aligned."""
        return middle, 0, b"C" * (length - 1) + bytes([_SNVS[reference[middle - 1]]])

    cut, longer = min(4, middle), max(10, tile // 10)
    snvs = []
    for position in sorted({int(share * tile) for share in _SNV_POSITIONS}):
        base, label = _SNVS[reference[position]], f"an SNV at base {position + 1:,} of {tile:,}"
        snvs.append(_Input("output", label, edited((position, 1, bytes([base])))))
    return [
        _Input("output", "the reference", TileHaplotype(reference)),
        *snvs,
        _Input("output", "a deletion and an insertion", edited((0, cut, b""), inserted(3))),
        _Input("N", "a run of N", edited((middle, tile - middle, b"N" * (tile - middle)))),
        _Input("N", "a tile of N", TileHaplotype(b"N" * tile)),
        _Input("short sequence", "a haplotype of 1 bp", edited((0, tile - 1, b""))),
        _Input("empty sequence", "a deleted tile", edited((0, tile, b""))),
        _Input("long sequence", f"a tile of {tile:,} bp with {longer:,} more", edited(inserted(longer))),
    ]


class _Failure(Exception):  # noqa: N818 - a finding, not an error
    """What is wrong with the backbone."""


def _checked(name: str, check: Callable[[], str]) -> ConformanceCheck:
    try:
        return ConformanceCheck(name, True, check())
    except _Failure as failure:
        return ConformanceCheck(name, False, str(failure))


class _Inspection:
    """The checks of one backbone, and the vectors that they share."""

    def __init__(self, backbone: Backbone, inputs: Sequence[_Input], tolerance: float) -> None:
        self._backbone = backbone
        self._inputs = inputs
        self._tolerance = tolerance
        self._alone: dict[_Input, Float32Array] = {}
        self._noise = 0.0

    def outputs(self) -> Iterator[ConformanceCheck]:
        """Embed each input by itself; the others only where those of the first check can be embedded."""
        for name, members in groupby(self._inputs, key=lambda one: one.check):
            check = _checked(name, partial(self._output, tuple(members)))
            yield check
            if name == self._inputs[0].check and not check.passed:
                return

    def _output(self, members: Sequence[_Input]) -> str:
        for one in members:
            try:
                (vectors,) = self._embed([one], self._backbone)
            except _Failure as failure:
                raise _Failure(f"{one.label}: {failure}") from None
            self._alone[one] = vectors
            shape = self._alone[self._inputs[0]].shape
            if vectors.shape != shape:
                del self._alone[one]
                raise _Failure(
                    f"{one.label} has vectors {vectors.shape}, the reference {shape}; return the same shape "
                    "for every haplotype"
                )
        bins, dimension = vectors.shape
        return f"float32, {bins} × {dimension}, finite; haplotypes tried: {len(members)}"

    def _embed(self, inputs: Sequence[_Input], backbone: Backbone) -> Float32Array:
        try:
            found = backbone.embed([one.haplotype for one in inputs])
        except InputError as error:
            raise _Failure(str(error)) from None
        except Exception as error:  # a plug-in may raise anything
            message = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise _Failure(f"embed raises {message}; take every haplotype") from None
        fault = vectors_fault(found, len(inputs))
        if fault is not None:
            raise _Failure(f"embed must return {fault}")
        return found

    @property
    def _of_one_length(self) -> list[_Input]:
        """Inputs as long as the reference, the last one first."""
        length = len(self._inputs[0].haplotype.sequence)
        return [one for one in self._alone if len(one.haplotype.sequence) == length][::-1]

    def determinism(self) -> str:
        """Embed the same batch twice."""
        first, second = (self._embed(self._of_one_length, self._backbone) for _ in range(2))
        if not np.array_equal(first, second):
            raise _Failure(
                "two calls on the same haplotypes return other bits; switch off dropout and sampling (of a "
                "torch model: .eval()), and seed what is random"
            )
        return "two calls on the same haplotypes return the same bits"

    def loading_again(self, load_again: Callable[[], Backbone]) -> str:
        """Embed the same batch with the backbone loaded anew."""
        found, wanted = (
            self._embed(self._of_one_length, backbone) for backbone in (load_again(), self._backbone)
        )
        if not np.array_equal(found, wanted):
            raise _Failure(
                "loaded again, it returns other bits for the same haplotypes, as in workers and later runs; "
                "load every weight from a file, or seed it"
            )
        return "loaded again, it returns the same bits"

    def batch_independence(self) -> str:
        """Embed haplotypes of one length in another order."""
        return self._compared(
            self._of_one_length,
            "others of its length",
            "use nothing of the other rows (batch norm in evaluation mode), and multiply in float32",
        )

    def padding(self) -> str:
        """Embed haplotypes of several lengths in one batch."""
        return self._compared(
            list(self._alone),
            "haplotypes of other lengths",
            "leave padding out of attention and pooling, or batch equal lengths alone",
        )

    def _compared(self, inputs: Sequence[_Input], beside: str, remedy: str) -> str:
        found = self._embed(inputs, self._backbone)
        shape = self._alone[self._inputs[0]].shape
        if found.shape[1:] != shape:
            raise _Failure(
                f"beside {beside}, vectors are {found.shape[1:]}, alone {shape}; return the same shape for "
                "every batch"
            )
        differences = [_relative(self._alone[one], row) for one, row in zip(inputs, found, strict=True)]
        most = int(np.argmax(differences))
        if differences[most] > self._tolerance:
            raise _Failure(
                f"beside {beside}, {inputs[most].label} differs from itself alone by "
                f"{differences[most]:.1g} of its vectors' size, more than {self._tolerance:g}: {remedy}"
            )
        self._noise = max(self._noise, differences[most])
        return f"at most {differences[most]:.1g} of a vector's size; {self._tolerance:g} allowed"

    def deltas(self) -> str:
        """Compare the delta of each SNV with the difference that a batch makes."""
        reference = self._alone[self._inputs[0]]
        snvs = {
            one.label: _relative(reference, vectors)
            for one, vectors in self._alone.items()
            if one.label.startswith("an SNV")
        }
        label = min(snvs, key=lambda name: snvs[name])
        if snvs[label] == 0:
            raise _Failure(f"{label} does not move the vectors; read the whole sequence, in upper case")
        if snvs[label] <= _TIMES_NOISE * self._noise:
            raise _Failure(
                f"{label} moves the vectors by {snvs[label]:.1g} of their size, and the rest of a batch by "
                f"{self._noise:.1g}; compute in float32, each row by itself"
            )
        return f"{label} moves the vectors by {snvs[label]:.1g} of their size"

    def lower_case(self) -> str:
        """Embed the reference in lower case, which no run passes: taken as something, or refused."""
        upper = self._inputs[0]
        lower = TileHaplotype(upper.haplotype.sequence.lower())
        try:
            found = self._backbone.embed([lower])
        except InputError:
            return "refused, in one line"
        except Exception as error:  # a plug-in may raise anything
            raise _Failure(
                f"embed raises {type(error).__name__}; read lower case as upper case, or raise InputError"
            ) from None
        if (fault := vectors_fault(found, 1)) is not None:
            raise _Failure(f"embed must return {fault}")
        return (
            "read as upper case"
            if np.array_equal(found[0], self._alone[upper])
            else "read as unknown letters"
        )

    def precision(self) -> str:
        """Look for vectors that were rounded to half precision; whole and simple fractions may be exact."""
        values = np.concatenate([vectors.ravel() for vectors in self._alone.values()])
        with np.errstate(over="ignore"):
            rounded = {  # bfloat16 has fewer digits: its values are those of float16 too
                "bfloat16": (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32),
                "float16": values.astype(np.float16).astype(np.float32),
            }
        exact = np.array_equal(64 * values, np.rint(64 * values))
        for name, half in rounded.items():
            if np.array_equal(values, half) and not exact:
                raise _Failure(
                    f"all values are those of {name}, which rounds deltas away; compute and return float32"
                )
        return "not rounded to half precision"


def _relative(vectors: Float32Array, others: Float32Array) -> float:
    """Return the size of a difference over that of the vectors; the size itself where they are zero."""
    size = float(np.linalg.norm(vectors.astype(np.float64)))
    return float(np.linalg.norm(others.astype(np.float64) - vectors)) / (size or 1.0)
