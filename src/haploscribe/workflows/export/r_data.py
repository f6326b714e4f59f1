"""R's `save` format: what is needed to write numbers, text, matrices, lists and data frames.

The format is R's serialisation, version 2, big-endian (R Internals, "Serialization Formats"), which R reads
since 2.4.0. Each function here returns the bytes of one object, and objects are made of objects.
"""

import gzip
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from haploscribe.utils.types import Float64Array, Int64Array

# Type numbers of R Internals, "SEXPTYPEs".
_SYMBOL, _PAIRLIST, _CHARACTERS, _INTEGER, _REAL, _STRINGS, _VECTOR = 1, 2, 9, 13, 14, 16, 19
_END = struct.pack(">i", 254)
_IS_OBJECT, _HAS_ATTRIBUTES, _HAS_TAG = 1 << 8, 1 << 9, 1 << 10
_ASCII, _UTF8 = 64 << 12, 8 << 12
_INTEGER_NA = -(2**31)
_REAL_NA = 0x7FF00000000007A2
_VERSION_2_3_0 = 0x00020300
_MAGIC = b"RDX2\nX\n" + struct.pack(">3i", 2, _VERSION_2_3_0, _VERSION_2_3_0)
Missing = Literal["NA"]


def write_rdata(path: Path, objects: Mapping[str, bytes]) -> None:
    """Write named objects as R's `save` does, for `load`; the same objects give the same bytes.

    Parameters
    ----------
    path
        A new file.
    objects
        The bytes of each, by name.
    """
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
        file.write(_MAGIC + _pairs(objects))


def real(values: Float64Array) -> bytes:
    """Return a numeric vector of float64 `(n,)`; NaN becomes NA."""
    return _vector(_REAL, values.size, _real_bytes(values))


def integer(values: Int64Array | Sequence[int]) -> bytes:
    """Return an integer vector; values lie within ±(2³¹ − 1)."""
    return _vector(_INTEGER, len(values), _integer_bytes(values))


def text(values: Sequence[str]) -> bytes:
    """Return a character vector."""
    return _vector(_STRINGS, len(values), b"".join(map(_characters, values)))


def real_matrix(values: Float64Array, rows: Sequence[str], columns: Sequence[str]) -> bytes:
    """Return a numeric matrix of float64 `(n_rows, n_columns)` with both dimnames; NaN becomes NA."""
    assert values.shape == (len(rows), len(columns))
    names = _vector(_VECTOR, 2, text(rows) + text(columns))
    attributes = {"dim": integer(values.shape), "dimnames": names}
    return _vector(_REAL, values.size, _real_bytes(values.ravel(order="F")), attributes)


def named_list(items: Mapping[str, bytes]) -> bytes:
    """Return a list with names."""
    return _vector(_VECTOR, len(items), b"".join(items.values()), {"names": text(list(items))})


def data_frame(columns: Mapping[str, bytes], n_rows: int) -> bytes:
    """Return a data frame of vectors of `n_rows`, with automatic row names."""
    attributes = {
        "names": text(list(columns)),
        "row.names": integer([_INTEGER_NA, -n_rows]),  # R's short form of 1 to n_rows
        "class": text(["data.frame"]),
    }
    return _vector(_VECTOR | _IS_OBJECT, len(columns), b"".join(columns.values()), attributes)


def _vector(kind: int, length: int, content: bytes, attributes: Mapping[str, bytes] | None = None) -> bytes:
    if not attributes:
        return struct.pack(">2i", kind, length) + content
    return struct.pack(">2i", kind | _HAS_ATTRIBUTES, length) + content + _pairs(attributes)


def _pairs(items: Mapping[str, bytes]) -> bytes:
    """Return a pairlist; its tags are written in full each time, which R reads like references."""
    flags = struct.pack(">2i", _PAIRLIST | _HAS_TAG, _SYMBOL)
    return b"".join(flags + _characters(name) + item for name, item in items.items()) + _END


def _characters(value: str) -> bytes:
    encoded = value.encode()
    encoding = _ASCII if value.isascii() else _UTF8
    return struct.pack(">2i", _CHARACTERS | encoding, len(encoded)) + encoded


def _real_bytes(values: Float64Array) -> bytes:
    bits = values.astype(">f8").view(">u8")
    bits[np.isnan(values)] = _REAL_NA
    return bits.tobytes()


def _integer_bytes(values: Int64Array | Sequence[int]) -> bytes:
    wide = np.asarray(values, dtype=np.int64)
    assert wide.size == 0 or (wide.min() >= _INTEGER_NA and wide.max() < -_INTEGER_NA)
    return wide.astype(">i4").tobytes()
