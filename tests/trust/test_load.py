"""Too little memory is one line and exit 2, and many runs in one process leave nothing behind."""

import errno
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from haploscribe.atomic import kept_unless_refused
from haploscribe.errors import InputError
from haploscribe.memory import lack_of_memory, needed_address_space
from tests.small_cohort import write_small_cohort
from tests.trust.equal_outputs import differing
from tests.trust.killing import Place, contents
from tests.trust.loading import GIBIBYTE, limited, soak
from tests.trust.verbs import PROGRAM, VERBS, Inputs, command, environment, write_inputs

TOO_MUCH = 1 << 60


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


def raised_by(action: object) -> BaseException:
    assert callable(action)
    with pytest.raises(BaseException) as found:  # noqa: PT011 - which it is depends on the library
        action()
    return found.value


@pytest.mark.parametrize(
    "action",
    [
        lambda: bytearray(TOO_MUCH),
        lambda: np.empty(TOO_MUCH // 8),
        lambda: torch.empty(TOO_MUCH // 4),
    ],
    ids=["python", "numpy", "torch"],
)
def test_the_words_of_libraries_are_known(action: object) -> None:
    assert lack_of_memory(raised_by(action)) is not None


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        RuntimeError("std::bad_alloc"),
    ],
    ids=str,
)
def test_what_the_system_says_is_known_also_behind_another_error(error: Exception) -> None:
    def hidden() -> None:
        try:
            raise error
        except Exception:
            raise InputError("people.vcf: cannot be read; check the path") from None

    assert lack_of_memory(error) is not None
    assert lack_of_memory(raised_by(hidden)) is not None
    assert lack_of_memory(pickle.loads(pickle.dumps(error))) is not None


@pytest.mark.parametrize(
    "error",
    [
        ImportError("libgomp.so.1: cannot allocate memory in static TLS block"),
        ImportError("No module named 'h5py'"),
        InputError("out of memory.vcf: no such file"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
    ids=str,
)
def test_other_faults_are_not_taken_for_a_lack_of_memory(error: Exception) -> None:
    assert lack_of_memory(error) is None


def test_what_is_done_is_kept_where_a_fault_comes_of_a_lack_of_memory(tmp_path: Path) -> None:
    folder = tmp_path / "out"

    def read() -> None:
        with kept_unless_refused(folder):
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
    assert f"a process may have {int(limit * 10) / 10:.1f} GiB of address space here" in ended.lines[0]
    assert f"ulimit -v {needed_address_space() >> 10}" in ended.lines[0]
    assert not place.out.exists()


def test_help_needs_no_memory_to_speak_of(tmp_path: Path) -> None:
    assert limited([*PROGRAM, "run", "--help"], GIBIBYTE // 4, environment(tmp_path)).code == 0


@pytest.mark.slow
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "report"])
def test_with_what_is_needed_every_verb_ends_well(verb: str, inputs: Inputs, tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    place.prepare(verb, inputs)
    ended = limited(command(verb, inputs, place.out), needed_address_space(), environment(place.temporary))
    assert ended.code == 0, ended.lines


TIGHT = (
    "import haploscribe.memory as memory, sys\n"
    "memory.NEEDED = 0; memory.SPARE = int(sys.argv.pop(1))\n"
    "from haploscribe.cli.main import main; main()"
)
"""The program with another reserve, so that memory runs out in the middle of a small cohort."""


@pytest.mark.slow
def test_memory_that_runs_out_is_one_line_and_the_command_goes_on(inputs: Inputs, tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    place.prepare("run", inputs)
    arguments = [*command("run", inputs, place.out)[len(PROGRAM) :], "--jobs", "1"]
    n_stopped = 0
    for spare in (1.8, 1.2, 0.9):
        program = [PROGRAM[0], "-c", TIGHT, int(spare * GIBIBYTE)]
        ended = limited(
            [*program, *arguments], needed_address_space(), environment(place.temporary), timeout=120
        )
        assert ended.is_clean(), ended
        n_stopped += ended.code == 2
        assert (place.out / "summary.json").exists() == (ended.code == 0)
        if ended.code == 0:
            break
    assert n_stopped
    whole = Place(tmp_path / "whole")
    whole.prepare("run", inputs)
    for at in (place, whole):
        ended = limited(command("run", inputs, at.out), 16 * GIBIBYTE, environment(at.temporary))
        assert ended.code == 0, ended.lines
    assert differing(contents(place), contents(whole)) == []


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


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
