"""Tells a full disk from other errors, however the library that wrote says it."""

import errno
import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from haploscribe.errors import StoppedError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The disk is full, a quota is used up, a file is as large as files may be."""

_SAID = re.compile(
    "|".join((*(rf"{os.strerror(code)}|os error {code}\b" for code in NO_ROOM), "database or disk is full")),
    re.IGNORECASE,
)
_PROBE_BYTES = 1 << 16


def require_room(error: BaseException, path: Path) -> None:
    """Say in one line that there was no room, where that is why writing has failed.

    Parameters
    ----------
    error
        What was raised. Not every library says the reason, so the place is asked too.
    path
        What was to be written; what was written of it is still there, and takes up the room.

    Raises
    ------
    StoppedError
        When there is no room.
    """
    reason = lack_of_room(error) or _refused(path.parent)
    if reason is not None:
        raise no_room(reason, path) from None


def no_room(reason: str, path: Path | str) -> StoppedError:
    """Say what is full, a path or the name of a stream, and what to do."""
    ours = f"{tempfile.tempdir}{os.sep}haploscribe-"  # where temporary files are, once there are any
    elsewhere = ", or set TMPDIR to a folder that has some," if str(path).startswith(ours) else ""
    return StoppedError(
        f"no room left for {path} ({reason}); free some{elsewhere} and give the same command again"
    )


def lack_of_room(error: BaseException) -> str | None:
    """Find out whether an error, or one that it came of, says that there is no room; and what it says."""
    for one in error_chain(error):
        if isinstance(one, OSError) and one.errno in NO_ROOM:
            return os.strerror(one.errno)
        found = _SAID.search(str(one))
        if found:
            return found[0]
    return None


def error_chain(error: BaseException) -> Iterator[BaseException]:
    """Give an error and all that it came of, once each, also what `from None` hides."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            left += [one.__context__, one.__cause__]


def _refused(folder: Path) -> str | None:
    """Write a little to a folder: what the refusal says, if it is for lack of room."""
    probe = folder / f".{uuid.uuid4().hex}.probe"
    try:
        probe.write_bytes(bytes(_PROBE_BYTES))
    except OSError as error:
        return os.strerror(error.errno) if error.errno in NO_ROOM else None
    finally:
        probe.unlink(missing_ok=True)
    return None
