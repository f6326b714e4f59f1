"""Run one function over many items: in this process, in several of this machine, or on a Dask cluster."""

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

from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from haploscribe.errors import StoppedError
from haploscribe.parallel.threads import threads
from haploscribe.utils.files import current_umask
from haploscribe.utils.progress import Advance

Item = TypeVar("Item")
Result = TypeVar("Result")


class Context(Protocol):
    """What a process keeps open while it works on items: files, models, tables."""

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
"""Items submitted at once for each worker: one in work, one on the way, one to spare."""
SECONDS_IDLE = 300
"""After which worker processes end."""
SECONDS_BETWEEN_CHECKS = 0.5
"""Of a worker for its parent process."""

_ONE_THREAD = {
    f"{library}_NUM_THREADS": "1"
    for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMBA", "NUMEXPR")
}


class Executor:
    """Run one function over many items in parallel, each with one thread.

    Parameters
    ----------
    count
        Worker processes of this machine; 1 for this process alone.

    Attributes
    ----------
    is_remote
        Whether tasks run on another machine, or may.
    """

    is_remote = False

    def __init__(self, count: int) -> None:
        self._count = count

    @property
    def count(self) -> int:
        """How many items can be in work at a time."""
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
            Opens the task's context. A process opens it once and keeps it for the next item.
        task
            A function of a module, so that other processes find it. It may run twice for an item where a
            worker dies, so files that it writes are put in place by a rename.
        items
            Small: they travel to the worker.
        local
            The context of `spec`, if it is open already in this process; used where the work is done here,
            and not closed.

        Yields
        ------
        What the task returned, in the order in which items are done.

        Raises
        ------
        StoppedError
            When a worker is killed.
        """
        if not self.is_remote and min(self.count, len(items)) <= 1:
            context = None
            for item in items:
                context = context or local or kept_open(spec)
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
        """Return the processes to submit to."""
        pool: futures.Executor = get_reusable_executor(
            self.count,
            timeout=SECONDS_IDLE,
            initializer=_start_worker,  # workers are kept from call to call, unless this differs
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
        """Stop work that nobody waits for any more."""
        for future in pending:
            future.cancel()
        pool.shutdown(kill_workers=True)  # type: ignore[call-arg]

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        """Turn what becomes of workers into errors of one line."""
        with warnings.catch_warnings():
            # A worker that has grown by 300 MB, as one does that loads a model, is replaced.
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
    """Run a task for every item whose file does not exist yet: a stopped job resumes.

    Parameters
    ----------
    executor, spec, local
        As for `Executor.map`.
    task
        Writes the file of an item, atomically.
    items
        Each with its file, in the order in which they are handed out.
    advance
        Called with the number of items done, those of an earlier, stopped job included.
    """
    remaining = [(task, path, item) for path, item in items if not path.exists()]
    advance(len(items) - len(remaining))
    for _ in executor.map(spec, _write_file, remaining, local):
        advance(1)


def _write_file(context: ContextT, work: tuple[Callable[[ContextT, Item, Path], None], Path, Item]) -> None:
    task, path, item = work
    task(context, item, path)


_open: dict[Any, Any] = {}
_one_at_a_time = threading.Lock()


def run_item(spec: Spec[ContextT], task: Callable[[ContextT, Item], Result], item: Item) -> Result:
    """Run a task for one item in a worker process; a worker of several threads runs one after another."""
    with _one_at_a_time, threads(1):
        return task(kept_open(spec), item)


def kept_open(spec: Spec[ContextT]) -> ContextT:
    """Return the context of a spec, opened once in a process's life; the one before it is closed."""
    if spec not in _open:
        for context in _open.values():
            context.close()
        _open.clear()
        _open[spec] = spec.open()
    found: ContextT = _open[spec]
    return found


def _start_worker(parent: int, mask: int) -> None:
    """Set up a worker of this machine: files as private as its parent's, and an end soon after its parent's.

    The signal that kills the parent may not reach its workers.
    """
    os.umask(mask)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_CHECKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
