"""Write files and folders whole or not at all, remove stale ones, and set who may read them."""

import errno
import os
import platform
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path

from haploscribe.errors import InputError, StoppedError
from haploscribe.utils.resources import disk_full_error, out_of_memory_error

UMASKS = {"owner": 0o077, "group": 0o007, "all": 0}
"""Umask for each choice of who may read what is written."""

_STALE = re.compile(r"(?:\..*\.|haploscribe-)([0-9a-f]{8})-(\d+)-\w{8}(?:\.[^.]*)?")
"""Name of a temporary file or folder: machine, process, random letters, and perhaps a suffix."""

_FULL_BYTES = 1 << 16
"""With less free, a disk counts as full."""


# Permissions -----------------------------------------------------------------------------------------------


@contextmanager
def umask_for(readers: str) -> Iterator[None]:
    """Set the umask for the block, so that only these users can read the files and folders it makes.

    What the user's umask forbids stays forbidden, and existing files keep their mode. As the umask belongs to
    the process, files are private from the start, whichever library makes them, and processes started in the
    block inherit it; so do files that other threads make meanwhile.

    Parameters
    ----------
    readers
        `owner`, `group` or `all`.

    Raises
    ------
    InputError
        When it is none of these.
    """
    if readers not in UMASKS:
        raise InputError(f"readable by {readers!r}: give one of {', '.join(UMASKS)}")
    with umask(current_umask() | UMASKS[readers]):
        yield


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Set the process's umask for the block."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def current_umask() -> int:
    """Return the process's umask."""
    mask = os.umask(0o077)  # it can be read only by setting it
    os.umask(mask)
    return mask


# Writing ---------------------------------------------------------------------------------------------------


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file or folder under a temporary name and rename it to `path` when the block succeeds.

    When the block raises, what was written is removed and `path` stays as it was.

    Parameters
    ----------
    path
        The finished output. Its parent folder is made when it is missing.

    Yields
    ------
    Path
        A path in the same folder, with the same suffix, where nothing exists yet.

    Raises
    ------
    InputError
        When the folder cannot be written to, or the disk is full.
    """
    with _temporary_beside(path, path.stem, path.suffix) as temporary:
        yield temporary
        _sync(temporary)
        replace_path(temporary, path)


@contextmanager
def write_if_absent(path: Path) -> Iterator[Path]:
    """Write a folder whose content does not depend on who writes it; an existing one is kept.

    Several processes, also on several machines with a shared file system, may write it at once: the first
    rename wins and the others drop their copy, so no locks are needed.

    Parameters
    ----------
    path
        The finished folder.

    Yields
    ------
    Path
        A path in the same folder where nothing exists yet.

    Raises
    ------
    InputError
        When the folder cannot be written to, or the disk is full.
    """
    with _temporary_beside(path, path.name) as temporary:
        yield temporary
        try:
            temporary.rename(path)
        except OSError:  # a folder is never renamed over one that is not empty
            if not path.is_dir():
                raise


@contextmanager
def _temporary_beside(path: Path, name: str, suffix: str = "") -> Iterator[Path]:
    """Yield a temporary path beside `path`, remove it in the end, and report a full disk in one line."""
    make_folder(path.parent)
    temporary = _temporary_name(path, name, suffix)
    try:
        yield temporary
    except Exception as error:
        # htslib does not say why it could not write.
        full = shutil.disk_usage(path.parent).free < _FULL_BYTES
        cause = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if full else error
        if (stopped := disk_full_error(cause, path)) is not None:
            raise stopped from None
        raise
    finally:
        remove_path(temporary)


def _sync(path: Path) -> None:
    """Flush a file to disk, so that after a power failure its name never comes without its content."""
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def is_file(path: Path) -> bool:
    """Return whether a path names a file; a list of names may be longer than any path can be."""
    try:
        return path.is_file()
    except OSError:
        return False


def require_readable(path: Path) -> None:
    """Raise InputError where a file cannot be opened."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}; check the path and its permissions"
        ) from None


