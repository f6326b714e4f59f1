"""Fits the models that learn from all genes together; a stopped run goes on with the fits not yet done."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from haploscribe.cohort.cohort import Cohort
from haploscribe.estimators.registry import shared_factories
from haploscribe.evaluation.cross_validation import evaluate_shared
from haploscribe.evaluation.folds import Fold
from haploscribe.expression.genes import GeneSplit
from haploscribe.parallel.executor import Workers
from haploscribe.utils.files import atomic_write
from haploscribe.utils.progress import Advance
from haploscribe.workflows.run.context import GeneJobs, OpenedJobs, blocks_of, folds_of


@dataclass(frozen=True, slots=True)
class SharedFit:
    """One fit: a model, the samples and the genes it learns from.

    Attributes
    ----------
    model
        Estimator name.
    block, fold
        Places among the run's blocks of genes and folds.
    """

    model: str
    block: int
    fold: int

    def file(self, jobs: GeneJobs) -> Path:
        """Where its predictions go."""
        return jobs.finished / f"{self.model}-block-{self.block}-fold-{self.fold}.parquet"


def shared_fits(jobs: GeneJobs, cohort: Cohort) -> list[SharedFit]:
    """List the run's fits, one for each shared model, block of genes and fold."""
    models = shared_factories(jobs.evaluation.models, jobs.evaluation.seed)
    n_blocks = len(blocks_of(jobs.evaluation, cohort))
    n_folds = len(folds_of(jobs.evaluation, cohort.match.shared))
    return [
        SharedFit(model, block, fold)
        for model in models
        for block in range(n_blocks)
        for fold in range(n_folds)
    ]


def fit_shared(
    jobs: GeneJobs, cohort: Cohort, workers: Workers, fits: Sequence[SharedFit], advance: Advance
) -> None:
    """Do the fits, each leaving a file: `read_shared_fits`.

    Parameters
    ----------
    jobs
        What to do.
    cohort
        The cohort that `jobs` opens.
    workers
        Who does it.
    fits
        Of `shared_fits`.
    advance
        Told of each fit done, those of an earlier, stopped run included.
    """
    remaining = [fit for fit in fits if not fit.file(jobs).exists()]
    advance(len(fits) - len(remaining))
    for _ in workers.map(jobs, _fit, remaining, lambda: OpenedJobs(jobs, cohort)):
        advance(1)


def read_shared_fits(jobs: GeneJobs, fits: Sequence[SharedFit], gene_ids: Sequence[str]) -> pl.DataFrame:
    """Read predictions of some genes, as `evaluation.shared_cross_validation` gives them, fit after fit."""
    found = pl.scan_parquet([fit.file(jobs) for fit in fits])
    return found.filter(pl.col("gene_id").is_in(gene_ids)).collect()


def _fit(opened: OpenedJobs, fit: SharedFit) -> None:
    """Do one fit in this process and leave its file."""
    jobs = opened.jobs
    fold: Fold = opened.folds[fit.fold]
    block: GeneSplit = opened.blocks[fit.block]
    make = shared_factories([fit.model], jobs.evaluation.seed)[fit.model]
    predictions = evaluate_shared(opened.many_genes(), fold, block, fit.model, make)
    with atomic_write(fit.file(jobs)) as aside:
        predictions.write_parquet(aside)
