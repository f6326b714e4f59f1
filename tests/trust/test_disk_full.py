"""A full disk is one line and exit code 2; the old result stays, and with free space the command resumes."""

import gzip
import resource
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl
import pysam
import pytest
import zarr
from safetensors.numpy import save_file

from haploscribe.errors import InputError
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.utils.files import atomic_write, temporary_prefix, write_if_absent
from tests.campaigns.killing import Place, contents
from tests.fixtures.equal_outputs import differing
from tests.fixtures.full_disk import SmallDisk, small_disk
from tests.fixtures.small_cohort import PEOPLE, write_small_cohort
from tests.fixtures.verbs import PROGRAM, Inputs, command, environment, finished, write_inputs

PAGE = 4096
"""Bytes that the small disk gives out at a time."""

NUMBERS = np.random.default_rng(1).random(1 << 17)
"""1 MB that no compression makes smaller."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", megabytes=64) as mounted:
        yield mounted


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


def _zarr(path: Path) -> None:
    zarr.create_group(path).create_array("numbers", data=NUMBERS, chunks=NUMBERS.shape)


def _sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("CREATE TABLE numbers (number REAL)")
        connection.executemany("INSERT INTO numbers VALUES (?)", ((number,) for number in NUMBERS.tolist()))
        connection.commit()


def _gzip(path: Path) -> None:
    with gzip.open(path, "wb") as file:
        file.write(NUMBERS.tobytes())


def _bgzip(path: Path) -> None:
    with pysam.BGZFile(str(path), "w") as file:
        file.write(NUMBERS.tobytes())


def _savez(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, numbers=NUMBERS)


WRITERS: dict[str, Callable[[Path], object]] = {
    "bytes": lambda path: path.write_bytes(NUMBERS.tobytes()),
    "parquet": pl.DataFrame({"number": NUMBERS}).write_parquet,
    "parquet, streamed": pl.LazyFrame({"number": NUMBERS}).sink_parquet,
    "tsv": pl.DataFrame({"number": NUMBERS}).write_csv,
    "tsv, streamed": pl.LazyFrame({"number": NUMBERS}).sink_csv,
    "safetensors": lambda path: save_file({"numbers": NUMBERS}, path),
    "numpy": _savez,
    "zarr": _zarr,
    "sqlite": _sqlite,
    "gzip": _gzip,
    "bgzip": _bgzip,
}
"""Every library that writes for us, and 1 MB of it."""


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("left", [0, 2 * PAGE, 64 * PAGE])
def test_every_library_that_writes_says_one_line(disk: SmallDisk, writer: str, left: int) -> None:
    place = disk.folder / "out"
    place.write_bytes(b"old")
    disk.leave(left)
    with pytest.raises(InputError, match=f"no disk space left for {place} .*rerun the same command"):  # noqa: SIM117
        with atomic_write(place) as aside:
            WRITERS[writer](aside)
    disk.clear()
    assert {path.name: path.read_bytes() for path in disk.folder.iterdir()} == {"out": b"old"}


def test_a_piece_of_a_store_is_left_out_whole(disk: SmallDisk) -> None:
    disk.leave(16 * PAGE)
    with (
        pytest.raises(InputError, match="no disk space left"),
        write_if_absent(disk.folder / "piece") as aside,
    ):
        _zarr(aside)
    disk.clear()
    assert list(disk.folder.iterdir()) == []


@pytest.mark.parametrize("writer", ["bytes", "parquet", "safetensors", "zarr"])
def test_a_limit_on_the_size_of_files_is_said_alike(tmp_path: Path, writer: str) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with pytest.raises(InputError, match="no disk space left"), atomic_write(tmp_path / "out") as aside:
            WRITERS[writer](aside)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_other_faults_are_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "out"):
        raise ZeroDivisionError


def test_indexes_are_whole_or_refused_however_little_space_is_left(disk: SmallDisk, tmp_path: Path) -> None:
    """htslib writes them, and not all that it writes does it look back at."""
    cohort = write_small_cohort(tmp_path)
    index, told = disk.folder / "index", 0
    for pages in (*range(8), 10, 14):
        disk.leave(pages * PAGE)
        for opening in (
            lambda: Reference.open(cohort.reference, index),
            lambda: open_variants(cohort.variants, index),
        ):
            try:
                with opening():
                    pass
            except InputError as error:
                assert "no disk space left for" in str(error)  # noqa: PT017 - either is right
                told += 1
        disk.clear()
        with Reference.open(cohort.reference, index) as reference:
            assert reference.fetch("chrX", 0, 6_000)
        with open_variants(cohort.variants, index) as reader:
            assert len(reader.read("chrX", 0, 6_000, PEOPLE).positions) > 50
        for path in index.iterdir():
            path.unlink()
    assert 3 < told < 18


def ended(arguments: list[str], temporary: Path) -> tuple[int, list[str]]:
    """Run a command to its end: the exit code, and what it says on stderr, less its progress."""
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=False, timeout=600, env=environment(temporary)
    )
    lines = done.stderr.splitlines()
    return done.returncode, [line for line in lines if line.startswith("haploscribe:") or "rror" in line]


def haplotypes(folder: Path, *more: object) -> list[str]:
    cohort = write_small_cohort(folder)
    files = ("--variants", cohort.variants, "--reference", cohort.reference)
    options = ("--region", "chr2:1-9000", "--sample", PEOPLE[0])
    return [*PROGRAM, "haplotypes", *map(str, (*files, *options, *more))]


def test_a_full_place_for_temporary_files_is_named(disk: SmallDisk, tmp_path: Path) -> None:
    disk.leave(PAGE)
    code, lines = ended(haplotypes(tmp_path), disk.folder)
    assert (code, len(lines)) == (2, 1)
    assert f"no disk space left for {disk.folder}/haploscribe-" in lines[0]
    assert "or set TMPDIR to another disk" in lines[0]
    assert [path.name for path in disk.folder.iterdir()] == ["filler"]


def test_no_place_for_temporary_files_at_all_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in [...]")

    monkeypatch.setattr(tempfile, "gettempdir", missing)
    with pytest.raises(InputError, match=r"no writable temporary folder.*set TMPDIR"):
        temporary_prefix()


def in_shell(arguments: list[str], tail: str) -> "subprocess.CompletedProcess[str]":
    """Run a command with a piece of shell behind it."""
    script = f'set -o pipefail; "$@" {tail}'
    return subprocess.run(
        ["bash", "-c", script, "bash", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("verb", ["--help", "backbones", "haplotypes"])
def test_a_full_standard_output_is_one_line(tmp_path: Path, verb: str) -> None:
    arguments = haplotypes(tmp_path) if verb == "haplotypes" else [*PROGRAM, verb]
    done = in_shell(arguments, ">/dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "haploscribe: no disk space left for standard output (No space left on device)"
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("verb", ["--help", "backbones", "haplotypes"])
def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path, verb: str) -> None:
    arguments = haplotypes(tmp_path) if verb == "haplotypes" else [*PROGRAM, verb]
    done = in_shell(arguments, "| true")
    assert (done.returncode, done.stderr) == (1, "")


def test_closed_streams_are_not_mixed_up_with_files(tmp_path: Path) -> None:
    arguments = haplotypes(tmp_path, "--out", tmp_path / "wanted.fa")
    assert in_shell(arguments, "").returncode == 0
    arguments[-1] = str(tmp_path / "found.fa")
    assert in_shell(arguments, "<&- >&- 2>&-").returncode == 0
    assert (tmp_path / "found.fa").read_bytes() == (tmp_path / "wanted.fa").read_bytes()


CHANGED = {
    "run": (("--seed", "7", "--force"), (150, 1_200)),
    "embed": (("--maf", "0.3"), (60, 600)),
    "predict": (("--genes", "on_X"), (8, 160)),
    "export predictdb": (("--build", "b37"), (8, 300)),
    "export fusion": (("--min-r", "0.2"), (8, 300)),
    "explain": (("--gene", "on_X"), (8, 80)),
    "simulate": (("--seed", "5"), (8, 24)),
    "haplotypes": (("--region", "chr2:1-8000"), (8, 300)),
    "report": ((), (40, 200)),
}
"""For each verb: options that change its result, and how many kB are left to it."""

UNFINISHED = (".unfinished", ".work", "embeddings.zarr", "tmp/", "out: ")
"""What a command that was stopped may leave, to go on with, and a store, which is added to."""


def fails_and_goes_on(verb: str, inputs: Inputs, disk: SmallDisk) -> None:
    place = Place(disk.folder / "place")
    place.prepare(verb, inputs)
    arguments = command(verb, inputs, place.out)
    finished(arguments, place.temporary)
    old = contents(place)
    changed, left = CHANGED[verb]
    n_failed = 0
    for kilobytes in left:
        disk.leave(1_024 * kilobytes)
        code, lines = ended([*arguments, *changed], place.temporary)
        if code:
            assert (code, len(lines)) == (2, 1), lines
            assert "no disk space left for" in lines[0]
            found = contents(place)
            assert not [
                name for name in differing(found, old) if not any(part in name for part in UNFINISHED)
            ]
            n_failed += 1
    assert n_failed
    disk.clear()
    finished([*arguments, *changed], place.temporary)
    new = contents(place)
    assert verb == "report" or differing(new, old)
    assert not [name for name in new if "/." in name]


@pytest.mark.slow
@pytest.mark.parametrize("verb", CHANGED)
def test_a_full_disk_leaves_the_old_result(verb: str, inputs: Inputs, disk: SmallDisk) -> None:
    fails_and_goes_on(verb, inputs, disk)
