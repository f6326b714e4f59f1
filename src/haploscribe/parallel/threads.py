"""Limit the threads of numerical libraries."""

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Limit the threads of numerical libraries within the block; one thread gives reproducible bits."""
    # Imported here because it takes seconds, and before the limit is set: a limit holds for libraries that
    # are loaded at the time, and each of these brings its own.
    import scipy.linalg  # noqa: F401, PLC0415
    import torch  # noqa: PLC0415

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(before)
