"""Spoil one expression of a module at a time, and count how often the tests notice.

    pip install mutmut
    python -m tests.campaigns.mutants --module genome.haplotypes --module evaluation.folds --sample 60

Run from the root of the repository. The mutants are mutmut's, plus three of our own: an `if` whose condition
never holds, one whose condition always holds, and a call statement left out. Left out are text in upper or
lower case, what stands under `raise`, decorators, and assignments of None, which hardly anything survives.
Every mutant is tried in a fork of this process, on the tests that reach its line, quickest first; Hypothesis
draws a few examples, always the same ones.
"""

import argparse
import contextlib
import dataclasses
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from haploscribe._version import __version__
from tests.campaigns.mutant_making import Mutant, mutants_of
from tests.campaigns.mutant_trying import HEAVY, Reach, fork_of_tests, reach_of_tests, tests_that_reach

SOURCE = Path("src/haploscribe")

# Tests that a module answers to where these are not, or not only, the ones of its own name.
_TESTS = {
    "genome.tiles": ("genome/test_tiles", "genome/readers/test_cache", "embedding/test_engine"),
    "genome.contigs": ("genome/test_contigs", "genome/test_reference", "genome/test_variants"),
    "genome.htslib": ("genome/test_variants", "genome/test_reference"),
    "genome.variants": ("genome/test_variants", "genome/readers/test_pgen", "genome/readers/test_cache"),
    "genome.readers.calls": ("genome/readers/test_calls", "genome/test_variants", "genome/readers/test_pgen"),
    "genome.readers.vcf": ("genome/test_variants",),
    "genome.readers.vcf_text": ("genome/readers/test_vcf_text", "genome/test_variants"),
    "workflows.haplotypes": ("workflows/test_haplotypes", "test_cli"),
}


@dataclasses.dataclass(frozen=True)
class Tried:
    """One mutant and what the tests made of it: "killed", "survived", "timed out" or "not reached"."""

    mutant: Mutant
    outcome: str


def main() -> None:
    """Parse, try, print."""
    parser = argparse.ArgumentParser(description="Count the mutants of modules that the tests let live.")
    parser.add_argument(
        "--module", action="append", required=True, help="Such as genome.tiles; may be repeated."
    )
    parser.add_argument("--sample", type=int, default=60, help="At most so many mutants of a module.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lines", type=int, nargs="*", help="Only the mutants of these lines, all of them.")
    parser.add_argument("--jobs", type=int, default=1, help="Mutants tried at once.")
    parser.add_argument("--examples", type=int, default=12, help="Most examples of a Hypothesis test.")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in HEAVY:
        importlib.import_module(name)
    command = "python -m tests.campaigns.mutants " + " ".join(sys.argv[1:])
    print(f"Haploscribe {__version__}, `{command}`\n", flush=True)
    columns = ("module", "mutants", "tried", "killed", "survived", "timed out", "not reached", "seconds")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    alive: list[Tried] = []
    with tempfile.TemporaryDirectory(prefix="haploscribe-mutants-") as folder:
        for module in arguments.module:
            started = time.monotonic()
            everything = mutants_of(SOURCE / Path(*module.split(".")).with_suffix(".py"))
            chosen = _chosen(everything, arguments.sample, arguments.seed, arguments.lines)
            reach = reach_of_tests(SOURCE, _tests_of(module), Path(folder) / module, arguments.examples)
            tried = try_all(module, chosen, reach, Path(folder), arguments.jobs, arguments.examples)
            counts = [sum(one.outcome == outcome for one in tried) for outcome in columns[3:7]]
            row = (module, len(everything), len(tried), *counts, round(time.monotonic() - started))
            print(f"| {' | '.join(map(str, row))} |", flush=True)
            alive += [one for one in tried if one.outcome in ("survived", "not reached")]
    print("", *map(_line, alive), sep="\n")


def _line(one: Tried) -> str:
    """Describe what became of a mutant on one line of Markdown."""
    mutant = one.mutant
    return f"- {one.outcome}: {mutant.path.stem}, line {mutant.line}: `{mutant.before}` → `{mutant.after}`"


def _chosen(mutants: list[Mutant], most: int, seed: int, lines: list[int] | None) -> list[Mutant]:
    """Return the mutants to try, in the order of the lines: those of some lines, or a sample."""
    if lines is not None:
        return [mutant for mutant in mutants if mutant.line in lines]
    drawn = random.Random(seed).sample(range(len(mutants)), min(most, len(mutants)))
    return [mutants[number] for number in sorted(drawn)]


def _tests_of(module: str) -> tuple[str, ...]:
    """Return the files of tests that a module answers to."""
    room, name = module.split(".")
    return tuple(f"tests/{path}.py" for path in _TESTS.get(module, (f"{room}/test_{name}",)))


def try_all(
    module: str, mutants: list[Mutant], reach: Reach, folder: Path, jobs: int, examples: int
) -> list[Tried]:
    """Try mutants of one module on the tests that reach them.

    Parameters
    ----------
    module
        Name under `haploscribe`, such as "genome.tiles".
    mutants
        What to try.
    reach
        Which tests run which lines.
    folder
        Where the tests may write.
    jobs
        How many forks run at once.
    examples
        Most examples that Hypothesis draws in a test.

    Returns
    -------
    list of Tried
        In the order of `mutants`.
    """
    outcomes: dict[int, str] = {}
    running: dict[int, tuple[int, float]] = {}
    waiting = list(enumerate(mutants))
    while waiting or running:
        while waiting and len(running) < jobs:
            number, mutant = waiting.pop(0)
            tests = tests_that_reach(mutant, reach)
            if not tests:
                outcomes[number] = "not reached"
                continue
            limit = 20 + 3 * sum(reach.seconds[test] for test in tests)
            process = fork_of_tests(
                tests, folder / str(number), examples, f"haploscribe.{module}", mutant.source
            )
            running[process] = (number, time.monotonic() + limit)
        for process, outcome in _ended(running):
            number, _ = running.pop(process)
            outcomes[number] = outcome
            if outcome != "killed":
                print(_line(Tried(mutants[number], outcome)), file=sys.stderr, flush=True)
            shutil.rmtree(folder / str(number), ignore_errors=True)
        time.sleep(0.02)
    return [Tried(mutant, outcomes[number]) for number, mutant in enumerate(mutants)]


def _ended(running: dict[int, tuple[int, float]]) -> Iterator[tuple[int, str]]:
    """Yield forks that have ended, or whose time is up, with what became of their mutants."""
    for process, (_, stop) in list(running.items()):
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            yield process, "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
        elif time.monotonic() > stop:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            yield process, "timed out"


if __name__ == "__main__":
    main()
