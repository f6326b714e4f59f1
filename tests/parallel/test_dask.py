"""Runs on a Dask cluster of real processes leave the same bytes as a run in one process."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import distributed
import pytest

from haploscribe.config.options import CohortOptions
from haploscribe.errors import InputError
from haploscribe.parallel.dask import dask_executor
from tests.fixtures.command_line import GENES, inputs_of
from tests.fixtures.workers import NotesContext, NotesSpec, dask_processes, squared

TOLD_APART = {"summary.json", "report.html", "run.json"}
MODELS = ("--models", "elastic-net,blup-delta,susie")


def command(example: CohortOptions, out: Path, *where: str) -> list[str]:
    """Run three genes with the `kmer` backbone, as a user types it; the workers are other processes."""
    program = [sys.executable, "-c", "from haploscribe.cli.main import main; main()"]
    options = ["--genes", GENES, "--backbone", "kmer", "--folds", "2", *MODELS, "--out", str(out)]
    return [*program, "run", *inputs_of(example), *options, *where]


def finished(arguments: list[str]) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr


def in_mid_run(arguments: list[str], out: Path) -> subprocess.Popen[bytes]:
    """Start a run and wait until some blocks are embedded; genes are still to be fitted."""
    running = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while running.poll() is None and not list(out.glob("embeddings.zarr/vectors/*/*/*")):
        time.sleep(0.02)
    assert running.poll() is None
    return running


def contents(out: Path) -> dict[str, bytes]:
    """All files of a results folder but those that say how long it took and where it was."""
    files = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    return {name: found for name, found in files.items() if name not in TOLD_APART}


def without_hidden(found: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out what killed workers were building aside, under names with a dot before: nobody reads it."""
    return {name: found[name] for name in found if "." not in {part[0] for part in Path(name).parts}}


@pytest.fixture(scope="module")
def in_one_process(example: CohortOptions, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("one") / "out"
    finished(command(example, out, "--jobs", "1"))
    found = contents(out)
    assert {"predictions.parquet", "metrics.tsv", "comparison.tsv"} < found.keys()
    return found


@pytest.mark.slow
def test_a_scheduler_and_three_workers_leave_the_same_bytes(
    example: CohortOptions, in_one_process: dict[str, bytes], tmp_path: Path
) -> None:
    with dask_processes(tmp_path, 3) as dask:
        finished(command(example, tmp_path / "out", "--dask", dask.address))
    assert contents(tmp_path / "out") == in_one_process


@pytest.mark.slow
def test_a_local_cluster_leaves_the_same_bytes(
    example: CohortOptions, in_one_process: dict[str, bytes], tmp_path: Path
) -> None:
    finished(command(example, tmp_path / "out", "--dask", "local:2"))
    assert contents(tmp_path / "out") == in_one_process


@pytest.mark.slow
def test_killing_a_worker_in_mid_run_changes_nothing(
    example: CohortOptions, in_one_process: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with dask_processes(tmp_path, 3) as dask:
        running = in_mid_run(command(example, out, "--dask", dask.address), out)
        os.kill(dask.workers[0].pid, signal.SIGKILL)
        _, told = running.communicate(timeout=600)
    assert running.returncode == 0, told.decode()
    assert without_hidden(contents(out)) == in_one_process


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("tcp://127.0.0.1:1", "no Dask scheduler responds"),
        ("tcp://127.0.0.1", "give local:N, or an address"),
        ("local:0", "give a number of processes"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_one_line(address: str, told: str) -> None:
    with pytest.raises(InputError) as caught, dask_executor(address, seconds_to_connect=1):
        pass
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_scheduler_that_dies_is_one_line(
    example: CohortOptions, in_one_process: dict[str, bytes], tmp_path: Path
) -> None:
    """And the same command goes on, here without a cluster, to the same end."""
    out = tmp_path / "out"
    with dask_processes(tmp_path, 2) as dask:
        running = in_mid_run(command(example, out, "--dask", dask.address), out)
        dask.scheduler.kill()
        _, told = running.communicate(timeout=600)
    assert running.returncode == 2
    told_of_work = re.compile(r"\[\d of \d\] |\d+ samples × ")
    lines = [line for line in told.decode().splitlines() if not told_of_work.match(line)]
    assert len(lines) == 1
    assert "lost the connection to the Dask scheduler" in lines[0]
    finished(command(example, out, "--jobs", "1"))
    assert without_hidden(contents(out)) == in_one_process


@contextmanager
def scheduler_in_threads(n_workers: int, n_threads: int = 1) -> Iterator[str]:
    """Start a scheduler and its workers as threads of this process; its address is one of the network's."""
    with distributed.LocalCluster(
        n_workers=n_workers,
        threads_per_worker=n_threads,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as started:
        yield started.scheduler_address


def test_workers_of_several_threads_are_refused_in_one_line() -> None:
    with (
        scheduler_in_threads(1, n_threads=3) as address,
        pytest.raises(InputError, match=r"has 3 threads.*--nworkers 3 --nthreads 1"),
        dask_executor(address),
    ):
        pass


def test_a_scheduler_without_workers_is_one_line() -> None:
    with (
        scheduler_in_threads(0) as address,
        pytest.raises(InputError, match=r"has no workers after 0.1 s"),
        dask_executor(address, seconds_for_workers=0.1),
    ):
        pass


@pytest.mark.parametrize(
    ("preload", "told"),
    [
        (
            "from haploscribe.parallel import dask; dask.__version__ = '0.0.1'",
            r"has Haploscribe 0\.0\.1, this is .*; install the same version",
        ),
        ("import sys; sys.modules['haploscribe'] = None", "cannot load"),
    ],
    ids=["another version", "none"],
)
def test_workers_of_another_version_are_refused(preload: str, told: str, tmp_path: Path) -> None:
    with (
        dask_processes(tmp_path, 1, preload) as dask,
        pytest.raises(InputError, match=told),
        dask_executor(dask.address),
    ):
        pass


def test_a_scheduler_on_the_network_has_every_item_done_once(tmp_path: Path) -> None:
    with scheduler_in_threads(2) as address, dask_executor(address) as executor:
        found = list(executor.map(NotesSpec(tmp_path / "notes"), squared, range(20)))
    assert sorted(found) == [item * item for item in range(20)]


def read(_: NotesContext, item: int) -> bytes:
    return Path(f"/on/one/machine/only-{item}").read_bytes()


def test_a_file_that_a_worker_cannot_see_is_named(tmp_path: Path) -> None:
    with scheduler_in_threads(1) as address, dask_executor(address) as executor:
        results = executor.map(NotesSpec(tmp_path / "notes"), read, [5])
        with pytest.raises(InputError, match=r"cannot see /on/one/machine/only-5: put inputs"):
            next(results)
