"""Fits all genes, several processes side by side; a stopped run goes on with the genes not yet done."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Self

import polars as pl
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from haploscribe.arrays import Float64Array
from haploscribe.atomic import written_aside
from haploscribe.cohort import Cohort, open_cohort
from haploscribe.embedding.store import BlockAddress, EmbeddingStore, StoredDeltas
from haploscribe.estimators.registry import estimator_factories, wide_models
from haploscribe.evaluation.cross_validation import evaluate_gene
from haploscribe.evaluation.folds import Fold, make_folds, read_split
from haploscribe.options import CohortOptions, EvaluationOptions
from haploscribe.progress import Advance


@dataclass(frozen=True, slots=True)
class GeneJobs:
    """What every process needs to fit any of the run's genes.

    Attributes
    ----------
    cohort
        The inputs, opened once in each process.
    index_folder
        Where the index of a plain FASTA is.
    evaluation
        Estimators and folds.
    store
        The embedding store; None where no estimator reads deltas.
    addresses
        The run's blocks in the store.
    finished
        Folder with one file of predictions for each gene done.
    """

    cohort: CohortOptions
    index_folder: Path
    evaluation: EvaluationOptions
    store: Path | None
    addresses: tuple[BlockAddress, ...]
    finished: Path

    def file(self, gene_number: int) -> Path:
        """Where one gene's predictions go."""
        return self.finished / f"{gene_number:06d}.parquet"


def fit_genes(
    jobs: GeneJobs, cohort: Cohort, zero_shot: Mapping[str, Float64Array], advance: Advance
) -> pl.DataFrame:
    """Fit and predict every gene of the cohort in every fold.

    Parameters
    ----------
    jobs
        What to do.
    cohort
        The cohort that `jobs.cohort` opens.
    zero_shot
        float64 `(n_genes, n_samples)` for each zero-shot model of the run: what it predicts.
    advance
        Told of each gene done, those of an earlier, stopped run included.

    Returns
    -------
    polars.DataFrame
        Out-of-fold predictions, as `evaluation.cross_validation` gives them, gene after gene.
    """
    order = sorted(range(len(cohort.genes)), key=lambda i: (cohort.genes[i].contig, cohort.genes[i].tss))
    remaining = [number for number in order if not jobs.file(number).exists()]
    advance(len(order) - len(remaining))
    zero_shot_of = [{model: by_gene[i] for model, by_gene in zero_shot.items()} for i in range(len(order))]
    workers = min(jobs.evaluation.jobs, len(remaining))
    if workers <= 1:
        opened = _Opened.of(jobs, cohort)
        done: Iterable[int] = (_fit_gene(jobs, opened, number, zero_shot_of[number]) for number in remaining)
    else:  # genes are handed out in genome order, so that those in work at one time share tiles
        parallel = Parallel(n_jobs=workers, return_as="generator_unordered", pre_dispatch=2 * workers)
        done = parallel(
            delayed(_fit_gene_in_worker)(jobs, number, zero_shot_of[number]) for number in remaining
        )
    for _ in done:
        advance(1)
    return pl.concat([pl.read_parquet(jobs.file(number)) for number in range(len(cohort.genes))])


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a process keeps open while it fits genes."""

    cohort: Cohort
    stored: StoredDeltas | None
    folds: tuple[Fold, ...]

    @classmethod
    def of(cls, jobs: GeneJobs, cohort: Cohort) -> Self:
        stored = None if jobs.store is None else StoredDeltas(EmbeddingStore(jobs.store), jobs.addresses)
        return cls(cohort, stored, folds_of(jobs.evaluation, cohort.match.shared))


@cache
def _opened_in_worker(jobs: GeneJobs) -> _Opened:
    """Open the inputs once in a worker's life."""
    wide = bool(wide_models(jobs.evaluation.models))
    return _Opened.of(jobs, open_cohort(jobs.cohort, jobs.index_folder, wide=wide))


def _fit_gene_in_worker(jobs: GeneJobs, number: int, zero_shot: Mapping[str, Float64Array]) -> int:
    return _fit_gene(jobs, _opened_in_worker(jobs), number, zero_shot)


def _fit_gene(jobs: GeneJobs, opened: _Opened, number: int, zero_shot: Mapping[str, Float64Array]) -> int:
    """Fit one gene in this process and leave its file; return its number."""
    cohort = opened.cohort
    with _one_thread():
        predictions = evaluate_gene(
            replace(cohort.gene_inputs(cohort.genes[number], opened.stored), zero_shot=zero_shot),
            cohort.values[number],
            cohort.covariates,
            opened.folds,
            estimators=estimator_factories(jobs.evaluation.models, jobs.evaluation.seed),
            normalisation=jobs.evaluation.normalize,
        )
    with written_aside(jobs.file(number)) as aside:
        predictions.write_parquet(aside)
    return number


def folds_of(options: EvaluationOptions, sample_ids: Sequence[str]) -> tuple[Fold, ...]:
    """Make the folds that every estimator of the run sees."""
    if options.split is not None:
        return (read_split(options.split, sample_ids).fold,)
    return make_folds(sample_ids, options.folds, options.seed)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread a process: the same bits whatever `jobs` is, and no more threads than cores."""
    import torch  # noqa: PLC0415 - a second to import; only where genes are fitted

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)
