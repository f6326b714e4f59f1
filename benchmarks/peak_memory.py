"""Peak memory of a command and all processes it starts."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

SECONDS_BETWEEN_LOOKS = 0.25


@dataclass(frozen=True, slots=True)
class Peak:
    """What a command took.

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
    """Name the program as this environment has it."""
    return [sys.executable, "-c", "from haploscribe.cli.main import main; main()", *map(str, arguments)]


def peak_of(command: Sequence[str], log: Path) -> Peak:
    """Run a command to its end, looking at its proportional set size four times a second.

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
            time.sleep(SECONDS_BETWEEN_LOOKS)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed; see {log}")
    return Peak(total, largest, time.monotonic() - started)


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _held(process: psutil.Process) -> int:
    """Proportional set size in bytes; 0 for a process that is gone."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0
