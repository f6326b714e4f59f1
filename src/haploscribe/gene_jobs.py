"""Fits all genes, several processes side by side; a stopped run goes on with the genes not yet done."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from haploscribe.arrays import Float64Array
from haploscribe.atomic import written_aside
from haploscribe.cohort import Cohort, open_cohort
from haploscribe.embedding.store import BlockAddress, EmbeddingStore, StoredDeltas
from haploscribe.errors import InputError
from haploscribe.estimators.registry import estimator_factories
from haploscribe.evaluation.cross_validation import evaluate_gene
from haploscribe.evaluation.folds import Fold, make_folds, read_split
from haploscribe.expression.gene_blocks import GeneBlock, all_genes_seen, cut_genes
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
        Folder with one file of predictions for each piece of work done.
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
    """Fit and predict every gene of the cohort in every fold, each gene on its own.

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
        opened = Opened.of(jobs, cohort)
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
class Opened:
    """What a process keeps open while it fits.

    Attributes
    ----------
    cohort
        The inputs.
    stored
        The embedded tiles; None where no estimator reads deltas.
    folds, blocks
        The run's splits of samples and of genes.
    """

    cohort: Cohort
    stored: StoredDeltas | None
    folds: tuple[Fold, ...]
    blocks: tuple[GeneBlock, ...]

    @classmethod
    def of(cls, jobs: GeneJobs, cohort: Cohort) -> Self:
        """Open the store and split an opened cohort."""
        stored = None if jobs.store is None else StoredDeltas(EmbeddingStore(jobs.store), jobs.addresses)
        folds = folds_of(jobs.evaluation, cohort.match.shared)
        return cls(cohort, stored, folds, blocks_of(jobs.evaluation, cohort))


@cache
def opened_in_worker(jobs: GeneJobs) -> Opened:
    """Open the inputs once in a worker's life."""
    return Opened.of(jobs, open_cohort(jobs.cohort, jobs.index_folder))


def _fit_gene_in_worker(jobs: GeneJobs, number: int, zero_shot: Mapping[str, Float64Array]) -> int:
    return _fit_gene(jobs, opened_in_worker(jobs), number, zero_shot)


def _fit_gene(jobs: GeneJobs, opened: Opened, number: int, zero_shot: Mapping[str, Float64Array]) -> int:
    """Fit one gene in this process and leave its file; return its number."""
    cohort = opened.cohort
    with one_thread():
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


def blocks_of(options: EvaluationOptions, cohort: Cohort) -> tuple[GeneBlock, ...]:
    """Split the genes into those that are learned from and those that are predicted.

    Raises
    ------
    InputError
        When there are fewer than 2 blocks, fewer genes than blocks, or a split with nothing to learn from.
    """
    n_blocks, n_genes = options.gene_split, len(cohort.genes)
    if n_blocks is None:
        return all_genes_seen(n_genes)
    if not 2 <= n_blocks <= n_genes:
        raise InputError(
            f"--gene-split {n_blocks}: give 2 blocks or more, and no more than genes ({n_genes})"
        )
    tiles = [cohort.tiles(gene) for gene in cohort.genes]
    spans = np.array([(found[0].start, found[-1].end) for found in tiles], dtype=np.int64)
    blocks = cut_genes(cohort.genes, spans, n_blocks)
    for block in blocks:
        if not block.training.size:
            raise InputError(
                f"--gene-split {n_blocks}: the cis windows of all other genes overlap those of block "
                f"{block.number}, so none is left to learn from; bring genes from farther away, or narrow "
                "--window"
            )
    return blocks


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread a process: the same bits whatever `jobs` is, and no more threads than cores."""
    import torch  # noqa: PLC0415 - a second to import; only where genes are fitted

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)
