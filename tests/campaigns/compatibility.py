"""The package, built and installed apart from its repository, on the lowest and newest versions it allows.

    python -m tests.campaigns.compatibility [--python PYTHON ...] [--resolution lowest-direct highest]
        [--resolve-torch] [--only tests/genome ...] [--work FOLDER]

For each interpreter and resolution: uv says which versions pyproject.toml comes to, the wheel is installed
with them into an environment of its own, `haploscribe demo` runs in an empty folder, and the fast tests run
on what was installed, from a copy of the repository without `src`. The sdist is installed likewise, and runs
the demo. Needs a package index; uv and hatchling are fetched into the working folder. torch is that of
constraints.txt everywhere, as a version of it may be gigabytes, or the resolution's with `--resolve-torch`.
It is installed first, with what its build for the interpreter needs.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
RESOLUTIONS = ("lowest-direct", "highest")
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")
NOT_USERS = {"benchmarks", "dev", "docs"}
"""Extras for work on the package."""
TEST_TOOLS = ("pytest", "pytest-cov", "pytest-xdist", "hypothesis", "selenium")
GPU = re.compile(r"^(nvidia|cuda|triton)")
"""What torch brings for a GPU, where its build is not one for CPUs."""
LEFT_OUT = ("tests/docs", "tests/trust/test_installed.py")
"""Tests of the repository itself."""


@dataclass(frozen=True)
class Built:
    """The two files that users install, and the environment that made them."""

    wheel: Path
    sdist: Path
    tools: Path


@dataclass(frozen=True)
class Leg:
    """One row of the matrix."""

    python: str
    versions: str
    installed: str
    demo: str
    tests: str
    seconds: float


def run(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command apart from the repository: no PYTHONPATH, the folder not on the path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["OMP_NUM_THREADS"] = "1"
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def require(command: Sequence[str | Path], folder: Path) -> str:
    """Run a command that must succeed."""
    done = run(command, folder)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def built(work: Path) -> Built:
    """Build the sdist from the repository, and the wheel from the sdist, as a packager does."""
    tools = work / "tools"
    require([sys.executable, "-m", "venv", tools], work)
    require([tools / "bin/pip", "install", "--quiet", "uv", "hatchling"], work)
    source, dist = work / "source", work / "dist"
    copy_repository(source)
    build = "import sys; from hatchling.build import build_{0}; print(build_{0}(sys.argv[1]))"
    sdist = require([tools / "bin/python", "-c", build.format("sdist"), dist], source).split()[-1]
    shutil.unpack_archive(dist / sdist, work / "unpacked")
    (unpacked,) = (work / "unpacked").iterdir()
    wheel = require([tools / "bin/python", "-c", build.format("wheel"), dist], unpacked).split()[-1]
    return Built(dist / wheel, dist / sdist, tools)


def copy_repository(folder: Path) -> None:
    """Copy what is committed."""
    folder.mkdir(parents=True)
    archive = folder.parent / "repository.tar"
    subprocess.run(["git", "archive", "--output", archive, "HEAD"], cwd=REPOSITORY, check=True)
    shutil.unpack_archive(archive, folder, filter="data")


def extras() -> list[str]:
    """List the extras of users."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return sorted(set(project["optional-dependencies"]) - NOT_USERS)


def versions_of(
    made: Built, python: str, resolution: str, work: Path, *, resolve_torch: bool
) -> tuple[str, list[str]]:
    """Ask uv which versions the package and its extras come to, beside the tools that test it.

    Returned are the line of torch and all lines.
    """
    (work / "override.txt").write_text("" if resolve_torch else line_of_torch(constraints()))
    (work / "tests.in").write_text(
        "\n".join(line for line in constraints() if line.split("==")[0] in TEST_TOOLS)
    )
    chosen = [word for extra in extras() for word in ("--extra", extra)]
    command = ["pip", "compile", "--quiet", str(REPOSITORY / "pyproject.toml"), "tests.in", *chosen]
    command += ["--override", "override.txt", "--resolution", resolution, "--no-annotate", "--no-header"]
    version = require([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], work).strip()
    text = require([made.tools / "bin/uv", *command, "--python-version", version], work)
    lines = [line for line in text.splitlines() if not GPU.match(line)]
    return line_of_torch(lines), lines


def constraints() -> list[str]:
    """List the exact versions that the project is tested with."""
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def line_of_torch(versions: Sequence[str]) -> str:
    """Give the line that names torch."""
    return next(line for line in versions if line.startswith("torch=="))


def runs(python: str) -> bool:
    """Whether an interpreter is there; a version manager may have names that lead nowhere."""
    return shutil.which(python) is not None and run([python, "--version"], REPOSITORY).returncode == 0


