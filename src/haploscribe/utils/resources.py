"""Report a full disk or a lack of memory in one line."""

import errno
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from haploscribe.errors import StoppedError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No space, quota exceeded, file larger than allowed (`ulimit -f`)."""

GIBIBYTE = 1 << 30

REQUIRED_ADDRESS_SPACE = 3 * GIBIBYTE
"""Bytes; half of it is reserved by libraries, which never use it.

With less, some of them abort the process or wait forever for a thread that could not be started.
"""
REQUIRED_PER_CORE = GIBIBYTE // 64
"""Bytes more for each core beyond two: libraries start one thread per core."""


def disk_full_error(error: BaseException, path: Path | str | None = None) -> StoppedError | None:
    """Return the one-line error of a full disk, if that is what caused an error.

    Parameters
    ----------
    error
        The error; its causes are searched too.
    path
        What was being written; by default what the error names, or else standard output.
    """
    for cause in _causes(error):
        code = _error_code(cause)
        if code in DISK_FULL:
            place = path or getattr(cause, "filename", None) or "standard output"
            ours = f"{tempfile.tempdir}{os.sep}haploscribe-"
            elsewhere = " or set TMPDIR to another disk" if str(place).startswith(ours) else ""
            return StoppedError(
                f"no disk space left for {place} ({os.strerror(code)}); free disk space{elsewhere} and "
                "rerun the same command to resume"
            )
    return None


def out_of_memory_error(error: BaseException) -> StoppedError | None:
    """Return the one-line error of a lack of memory, if that is what caused an error."""
    if not any(_error_code(cause) == errno.ENOMEM for cause in _causes(error)):
        return None
    limit = address_space_limit()
    allowed = "" if limit is None else f" (ulimit -v allows {_gibibytes(limit)})"
    return StoppedError(
        f"not enough memory{allowed}; allow more or give fewer --jobs, and rerun the same command to resume"
    )


def required_address_space() -> int:
    """Return the lowest limit of address space with which a command is started, in bytes."""
    return REQUIRED_ADDRESS_SPACE + REQUIRED_PER_CORE * max(0, (os.cpu_count() or 1) - 2)


def require_address_space() -> None:
    """Check that the limit of this process's address space (`ulimit -v`) is high enough to start.

    Raises
    ------
    StoppedError
        When it is too low.
    """
    limit, required = address_space_limit(), required_address_space()
    if limit is not None and limit < required:
        raise StoppedError(
            f"not enough memory: ulimit -v allows {_gibibytes(limit)} of address space, and "
            f"{_gibibytes(required)} are needed; allow it with ulimit -v {required >> 10}"
        )


def address_space_limit() -> int | None:
    """Return the limit of this process's address space in bytes (`ulimit -v`); None for no limit."""
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _gibibytes(n_bytes: int) -> str:
    return f"{n_bytes / GIBIBYTE:.2f} GiB"


def _error_code(error: BaseException) -> int | None:
    """Return the system's number of an error, also where a library gives only the system's words for it."""
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return errno.ENOSPC
    said = str(error)  # of Rust, as in polars and safetensors, and of PyTorch
    return next((code for code in (*DISK_FULL, errno.ENOMEM) if os.strerror(code) in said), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all errors behind it, once each, including those that `from None` hides."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            left += [one.__context__, one.__cause__]
