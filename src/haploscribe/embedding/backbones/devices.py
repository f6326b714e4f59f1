"""Select the device a model runs on, and share CPU work among single threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from haploscribe.errors import InputError


def resolve_device(device: str) -> torch.device:
    """Return a device by name.

    Parameters
    ----------
    device
        `cpu`, `cuda`, `cuda:1`, …, or `auto`: a GPU where there is one.

    Raises
    ------
    InputError
        When it is not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"device {device!r} cannot be used here ({reason}); try 'cpu'") from None
    return resolved


Item = TypeVar("Item")
Result = TypeVar("Result")


def each_by_one_thread(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Apply a PyTorch function to many items in parallel, each with one thread.

    Uses as many threads as `torch.get_num_threads()` allows at the time of the call. Results do not depend on
    their number, because no operation is shared between threads, and threads that never wait for each other
    lose nothing on a shared machine. PyTorch releases Python's lock while it computes.

    Parameters
    ----------
    function
        Safe to call from several threads.
    items
        Started in this order: put the longest first, so that threads end together.

    Returns
    -------
    list
        One result per item, in order.
    """
    allowed = torch.get_num_threads()
    # The limit applies per thread in OpenMP and per process in MKL: set it in each thread, then restore it.
    torch.set_num_threads(1)
    try:
        if min(allowed, len(items)) <= 1:
            return [function(item) for item in items]
        with ThreadPoolExecutor(allowed, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(function, items))
    finally:
        torch.set_num_threads(allowed)
