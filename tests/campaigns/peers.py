"""Run the tests that compare with other programs on machines that lack some of them.

    python -m tests.campaigns.peers [--marker "not slow"] [FILE ...]

Programs are hidden by a PATH of links to all others, R packages by a library of links to all others. First
everything is hidden: all tests of the files must pass or be skipped. Those skipped then run in each setting:
all installed, one program missing, R with no peer package, R with each alone. All peers must be installed.
FILE: by default, every test module that uses `tests.fixtures.peers`.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.fixtures.peers import PROGRAMS, R_PACKAGES, require_r

TESTS = Path(__file__).parents[1]
SETTINGS = {
    "all installed": (),
    **{f"no {program}": (program,) for program in PROGRAMS},
    "R bare": R_PACKAGES,
    **{f"R with {kept} alone": tuple(name for name in R_PACKAGES if name != kept) for kept in R_PACKAGES},
}
"""Programs and R packages that each setting hides."""
_LINE = "{:<26}{:>8}{:>9}{:>8}"


def main() -> int:
    """Print a line per setting, and the tests that fail; return 1 if any does."""
    parser = argparse.ArgumentParser(description="Run the tests without the programs that they compare with.")
    parser.add_argument("--marker", default="", help='As pytest -m, such as "not slow". [default: all tests]')
    parser.add_argument("files", nargs="*", default=_files_with_peers(), metavar="FILE")
    arguments = parser.parse_args()
    print(_LINE.format("setting", "passed", "skipped", "failed"), flush=True)
    hidden = (*PROGRAMS, *R_PACKAGES)
    outcomes = _run("none installed", hidden, [f"-m{arguments.marker}", *arguments.files])
    users = [test for test, outcome in outcomes.items() if outcome == "skipped"]
    found = [outcomes, *(_run(setting, hidden, users) for setting, hidden in SETTINGS.items() if users)]
    return int(any("failed" in one.values() for one in found))


def _files_with_peers() -> list[str]:
    """List the test modules that import `tests.fixtures.peers`, themselves or through a fixture."""
    fixtures = (TESTS / "fixtures").glob("*.py")
    through = [path.stem for path in fixtures if "fixtures.peers" in path.read_text()]
    uses = re.compile(rf"tests\.fixtures\.({'|'.join(['peers', *through])})\b")
    return sorted(str(path) for path in TESTS.rglob("test_*.py") if uses.search(path.read_text()))


def _run(setting: str, hidden: Collection[str], tests: Sequence[str]) -> dict[str, str]:
    """Run tests with some peers hidden; return what became of each, by its pytest id."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report, listed = folder / "report.xml", folder / "tests.txt"
        listed.write_text("\n".join(tests))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        path = str(_path_without(hidden, folder))
        environment = os.environ | {"PATH": path, "HAPLOSCRIBE_REQUIRE_PEERS": "0"}
        done = subprocess.run(
            [*command, "-o", "junit_family=xunit1", f"@{listed}"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            sys.exit(done.stdout + done.stderr)
        outcomes = {_id(case): _outcome(case) for case in ET.parse(report).iter("testcase")}
    found = list(outcomes.values())
    print(_LINE.format(setting, *map(found.count, ("passed", "skipped", "failed"))), flush=True)
    for test, outcome in outcomes.items():
        if outcome == "failed":
            print(f"  {test}", flush=True)
    return outcomes


def _id(case: ET.Element) -> str:
    within = case.get("classname", "").removeprefix(case.get("file", "")[:-3].replace("/", ".")).lstrip(".")
    return "::".join(filter(None, (case.get("file"), within, case.get("name"))))


def _outcome(case: ET.Element) -> str:
    kinds = {part.tag for part in case}
    return "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"


def _path_without(hidden: Collection[str], folder: Path) -> Path:
    """Make a folder of links to all programs on PATH but the hidden ones, and an R without those packages."""
    programs = folder / "bin"
    programs.mkdir()
    for place in os.get_exec_path():
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            link = programs / program.name
            if program.name in hidden or link.is_symlink() or link.exists():
                continue
            if program.name in PROGRAMS:  # some look for their parts beside the path that they are called by
                link.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
                link.chmod(0o755)
            else:
                link.symlink_to(program)
    if "Rscript" not in hidden and not set(R_PACKAGES).isdisjoint(hidden):
        _hide_packages(hidden, folder / "R", programs / "Rscript")
    return programs


def _hide_packages(hidden: Collection[str], home: Path, rscript: Path) -> None:
    """Make a home of R with one library, of links to all packages but the hidden ones, and its `Rscript`."""
    real = require_r()
    code = "cat(R.home(), .libPaths(), sep = '\\n')"
    told = subprocess.run([real, "-e", code], capture_output=True, text=True, check=True).stdout.splitlines()
    (home / "library").mkdir(parents=True)
    (home / "bin").mkdir()
    for library in map(Path, told[1:]):
        for package in library.iterdir():
            if package.name not in hidden and not (home / "library" / package.name).is_symlink():
                (home / "library" / package.name).symlink_to(package)
    for part in (path for path in Path(told[0]).iterdir() if path.name not in {"library", "bin"}):
        (home / part.name).symlink_to(part)
    for part in (Path(told[0]) / "bin").iterdir():
        (home / "bin" / part.name).symlink_to(part)
    start = home / "bin" / "R"
    script = re.sub(r"^R_HOME_DIR=.*$", f"R_HOME_DIR={home}", start.read_text(), count=1, flags=re.M)
    variables = f"RHOME={home} R_ENVIRON=/dev/null R_LIBS_SITE=NULL R_LIBS_USER=NULL"
    for path, text in {start: script, rscript: f'#!/bin/sh\n{variables} exec {real} "$@"\n'}.items():
        path.unlink()
        path.write_text(text)
        path.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main())
