"""Hash files, folders and JSON with BLAKE2b, to record inputs and to detect damage."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from haploscribe.errors import InputError

_DIGEST_BYTES = 32
_CHECKSUM_BYTES = 16


def file_digest(path: Path) -> str:
    """Return the digest of a file: `blake2b-256:` and 64 hexadecimal digits, as `b2sum -l 256` prints.

    The file is streamed, not loaded.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES))
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}; check the path and its permissions"
        ) from None
    return f"blake2b-256:{digest.hexdigest()}"


def files_digest(paths: Sequence[Path]) -> str:
    """Return the digest of one file, or of the names and contents of several, in whatever order.

    Raises
    ------
    InputError
        When a file cannot be read.
    """
    if len(paths) == 1:
        return file_digest(paths[0])
    lines = "".join(sorted(f"{file_digest(path)} {path.name}\n" for path in paths))
    return f"blake2b-256:{hashlib.blake2b(lines.encode(), digest_size=_DIGEST_BYTES).hexdigest()}"


def folder_digest(folder: Path, patterns: Sequence[str]) -> str:
    """Return the digest of the names and contents of a folder's files, without its subfolders.

    Parameters
    ----------
    folder
        The folder.
    patterns
        Glob patterns of the files, such as `*.json`.

    Returns
    -------
    As `file_digest`.

    Raises
    ------
    InputError
        When a file cannot be read.
    """
    files = sorted({file for pattern in patterns for file in folder.glob(pattern)})
    lines = "".join(f"{file_digest(file)} {file.name}\n" for file in files)
    return f"blake2b-256:{hashlib.blake2b(lines.encode(), digest_size=_DIGEST_BYTES).hexdigest()}"


def checksum(content: bytes) -> str:
    """Return the checksum of bytes: 32 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=_CHECKSUM_BYTES).hexdigest()


def json_checksum(content: Any) -> str:
    """Return the checksum of a JSON value, independent of its layout."""
    return checksum(json.dumps(content, sort_keys=True).encode())


def work_key(*parts: object) -> str:
    """Return a short name for unfinished work that depends on these parts, such as options and digests.

    Parts are compared by their representation; a file counts by its size and time of change.
    """
    texts = [repr(_stamp(part) if isinstance(part, Path) else part) for part in parts]
    return hashlib.blake2b("\n".join(texts).encode(), digest_size=8).hexdigest()


def _stamp(path: Path) -> tuple[str, int, int] | None:
    if not path.exists():
        return None
    found = path.stat()
    return (str(path.absolute()), found.st_size, found.st_mtime_ns)
