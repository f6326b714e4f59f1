"""Kills a verb with SIGKILL at drawn moments, runs it again, and compares with a run never killed."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fixtures import equal_outputs
from tests.fixtures.equal_outputs import CLOCK, RESUMED
from tests.fixtures.verbs import Inputs, command, environment, finished

SECONDS_TO_END = 20.0
"""Workers whose parent is killed are given this long to end."""


@dataclass(frozen=True)
class Place:
    """Where a verb writes: its output and its temporary files.

    Attributes
    ----------
    folder
        Holds both, and nothing else once the verb has ended.
    """

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    def prepare(self, verb: str, inputs: Inputs) -> None:
        """Make what the verb finds before it begins."""
        self.temporary.mkdir(parents=True)
        if verb in ("report", "run, models added"):
            shutil.copytree(inputs.results, self.out)


@dataclass(frozen=True)
class Whole:
    """A run never killed.

    Attributes
    ----------
    seconds
        It took.
    first_written
        Seconds until it wrote something.
    contents
        What it left.
    """

    seconds: float
    first_written: float
    contents: dict[str, object]

    def moments(self, n: int, seed: object) -> list[float]:
        """Draw moments: one in five while the program starts, the others uniform over the work."""
        generator = random.Random(f"{seed}")
        early = n // 5
        drawn = [generator.uniform(0.0, self.first_written) for _ in range(early)]
        return drawn + [generator.uniform(self.first_written, self.seconds) for _ in range(n - early)]


def run_whole(verb: str, inputs: Inputs, place: Place) -> Whole:
    """Run a verb to its end, and look on."""
    place.prepare(verb, inputs)
    before, first = _stamps(place.folder), None
    started = time.monotonic()
    running = _start(verb, inputs, place)
    while running.poll() is None:
        if first is None and _stamps(place.folder) != before:
            first = time.monotonic() - started
        time.sleep(0.01)
    seconds = time.monotonic() - started
    _, told = running.communicate()
    assert running.returncode == 0, told.decode()[-2000:]
    assert first is not None
    return Whole(seconds, first, contents(place))


def kill_after(verb: str, inputs: Inputs, place: Place, moment: float, *, parent_only: bool = False) -> bool:
    """Kill a verb after so many seconds, with its workers or alone; whether it was still at work.

    Raises
    ------
    AssertionError
        When workers outlive their parent.
    """
    running = _start(verb, inputs, place)
    with contextlib.suppress(subprocess.TimeoutExpired):
        running.wait(moment)
    at_work = running.poll() is None
    if at_work and parent_only:
        os.kill(running.pid, signal.SIGKILL)
    elif at_work:
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    running.communicate()
    _await_end(running.pid)
    return at_work


def run_again(verb: str, inputs: Inputs, place: Place) -> None:
    """Give the same command again."""
    finished(command(verb, inputs, place.out), place.temporary)


def contents(place: Place) -> dict[str, object]:
    """Read all that a verb has left, less what cannot be equal: see `tests.fixtures.equal_outputs`."""
    return equal_outputs.contents(place.folder, CLOCK | RESUMED)


def _start(verb: str, inputs: Inputs, place: Place) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command(verb, inputs, place.out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(place.temporary),
        start_new_session=True,
    )


def _await_end(group: int) -> None:
    """Wait until no process of a group is left."""
    until = time.monotonic() + SECONDS_TO_END
    while time.monotonic() < until:
        left = list(_alive(group))
        if not left:
            return
        time.sleep(0.02)
    os.killpg(group, signal.SIGKILL)
    raise AssertionError(f"processes {left} outlive their parent by {SECONDS_TO_END:.0f} s")


def _alive(group: int) -> Iterator[int]:
    """List the processes of a group; a zombie has ended and only waits to be told of."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = path.read_text().rsplit(")", 1)[1].split()[:3]
            if int(its_group) == group and state not in "ZX":
                yield int(path.parent.name)


def _stamps(folder: Path) -> dict[str, int]:
    found = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            found[str(path)] = path.stat().st_mtime_ns
    return found
