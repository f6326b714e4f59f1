"""Run tasks on a Dask cluster: several machines, or processes of this one."""

import logging
import re
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import ExitStack, contextmanager
from typing import Any

from haploscribe._version import __version__
from haploscribe.errors import InputError, StoppedError
from haploscribe.parallel.executor import ContextT, Executor, Item, Result, Spec, run_item
from haploscribe.utils.files import current_umask, umask

try:
    import distributed
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError
except ImportError:
    raise InputError("--dask needs Dask: pip install 'haploscribe[cluster]'") from None


_ADDRESS = re.compile(r"\w+://.+:\d+")


class DaskExecutor(Executor):
    """Run tasks on the workers of a Dask cluster; the tasks of a worker that dies run on another.

    Only a few items per worker are submitted at a time, so the scheduler's memory does not grow with the
    number of genes.

    Parameters
    ----------
    client
        Connected to the scheduler.
    """

    is_remote = True

    def __init__(self, client: distributed.Client) -> None:
        self._client = client

    @property
    def count(self) -> int:
        """Current number of workers, which may change; at least 1."""
        return max(1, len(self._client.nthreads()))

    def _pool(self) -> futures.Executor:
        pool: futures.Executor = self._client.get_executor(pure=False)
        return pool

    def _submit(
        self,
        pool: futures.Executor,
        spec: Spec[ContextT],
        task: Callable[[ContextT, Item], Result],
        item: Item,
    ) -> futures.Future[Result]:
        return pool.submit(_run_item, current_umask(), spec, task, item)

    def _cancel(self, pool: futures.Executor, pending: set[futures.Future[Any]]) -> None:
        for future in pending:
            future.cancel()

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except distributed.KilledWorker:
            raise StoppedError(
                "several Dask workers were killed at the same item, most likely for lack of memory; give "
                "each worker more memory: rerunning the same command resumes"
            ) from None
        except (CommClosedError, FutureCancelledError, futures.CancelledError):
            raise StoppedError(
                "lost the connection to the Dask scheduler; start it again: "
                "rerunning the same command resumes"
            ) from None
        except FileNotFoundError as error:
            raise InputError(
                f"a Dask worker cannot see {error.filename}: put inputs and results where all workers see "
                "them by the same path"
            ) from None


def _run_item(
    mask: int, spec: Spec[ContextT], task: Callable[[ContextT, Item], Result], item: Item
) -> Result:
    """Run a task for one item under the client's umask, which a remote worker does not inherit."""
    with umask(mask):
        return run_item(spec, task, item)


@contextmanager
def dask_executor(
    address: str, *, seconds_to_connect: float = 10, seconds_for_workers: float = 60
) -> Iterator[Executor]:
    """Open an executor on a Dask cluster: a running one, or one started on this machine for the block.

    Parameters
    ----------
    address
        `local:N`, or a scheduler's address.
    seconds_to_connect, seconds_for_workers
        Seconds to wait for the scheduler to respond, and for its first worker.

    Raises
    ------
    InputError
        When the scheduler cannot be reached, has no workers, or these have several threads or another
        version of Haploscribe.
    """
    for name in (
        "distributed",
        "distributed.client",
        "tornado.application",
    ):  # failures of the cluster are reported in one line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        kind, _, count = address.partition(":")
        if kind != "local" and not _ADDRESS.fullmatch(address):
            raise InputError(f"--dask {address}: give local:N, or an address such as tcp://host:8786")
        if kind == "local":
            client = stack.enter_context(_local_client(address, count))
        else:
            client = stack.enter_context(_remote_client(address, seconds_to_connect, seconds_for_workers))
        _require_one_thread(client, address)
        _require_same_version(client, address)
        yield DaskExecutor(client)


@contextmanager
def _local_client(address: str, count: str) -> Iterator[distributed.Client]:
    if not count.isdigit() or int(count) < 1:
        raise InputError(f"--dask {address}: give a number of processes, such as local:4")
    with (
        distributed.LocalCluster(
            n_workers=int(count),
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # Without an address, the scheduler would take port 8787 and warn where another holds it.
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.ERROR,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@contextmanager
def _remote_client(
    address: str, seconds_to_connect: float, seconds_for_workers: float
) -> Iterator[distributed.Client]:
    try:
        client = distributed.Client(address, timeout=seconds_to_connect)
    except (OSError, ValueError, TimeoutError):
        raise InputError(
            f"--dask {address}: no Dask scheduler responds within {seconds_to_connect} s; "
            "start one with `dask scheduler`, or check the address"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=seconds_for_workers)
        except TimeoutError:
            raise InputError(
                f"--dask {address}: the scheduler has no workers after {seconds_for_workers} s; "
                f"start some with `dask worker {address} --nthreads 1`"
            ) from None
        yield client


def _require_one_thread(client: distributed.Client, address: str) -> None:
    """Raise InputError for workers with several threads, all but one of which would be idle."""
    threads: dict[str, int] = client.nthreads()
    several = {worker: count for worker, count in threads.items() if count > 1}
    if several:
        worker, count = next(iter(several.items()))
        raise InputError(
            f"--dask {address}: worker {worker} has {count} threads, but a worker runs one task at a time; "
            f"start workers with `dask worker {address} --nworkers {count} --nthreads 1`"
        )


def _require_same_version(client: distributed.Client, address: str) -> None:
    """Raise InputError for workers of another version, whose results could differ."""
    try:
        versions: dict[str, Any] = client.run(_version)
    except Exception as error:  # a worker without this package cannot unpickle the call
        raise InputError(
            f"--dask {address}: the workers cannot load Haploscribe ({error}); "
            f"install haploscribe[cluster] {__version__} where they run"
        ) from None
    others = {worker: version for worker, version in versions.items() if version != __version__}
    if others:
        worker, version = next(iter(others.items()))
        raise InputError(
            f"--dask {address}: worker {worker} has Haploscribe {version}, this is {__version__}; "
            "install the same version everywhere"
        )


def _version() -> str:
    return __version__
