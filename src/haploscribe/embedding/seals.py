"""Checksums of a folder's files, kept in the folder: they tell damage from what was written.

A disk, a copy that broke off or a file system that filled up may flip a byte, cut a file or lose one. Zarr
itself reads a chunk that is gone as zeros, so what is read from a store is held to its checksums first.
"""

import json
from pathlib import Path

from haploscribe.utils.hashing import checksum, json_checksum

CHECKSUMS = "checksums"
"""Name of the attribute of a Zarr group that holds them."""

_RECORD = "zarr.json"


def seal(folder: Path) -> None:
    """Write the checksums of all files below a Zarr group into the group's attributes.

    Parameters
    ----------
    folder
        The group; everything in it has been written.
    """
    record = folder / _RECORD
    content = json.loads(record.read_bytes())
    sealed = {name: checksum((folder / name).read_bytes()) for name in _files(folder)}
    content["attributes"][CHECKSUMS] = sealed
    sealed[_RECORD] = json_checksum(content)
    record.write_text(json.dumps(content, indent=2), encoding="utf-8")


def damage(folder: Path) -> str | None:
    """Say what of a sealed Zarr group is not as it was written.

    Parameters
    ----------
    folder
        The group.

    Returns
    -------
    The first file that is at fault and how; None where everything is as it was.
    """
    name = _RECORD
    try:
        content = json.loads((folder / name).read_bytes())
        sealed = content["attributes"][CHECKSUMS]
        as_written = sealed.pop(name) == json_checksum(content)
        files = iter(sealed.items())
        while as_written and (file := next(files, None)) is not None:
            name, expected = file
            as_written = checksum((folder / name).read_bytes()) == expected
    except FileNotFoundError:
        return f"{name} is missing"
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return f"{name} is unreadable"
    return None if as_written else f"{name} has another checksum"


def _files(folder: Path) -> list[str]:
    """Name all files below a folder but its own record, in one order."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if name != _RECORD)
