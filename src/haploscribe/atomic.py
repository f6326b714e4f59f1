"""Outputs are built aside and renamed, so a stopped run leaves nothing half-written; who may read them."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haploscribe.errors import InputError, StoppedError
from haploscribe.leftovers import process_name, remove_leftovers, remove_path
from haploscribe.memory import lack_of_memory
from haploscribe.room import lack_of_room, no_room, require_room

HIDDEN_FROM = {"owner": 0o077, "group": 0o007, "all": 0}
"""Who may read what is written, and the bits of a file's mode that others lose."""

_umasks: list[int] = []
"""Of the blocks of `created_for` that this process is in, the innermost last."""


@contextmanager
def created_for(readers: str) -> Iterator[None]:
    """Let all files and folders that the block makes be read by these people, and no others.

    What the user's umask forbids stays forbidden, and what is there already keeps its mode. The process's
    umask is set, so that no file is open to others for even a moment, whichever library makes it; files that
    other threads of the process make meanwhile are as private.

    Parameters
    ----------
    readers
        `owner`, `group` or `all`.

    Raises
    ------
    InputError
        When it is none of these.
    """
    hidden = HIDDEN_FROM.get(readers)
    if hidden is None:
        raise InputError(f"readable by {readers!r}: give one of {', '.join(HIDDEN_FROM)}")
    users = os.umask(0o077)  # it can be read only by setting it
    os.umask(users)
    with umask(users | hidden):
        yield


@contextmanager
def umask(mask: int | None) -> Iterator[None]:
    """Have this umask for the block; None leaves it as it is."""
    if mask is None:
        yield
        return
    before = os.umask(mask)
    _umasks.append(mask)
    try:
        yield
    finally:
        _umasks.pop()
        os.umask(before)


def current_umask() -> int | None:
    """Give the umask of the innermost `created_for` or `umask`, for processes that work for this one."""
    return _umasks[-1] if _umasks else None


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
        _to_disk(aside)
        replace_path(aside, path)
    except Exception as error:
        require_room(error, path)
        raise
    finally:
        remove_path(aside)


def _to_disk(path: Path) -> None:
    """Wait until a file is on the disk: a name must not come there before its content, should power fail."""
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())


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


@contextmanager
def kept_unless_refused(path: Path) -> Iterator[None]:
    """Take a folder that the block makes away again if its input is refused, unless it was there before.

    Whatever else stops the block leaves the folder, so that the work can go on where it was.
    """
    was_there = path.exists()
    try:
        yield
    except StoppedError:
        raise
    except InputError as error:
        if not was_there and lack_of_memory(error) is None:
            remove_at_once(path)
        raise


def replace_path(aside: Path, path: Path) -> None:
    """Put what was built aside, on the same file system, in place.

    An existing directory is taken out of the way first (rename replaces only files).

    Raises
    ------
    InputError
        When a file would take the place of a directory, or a directory that of a file.
    """
    if path.exists() and path.is_dir() != aside.is_dir():
        kinds = ("folder", "file") if path.is_dir() else ("file", "folder")
        raise InputError(f"cannot write to {path}: it is a {kinds[0]}; name a {kinds[1]}")
    if path.is_dir():
        old = _out_of_the_way(path)
        aside.rename(path)
        remove_path(old)
    else:
        aside.replace(path)


def remove_at_once(path: Path) -> None:
    """Remove a folder, if it is there: who comes after a kill finds all of it or nothing."""
    if path.is_dir():
        try:
            old = _out_of_the_way(path)
        except FileNotFoundError:  # another process was faster
            return
        remove_path(old)


def put_in_place(made: Path, folder: Path, last: str) -> None:
    """Move all that a folder holds to another on the same file system, in place of what is there.

    Files belong together: the one named `last` goes first of all and comes last, so that a folder that has
    it is whole, whenever the process is killed. Renames need no room.
    """
    (folder / last).unlink(missing_ok=True)
    for path in sorted(made.iterdir(), key=lambda path: (path.name == last, path.name)):
        replace_path(path, folder / path.name)


def _out_of_the_way(path: Path) -> Path:
    old = _beside(path, path.name, ".old")
    path.rename(old)
    return old


def _beside(path: Path, name: str, suffix: str = "") -> Path:
    """Name what is built aside: by whom, and unlike anything else."""
    remove_leftovers(path.parent)
    return path.with_name(f".{name}.{process_name()}-{uuid.uuid4().hex[:8]}{suffix}")
