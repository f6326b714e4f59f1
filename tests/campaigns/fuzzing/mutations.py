"""Ways to spoil a file: bytes of any file, cells of a table, values of JSON, sizes that a header claims."""

import copy
import gzip
import json
import struct
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pysam

from tests.campaigns.fuzzing.odd_values import JSON_VALUES, NUMBERS, TOKENS

Rng = np.random.Generator
Mutation = Callable[[Rng, bytes], bytes]


def place(rng: Rng, size: int) -> int:
    """Draw a place in 0 … `size`, the first bytes more often: headers stand there."""
    return int(rng.integers(0, min(size, 64) + 1 if rng.random() < 0.3 else size + 1))


def flip(rng: Rng, data: bytes) -> bytes:
    """Flip one bit of up to eight bytes."""
    spoilt = bytearray(data)
    for _ in range(int(rng.integers(1, 9)) if data else 0):
        spoilt[min(place(rng, len(data)), len(data) - 1)] ^= 1 << int(rng.integers(8))
    return bytes(spoilt)


def delete(rng: Rng, data: bytes) -> bytes:
    """Take a stretch out."""
    start = place(rng, len(data))
    return data[:start] + data[start + int(rng.geometric(0.05)) :]


def insert(rng: Rng, data: bytes) -> bytes:
    """Put random bytes in."""
    start = place(rng, len(data))
    return data[:start] + rng.bytes(int(rng.geometric(0.1))) + data[start:]


def splice(rng: Rng, data: bytes) -> bytes:
    """Write one stretch of the file over another."""
    source, target, length = place(rng, len(data)), place(rng, len(data)), int(rng.geometric(0.02))
    return data[:target] + data[source : source + length] + data[target + length :]


def truncate(rng: Rng, data: bytes) -> bytes:
    """Cut the file short."""
    return data[: place(rng, len(data))]


