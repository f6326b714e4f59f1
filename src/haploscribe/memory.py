"""Tells a lack of memory from other errors, and asks for what is needed before a library would abort."""

import errno
import os
import re
from functools import cache
from pathlib import Path

from haploscribe.errors import InputError, StoppedError
from haploscribe.room import error_chain

GIBIBYTE = 1 << 30

NEEDED = 3 * GIBIBYTE
"""Bytes of address space that a process needs on a machine of a few cores; see `needed_address_space`."""
NEEDED_PER_CORE = GIBIBYTE // 64
"""Libraries start threads, a core each: a stack, and what the C library reserves for what it allocates."""
SPARE = GIBIBYTE // 4
"""Bytes of it that must be free when a piece of work begins: LLVM and Rust abort where they get none."""

_SAID = re.compile(
    "|".join(
        (
            rf"{os.strerror(errno.ENOMEM)}(?! in static TLS)",
            rf"os error {errno.ENOMEM}\b",
            r"\bMemoryError\b",
            r"failed to map segment from shared object",
            r"std::bad_alloc",
            r"DefaultCPUAllocator[^\n]*",
            r"can't start new thread",
            r"memory allocation of \d+ bytes failed",
            r"out of memory",
        )
    ),
    re.IGNORECASE,
)


def lack_of_memory(error: BaseException) -> str | None:
    """Find out whether an error, or one that it came of, says that there is no memory; and what it says.

    Errors of workers come with their traceback as text, and libraries have words of their own: PyTorch a
    RuntimeError, the dynamic loader an ImportError, Rust a panic.
    """
    for one in error_chain(error):
        if isinstance(one, InputError):
            continue  # its words are ours, and the user's files'
        text = str(one)
        if isinstance(one, MemoryError):
            return text.partition("\n")[0] or "MemoryError"
        if isinstance(one, OSError) and one.errno == errno.ENOMEM:
            return os.strerror(errno.ENOMEM)
        found = _SAID.search(text)
        if found:
            return found[0]
    return None


def no_memory(reason: str) -> StoppedError:
    """Say that memory has run out, how much there may be, and what to do."""
    limit = address_space_limit()
    cure = (
        "free some, or give fewer --jobs,"
        if limit is None
        else f"a process may have {limit * 10 // GIBIBYTE / 10} GiB here: allow more with ulimit -v"
    )
    return StoppedError(f"not enough memory ({reason}); {cure} and give the same command again")


def needed_address_space() -> int:
    """Give the least limit of a process's address space, in bytes, with which anything is begun.

    Half of it is for libraries, which reserve far more than they use. With less some of them do not fail but
    abort the process, or wait for ever for a thread that could not be started.
    """
    return NEEDED + NEEDED_PER_CORE * max(0, (os.cpu_count() or 1) - 2)


def require_address_space() -> None:
    """Stop at a limit of this process's address space that is too low to begin.

    Raises
    ------
    StoppedError
        When it is.
    """
    limit, needed = address_space_limit(), needed_address_space()
    if limit is not None and limit < needed:
        raise StoppedError(
            f"not enough memory: a process may have {limit * 10 // GIBIBYTE / 10} GiB of address space here, "
            f"and needs {needed / GIBIBYTE:.1f} GiB or more; allow it with ulimit -v {needed >> 10}"
        )


def require_spare_memory() -> None:
    """Stop before a piece of work if little of the address space that this process may have is left.

    Raises
    ------
    StoppedError
        When that is so.
    """
    limit = address_space_limit()
    if limit is not None and (used := _address_space()) > limit - SPARE:
        raise no_memory(f"{used / GIBIBYTE:.1f} GiB are in use")


def address_space_limit() -> int | None:
    """Give the bytes of address space that this process may have (`ulimit -v`); None for no limit."""
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _address_space() -> int:
    """Give the bytes of address space that this process has; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * _page_size()
    except OSError:
        return 0


@cache
def _page_size() -> int:
    return os.sysconf("SC_PAGE_SIZE")
