"""Open the executor that the options name."""

from collections.abc import Iterator
from contextlib import contextmanager

from haploscribe.config.options import WorkerOptions
from haploscribe.parallel.executor import Executor


@contextmanager
def open_executor(options: WorkerOptions) -> Iterator[Executor]:
    """Open the executor that the options name; a cluster started for it ends with the block.

    Raises
    ------
    InputError
        When a cluster cannot be reached or used.
    """
    if options.dask is None:
        yield Executor(options.jobs)
        return
    from haploscribe.parallel.dask import dask_executor  # noqa: PLC0415 - an optional extra

    with dask_executor(options.dask) as executor:
        yield executor