def repeat(rng: Rng, data: bytes) -> bytes:
    """Write a stretch many times over, a megabyte at most."""
    start, length = place(rng, len(data)), int(rng.geometric(0.02))
    part = data[start : start + length]
    return data[:start] + part * min(int(rng.integers(2, 2000)), 2**20 // (len(part) + 1)) + data[start:]


def number(rng: Rng, data: bytes) -> bytes:
    """Write a binary number with a meaning, such as a size, over some bytes."""
    start = place(rng, len(data))
    packed = struct.pack("<Q", NUMBERS[rng.integers(len(NUMBERS))])[: int(rng.choice([1, 2, 4, 8]))]
    return data[:start] + packed + data[start + len(packed) :]


BYTES: tuple[Mutation, ...] = (flip, delete, insert, splice, truncate, repeat, number)


def _rows(data: bytes) -> list[list[bytes]]:
    return [line.split(b"\t") for line in data.split(b"\n")]


def _joined(rows: list[list[bytes]]) -> bytes:
    return b"\n".join(b"\t".join(row) for row in rows)


def _body(rng: Rng, rows: list[list[bytes]]) -> int:
    """Draw a row; a quarter of the time one of the first, which are header."""
    return int(rng.integers(min(len(rows), 8) if rng.random() < 0.25 else len(rows)))


def replace_cell(rng: Rng, data: bytes) -> bytes:
    """Write a token into up to three cells."""
    rows = _rows(data)
    for _ in range(int(rng.integers(1, 4))):
        row = rows[_body(rng, rows)]
        column = int(rng.integers(min(len(row), 9) if rng.random() < 0.6 else len(row)))
        row[column] = TOKENS[rng.integers(len(TOKENS))].encode()
    return _joined(rows)


def replace_word(rng: Rng, data: bytes) -> bytes:
    """Write a token in place of a part of a cell, between delimiters such as `,`, `=`, `|` and `:`."""
    rows = _rows(data)
    row = rows[_body(rng, rows)]
    column = int(rng.integers(len(row)))
    delimiter = b",=|:;<> "[int(rng.integers(8)) :][:1]
    parts = row[column].split(delimiter)
    parts[int(rng.integers(len(parts)))] = TOKENS[rng.integers(len(TOKENS))].encode()
    row[column] = delimiter.join(parts)
    return _joined(rows)


def swap_columns(rng: Rng, data: bytes) -> bytes:
    """Swap two columns, in every row that has both."""
    rows = _rows(data)
    first, second = rng.integers(0, max(len(row) for row in rows), 2).tolist()
    for row in rows:
        if max(first, second) < len(row):
            row[first], row[second] = row[second], row[first]
    return _joined(rows)


def drop_cell(rng: Rng, data: bytes) -> bytes:
    """Take a cell out of one row, or a column out of all."""
    rows = _rows(data)
    chosen = rows if rng.random() < 0.3 else [rows[_body(rng, rows)]]
    column = int(rng.integers(max(len(row) for row in chosen)))
    for row in chosen:
        del row[column : column + 1]
    return _joined(rows)


def copy_line(rng: Rng, data: bytes) -> bytes:
    """Write a line once more, anywhere."""
    rows = _rows(data)
    rows.insert(int(rng.integers(len(rows) + 1)), list(rows[_body(rng, rows)]))
    return _joined(rows)


def drop_lines(rng: Rng, data: bytes) -> bytes:
    """Take some lines out."""
    rows = _rows(data)
    start = _body(rng, rows)
    del rows[start : start + int(rng.geometric(0.4))]
    return _joined(rows)


def shuffle_lines(rng: Rng, data: bytes) -> bytes:
    """Change the order of a stretch of lines."""
    rows = _rows(data)
    start, stop = sorted(rng.integers(0, len(rows) + 1, 2).tolist())
    rows[start:stop] = [rows[start + i] for i in rng.permutation(stop - start)]
    return _joined(rows)


def other_line_ends(rng: Rng, data: bytes) -> bytes:
    """Write line ends of another system, a byte order mark, or another encoding."""
    changed = (
        data.replace(b"\n", b"\r\n"),
        data.replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + data,
        data.decode("latin-1").encode("utf-16"),
        data.rstrip(b"\n"),
        data.replace(b"\t", b" "),
        b"\n\n" + data,
    )
    return changed[rng.integers(len(changed))]


TABLE: tuple[Mutation, ...] = (
    *(replace_cell,) * 4,
    *(replace_word,) * 3,
    *(swap_columns, drop_cell, copy_line, drop_lines, shuffle_lines, other_line_ends),
)


def json_value(rng: Rng, data: bytes) -> bytes:
    """Replace, drop, add or swap values anywhere in JSON."""
    tree = json.loads(data)
    for _ in range(int(rng.integers(1, 3))):
        places = list(_places(tree))
        if not places:
            return json.dumps(JSON_VALUES[rng.integers(len(JSON_VALUES))]).encode()
        holder, key = places[rng.integers(len(places))]
        kind = rng.integers(6)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[f"{key}x"] = holder.pop(key)
        elif kind == 2:
            other, other_key = places[rng.integers(len(places))]
            holder[key] = copy.deepcopy(other[other_key])
        else:
            holder[key] = JSON_VALUES[rng.integers(len(JSON_VALUES))]
    return json.dumps(tree).encode()


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """List (holder, key) of every value below `tree`."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    return [place for key in keys for place in ((tree, key), *_places(tree[key]))]


def safetensors_header(rng: Rng, data: bytes) -> bytes:
    """Change what a safetensors file says of its tensors, or of the header's length."""
    size = struct.unpack("<Q", data[:8])[0]
    header, tensors = data[8 : 8 + size], data[8 + size :]
    if rng.random() < 0.1:
        return struct.pack("<Q", NUMBERS[rng.integers(len(NUMBERS))]) + header + tensors
    tree = json.loads(header)
    metadata = tree.get("__metadata__", {})
    inner = next((key for key, text in metadata.items() if text.startswith("{")), None)
    if inner is not None and rng.random() < 0.5:
        metadata[inner] = json_value(rng, metadata[inner].encode()).decode()
        if rng.random() < 0.7:  # as if made so, not damaged on the way
            metadata = tree["__metadata__"] = {inner: metadata[inner]}
        changed = json.dumps(tree).encode()
    elif rng.random() < 0.5:
        changed = json_value(rng, header)
    else:  # a size, type or place of one tensor
        name = sorted(set(tree) - {"__metadata__"})[rng.integers(len(set(tree) - {"__metadata__"}))]
        kinds = ("F32", "F64", "I64", "I32", "U8", "I8", "BOOL", "BF16", "F8_E4M3", "C64", "X")
        shapes: tuple[list[int], ...] = (
            [],
            [0],
            [1],
            [2**40, 2**40],
            [10**9],
            [-1],
            [2, 2, 2],
            [2**63],
            list(tree[name]["shape"])[::-1],
        )
        tree[name]["dtype"] = kinds[rng.integers(len(kinds))]
        if rng.random() < 0.6:
            tree[name]["shape"] = shapes[rng.integers(len(shapes))]
        changed = json.dumps(tree).encode()
    return struct.pack("<Q", len(changed)) + changed + tensors


def safetensors_values(rng: Rng, data: bytes) -> bytes:
    """Write odd numbers into the tensors, and leave the header as it is."""
    size = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = bytearray(data[size:])
    odd = (float("nan"), float("inf"), 1e300, -1.0, 0.0)
    for _ in range(int(rng.integers(1, 5)) if len(tensors) >= 8 else 0):
        start = 8 * int(rng.integers(len(tensors) // 8))
        word = struct.pack("<d", odd[rng.integers(len(odd))])
        tensors[start : start + 8] = (
            struct.pack("<q", int(rng.integers(-3, 10**6))) if rng.random() < 0.5 else word
        )
    return data[:size] + bytes(tensors)


def bgzipped(data: bytes) -> bytes:
    """Compress as bgzip does."""
    # Through a file: pysam has no bgzip in memory.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.gz"
        with pysam.BGZFile(str(path), "w") as file:
            file.write(data)
        return path.read_bytes()


def gzip_claims(rng: Rng, data: bytes) -> bytes:
    """Compress a long run of one byte behind the content: a few kilobytes that are megabytes."""
    content = gzip.decompress(data) + bytes([rng.integers(256)]) * 2**24
    return gzip.compress(content, compresslevel=1)


def _one_of(rng: Rng, data: bytes, mutations: Sequence[Mutation]) -> bytes:
    return mutations[int(rng.integers(len(mutations)))](rng, data)


def _compressed(rng: Rng, data: bytes, inner: Sequence[Mutation]) -> bytes:
    """Spoil what is inside most of the time, or the compressed bytes."""
    kind = rng.random()
    if kind < 0.3:
        return _one_of(rng, data, BYTES)
    if kind < 0.32:
        return gzip_claims(rng, data)
    spoilt = _one_of(rng, gzip.decompress(data), inner)
    return gzip.compress(spoilt, compresslevel=1) if kind < 0.4 else bgzipped(spoilt)


def spoilt_bytes(rng: Rng, name: str, data: bytes) -> bytes:
    """Spoil the content of a file of that name."""
    mixed = (*TABLE, *TABLE, *BYTES)
    if name.endswith((".bcf", ".tbi", ".csi")):
        return _compressed(rng, data, BYTES)
    if name.endswith(".gz"):
        return _compressed(rng, data, mixed)
    if name.endswith(".json"):
        return json_value(rng, data) if rng.random() < 0.8 else _one_of(rng, data, BYTES)
    if name.endswith(".safetensors"):
        return _one_of(rng, data, (safetensors_header, safetensors_header, safetensors_values, *BYTES[:5]))
    if name.endswith((".parquet", ".pgen", ".gzi")) or b"\x00" in data[:1000]:
        return _one_of(rng, data, BYTES)
    return _one_of(rng, data, mixed)


def spoil(rng: Rng, path: Path) -> None:
    """Spoil a file in place, once or a few times; the file may be a hard link, which is broken first."""
    data = path.read_bytes()
    for _ in range(1 + (rng.random() < 0.25) + (rng.random() < 0.1)):
        try:
            data = spoilt_bytes(rng, path.name, data)
        except (
            ValueError,
            IndexError,
            KeyError,
            TypeError,
            AttributeError,
            struct.error,
            OSError,
            EOFError,
            zlib.error,
            RecursionError,
        ):
            data = _one_of(rng, data, BYTES)  # the mutation before has left nothing that can be taken apart
    path.unlink()
    path.write_bytes(data)
