"""Work done once for each gene, several processes side by side, each gene leaving a file."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from haploscribe.arrays import Float64Array
from haploscribe.cohort import Cohort, open_cohort
from haploscribe.embedding.store import BlockAddress, EmbeddingStore, StoredDeltas
from haploscribe.errors import InputError
from haploscribe.estimators.heterogeneity import Heterogeneity
from haploscribe.estimators.registry import wide_models
from haploscribe.evaluation.folds import Fold, make_folds, prepare_fold, read_split
from haploscribe.expression.gene_blocks import GeneBlock, all_genes_seen, cut_genes
from haploscribe.options import CohortOptions, EvaluationOptions
from haploscribe.progress import Advance


@dataclass(frozen=True, slots=True)
class GeneJobs:
    """What every process needs to work on any of the run's genes.

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
        Folder of the files that pieces of work leave; what is there is not done again.
    """

    cohort: CohortOptions
    index_folder: Path
    evaluation: EvaluationOptions
    store: Path | None
    addresses: tuple[BlockAddress, ...]
    finished: Path


class OpenedJobs:
    """What a process keeps open while it works on genes.

    Parameters
    ----------
    jobs
        What is to be done.
    cohort
        The cohort that `jobs.cohort` opens.
    """

    def __init__(self, jobs: GeneJobs, cohort: Cohort) -> None:
        self.jobs = jobs
        self.cohort = cohort
        self.folds = folds_of(jobs.evaluation, cohort.match.shared)

    @cached_property
    def blocks(self) -> tuple[GeneBlock, ...]:
        """The run's split of genes."""
        return blocks_of(self.jobs.evaluation, self.cohort)

    @cached_property
    def stored(self) -> StoredDeltas | None:
        """The embedded tiles."""
        if self.jobs.store is None:
            return None
        return StoredDeltas(EmbeddingStore(self.jobs.store), self.jobs.addresses)

    @cached_property
    def heterogeneity(self) -> tuple[Heterogeneity, ...]:
        """What all genes of the table share in each fold's training and validation samples."""
        return tuple(self._heterogeneity(fold) for fold in self.folds)

    def prepared(self, expression: Float64Array, fold: Fold) -> Float64Array:
        """Prepare one gene's raw expression with what a fold's training samples teach; all samples."""
        return prepare_fold(expression, self.cohort.covariates, fold, self.jobs.evaluation.normalize)

    def _heterogeneity(self, fold: Fold) -> Heterogeneity:
        cohort, fitted = self.cohort, fold.fitted
        return Heterogeneity.of(
            np.stack([self.prepared(values, fold)[fitted] for values in cohort.all_genes.values]),
            None if cohort.covariates is None else cohort.covariates[fitted],
            None if cohort.hidden_factors is None else cohort.hidden_factors[fitted],
        )


Task = Callable[..., None]
"""Work on a gene, told the opened jobs, the gene's number, its file, and what `each_gene` has for it."""


def each_gene(
    jobs: GeneJobs,
    cohort: Cohort,
    task: Task,
    file: Callable[[int], Path],
    arguments: Sequence[tuple[Any, ...]],
    advance: Advance,
) -> None:
    """Do a task for every gene that has not left its file yet.

    Parameters
    ----------
    jobs
        What is opened for it.
    cohort
        The cohort that `jobs.cohort` opens.
    task
        A function of a module, so that other processes find it.
    file
        What the task leaves for a gene, by the gene's number in the cohort.
    arguments
        What else the task is given, for each gene.
    advance
        Told of each gene done, those of an earlier, stopped run included.
    """
    genes = cohort.genes
    order = sorted(range(len(genes)), key=lambda i: (genes[i].contig, genes[i].tss))
    remaining = [number for number in order if not file(number).exists()]
    advance(len(order) - len(remaining))
    workers = min(jobs.evaluation.jobs, len(remaining))
    if workers <= 1:
        opened = OpenedJobs(jobs, cohort)
        done: Iterable[int] = (
            _do(task, opened, number, file(number), arguments[number]) for number in remaining
        )
    else:  # genes are handed out in genome order, so that those in work at one time share tiles
        parallel = Parallel(n_jobs=workers, return_as="generator_unordered", pre_dispatch=2 * workers)
        done = parallel(
            delayed(_do_in_worker)(task, jobs, number, file(number), arguments[number])
            for number in remaining
        )
    for _ in done:
        advance(1)


@cache
def opened_in_worker(jobs: GeneJobs) -> OpenedJobs:
    """Open the inputs once in a worker's life."""
    wide = bool(wide_models(jobs.evaluation.models))
    return OpenedJobs(jobs, open_cohort(jobs.cohort, jobs.index_folder, wide=wide))


def _do_in_worker(task: Task, jobs: GeneJobs, number: int, file: Path, arguments: tuple[Any, ...]) -> int:
    return _do(task, opened_in_worker(jobs), number, file, arguments)


def _do(task: Task, opened: OpenedJobs, number: int, file: Path, arguments: tuple[Any, ...]) -> int:
    with one_thread():
        task(opened, number, file, *arguments)
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
