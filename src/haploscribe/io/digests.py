"""Digests of files, to say later what a run was made from."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from haploscribe.errors import InputError

_DIGEST_BYTES = 32


def file_digest(path: Path) -> str:
    """Digest a file's content: `blake2b-256:` and 64 hexadecimal digits, as `b2sum -l 256` prints.

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


def folder_digest(folder: Path, patterns: Sequence[str]) -> str:
    """Digest the names and contents of a folder's own files that match any of some patterns.

    Parameters
    ----------
    folder
        The folder.
    patterns
        Such as `*.json`.

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
