"""Fits the models that learn from all genes together; a stopped run goes on with the fits not yet done."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from joblib import Parallel, delayed

from haploscribe.atomic import written_aside
from haploscribe.cohort import Cohort
from haploscribe.estimators.registry import shared_factories
from haploscribe.evaluation.folds import Fold
from haploscribe.evaluation.shared_cross_validation import ManyGenes, evaluate_shared
from haploscribe.expression.gene_blocks import GeneBlock
from haploscribe.gene_jobs import GeneJobs, OpenedJobs, blocks_of, folds_of, one_thread, opened_in_worker
from haploscribe.progress import Advance


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


def fit_shared(jobs: GeneJobs, cohort: Cohort, fits: Iterable[SharedFit], advance: Advance) -> pl.DataFrame:
    """Do the fits, several processes side by side.

    Parameters
    ----------
    jobs
        What to do.
    cohort
        The cohort that `jobs.cohort` opens.
    fits
        One at least, of `shared_fits`.
    advance
        Told of each fit done, those of an earlier, stopped run included.

    Returns
    -------
    polars.DataFrame
        Predictions of held-out samples, as `evaluation.shared_cross_validation` gives them, fit after fit.
    """
    wanted = list(fits)
    remaining = [fit for fit in wanted if not fit.file(jobs).exists()]
    advance(len(wanted) - len(remaining))
    workers = min(jobs.evaluation.jobs, len(remaining))
    if workers <= 1:
        opened = OpenedJobs(jobs, cohort)
        done: Iterable[SharedFit] = (_fit(jobs, opened, fit) for fit in remaining)
    else:
        parallel = Parallel(n_jobs=workers, return_as="generator_unordered")
        done = parallel(delayed(_fit_in_worker)(jobs, fit) for fit in remaining)
    for _ in done:
        advance(1)
    return pl.concat([pl.read_parquet(fit.file(jobs)) for fit in wanted])


def _fit_in_worker(jobs: GeneJobs, fit: SharedFit) -> SharedFit:
    return _fit(jobs, opened_in_worker(jobs), fit)


def _fit(jobs: GeneJobs, opened: OpenedJobs, fit: SharedFit) -> SharedFit:
    """Do one fit in this process and leave its file; return it."""
    cohort = opened.cohort
    genes = ManyGenes(
        inputs=lambda number: cohort.gene_inputs(cohort.genes[number], opened.stored),
        expression=cohort.values,
        covariates=cohort.covariates,
        normalisation=jobs.evaluation.normalize,
    )
    fold: Fold = opened.folds[fit.fold]
    block: GeneBlock = opened.blocks[fit.block]
    make = shared_factories([fit.model], jobs.evaluation.seed)[fit.model]
    with one_thread():
        predictions = evaluate_shared(genes, fold, block, fit.model, make)
    with written_aside(fit.file(jobs)) as aside:
        predictions.write_parquet(aside)
    return fit
