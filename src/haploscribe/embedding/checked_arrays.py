"""Read and write Zarr groups of arrays, each one chunk with a checksum that reveals damage."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from haploscribe.errors import InputError
from haploscribe.utils.files import atomic_write
from haploscribe.utils.types import Float32Array, Int32Array, Int64Array, UInt8Array

FORMAT_VERSION = 5
"""Version of the embedding store's format, an attribute of every group of arrays."""

RECORD = "zarr.json"
VERSION = "format_version"
_COMPRESSORS = (ZstdCodec(level=0), Crc32cCodec())
_CODECS = ["bytes", "zstd", "crc32c"]
"""The codecs of every array, in order; arrays with others are not decoded."""

_NONE = {"format": None}
"""Returned as the attributes of a group whose record is missing or damaged; no valid group has these."""


def verify(folder: Path, names: Sequence[str]) -> str | None:
    """Verify that a group of the store can be read and its checksums match.

    Parameters
    ----------
    folder
        The group.
    names
        Its arrays.

    Returns
    -------
    What is damaged, as `/ARRAY reason`; None if the group is intact.
    """
    try:
        _decode(folder, names)
    except _DamagedError as error:
        return str(error)
    return None


class _DamagedError(Exception):
    """Error: a group of the store is damaged."""


def read_arrays(folder: Path, names: Sequence[str]) -> list[Any]:
    """Read arrays of a group, as `write_array` wrote them.

    Raises
    ------
    InputError
        When one is damaged.
    """
    try:
        return _decode(folder, names)
    except _DamagedError as error:
        raise InputError(
            f"{folder}{error}: the embedding store was damaged while in use; rerun the same command, which "
            "embeds that part again"
        ) from None


def _decode(folder: Path, names: Sequence[str]) -> list[Any]:
    if read_attributes(folder) != {VERSION: FORMAT_VERSION}:
        raise _DamagedError(f"/{RECORD} is damaged")
    # Format 2 has filters that unpickle what they read.
    group = zarr.open_group(folder, mode="r", zarr_format=3)
    return [_decode_array(group, name) for name in names]


def _decode_array(group: zarr.Group, name: str) -> Any:
    """Read an array; only the encoding of `write_array` is decoded."""
    try:
        array = group.get(name)
        plain = isinstance(array, zarr.Array) and _is_plain(array)
        if plain and array.nchunks_initialized == array.nchunks:
            return array[...]
    except Exception as error:  # each codec raises errors of its own for damaged data
        reason = str(error).partition("\n")[0]
        raise _DamagedError(f"/{name} is unreadable ({type(error).__name__}: {reason})") from None
    raise _DamagedError(
        f"/{name} {'lacks its chunk' if plain else 'is missing or was not written by Haploscribe'}"
    )


def _is_plain(array: zarr.Array) -> bool:
    """Return whether an array is numeric, in one chunk, with the store's codecs."""
    codecs: list[dict[str, Any]] = array.metadata.to_dict()["codecs"]
    return (
        array.dtype.kind in "iuf"
        and [codec["name"] for codec in codecs] == _CODECS
        and array.chunks == _one_chunk(array.shape)
    )


def read_attributes(group: Path) -> Mapping[str, Any]:
    """Read the attributes of a Zarr group; `_NONE` if its record is missing or damaged."""
    try:
        record = json.loads((group / RECORD).read_bytes())
        if (record["zarr_format"], record["node_type"]) != (3, "group"):
            return _NONE
        attributes: Mapping[str, Any] = record["attributes"].copy()
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return _NONE
    return attributes


def write_attributes(group: Path, attributes: Mapping[str, Any]) -> None:
    """Write the metadata record (`zarr.json`) of a group, with these attributes."""
    content = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    try:
        with atomic_write(group / RECORD) as aside:
            aside.write_text(json.dumps(content, indent=2), encoding="utf-8")
    except InputError:  # the disk is full: a folder without a record would be taken for damage
        with suppress(OSError):
            group.rmdir()
        raise


def write_array(
    group: zarr.Group, name: str, values: Float32Array | Int32Array | Int64Array | UInt8Array
) -> None:
    """Write an array as one chunk, even if all zero, so that an absent chunk always means damage."""
    group.create_array(
        name,
        data=values,
        chunks=_one_chunk(values.shape),
        compressors=_COMPRESSORS,
        config={"write_empty_chunks": True},
    )


def _one_chunk(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(max(1, size) for size in shape)
