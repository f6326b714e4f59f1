"""Fits all genes in all folds; a stopped run goes on with the genes not yet done."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from haploscribe.cohort.cohort import Cohort
from haploscribe.estimators.cross_gene.effect_prior import VariancePrior
from haploscribe.estimators.registry import estimator_factories
from haploscribe.evaluation.cross_validation import evaluate_gene
from haploscribe.parallel.executor import Workers
from haploscribe.utils.files import atomic_write
from haploscribe.utils.progress import Advance
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.run.context import GeneJobs, OpenedJobs, each_gene
from haploscribe.workflows.run.cross_gene import lessons_of


def fit_genes(
    jobs: GeneJobs,
    cohort: Cohort,
    workers: Workers,
    zero_shot: Mapping[str, Float64Array],
    priors: Sequence[Sequence[VariancePrior]] | None,
    advance: Advance,
) -> None:
    """Fit and predict every gene of the cohort in every fold, each leaving a file: `read_gene_fit`.

    Parameters
    ----------
    jobs
        What to do.
    cohort
        The cohort that `jobs` opens.
    workers
        Who does it.
    zero_shot
        float64 `(n_genes, n_samples)` for each zero-shot model of the run: what it predicts.
    priors
        For each gene, its priors, as `learn_priors` learned them; None where no estimator learns
        from other genes.
    advance
        Told of each gene done, those of an earlier, stopped run included.
    """
    each_gene(
        jobs,
        lambda: OpenedJobs(jobs, cohort),
        cohort.genes,
        workers,
        _fit_gene,
        lambda number: _file(jobs, number),
        fit_arguments(len(cohort.genes), zero_shot, priors),
        advance,
    )


def fit_arguments(
    n_genes: int,
    zero_shot: Mapping[str, Float64Array],
    priors: Sequence[Sequence[VariancePrior]] | None,
) -> list[tuple[dict[str, Float64Array], Sequence[VariancePrior] | None]]:
    """Part what all genes' fits take, as `fit_genes` has it, into what each takes."""
    return [
        ({model: by_gene[i] for model, by_gene in zero_shot.items()}, None if priors is None else priors[i])
        for i in range(n_genes)
    ]


def read_gene_fit(jobs: GeneJobs, number: int) -> pl.DataFrame:
    """Read one gene's out-of-fold predictions, as `evaluation.cross_validation` gives them."""
    return pl.read_parquet(_file(jobs, number))


def _file(jobs: GeneJobs, number: int) -> Path:
    return jobs.finished / f"predictions-{number:06d}.parquet"


def _fit_gene(
    opened: OpenedJobs,
    number: int,
    file: Path,
    zero_shot: Mapping[str, Float64Array],
    priors: Sequence[VariancePrior] | None,
) -> None:
    """Fit one gene and leave its predictions."""
    cohort, evaluation = opened.cohort, opened.jobs.evaluation
    predictions = evaluate_gene(
        replace(cohort.gene_inputs(cohort.genes[number], opened.stored), zero_shot=zero_shot),
        cohort.values[number],
        cohort.covariates,
        opened.folds,
        estimators=estimator_factories(evaluation.models, evaluation.seed),
        normalisation=evaluation.normalize,
        lessons=None if priors is None else lessons_of(opened.jobs, number, priors),
    )
    with atomic_write(file) as aside:
        predictions.write_parquet(aside)
