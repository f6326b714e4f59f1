"""Show the progress of long work on stderr, with elapsed and remaining time, and time its stages."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from threading import Event, Thread

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

Advance = Callable[[float], None]
"""Called with the number of units of work just done, or with a part of one."""

SECONDS_BETWEEN_LINES = 30.0
"""Interval at which long work is reported where the output is no terminal."""

_place: ContextVar[str] = ContextVar("place", default="")
"""Which stage of a job is being done, such as `[2 of 6] `; empty outside of one."""


def announce(text: str) -> None:
    """Write a line about a long job to stderr."""
    Console(stderr=True, force_jupyter=False).out(text, highlight=False)


class _StateColumn(ProgressColumn):
    """Show what a `StageReport` says, twice a second: time passes within long pieces of work."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        report: StageReport = task.fields["report"]
        return Text(report.state())


@contextmanager
def stage(description: str, total: int, unit: str) -> Iterator[Advance]:
    """Show the progress of one stage of work while the block runs.

    A bar on a terminal; elsewhere, as in a notebook, a line every 30 seconds, and one at the end. Within
    `Timer.timed` either begins with the stage's number.

    Parameters
    ----------
    description
        What is being done.
    total
        Total number of units.
    unit
        Name of the units, in the plural.

    Yields
    ------
    What is called with the units just done.
    """
    console = Console(stderr=True, force_jupyter=False)  # rich's own way needs ipywidgets
    report = StageReport(_place.get() + description, total, unit)
    if not console.is_terminal:

        def write() -> None:
            console.out(report.line(), highlight=False)

        with _repeated(write, SECONDS_BETWEEN_LINES):
            yield report.advance
        write()
        return
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=6),
        _StateColumn(),
        console=console,
    )
    with progress:
        task = progress.add_task(_place.get() + description, total=total, report=report)

        def advance(units: float) -> None:
            report.advance(units)
            progress.advance(task, units)

        yield advance


class StageReport:
    """Describes in one line how far a stage of work is.

    Parameters
    ----------
    description, total, unit
        As in `stage`.
    clock
        Returns seconds.
    """

    def __init__(
        self, description: str, total: int, unit: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._description, self._total, self._unit, self._clock = description, total, unit, clock
        self._started, self._done = clock(), 0.0
        self._first: tuple[float, float] | None = None

    def advance(self, units: float) -> None:
        """Count units of work just done, or a part of one."""
        self._done += units
        # An interrupted run's work is counted at once; the rate is that of the work after.
        self._first = self._first or (self._clock(), self._done)

    def line(self) -> str:
        """Return the description and the state."""
        return f"{self._description}: {self.state()}"

    def state(self) -> str:
        """Return what is done, the time taken and, at the mean rate so far, the time left."""
        now = self._clock()
        text = f"{_whole(self._done):,} of {self._total:,} {self._unit}, {_clock_time(now - self._started)}"
        since, before = self._first or (now, self._done)
        if before < self._done < self._total:
            left = (now - since) * (self._total - self._done) / (self._done - before)
            text += f", ~{_clock_time(left)} left"
        return text


def _whole(done: float) -> int:
    """Return how many units are done; parts may add up to a little less than a whole."""
    return int(done + 1e-6)


def _clock_time(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


@contextmanager
def _repeated(write: Callable[[], None], interval: float) -> Iterator[None]:
    """Call a function every so many seconds while the block runs."""
    ended = Event()

    def repeat() -> None:
        while not ended.wait(interval):
            write()

    thread = Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class Timer:
    """Number the stages of a job, and measure how long each takes.

    Parameters
    ----------
    stages
        Keys of the stages, in order.

    Attributes
    ----------
    seconds
        Wall-clock time by stage, in the order in which they began.
    """

    def __init__(self, stages: Sequence[str]) -> None:
        self._stages = tuple(stages)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, key: str) -> Iterator[None]:
        """Measure the block, and show its number before all progress in it."""
        started = time.monotonic()
        token = _place.set(f"[{self._stages.index(key) + 1} of {len(self._stages)}] ")
        try:
            yield
        finally:
            _place.reset(token)
            self.seconds[key] = time.monotonic() - started
