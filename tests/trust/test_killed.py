"""A job that is killed at any moment is finished by the same command, with the bytes of one never killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from haploscribe.utils.files import atomic_write, process_name
from tests.campaigns.killing import Place, Whole, contents, kill_after, run_again, run_whole
from tests.fixtures.equal_outputs import differing
from tests.fixtures.verbs import VERBS, Inputs, write_inputs

KILLED = "import os, signal; print(os.getpid(), flush=True); os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


def whole_of(verb: str, inputs: Inputs, folder: Path) -> Whole:
    return run_whole(verb, inputs, Place(folder / "whole"))


def goes_on(verb: str, inputs: Inputs, folder: Path, whole: Whole, moments: list[float]) -> list[str]:
    """Kill a job at all moments, one after the other, and run it to its end: what is not as it should be."""
    place = Place(folder)
    place.prepare(verb, inputs)
    for number, moment in enumerate(moments):
        kill_after(verb, inputs, place, moment, parent_only=number % 2 == 1)
    run_again(verb, inputs, place)
    return differing(contents(place), whole.contents)


@pytest.mark.slow
def test_a_killed_prediction_goes_on(inputs: Inputs, tmp_path: Path) -> None:
    """Killed with its workers, then alone, which they are to notice."""
    whole = whole_of("predict", inputs, tmp_path)
    moments = [0.5 * (whole.first_written + whole.seconds), 0.9 * whole.seconds]
    assert goes_on("predict", inputs, tmp_path / "killed", whole, moments) == []


@pytest.mark.slow
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "haplotypes"])
def test_a_job_killed_at_any_moment_goes_on(verb: str, inputs: Inputs, tmp_path: Path) -> None:
    whole = whole_of(verb, inputs, tmp_path)
    first, *others = whole.moments(4, verb)
    assert goes_on(verb, inputs, tmp_path / "once", whole, [first]) == []
    assert goes_on(verb, inputs, tmp_path / "again", whole, others) == []


def gone() -> int:
    """The number of a process that is no more."""
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    return int(done.stdout)


def test_what_a_killed_process_has_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    machine, own = process_name().split("-")
    left = [f".out.{machine}-{gone()}-0123abcd{suffix}" for suffix in ("", ".tsv", ".db-journal", ".old")]
    kept = [
        f".out.{machine}-{os.getppid()}-0123abcd.tsv",  # of a process that is alive
        f".out.{machine}-{own}-0123abcd.tsv",
        f".out.00000000-{gone()}-0123abcd.tsv",  # of another machine
        ".out.0123abcd.tsv",  # a user's
        f"out.{machine}-{gone()}-0123abcd.tsv",
    ]
    for name in (*left[:-1], *kept):
        (tmp_path / name).write_text("half")
    (tmp_path / left[-1]).mkdir()
    (tmp_path / left[-1] / "piece").write_text("half")
    with atomic_write(tmp_path / "out.tsv") as aside:
        aside.write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == {"out.tsv", *kept}
