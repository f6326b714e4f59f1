"""Checksums that files of ours carry, so that damage is not taken for content."""

import hashlib
import json
from typing import Any

_BYTES = 16


def checksum(content: bytes) -> str:
    """Digest bytes: 32 hexadecimal digits of BLAKE2b."""
    return hashlib.blake2b(content, digest_size=_BYTES).hexdigest()


def json_checksum(content: Any) -> str:
    """Digest what JSON says, however it is laid out."""
    return checksum(json.dumps(content, sort_keys=True).encode())
