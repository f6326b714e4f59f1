"""Digests of files, to say later what a run was made from."""

import hashlib
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
