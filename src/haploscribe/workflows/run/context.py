"""Work done once for each gene by any worker, each gene leaving a file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from haploscribe.cohort.cohort import Cohort, open_surveyed
from haploscribe.cohort.validated import CheckedCohort
from haploscribe.config.options import CohortOptions, EvaluationOptions
from haploscribe.embedding.deltas import DeltaReader
from haploscribe.embedding.stage import Embedded, read_addresses, write_addresses
from haploscribe.embedding.store import EmbeddingStore
from haploscribe.errors import InputError
from haploscribe.estimators.cross_gene.heterogeneity import Heterogeneity
from haploscribe.estimators.registry import wide_models
from haploscribe.evaluation.cross_validation import ManyGenes
from haploscribe.evaluation.folds import Fold, everyone, make_folds, prepare_fold, read_split
from haploscribe.expression.genes import Gene, GeneSplit, all_genes_seen, split_genes
from haploscribe.parallel.executor import Job, Opened, OpenedT, Workers
from haploscribe.utils.progress import Advance
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.run.cross_gene import read_heterogeneity


@dataclass(frozen=True, slots=True)
class GeneJobs:
    """What every process needs to work on any of the run's genes.

    Attributes
    ----------
    cohort
        The inputs, opened once in each process.
    index_folder
        Where the index of a plain FASTA is.
    variants
        Variant blocks, as the survey left them.
    evaluation
        Estimators and folds.
    store
        The embedding store; None where no estimator reads deltas.
    addresses
        File of the run's blocks in the store.
    finished
        Folder of the files that pieces of work leave; what is there is not done again.
    """

    cohort: CohortOptions
    index_folder: Path
    variants: Path
    evaluation: EvaluationOptions
    store: Path | None
    addresses: Path | None
    finished: Path

    @property
    def results(self) -> Path:
        """Where the results are made, to be put in place when all are there."""
        return self.finished / "results"

    def heterogeneity(self, fold: Fold) -> Path:
        """Folder of what all genes share in a fold."""
        return self.finished / f"heterogeneity-{fold.number}"

    def open(self) -> "OpenedJobs":
        """Open the cohort."""
        wide = bool(wide_models(self.evaluation.models))
        return OpenedJobs(self, open_surveyed(self.cohort, self.index_folder, self.variants, wide=wide))


def gene_jobs(
    checked: CheckedCohort, evaluation: EvaluationOptions, embedded: Embedded | None, finished: Path
) -> GeneJobs:
    """Describe the work on a run's genes, and leave the list of its blocks for whoever does it.

    Parameters
    ----------
    checked
        The cohort, its variants left for this.
    evaluation
        Estimators and folds.
    embedded
        The run's tiles; None where no estimator reads deltas.
    finished
        See `GeneJobs`.
    """
    addresses = None
    if embedded is not None:
        addresses = finished / "blocks.jsonl"
        write_addresses(addresses, embedded.addresses)
    return GeneJobs(
        cohort=checked.job.cohort,
        index_folder=checked.job.index_folder,
        variants=checked.variants,
        evaluation=evaluation,
        store=embedded.store_path if embedded else None,
        addresses=addresses,
        finished=finished,
    )


class OpenedJobs:
    """What a process keeps open while it works on genes.

    Parameters
    ----------
    jobs
        What is to be done.
    cohort
        The cohort that `jobs` opens.
    """

    def __init__(self, jobs: GeneJobs, cohort: Cohort) -> None:
        self.jobs = jobs
        self.cohort = cohort
        self.folds = folds_of(jobs.evaluation, cohort.match.shared)
        self.everyone = everyone(cohort.match.shared, self.folds)

    @property
    def fits(self) -> tuple[Fold, ...]:
        """All in which models are fitted: the folds, and everyone."""
        return (*self.folds, self.everyone)

    def close(self) -> None:
        """Close the cohort's files."""
        self.cohort.close()

    @cached_property
    def blocks(self) -> tuple[GeneSplit, ...]:
        """The run's split of genes."""
        return blocks_of(self.jobs.evaluation, self.cohort)

    @cached_property
    def stored(self) -> DeltaReader | None:
        """The embedded tiles."""
        if self.jobs.store is None or self.jobs.addresses is None:
            return None
        return DeltaReader(EmbeddingStore(self.jobs.store), read_addresses(self.jobs.addresses))

    @cached_property
    def heterogeneity(self) -> tuple[Heterogeneity, ...]:
        """What all genes of the table share in the samples of each of `fits`."""
        return tuple(read_heterogeneity(self.jobs.heterogeneity(fold)) for fold in self.fits)

    def many_genes(self) -> ManyGenes:
        """Give what estimators that learn from all genes together read."""
        cohort = self.cohort
        return ManyGenes(
            inputs=lambda number: cohort.gene_inputs(cohort.genes[number], self.stored),
            expression=cohort.values,
            covariates=cohort.covariates,
            normalisation=self.jobs.evaluation.normalize,
        )

    def prepared(self, expression: Float64Array, fold: Fold) -> Float64Array:
        """Prepare one gene's raw expression with what a fold's training samples teach; all samples."""
        return prepare_fold(expression, self.cohort.covariates, fold, self.jobs.evaluation.normalize)


Task = Callable[..., None]
"""Work on a gene, told what is open, the gene's number, its file, and what `each_gene` has for it."""


def each_gene(
    job: Job[OpenedT],
    here: Callable[[], OpenedT],
    genes: Sequence[Gene],
    workers: Workers,
    task: Task,
    file: Callable[[int], Path],
    arguments: Sequence[tuple[Any, ...]],
    advance: Advance,
) -> None:
    """Do a task for every gene that has not left its file yet.

    Parameters
    ----------
    job
        What is opened for it.
    here
        Gives what `job` opens, in this process.
    genes
        The genes.
    workers
        Who does it.
    task
        A function of a module, so that other processes find it.
    file
        What the task leaves for a gene, by the gene's place in `genes`.
    arguments
        What else the task is given, for each gene.
    advance
        Told of each gene done, those of an earlier, stopped run included.
    """
    # In genome order, so that those in work at one time share tiles.
    order = sorted(range(len(genes)), key=lambda i: (genes[i].contig, genes[i].tss))
    pieces = [
        _GenePiece(task, number, file(number), arguments[number])
        for number in order
        if not file(number).exists()
    ]
    advance(len(order) - len(pieces))
    for _ in workers.map(job, _do_gene, pieces, here):
        advance(1)


class _GenePiece(NamedTuple):
    """A task for one gene."""

    task: Task
    number: int
    file: Path
    arguments: tuple[Any, ...]


def _do_gene(opened: Opened, piece: _GenePiece) -> None:
    piece.task(opened, piece.number, piece.file, *piece.arguments)


def folds_of(options: EvaluationOptions, sample_ids: Sequence[str]) -> tuple[Fold, ...]:
    """Make the folds that every estimator of the run sees."""
    if options.split is not None:
        return (read_split(options.split, sample_ids).fold,)
    return make_folds(sample_ids, options.folds, options.seed)


def blocks_of(options: EvaluationOptions, cohort: Cohort) -> tuple[GeneSplit, ...]:
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
    blocks = split_genes(cohort.genes, spans, n_blocks)
    for block in blocks:
        if not block.training.size:
            raise InputError(
                f"--gene-split {n_blocks}: the cis windows of all other genes overlap those of block "
                f"{block.number}, so none is left to learn from; bring genes from farther away, or narrow "
                "--window"
            )
    return blocks
