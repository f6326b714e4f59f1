"""A Dask scheduler and workers as real processes on the loopback interface."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

SECONDS_TO_START = 120


@dataclass
class DaskProcesses:
    """What was started; `address` is the scheduler's."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def started(*arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start `dask ARGUMENTS`, and kill it behind the block."""
    environment = os.environ | {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "3"}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], stdout=stream, stderr=stream, env=environment
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@contextmanager
def dask_processes(folder: Path, n_workers: int) -> Iterator[DaskProcesses]:
    """Start a scheduler and workers, without nannies: what is killed stays dead."""
    told = folder / "scheduler.json"
    with ExitStack() as stack:
        scheduler = stack.enter_context(
            started(
                *("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
                *("--scheduler-file", str(told)),
                log=folder / "scheduler.log",
            )
        )
        address = _address(told, scheduler)
        workers = [
            stack.enter_context(
                started(
                    *("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"),
                    *("--local-directory", str(folder / f"worker-{i}")),
                    log=folder / f"worker-{i}.log",
                )
            )
            for i in range(n_workers)
        ]
        yield DaskProcesses(address, scheduler, workers)


def _address(told: Path, scheduler: subprocess.Popen[bytes]) -> str:
    for _ in range(10 * SECONDS_TO_START):
        if told.exists() and told.read_text().endswith("}"):
            return str(json.loads(told.read_text())["address"])
        assert scheduler.poll() is None
        time.sleep(0.1)
    raise TimeoutError(told)
