"""Seconds and memory of programs that benchmarks set beside each other."""

import json
import resource
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INSTALL_SIZE = Path(__file__).with_name("install_size.py")


@dataclass(slots=True)
class Seconds:
    """What a block took: seconds by the clock, and of processor time, child processes included."""

    wall: float = 0.0
    processor: float = 0.0


@contextmanager
def timed(into: Seconds) -> Iterator[None]:
    """Add what the block takes."""
    wall, processor = time.perf_counter(), _processor_seconds()
    yield
    into.wall += time.perf_counter() - wall
    into.processor += _processor_seconds() - processor


def _processor_seconds() -> float:
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def peak_mebibytes() -> float:
    """Most memory that this process has held so far, of what is resident (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def json_of(command: Sequence[str], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a command that prints one JSON object on its last line."""
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def import_seconds(python: str, modules: str, repeats: int = 3) -> float:
    """Least wall time in which a fresh interpreter imports modules, less that of an empty one."""

    def least(code: str) -> float:
        found = []
        for _ in range(repeats):
            seconds = Seconds()
            with timed(seconds):
                subprocess.run([python, "-c", code], check=True, capture_output=True)
            found.append(seconds.wall)
        return min(found)

    return least(f"import {modules}") - least("pass")


def install_size(python: str, package: str, *without: str) -> tuple[int, float]:
    """Count a package and all it requires in an environment: packages, and MiB of installed files."""
    found = json_of([python, str(INSTALL_SIZE), package, *without])
    return found["packages"], found["mebibytes"]
