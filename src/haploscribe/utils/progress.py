"""Show the progress of long work on stderr, with rate and remaining time, and time its stages."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


class _RateColumn(ProgressColumn):
    """Show units per second, over recent work."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} {task.fields['unit']}/s", style="dim")


@contextmanager
def stage(description: str, total: int, unit: str) -> Iterator[Advance]:
    """Show the progress of one stage of work while the block runs.

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
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True),
    )
    with progress:
        task = progress.add_task(description, total=total, unit=unit)
        yield lambda units: progress.advance(task, units)


class Timer:
    """Measures how long each stage of a job takes.

    Attributes
    ----------
    seconds
        Wall-timer time by stage, in the order in which they began.
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