@contextmanager
def environment(python: str, work: Path) -> Iterator[Path]:
    """Make an empty environment, gone behind the block: each is a gigabyte."""
    folder = work / "environment"
    require([python, "-m", "venv", folder], work)
    try:
        yield folder / "bin"
    finally:
        shutil.rmtree(folder)


def demo(binaries: Path, work: Path) -> str:
    """Run the demo from an empty folder; give the table's first line of a model, or the error."""
    with tempfile.TemporaryDirectory(dir=work) as empty:
        done = run([binaries / "haploscribe", "demo", "--out", "results"], Path(empty))
        if done.returncode:
            return f"FAILED: {last_line(done.stderr)}"
        return "runs" if (Path(empty) / "results" / "report.html").exists() else "FAILED: no report"


def tests(binaries: Path, work: Path, arguments: argparse.Namespace) -> str:
    """Run the tests on what is installed; give pytest's last line."""
    source = work / "tests-only"
    shutil.rmtree(source, ignore_errors=True)
    copy_repository(source)
    shutil.rmtree(source / "src")
    ignored = [f"--ignore={path}" for path in LEFT_OUT]
    # Plugins that come with dependencies, of whatever version, are not what is tested.
    plugins = ["-p", "no:anyio", "-p", "no:zarr"]
    chosen = ["-m", arguments.tests, *arguments.only]
    done = run([binaries / "pytest", "-q", "-n", "2", *chosen, *plugins, *ignored], source)
    (work / f"tests-{int(time.time())}.log").write_text(done.stdout + done.stderr)
    return last_line(done.stdout).strip("= ")


def last_line(text: str) -> str:
    """Give the last line that says something."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


def leg(made: Built, python: str, resolution: str, work: Path, arguments: argparse.Namespace) -> Leg:
    """Install the wheel with the versions of one resolution, and try it."""
    started = time.monotonic()
    name = last_line(run([python, "--version"], work).stdout)
    torch, versions = versions_of(made, python, resolution, work, resolve_torch=arguments.resolve_torch)
    (work / f"{resolution}.txt").write_text("\n".join(versions))
    with environment(python, work) as binaries:
        parts = ([torch], ["-r", work / f"{resolution}.txt"], ["--no-deps", made.wheel])
        for part in parts:
            done = run([binaries / "pip", "install", "--quiet", *part], work)
            if done.returncode:
                break
        if done.returncode:
            failed = f"FAILED: {last_line(done.stderr)}"
            return Leg(name, resolution, failed, "-", "-", time.monotonic() - started)
        ran, tested = demo(binaries, work), tests(binaries, work, arguments)
    return Leg(name, resolution, "wheel", ran, tested, time.monotonic() - started)


def sdist_leg(made: Built, python: str, work: Path) -> Leg:
    """Install the sdist as a user does, with the newest versions that are tested."""
    started = time.monotonic()
    with environment(python, work) as binaries:
        torch = line_of_torch(constraints())
        done = run([binaries / "pip", "install", "--quiet", torch, made.sdist], work)
        ran = demo(binaries, work) if done.returncode == 0 else "-"
    installed = "sdist" if done.returncode == 0 else f"FAILED: {last_line(done.stderr)}"
    name = last_line(run([python, "--version"], work).stdout)
    return Leg(name, "as pip resolves", installed, ran, "-", time.monotonic() - started)


def main() -> None:
    """Run the matrix and print it."""
    parser = argparse.ArgumentParser(description="Lowest and newest versions, wheel and sdist.")
    parser.add_argument("--python", nargs="+", default=[name for name in PYTHONS if runs(name)])
    parser.add_argument("--resolution", nargs="+", default=list(RESOLUTIONS), choices=RESOLUTIONS)
    parser.add_argument("--tests", default="not slow", metavar="EXPRESSION", help="pytest -m")
    parser.add_argument("--only", nargs="+", default=[], metavar="PATH", help="tests to run (default: all)")
    parser.add_argument("--resolve-torch", action="store_true", help="not the torch of constraints.txt")
    parser.add_argument("--work", type=Path, help="kept: logs and the versions of each leg")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).absolute()
        made = built(work)
        legs = [
            leg(made, python, resolution, work, arguments)
            for python in arguments.python
            for resolution in arguments.resolution
        ]
        legs += [sdist_leg(made, python, work) for python in arguments.python]
    print("| Python | versions | installed from | demo | fast tests | seconds |")
    print("|---|---|---|---|---|---|")
    for row in legs:
        cells = (row.python, row.versions, row.installed, row.demo, row.tests, f"{row.seconds:.0f}")
        print(f"| {' | '.join(cells)} |")
    if any("FAILED" in str(row) or "failed" in row.tests or "error" in row.tests for row in legs):
        sys.exit(1)


if __name__ == "__main__":
    main()
