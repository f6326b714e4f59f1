"""Outputs are built aside and renamed, so that a stopped run leaves nothing half-written."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haploscribe.errors import InputError
from haploscribe.leftovers import process_name, remove_leftovers, remove_path
from haploscribe.room import lack_of_room, no_room, require_room


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
        When the place cannot be written to, or is full.
    """
    make_folder(path.parent)
    aside = _beside(path, path.stem, path.suffix)
    try:
        yield aside
        replace_path(aside, path)
    except Exception as error:
        require_room(error, path)
        raise
    finally:
        remove_path(aside)


def make_folder(path: Path) -> None:
    """Make a folder, and the folders it is in, where they are missing.

    Raises
    ------
    InputError
        When it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if (reason := lack_of_room(error)) is not None:
            raise no_room(reason, path) from None
        raise InputError(
            f"cannot write to {path}: {error.strerror}; name a folder you may write to"
        ) from None
    if not os.access(path, os.W_OK):
        raise InputError(f"cannot write to {path}: permission denied; name a folder you may write to")


@contextmanager
def written_once(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to build a directory in that has one right content, whoever builds it.

    Several processes may build it at once, on one machine or on several with a shared file system: a
    rename puts the first in place, the others drop theirs. No locks are needed for that.

    Parameters
    ----------
    path
        Where the finished directory belongs; when it is there already, it stays.

    Yields
    ------
    Path
        A fresh, not yet existing path in the same directory.

    Raises
    ------
    InputError
        When the place cannot be written to, or is full.
    """
    make_folder(path.parent)
    aside = _beside(path, path.name)
    try:
        yield aside
        try:
            aside.rename(path)
        except OSError:  # a directory is never renamed over one that holds something
            if not path.is_dir():
                raise
    except Exception as error:
        require_room(error, path)
        raise
    finally:
        remove_path(aside)


@contextmanager
def kept_on_success(path: Path) -> Iterator[None]:
    """Make a folder for the block; if that raises, take it away again unless it was there before."""
    was_there = path.exists()
    make_folder(path)
    try:
        yield
    except BaseException:
        if not was_there:
            remove_at_once(path)
        raise


def replace_path(aside: Path, path: Path) -> None:
    """Put what was built aside, on the same file system, in place.

    An existing directory is taken out of the way first (rename replaces only files).
    """
    if path.is_dir():
        old = _beside(path, path.stem, ".old")
        path.rename(old)
        aside.rename(path)
        remove_path(old)
    else:
        aside.replace(path)


def remove_at_once(path: Path) -> None:
    """Remove a folder, if it is there: who comes after a kill finds all of it or nothing."""
    if path.is_dir():
        old = _beside(path, path.name, ".old")
        path.rename(old)
        remove_path(old)


def put_in_place(made: Path, folder: Path, last: str) -> None:
    """Move all that a folder holds to another on the same file system, in place of what is there.

    Files belong together: the one named `last` goes first of all and comes last, so that a folder that has
    it is whole, whenever the process is killed. Renames need no room.
    """
    (folder / last).unlink(missing_ok=True)
    for path in sorted(made.iterdir(), key=lambda path: (path.name == last, path.name)):
        replace_path(path, folder / path.name)


def _beside(path: Path, name: str, suffix: str = "") -> Path:
    """Name what is built aside: by whom, and unlike anything else."""
    remove_leftovers(path.parent)
    return path.with_name(f".{name}.{process_name()}-{uuid.uuid4().hex[:8]}{suffix}")
