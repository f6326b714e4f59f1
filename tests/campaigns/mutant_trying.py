"""Run chosen tests in a fork of this process, with one module's source exchanged."""

import dataclasses
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import threading
import traceback
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.campaigns.mutant_making import Mutant

# Imported once, before any fork. Nothing of Haploscribe may be among them: a fork imports that anew.
HEAVY = ("numba", "pgenlib", "polars", "pysam", "scipy.stats", "torch", "zarr")

_OPTIONS = (
    *("-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-m", "not slow and not shared"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)


@dataclasses.dataclass(frozen=True)
class Reach:
    """Which tests run which lines of a folder's modules.

    Attributes
    ----------
    seconds
        Of every test, by its pytest id.
    tests_of_line
        Ids of the tests that run a line, by file and number of the line.
    imported
        File and number of the lines that run when a module is imported.
    """

    seconds: dict[str, float]
    tests_of_line: dict[str, dict[int, set[str]]]
    imported: dict[str, list[int]]


def tests_that_reach(mutant: Mutant, reach: Reach) -> list[str]:
    """Return the tests that run a mutant's statement, or its module if import runs it; quickest first."""
    tests_of_line = reach.tests_of_line.get(str(mutant.path.resolve()), {})
    lines = range(mutant.lines[0], mutant.lines[1] + 1)
    tests = set[str]().union(*(tests_of_line.get(line, set()) for line in lines))
    if not tests and set(lines).intersection(reach.imported.get(str(mutant.path.resolve()), ())):
        tests = set[str]().union(*tests_of_line.values())
    return sorted(tests, key=lambda test: reach.seconds[test])


def reach_of_tests(watched: Path, files: Sequence[str], folder: Path, examples: int) -> Reach:
    """Run the tests of files once, nothing spoilt, and see which lines of a folder each of them runs.

    Raises
    ------
    SystemExit
        If a test fails.
    """
    folder.mkdir()
    record = folder / "reach.json"
    process = fork_of_tests(files, folder / "run", examples, watched=watched.resolve(), record=record)
    if os.waitpid(process, 0)[1]:
        sys.exit((folder / "run" / "log").read_text(encoding="utf-8") + "\nA test fails with nothing spoilt.")
    read = json.loads(record.read_text(encoding="utf-8"))
    tests_of_line: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for test, path, line in read["lines"]:
        tests_of_line[path][line].add(test)
    return Reach(read["seconds"], tests_of_line, read["imported"])


def fork_of_tests(
    tests: Sequence[str],
    folder: Path,
    examples: int,
    module: str = "",
    source: str = "",
    *,
    watched: Path | None = None,
    record: Path | None = None,
) -> int:
    """Start pytest in a fork.

    Parameters
    ----------
    tests
        Files or ids, in the order to run them.
    folder
        Where the fork writes what it prints and the tests their files; made.
    examples
        Most examples that Hypothesis draws in a test.
    module, source
        Full name of the module to exchange, and its spoilt source; nothing by default.
    watched, record
        A folder of source whose lines are written down as the tests run them, and where to.

    Returns
    -------
    int
        The process, which leads its own group and ends with pytest's exit status.
    """
    process = os.fork()
    if process:
        return process
    status = 70
    try:
        os.setpgid(0, 0)
        folder.mkdir(parents=True)
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        root = Path.cwd()
        sys.path[:] = [str(Path(place).absolute()) for place in sys.path]
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
        os.chdir(folder)  # where a file of a wrong name does no harm
        plugins: list[object] = [_FewExamples(examples, tests)]
        if module:
            sys.meta_path.insert(0, _Exchange(module, source))
        if watched is not None and record is not None:
            plugins.append(_Watch(watched, record))
        places = (
            f"--rootdir={root}",
            f"--config-file={root / 'pyproject.toml'}",
            f"--basetemp={folder / 'tmp'}",
        )
        status = int(pytest.main([*_OPTIONS, *places, *(f"{root / test}" for test in tests)], plugins))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class _Exchange(importlib.abc.MetaPathFinder):
    """Finds one module with a source of our own."""

    def __init__(self, name: str, source: str) -> None:
        self._name = name
        self._source = source

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(name, spec.origin, self._source)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from a source of our own, under its file's name."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        code = compile(self._source, self.path, "exec", dont_inherit=True)
        assert isinstance(code, CodeType)
        return code


class _FewExamples:
    """Makes Hypothesis draw few examples, always the same ones; keeps the tests in our order."""

    def __init__(self, examples: int, tests: Sequence[str]) -> None:
        self._examples = examples
        self._order = {test: number for number, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self._order.get(item.nodeid, 0))
        for item in items:
            test = getattr(item, "obj", None)
            if getattr(test, "hypothesis", None) is not None:
                self._draw_few(test)

    def _draw_few(self, test: Any) -> None:
        asked: settings = test._hypothesis_internal_use_settings
        test._hypothesis_internal_use_settings = settings(
            asked,
            max_examples=min(asked.max_examples, self._examples),
            derandomize=True,
            database=None,
            deadline=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )


class _Watch:
    """Writes down which lines of a folder's files each test runs, and for how long."""

    def __init__(self, folder: Path, record: Path) -> None:
        self._folder = f"{folder}{os.sep}"
        self._record = record
        self._lines: set[tuple[str, int]] = set()
        self._imported: set[tuple[str, int]] = set()
        self._lines_of_test: dict[str, set[tuple[str, int]]] = {}
        self._lines_of_set_up: dict[str, set[tuple[str, int]]] = defaultdict(set)
        self._seconds: dict[str, float] = defaultdict(float)
        self._watch()

    def _watch(self) -> None:
        threading.settrace(self._frame)
        sys.settrace(self._frame)

    def _frame(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._line if frame.f_code.co_filename.startswith(self._folder) else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        self._lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line

    def pytest_collection_finish(self) -> None:
        self._imported, self._lines = self._lines, set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        self._lines = set()
        yield
        # A fixture that several tests of a file share is set up once: its lines count for all of them.
        self._lines_of_set_up[item.nodeid.split("::")[0]] |= self._lines

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        self._lines = set()
        self._watch()
        yield
        self._lines_of_test[item.nodeid] = self._lines

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        sys.settrace(None)
        lines = [
            (test, *place)
            for test, places in self._lines_of_test.items()
            for place in places | self._lines_of_set_up[test.split("::")[0]]
        ]
        imported: dict[str, list[int]] = defaultdict(list)
        for path, line in self._imported:
            imported[path].append(line)
        read = {"imported": imported, "lines": lines, "seconds": self._seconds}
        self._record.write_text(json.dumps(read), encoding="utf-8")
