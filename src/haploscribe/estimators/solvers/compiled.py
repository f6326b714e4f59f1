"""Compile numeric kernels with numba, caching the machine code where that is possible."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])


# Reductions may be reordered (else they are not vectorised); NaN and infinity keep their meaning.
_FASTMATH = frozenset({"contract", "nsz", "reassoc"})


def compiled(kernel: _Kernel) -> _Kernel:
    """Compile a kernel for one thread at its first call.

    The machine code is cached beside the source or, where that may not be written, in numba's own cache
    folder (`NUMBA_CACHE_DIR`). Where neither may be written the kernel is compiled anew in each process.
    The cache goes by the time stamp of the kernel's own file, so kernels call only kernels of their module.

    Parameters
    ----------
    kernel
        A function of numbers and arrays that numba's nopython mode accepts.
    """
    return _compiled(kernel)


def compiled_into_callers(kernel: _Kernel) -> _Kernel:
    """Compile a kernel whose code becomes part of the kernels that call it: see `compiled`.

    Left to choose, LLVM may put it there when both are compiled in one process, and not when one comes from
    the cache; sums are then added up in another order, and the first run differs in the last bit from all
    later ones.
    """
    return _compiled(kernel, forceinline=True)


def _compiled(kernel: _Kernel, **options: bool) -> _Kernel:
    try:
        return cast("_Kernel", njit(cache=True, fastmath=set(_FASTMATH), **options)(kernel))
    except RuntimeError:  # numba: "cannot cache function …: no locator available"
        return cast("_Kernel", njit(fastmath=set(_FASTMATH), **options)(kernel))
