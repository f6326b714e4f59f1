"""Measure time and memory of code, of commands, and of other programs' environments."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

SECONDS_BETWEEN_SAMPLES = 0.25
Result = TypeVar("Result")


@dataclass(slots=True)
class Seconds:
    """Wall-clock and processor seconds of a block, child processes included."""

    wall: float = 0.0
    processor: float = 0.0


@contextmanager
def timed(into: Seconds) -> Iterator[None]:
    """Add the time that the block takes."""
    wall, processor = time.perf_counter(), _processor_seconds()
    yield
    into.wall += time.perf_counter() - wall
    into.processor += _processor_seconds() - processor


def _processor_seconds() -> float:
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def seconds_of(work: Callable[[], object], repeats: int = 1) -> float:
    """Return the wall-clock seconds of some work, the best of some repeats."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def repeated(work: Callable[[], Result], least: float) -> tuple[list[Result], list[Seconds]]:
    """Run some work once, and again until `least` seconds have passed; return all results and times."""
    results: list[Result] = []
    times: list[Seconds] = []
    while not times or sum(time.wall for time in times) < least:
        times.append(Seconds())
        with timed(times[-1]):
            results.append(work())
    return results, times


def peak_mebibytes() -> float:
    """Return the peak resident memory of this process so far, in MiB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def json_of(command: Sequence[str], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a command that prints one JSON object on its last line, and return it."""
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def import_seconds(python: str, modules: str, repeats: int = 3) -> float:
    """Return the least wall time in which a fresh interpreter imports modules, less that of an empty one."""

    def least(code: str) -> float:
        command = [python, "-c", code]
        return seconds_of(lambda: subprocess.run(command, check=True, capture_output=True), repeats)

    return least(f"import {modules}") - least("pass")


@dataclass(frozen=True, slots=True)
class Peak:
    """Peak memory and time of a command.

    Attributes
    ----------
    total
        Most bytes that all its processes held at one time; pages that they share count once.
    largest
        Most bytes that one of them held; its part of shared pages.
    seconds
        Wall-clock time.
    """

    total: int
    largest: int
    seconds: float


def haploscribe_command(*arguments: object) -> list[str]:
    """Return the command that runs this environment's program."""
    return [sys.executable, "-m", "haploscribe", *map(str, arguments)]


def peak_of(command: Sequence[str], log: Path) -> Peak:
    """Run a command, and sample the proportional set size of its processes four times a second.

    Raises
    ------
    RuntimeError
        When it fails.
    """
    started = time.monotonic()
    total = largest = 0
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=dict(os.environ))
        tree = psutil.Process(process.pid)
        while process.poll() is None:
            held = [_held(one) for one in _family(tree)]
            total, largest = max(total, sum(held)), max(largest, *held, 0)
            time.sleep(SECONDS_BETWEEN_SAMPLES)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed; see {log}")
    return Peak(total, largest, time.monotonic() - started)


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _held(process: psutil.Process) -> int:
    """Return the proportional set size in bytes; 0 for a process that is gone."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0
