"""Processes that share the work of a run: here, on this machine, or on a Dask cluster."""

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol, TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits

from haploscribe.atomic import current_umask, umask
from haploscribe.config.options import WorkerOptions
from haploscribe.errors import StoppedError
from haploscribe.memory import require_spare_memory

Item = TypeVar("Item")
Found = TypeVar("Found")


class Opened(Protocol):
    """What a process keeps open for a job: files, models, tables."""

    def close(self) -> None:
        """Close what is open."""
        ...


OpenedT = TypeVar("OpenedT", bound=Opened)
OpenedT_co = TypeVar("OpenedT_co", bound=Opened, covariant=True)


class Job(Protocol[OpenedT_co]):
    """A small description of work, hashable and pickled with every piece of it."""

    def open(self) -> OpenedT_co:
        """Open, in the process that works, what all pieces need."""
        ...


class Workers(Protocol):
    """Where the pieces of a job are done.

    Attributes
    ----------
    elsewhere
        Whether they are done on a cluster rather than by this process and its children.
    """

    elsewhere: bool

    @property
    def count(self) -> int:
        """How many pieces can be in work at a time."""
        ...

    def map(
        self,
        job: Job[OpenedT],
        task: Callable[[OpenedT, Item], Found],
        items: Sequence[Item],
        here: Callable[[], OpenedT] | None = None,
    ) -> Iterator[Found]:
        """Do a task for every item, several at a time, each with one thread.

        Parameters
        ----------
        job
            What the task needs open. A process opens it once and keeps it for the next item.
        task
            A function of a module, so that other processes find it. It may be done twice for an item
            where a worker dies, so what it writes is put in place by a rename.
        items
            Small: they travel to the worker.
        here
            Gives what `job.open` would, where the work is done in this process; it is not closed then.

        Yields
        ------
        What the task returned, in the order in which pieces are done.
        """
        ...


class LocalWorkers:
    """One process or several on this machine.

    Parameters
    ----------
    count
        How many.
    """

    elsewhere = False

    def __init__(self, count: int) -> None:
        self.count = count

    def map(
        self,
        job: Job[OpenedT],
        task: Callable[[OpenedT, Item], Found],
        items: Sequence[Item],
        here: Callable[[], OpenedT] | None = None,
    ) -> Iterator[Found]:
        """Do a task for every item: see `Workers.map`.

        Raises
        ------
        InputError
            When a worker is killed.
        """
        count = min(self.count, len(items))
        if count > 1:  # handed out in order, so that pieces in work at one time are neighbours
            parallel = Parallel(
                n_jobs=count,
                return_as="generator_unordered",
                pre_dispatch=2 * count,
                max_nbytes=None,  # items are small; files in shared memory would outlive a kill
            )
            with warnings.catch_warnings():
                # joblib replaces a worker that has grown by 300 MB, as one does that loads a model.
                warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
                try:
                    own, mask = os.getpid(), current_umask()
                    yield from parallel(delayed(_do_piece_for)(own, job, task, item, mask) for item in items)
                except TerminatedWorkerError:
                    raise StoppedError(
                        f"a worker of {count} died, most likely for lack of memory; give fewer with --jobs, "
                        "and run again: it goes on where it was"
                    ) from None
        elif items:
            opened = here() if here is not None else kept_open(job)
            for item in items:
                require_spare_memory()
                with threads(1):
                    found = task(opened, item)
                yield found


@contextmanager
def open_workers(options: WorkerOptions) -> Iterator[Workers]:
    """Open the workers that a run asks for; a cluster made for it is closed behind the block.

    Raises
    ------
    InputError
        When a cluster cannot be reached or used.
    """
    if options.dask is None:
        yield LocalWorkers(options.jobs)
        return
    from haploscribe.workers.cluster import dask_workers  # noqa: PLC0415 - an extra, for clusters alone

    with dask_workers(options.dask) as workers:
        yield workers


SECONDS_BETWEEN_LOOKS = 0.5
"""Of a worker at its parent."""

_kept: dict[Any, Any] = {}
_one_piece_at_a_time = threading.Lock()


def do_piece(
    job: Job[OpenedT], task: Callable[[OpenedT, Item], Found], item: Item, mask: int | None = None
) -> Found:
    """Do one piece in a worker process. A worker of several threads does one piece after another.

    `mask` is the umask of the process that asks: what a worker writes is as private as what that one does.
    """
    with _one_piece_at_a_time, umask(mask), threads(1):
        require_spare_memory()
        return task(kept_open(job), item)


def _do_piece_for(
    parent: int, job: Job[OpenedT], task: Callable[[OpenedT, Item], Found], item: Item, mask: int | None
) -> Found:
    """Do one piece in a process that another one of this machine has started."""
    _end_with(parent)
    return do_piece(job, task, item, mask)


@cache
def _end_with(parent: int) -> None:
    """End this process soon after its parent: what the parent is killed with may not reach its workers."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def kept_open(job: Job[OpenedT]) -> OpenedT:
    """Open a job once in a process's life; the one before it is closed."""
    if job not in _kept:
        for opened in _kept.values():
            opened.close()
        _kept.clear()
        _kept[job] = job.open()
    found: OpenedT = _kept[job]
    return found


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let numerical libraries use so many threads and no more; one gives the same bits everywhere."""
    # Seconds to import, so only where there is work to do. Both before the limit is set: it holds for the
    # libraries that are loaded then, and each of these brings its own.
    import scipy.linalg  # noqa: F401, PLC0415
    import torch  # noqa: PLC0415

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(before)
