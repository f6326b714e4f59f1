"""What a killed process leaves behind carries its name, so that a later one may know it and remove it."""

import os
import platform
import re
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path

from haploscribe.errors import InputError

_NAME = re.compile(r"(?:\..*\.|haploscribe-)([0-9a-f]{8})-(\d+)-\w{8}(?:\.[^.]*)?")
"""Something built aside, or a temporary folder: machine, process, drawn letters, and perhaps a suffix."""


def process_name() -> str:
    """Name this process for others on the same machine: `MACHINE-PID`."""
    return f"{_machine()}-{os.getpid()}"


def temporary_prefix() -> str:
    """Begin the name of a temporary folder; those of processes that are gone are removed.

    Raises
    ------
    InputError
        When there is no place for temporary files: all are full, or may not be written to.
    """
    try:
        place = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise InputError(
            f"{error.strerror}: they are full, or you may not write there; free some room, or set TMPDIR to "
            "a folder that has some"
        ) from None
    remove_leftovers(place)
    return f"haploscribe-{process_name()}-"


def remove_leftovers(folder: Path) -> None:
    """Remove what processes of this machine that are gone have left in a folder; looked for once a process.

    Nothing of a process that is alive is touched, nor of another machine, which cannot be asked. So it is
    safe where several runs, also of several machines, write to one folder, and needs no locks.
    """
    _remove_leftovers_once(folder.absolute(), os.getpid())


@cache
def _remove_leftovers_once(folder: Path, _pid: int) -> None:
    try:
        there = list(folder.iterdir())
    except OSError:
        return
    for path in there:
        found = _NAME.fullmatch(path.name)
        if found and found[1] == _machine() and not _is_alive(int(found[2])):
            remove_path(path)


def remove_path(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@cache
def _machine() -> str:
    """Digest what process numbers hold for: this machine since it was started, and here this container."""
    parts = [platform.node()]
    with suppress(OSError):  # Linux has them
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        parts.append(os.readlink("/proc/self/ns/pid"))  # noqa: PTH115 - not a path
    return blake2b("\n".join(parts).encode(), digest_size=4).hexdigest()


def _is_alive(pid: int) -> bool:
    """Whether there is such a process; one that has ended and only waits to be told of is none."""
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
