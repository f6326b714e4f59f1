"""Runs commands under a limit of memory, and one process again and again, and looks at what they hold."""

import gc
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

import haploscribe
from haploscribe.config.options import CohortOptions
from tests.fixtures.small_cohort import GENES

GIBIBYTE = 1 << 30
_PROGRESS = re.compile(r": [\d,]+ of [\d,]+ \w+, \d+:\d\d:\d\d|^[\d,]+ samples × ")
_POOL = "asyncio_"
"""Zarr's pool, which grows as it is used, to a few more threads than there are cores, and stays."""
_LIMITED = 'ulimit -c 0; ulimit -v "$1"; shift; exec "$@"'
MODELS = ("top-snp", "elastic-net", "blup", "blup-delta", "susie")


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes
    ----------
    code
        Its exit code; negative the signal that ended it; None where it had not ended in time.
    lines
        What it said on stderr, less its progress.
    """

    code: int | None
    lines: tuple[str, ...]

    def is_clean(self) -> bool:
        """Whether it did its work, or said in one line that there was no memory."""
        refused = self.code == 2 and len(self.lines) == 1 and "not enough memory" in self.lines[0]
        return refused or self.code == 0


def limited(
    arguments: Sequence[object], n_bytes: int, environment: Mapping[str, str], timeout: float = 600.0
) -> Ended:
    """Run a command in which each process may have so many bytes of address space."""

    process = subprocess.Popen(
        ["sh", "-c", _LIMITED, "sh", str(n_bytes >> 10), *map(str, arguments)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(environment),
    )
    try:
        _, told = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return Ended(None, ())
    return Ended(process.returncode, tuple(line for line in told.splitlines() if not _is_progress(line)))


def _is_progress(line: str) -> bool:
    return not line.strip() or _PROGRESS.search(line) is not None


@dataclass(frozen=True)
class Held:
    """What this process holds.

    Attributes
    ----------
    resident
        Bytes of memory.
    descriptors, threads, children
        Open files, threads (Zarr's pool left out) and processes, how many.
    temporary
        Names in the folder of temporary files.
    """

    resident: int
    descriptors: int
    threads: int
    children: int
    temporary: tuple[str, ...]

    @classmethod
    def now(cls) -> "Held":
        gc.collect()
        me = psutil.Process()
        names = tuple(sorted(path.name for path in Path(tempfile.gettempdir()).iterdir()))
        n_threads = sum(not thread.name.startswith(_POOL) for thread in threading.enumerate())
        return cls(me.memory_info().rss, me.num_fds(), n_threads, len(me.children(recursive=True)), names)


def soak(cohort: CohortOptions, folder: Path, n_runs: int, jobs: int = 1) -> Iterator[Held]:
    """Open a cohort, run, predict and explain, again and again in this process; what it holds after each.

    Every run has a folder of its own, so that nothing is known from the one before.
    """
    for number in range(n_runs):
        out = folder / f"run-{number}"
        files = (cohort.variants, cohort.reference, cohort.expression)
        with haploscribe.open_cohort(*files, window=cohort.window, tile=cohort.tile, jobs=jobs) as opened:
            haploscribe.run(opened, out, models=MODELS, backbone="kmer", folds=2, seed=number, jobs=jobs)
        haploscribe.read_predictions(out)
        haploscribe.predict(out / "models", cohort.variants, cohort.reference, jobs=jobs)
        haploscribe.explain(out, next(iter(GENES)), models=["elastic-net"])
        yield Held.now()
