"""Too little memory is one line and exit code 2, and many runs in one process leave nothing behind."""

import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
import torch

from haploscribe.cli.exit import run_to_exit
from haploscribe.errors import InputError
from haploscribe.utils.files import remove_on_input_error
from haploscribe.utils.resources import required_address_space
from tests.campaigns.killing import Place
from tests.campaigns.loading import GIBIBYTE, limited, soak
from tests.fixtures.small_cohort import write_small_cohort
from tests.fixtures.verbs import PROGRAM, VERBS, Inputs, command, environment, write_inputs


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


TOO_MUCH = 1 << 60


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: bytearray(TOO_MUCH),
        lambda: np.empty(TOO_MUCH // 8),
        lambda: torch.empty(TOO_MUCH // 4),
    ],
    ids=["python", "numpy", "torch"],
)
@pytest.mark.parametrize("hidden", [False, True], ids=["shown", "behind another error"])
def test_too_little_memory_is_one_line(
    allocate: Callable[[], object],
    hidden: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @click.group()
    def program() -> None:
        pass

    @program.command()
    def work() -> None:
        try:
            allocate()
        except (MemoryError, RuntimeError):
            if hidden:
                raise InputError("people.vcf: cannot be read; check the path") from None
            raise

    monkeypatch.setattr(sys, "argv", ["haploscribe", "work"])
    with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
        run_to_exit(program)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("haploscribe: not enough memory")
    assert told.count("\n") == 1


def test_what_is_done_is_kept_where_a_fault_comes_of_a_lack_of_memory(tmp_path: Path) -> None:
    folder = tmp_path / "out"

    def read() -> None:
        with remove_on_input_error(folder):
            folder.mkdir()
            try:
                raise MemoryError
            except MemoryError:
                raise InputError("people.vcf: cannot be read; check the path") from None

    with pytest.raises(InputError):
        read()
    assert folder.is_dir()


@pytest.mark.parametrize("limit", [0.25, 0.5, 1, 2])
def test_below_what_is_needed_nothing_is_begun(tmp_path: Path, limit: float) -> None:
    inputs = Inputs(tmp_path)
    write_small_cohort(inputs.folder)
    place = Place(tmp_path / "place")
    place.prepare("run", inputs)
    ended = limited(
        command("run", inputs, place.out), int(limit * GIBIBYTE), environment(place.temporary), timeout=60
    )
    assert (ended.code, len(ended.lines)) == (2, 1)
    assert f"ulimit -v allows {limit:.2f} GiB of address space" in ended.lines[0]
    assert f"ulimit -v {required_address_space() >> 10}" in ended.lines[0]
    assert not place.out.exists()


def test_help_needs_no_memory_to_speak_of(tmp_path: Path) -> None:
    assert limited([*PROGRAM, "run", "--help"], GIBIBYTE // 4, environment(tmp_path)).code == 0


@pytest.mark.slow
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("report", "run, models added")])
def test_with_what_is_needed_every_verb_ends_well(verb: str, inputs: Inputs, tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    place.prepare(verb, inputs)
    ended = limited(command(verb, inputs, place.out), required_address_space(), environment(place.temporary))
    assert ended.code == 0, ended.lines


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.slow
def test_runs_in_one_process_leave_no_files_threads_or_processes(tmp_path: Path, temporary: Path) -> None:
    held = list(soak(write_small_cohort(tmp_path), tmp_path, 4))
    assert [one.temporary for one in held[1:]] == [held[0].temporary] * 3
    assert len({(one.descriptors, one.threads, one.children) for one in held[1:]}) == 1


@pytest.mark.slow
def test_fifty_runs_in_one_process_hold_no_more_than_five(tmp_path: Path, temporary: Path) -> None:
    held = list(soak(write_small_cohort(tmp_path), tmp_path, 50))
    resident = [one.resident for one in held[4:]]
    assert max(resident) <= 1.05 * min(resident)
    assert len({(one.descriptors, one.threads, one.children) for one in held[4:]}) == 1
