"""Indexes that a user's file lacks, made once in a folder of ours."""

import hashlib
from pathlib import Path


def is_fresh(path: Path, *indexes: Path) -> bool:
    """Whether all indexes are there and none is older than the file."""
    changed = path.stat().st_mtime
    return all(index.is_file() and index.stat().st_mtime >= changed for index in indexes)


def own_name(path: Path) -> str:
    """Name what is made from a file; the name changes with the file, so that old work is never used."""
    state = path.stat()
    key = hashlib.sha256(f"{path.resolve()} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()[:12]
    return f"{key}.{path.name}"