def make_folder(path: Path) -> None:
    """Make a folder and its parents where they are missing.

    Raises
    ------
    InputError
        When it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_full_error(error, path) or InputError(
            f"cannot write to {path}: {error.strerror}; name a folder you may write to"
        ) from None
    if not os.access(path, os.W_OK):
        raise InputError(f"cannot write to {path}: permission denied; name a folder you may write to")


def replace_path(source: Path, path: Path) -> None:
    """Rename a file or folder to a path on the same file system, replacing what is there.

    Raises
    ------
    InputError
        When a file would replace a folder, or a folder a file.
    """
    if path.exists() and path.is_dir() != source.is_dir():
        kinds = ("folder", "file") if path.is_dir() else ("file", "folder")
        raise InputError(f"cannot write to {path}: it is a {kinds[0]}; name a {kinds[1]}")
    if path.is_dir():  # rename replaces only files
        old = _rename_aside(path)
        source.rename(path)
        remove_path(old)
    else:
        source.replace(path)


def publish(source: Path, folder: Path, last: str) -> None:
    """Move all files of a folder to another on the same file system, replacing those there.

    The file named `last` is removed first and moved last, so a folder that has it is complete, whenever the
    process is killed. Renames take no disk space.
    """
    (folder / last).unlink(missing_ok=True)
    for path in sorted(source.iterdir(), key=lambda path: (path.name == last, path.name)):
        replace_path(path, folder / path.name)


# Removing --------------------------------------------------------------------------------------------------


@contextmanager
def remove_on_error(path: Path) -> Iterator[None]:
    """Make a folder for the block; if the block raises, remove it unless it existed before."""
    existed = path.exists()
    make_folder(path)
    try:
        yield
    except BaseException:
        if not existed:
            remove_atomically(path)
        raise


@contextmanager
def remove_on_input_error(path: Path) -> Iterator[None]:
    """Remove a folder that the block makes if its input is refused, unless the folder existed before.

    After any other error the folder stays, so that rerunning resumes.
    """
    existed = path.exists()
    try:
        yield
    except StoppedError:
        raise
    except InputError as error:
        if not existed and out_of_memory_error(error) is None:
            remove_atomically(path)
        raise


def remove_path(path: Path) -> None:
    """Remove a file or folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_atomically(path: Path) -> None:
    """Remove a folder, if it exists; if killed meanwhile, all of it is there or nothing."""
    if path.is_dir():
        try:
            old = _rename_aside(path)
        except FileNotFoundError:  # another process was faster
            return
        remove_path(old)


def _rename_aside(path: Path) -> Path:
    old = _temporary_name(path, path.name, ".old")
    path.rename(old)
    return old


# Stale files -----------------------------------------------------------------------------------------------


def process_name() -> str:
    """Return the name of this process, unique among all of the same machine: `MACHINE-PID`."""
    return f"{_machine()}-{os.getpid()}"


def temporary_prefix() -> str:
    """Return a prefix for the name of a temporary folder; stale folders are removed.

    Raises
    ------
    InputError
        When no folder for temporary files can be written to.
    """
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError:
        raise InputError(
            "no writable temporary folder (disk full or no permission); free disk space or set TMPDIR"
        ) from None
    remove_stale_files(folder)
    return f"haploscribe-{process_name()}-"


def remove_stale_files(folder: Path) -> None:
    """Remove temporary files that dead processes of this machine left in a folder; once per process.

    Temporary files are named after their process. Those of live processes and of other machines are left, so
    several runs, also on several machines, can share a folder without locks.
    """
    _remove_stale_files_once(folder.absolute(), os.getpid())


@cache
def _remove_stale_files_once(folder: Path, _pid: int) -> None:
    try:
        paths = list(folder.iterdir())
    except OSError:
        return
    for path in paths:
        found = _STALE.fullmatch(path.name)
        if found and found[1] == _machine() and not _is_alive(int(found[2])):
            remove_path(path)


def _temporary_name(path: Path, name: str, suffix: str) -> Path:
    remove_stale_files(path.parent)
    return path.with_name(f".{name}.{process_name()}-{uuid.uuid4().hex[:8]}{suffix}")


@cache
def _machine() -> str:
    """Return a hash of the scope of process ids: the host name and, on Linux, its boot and PID namespace."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        parts.append(os.readlink("/proc/self/ns/pid"))  # noqa: PTH115 - not a path
    return blake2b("\n".join(parts).encode(), digest_size=4).hexdigest()


def _is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return True
    return state not in "ZX"
