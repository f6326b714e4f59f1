"""Workers do every piece once, open a job once, and are told of a few pieces at a time."""

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

from haploscribe.config.options import CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.errors import InputError
from haploscribe.parallel.dask import PIECES_PER_WORKER, DaskWorkers
from haploscribe.parallel.executor import LocalWorkers, do_piece, open_workers
from haploscribe.workflows.run.context import GeneJobs
from tests.fixtures.workers import NotesJob, OpenedNotes, squared


def threads_of_a_piece(_: OpenedNotes, item: int) -> list[int]:
    return [torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())]


@pytest.mark.parametrize("count", [1, 2])
def test_every_piece_is_done_once_and_a_job_is_opened_once_a_process(count: int, tmp_path: Path) -> None:
    job = NotesJob(tmp_path / "notes")
    items = list(range(30))
    assert sorted(LocalWorkers(count).map(job, squared, items)) == [item * item for item in items]
    opened = job.path.read_text().splitlines()
    assert len(opened) == len(set(opened)) <= count


def test_the_next_job_closes_the_one_before_it(tmp_path: Path) -> None:
    first, second = NotesJob(tmp_path / "first"), NotesJob(tmp_path / "second")
    do_piece(first, squared, 2)
    do_piece(second, squared, 2)
    own = os.getpid()
    assert first.path.read_text() == f"opened by {own}\nclosed by {own}\n"


def test_a_piece_has_one_thread(tmp_path: Path) -> None:
    """Of torch, BLAS and OpenMP alike: as many processes as cores leave no room for more."""
    torch.set_num_threads(2)
    with threadpool_limits(2):
        assert 2 in threads_of_a_piece(OpenedNotes(tmp_path), 0)
        found = list(LocalWorkers(1).map(NotesJob(tmp_path / "notes"), threads_of_a_piece, range(4)))
    assert all(set(threads) == {1} for threads in found)


def test_a_scheduler_is_told_of_a_few_pieces_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_workers, n_items, submitted, most = 2, 60, 0, 0
    with (
        distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=False, dashboard_address=None
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
        for piece in DaskWorkers(client).map(NotesJob(tmp_path / "notes"), squared, range(n_items)):
            found.append(piece)
            most = max(most, submitted - len(found))
            time.sleep(0.001)
    assert sorted(found) == [item * item for item in range(n_items)]
    assert most <= PIECES_PER_WORKER * n_workers


def test_what_travels_with_a_gene_is_small(tmp_path: Path, example: CohortOptions) -> None:
    """A job names files; nothing in it grows with the number of genes, tiles or people."""
    jobs = GeneJobs(
        cohort=example,
        index_folder=tmp_path / "index",
        variants=tmp_path / "variants",
        evaluation=EvaluationOptions(),
        store=tmp_path / "embeddings.zarr",
        addresses=tmp_path / "blocks.jsonl",
        finished=tmp_path / "done",
    )
    assert len(cloudpickle.dumps((do_piece, jobs))) < 4_000
    assert pickle.loads(pickle.dumps(jobs)) == jobs


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "haploscribe.parallel.dask", raising=False)
    with (
        pytest.raises(InputError, match=r"pip install 'haploscribe\[cluster\]'"),
        open_workers(WorkerOptions(dask="local:2")),
    ):
        pass


def killed(_: OpenedNotes, item: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_a_worker_that_is_killed_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give fewer --jobs"):
        list(LocalWorkers(2).map(NotesJob(tmp_path / "notes"), killed, range(4)))
    assert sorted(LocalWorkers(2).map(NotesJob(tmp_path / "notes"), squared, [3, 4])) == [9, 16]
