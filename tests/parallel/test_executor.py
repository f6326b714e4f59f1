"""An executor runs every item once, opens a context once, and hands out a few items at a time."""

import os
import pickle
import signal
import sys
import time
from pathlib import Path

import cloudpickle
import distributed
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.errors import InputError
from haploscribe.genome.readers.cache import CachedGenotypes
from haploscribe.parallel.dask import DaskExecutor
from haploscribe.parallel.executor import ITEMS_PER_WORKER, Executor, map_to_files, run_item
from haploscribe.parallel.open import open_executor
from haploscribe.workflows.work import WorkSpec
from tests.fixtures.workers import NotesContext, NotesSpec, squared


def threads_of_an_item(_: NotesContext, item: int) -> list[int]:
    return [torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())]


@pytest.mark.parametrize("count", [1, 2])
def test_every_item_is_done_once_and_a_context_is_opened_once_a_process(count: int, tmp_path: Path) -> None:
    spec = NotesSpec(tmp_path / "notes")
    items = list(range(30))
    assert sorted(Executor(count).map(spec, squared, items)) == [item * item for item in items]
    opened = spec.path.read_text().splitlines()
    assert len(opened) == len(set(opened)) <= count


def test_the_next_context_closes_the_one_before_it(tmp_path: Path) -> None:
    first, second = NotesSpec(tmp_path / "first"), NotesSpec(tmp_path / "second")
    run_item(first, squared, 2)
    run_item(second, squared, 2)
    own = os.getpid()
    assert first.path.read_text() == f"opened by {own}\nclosed by {own}\n"


def test_an_item_has_one_thread(tmp_path: Path) -> None:
    """Of torch, BLAS and OpenMP alike: as many processes as cores leave no room for more."""
    torch.set_num_threads(2)
    with threadpool_limits(2):
        assert 2 in threads_of_an_item(NotesContext(tmp_path), 0)
        found = list(Executor(1).map(NotesSpec(tmp_path / "notes"), threads_of_an_item, range(4)))
    assert all(set(threads) == {1} for threads in found)


def test_a_scheduler_is_told_of_a_few_items_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_workers, n_items, submitted, most = 2, 60, 0, 0
    with (
        distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        submit = client.submit

        def counting(*arguments, **options):  # type: ignore[no-untyped-def]
            nonlocal submitted
            submitted += 1
            return submit(*arguments, **options)

        monkeypatch.setattr(client, "submit", counting)
        found = []
        for result in DaskExecutor(client).map(NotesSpec(tmp_path / "notes"), squared, range(n_items)):
            found.append(result)
            most = max(most, submitted - len(found))
            time.sleep(0.001)
    assert sorted(found) == [item * item for item in range(n_items)]
    assert most <= ITEMS_PER_WORKER * n_workers


def test_what_travels_with_an_item_is_small(tmp_path: Path, example: CohortOptions) -> None:
    """A spec names files; nothing in it grows with the number of genes, tiles or samples."""
    spec = WorkSpec(
        genotypes=CachedGenotypes(
            example.reference, tmp_path / "index", tmp_path / "variants", example.tile_size
        ),
        folder=tmp_path,
        cohort=example,
        cohort_folder=tmp_path / "cohort",
        evaluation=EvaluationOptions(),
        models=tmp_path / "models",
        model_names=("blup", "susie"),
        backbone=BackboneOptions(),
        store=tmp_path / "embeddings.zarr",
        block_keys=tmp_path / "blocks.jsonl",
    )
    assert len(cloudpickle.dumps((run_item, spec))) < 4_000
    assert pickle.loads(pickle.dumps(spec)) == spec


def write_square(_: NotesContext, item: int, path: Path) -> None:
    path.write_text(str(item * item))


@pytest.mark.parametrize("count", [1, 2])
def test_a_stopped_map_to_files_resumes_with_what_is_missing(count: int, tmp_path: Path) -> None:
    items = [(tmp_path / f"{item}.txt", item) for item in range(8)]
    there = items[2:7:2]
    for path, _ in there:
        path.write_text("of an earlier run")
    done: list[float] = []
    map_to_files(Executor(count), NotesSpec(tmp_path / "notes"), write_square, items, done.append)
    assert {path.read_text() for path, _ in there} == {"of an earlier run"}
    assert all(path.read_text() == str(item * item) for path, item in items if (path, item) not in there)
    assert done == [3, 1, 1, 1, 1, 1]


def test_nothing_is_opened_where_all_files_are_there(tmp_path: Path) -> None:
    path = tmp_path / "0.txt"
    path.touch()
    done: list[float] = []
    map_to_files(Executor(1), NotesSpec(tmp_path / "notes"), write_square, [(path, 0)], done.append)
    assert done == [1]
    assert not (tmp_path / "notes").exists()


def fail_first(_: NotesContext, item: Path) -> None:
    """Fail at the first item, and work on any other for a minute."""
    if item.name == "0":
        raise InputError("the first item is at fault")
    item.touch()
    time.sleep(60)
    item.unlink()


def test_an_error_ends_the_work_on_other_items(tmp_path: Path) -> None:
    items = [tmp_path / str(i) for i in range(9)]
    started = time.monotonic()
    with pytest.raises(InputError, match="the first item is at fault"):
        list(Executor(2).map(NotesSpec(tmp_path / "notes"), fail_first, items))
    assert time.monotonic() - started < 30
    assert sorted(Executor(2).map(NotesSpec(tmp_path / "notes"), squared, [3, 4])) == [9, 16]


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "haploscribe.parallel.dask", raising=False)
    with (
        pytest.raises(InputError, match=r"pip install 'haploscribe\[cluster\]'"),
        open_executor(WorkerOptions(dask="local:2")),
    ):
        pass


def killed(_: NotesContext, item: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_a_worker_that_is_killed_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give fewer --jobs"):
        list(Executor(2).map(NotesSpec(tmp_path / "notes"), killed, range(4)))
    assert sorted(Executor(2).map(NotesSpec(tmp_path / "notes"), squared, [3, 4])) == [9, 16]
