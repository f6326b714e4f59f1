"""Workers of a Dask cluster: several machines, or processes of this one."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any, TypeVar

from haploscribe._version import __version__
from haploscribe.atomic import current_umask
from haploscribe.errors import InputError, StoppedError
from haploscribe.workers.workers import Job, OpenedT, Workers, do_piece

try:
    import distributed
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError
except ImportError:
    raise InputError("--dask needs Dask: pip install 'haploscribe[cluster]'") from None

_ADDRESS = re.compile(r"\w+://.+:\d+")

Item = TypeVar("Item")
Found = TypeVar("Found")

SECONDS_TO_CONNECT = 10
SECONDS_FOR_WORKERS = 60
PIECES_PER_WORKER = 3
"""Pieces handed out at once to a worker: one in work, one on the way, one to spare."""


class DaskWorkers:
    """Workers of a Dask cluster as `Workers`.

    Only a few pieces a worker are known to the scheduler at a time, so it holds as little for 20,000 genes
    as for 20. Pieces of a worker that dies are done by another.

    Parameters
    ----------
    client
        Connected to the scheduler.
    """

    elsewhere = True

    def __init__(self, client: distributed.Client) -> None:
        self._client = client

    def map(
        self,
        job: Job[OpenedT],
        task: Callable[[OpenedT, Item], Found],
        items: Sequence[Item],
        here: Callable[[], OpenedT] | None = None,
    ) -> Iterator[Found]:
        """Do a task for every item: see `Workers.map`."""
        remaining, mask = iter(items), current_umask()

        def submitted(count: int) -> list[distributed.Future]:
            return [
                self._client.submit(do_piece, job, task, item, mask, pure=False)
                for item in islice(remaining, count)
            ]

        with _one_line_errors():
            in_work = distributed.as_completed(submitted(PIECES_PER_WORKER * self.count))
            for future in in_work:
                found: Found = future.result()
                wanted = PIECES_PER_WORKER * self.count - in_work.count()
                in_work.update(submitted(max(wanted, 0)))
                yield found

    @property
    def count(self) -> int:
        """How many workers there are; they come and go."""
        return max(1, len(self._client.nthreads()))


@contextmanager
def dask_workers(address: str) -> Iterator[Workers]:
    """Connect to a Dask cluster, or start one on this machine for the block.

    Parameters
    ----------
    address
        `local:N`, or a scheduler's address.

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
    ):  # what becomes of the cluster is said in one line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        kind, _, count = address.partition(":")
        if kind != "local" and not _ADDRESS.fullmatch(address):
            raise InputError(f"--dask {address}: give local:N, or an address such as tcp://host:8786")
        if kind == "local":
            client = stack.enter_context(_local_client(address, count))
        else:
            client = stack.enter_context(_remote_client(address))
        _require_one_thread(client, address)
        _require_same_version(client, address)
        yield DaskWorkers(client)


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
            dashboard_address=None,
            silence_logs=logging.ERROR,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@contextmanager
def _remote_client(address: str) -> Iterator[distributed.Client]:
    try:
        client = distributed.Client(address, timeout=SECONDS_TO_CONNECT)
    except (OSError, ValueError, TimeoutError):
        raise InputError(
            f"--dask {address}: no Dask scheduler answers there within {SECONDS_TO_CONNECT} s; "
            "start one with `dask scheduler`, or check the address"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=SECONDS_FOR_WORKERS)
        except TimeoutError:
            raise InputError(
                f"--dask {address}: the scheduler has no workers after {SECONDS_FOR_WORKERS} s; "
                f"start some with `dask worker {address} --nthreads 1`"
            ) from None
        yield client


def _require_one_thread(client: distributed.Client, address: str) -> None:
    """Refuse workers of several threads: all but one would stand idle."""
    threads: dict[str, int] = client.nthreads()
    several = {worker: count for worker, count in threads.items() if count > 1}
    if several:
        worker, count = next(iter(several.items()))
        raise InputError(
            f"--dask {address}: worker {worker} has {count} threads, but a worker does one piece at a time; "
            f"start workers with `dask worker {address} --nworkers {count} --nthreads 1`"
        )


def _require_same_version(client: distributed.Client, address: str) -> None:
    """Refuse workers of another version: they would compute something else."""
    try:
        versions: dict[str, Any] = client.run(_version)
    except Exception as error:  # a worker without this package cannot even read the question
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


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Say in one line what became of the cluster."""
    try:
        yield
    except distributed.KilledWorker:
        raise StoppedError(
            "Dask workers died again and again at the same piece of work, most likely for lack of memory; "
            "give each worker more memory or fewer neighbours, and run again: it goes on where it was"
        ) from None
    except (CommClosedError, FutureCancelledError):
        raise StoppedError(
            "the Dask scheduler went away; start it and run the same command again: it goes on where it was"
        ) from None
    except FileNotFoundError as error:
        raise InputError(
            f"a Dask worker cannot see {error.filename}: put inputs and results where all workers see them "
            "by the same path"
        ) from None
