"""Run one function over many items: in this process, in several processes, or on a Dask cluster."""

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from joblib.externals.loky import get_reusable_executor, process_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from haploscribe.errors import StoppedError
from haploscribe.parallel.threads import threads
from haploscribe.utils.files import current_umask
from haploscribe.utils.progress import Advance

Item = TypeVar("Item")
Result = TypeVar("Result")


class Context(Protocol):
    """Resources that a process holds open while it runs tasks: files, models, tables."""

    def close(self) -> None:
        """Close what is open."""
        ...


ContextT = TypeVar("ContextT", bound=Context)
ContextT_co = TypeVar("ContextT_co", bound=Context, covariant=True)


class Spec(Protocol[ContextT_co]):
    """A small, hashable description of work, pickled with every item."""

    def open(self) -> ContextT_co:
        """Return the context of this work, in the process that calls it."""
        ...


ITEMS_PER_WORKER = 3
"""Items submitted at once per worker: one running, one in transit, one queued."""
SECONDS_IDLE = 300
"""Idle time after which worker processes end."""
SECONDS_BETWEEN_CHECKS = 0.5
"""Interval at which a worker checks that its parent process is alive."""
MAX_GROWTH = 10**9
"""Memory in bytes by which a worker may grow before it is replaced, where psutil is installed."""

_ONE_THREAD = {
    f"{library}_NUM_THREADS": "1"
    for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMBA", "NUMEXPR")
}


class Executor:
    """Run one function over many items in parallel, each with one thread.

    Parameters
    ----------
    count
        Number of worker processes on this machine; 1 runs tasks in this process.

    Attributes
    ----------
    is_remote
        Whether tasks may run on another machine.
    """

    is_remote = False

    def __init__(self, count: int) -> None:
        self._count = count

    @property
    def count(self) -> int:
        """Number of tasks that can run at a time."""
        return self._count

    def map(
        self,
        spec: Spec[ContextT],
        task: Callable[[ContextT, Item], Result],
        items: Sequence[Item],
        local: ContextT | None = None,
    ) -> Iterator[Result]:
        """Run a task for every item.

        Parameters
        ----------
        spec
            Opens the task's context. A process opens it once and reuses it for its next items.
        task
            A module-level function, so that it can be pickled. It may run twice for an item if a worker
            dies, so it must write files atomically.
        items
            Small: each is pickled and sent to a worker.
        local
            The context of `spec`, if already open in this process; used for tasks that run in this
            process, and not closed.

        Yields
        ------
        The results of the task, in the order of completion.

        Raises
        ------
        StoppedError
            When a worker is killed.
        """
        if not self.is_remote and min(self.count, len(items)) <= 1:
            context = None
            for item in items:
                context = context or local or cached_context(spec)
                with threads(1):
                    result = task(context, item)
                yield result
            return
        pool, remaining, pending = self._pool(), iter(items), set[futures.Future[Result]]()
        try:
            with self._one_line_errors():
                while True:
                    n_more = max(ITEMS_PER_WORKER * self.count - len(pending), 0)
                    pending |= {self._submit(pool, spec, task, item) for item in islice(remaining, n_more)}
                    if not pending:
                        return
                    done, pending = futures.wait(pending, return_when=futures.FIRST_COMPLETED)
                    for future in done:
                        yield future.result()
        finally:
            if pending:
                self._cancel(pool, pending)

    def _pool(self) -> futures.Executor:
        """Return the pool of worker processes."""
        pool: futures.Executor = get_reusable_executor(
            self.count,
            timeout=SECONDS_IDLE,
            initializer=_start_worker,  # workers are reused by the next call if this is equal
            initargs=(os.getpid(), current_umask()),
            env=_ONE_THREAD,
        )
        return pool

    def _submit(
        self,
        pool: futures.Executor,
        spec: Spec[ContextT],
        task: Callable[[ContextT, Item], Result],
        item: Item,
    ) -> futures.Future[Result]:
        return pool.submit(run_item, spec, task, item)

    def _cancel(self, pool: futures.Executor, pending: set[futures.Future[Any]]) -> None:
        """End pending tasks."""
        # Not by future.cancel(): loky's manager sets the same futures, and fails at one just cancelled.
        pool.shutdown(kill_workers=True)  # type: ignore[call-arg]

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        """Convert failures of workers to one-line errors."""
        with warnings.catch_warnings():
            # A worker that has grown by MAX_GROWTH is replaced.
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
            try:
                yield
            except TerminatedWorkerError:
                raise StoppedError(
                    f"one of {self.count} worker processes was killed, most likely for lack of memory; give "
                    "fewer --jobs or allow more memory: rerunning the same command resumes"
                ) from None


def map_to_files(
    executor: Executor,
    spec: Spec[ContextT],
    task: Callable[[ContextT, Item, Path], None],
    items: Sequence[tuple[Path, Item]],
    advance: Advance,
    local: ContextT | None = None,
) -> None:
    """Run a task for every item whose output file does not exist yet, so that an interrupted call resumes.

    Parameters
    ----------
    executor, spec, local
        As for `Executor.map`.
    task
        Writes the output file of an item atomically.
    items
        Output file and item, in the order of submission.
    advance
        Called with the number of items done, including those of an earlier, interrupted call.
    """
    remaining = [(task, path, item) for path, item in items if not path.exists()]
    advance(len(items) - len(remaining))
    for _ in executor.map(spec, _write_file, remaining, local):
        advance(1)


def _write_file(context: ContextT, work: tuple[Callable[[ContextT, Item, Path], None], Path, Item]) -> None:
    task, path, item = work
    task(context, item, path)


_open: dict[Any, Any] = {}
_lock = threading.Lock()


def run_item(spec: Spec[ContextT], task: Callable[[ContextT, Item], Result], item: Item) -> Result:
    """Run a task for one item in a worker process; threads of one worker take turns."""
    with _lock, threads(1):
        return task(cached_context(spec), item)


def cached_context(spec: Spec[ContextT]) -> ContextT:
    """Return the context of a spec, opened once per process; the context of another spec is closed."""
    if spec not in _open:
        for context in _open.values():
            context.close()
        _open.clear()
        _open[spec] = spec.open()
    found: ContextT = _open[spec]
    return found


def _start_worker(parent: int, mask: int) -> None:
    """Set the umask of a worker process to its parent's, and end the worker when its parent has ended.

    A signal that kills the parent may not be delivered to its workers.
    """
    os.umask(mask)
    # Of 300 MB, as loky has it, importing torch and numba takes most: each worker would be started twice.
    process_executor._MAX_MEMORY_LEAK_SIZE = MAX_GROWTH

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_CHECKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
