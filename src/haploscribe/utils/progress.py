"""Show the progress of long work on stderr, with rate and remaining time, and time its stages."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Advance = Callable[[int], None]
"""Called with the number of units of work just done."""

SECONDS_BETWEEN_LINES = 30.0
"""Interval at which long work is reported where the output is no terminal."""


class _RateColumn(ProgressColumn):
    """Show units per second, over recent work."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} {task.fields['unit']}/s", style="dim")


@contextmanager
def stage(description: str, total: int, unit: str) -> Iterator[Advance]:
    """Show the progress of one stage of work while the block runs.

    A bar on a terminal or in a notebook; elsewhere a line every 30 seconds, and one at the end.

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
    Advance
        A function to call with the number of units just done.
    """
    console = Console(stderr=True)
    if not console.is_terminal and not console.is_jupyter:
        report = StageReport(description, total, unit)

        def write() -> None:
            console.out(report.line(), highlight=False)

        with _repeated(write, SECONDS_BETWEEN_LINES):
            yield report.advance
        write()
        return
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
    )
    with progress:
        task = progress.add_task(description, total=total, unit=unit)
        yield lambda units: progress.advance(task, units)


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
        self._started, self._done = clock(), 0
        self._first: tuple[float, int] | None = None

    def advance(self, units: int) -> None:
        """Count units of work just done."""
        self._done += units
        # An interrupted run's work is counted at once; the rate is that of the work after.
        self._first = self._first or (self._clock(), self._done)

    def line(self) -> str:
        """Return what is done, the time taken and, at the mean rate so far, the time left."""
        now = self._clock()
        text = f"{self._description}: {self._done:,} of {self._total:,} {self._unit}, "
        text += _clock_time(now - self._started)
        since, before = self._first or (now, self._done)
        if before < self._done < self._total:
            left = (now - since) * (self._total - self._done) / (self._done - before)
            text += f", about {_clock_time(left)} left"
        return text


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
    """Measures how long each stage of a job takes.

    Attributes
    ----------
    seconds
        Wall-clock time by stage, in the order in which they began.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Measure the block."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - started
