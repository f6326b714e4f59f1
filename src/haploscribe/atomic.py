"""Outputs are built aside and renamed, so that a stopped run leaves nothing half-written."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haploscribe.errors import InputError


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to, and put it in place of `path` when the block succeeds.

    What is written may be a file or a directory. When the block raises, it is removed and `path` stays
    as it was.

    Parameters
    ----------
    path
        Where the finished output belongs. Its parent directory is made when it is missing.

    Yields
    ------
    Path
        A fresh, not yet existing path in the same directory, with the same suffix.

    Raises
    ------
    InputError
        When the place cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(13, "Permission denied", str(path.parent))
    except OSError as error:
        raise InputError(
            f"cannot write to {path.parent}: {error.strerror}; name a folder you may write to"
        ) from None
    aside = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield aside
        _replace(aside, path)
    finally:
        _remove(aside)


def _replace(aside: Path, path: Path) -> None:
    """Rename, taking an existing directory out of the way first (rename replaces only files)."""
    if path.is_dir():
        old = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.old")
        path.rename(old)
        aside.rename(path)
        _remove(old)
    else:
        aside.replace(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
