"""Fits all genes in all folds; a stopped run goes on with the genes not yet done."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from haploscribe.arrays import Float64Array
from haploscribe.atomic import written_aside
from haploscribe.cohort import Cohort
from haploscribe.estimators.registry import estimator_factories
from haploscribe.evaluation.cross_validation import evaluate_gene
from haploscribe.evaluation.lessons import Lesson
from haploscribe.gene_jobs import GeneJobs, OpenedJobs, each_gene
from haploscribe.progress import Advance


def fit_genes(
    jobs: GeneJobs,
    cohort: Cohort,
    zero_shot: Mapping[str, Float64Array],
    lessons: Sequence[Sequence[Lesson]] | None,
    advance: Advance,
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
    lessons
        For each gene, what the others teach it in each fold; None where no estimator asks for it.
    advance
        Told of each gene done, those of an earlier, stopped run included.

    Returns
    -------
    polars.DataFrame
        Out-of-fold predictions, as `evaluation.cross_validation` gives them, gene after gene.
    """
    numbers = range(len(cohort.genes))
    arguments = [
        ({model: by_gene[i] for model, by_gene in zero_shot.items()}, None if lessons is None else lessons[i])
        for i in numbers
    ]

    def file(number: int) -> Path:
        return jobs.finished / f"predictions-{number:06d}.parquet"

    each_gene(jobs, cohort, _fit_gene, file, arguments, advance)
    return pl.concat([pl.read_parquet(file(number)) for number in numbers])


def _fit_gene(
    opened: OpenedJobs,
    number: int,
    file: Path,
    zero_shot: Mapping[str, Float64Array],
    lessons: Sequence[Lesson] | None,
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
        lessons=lessons,
    )
    with written_aside(file) as aside:
        predictions.write_parquet(aside)
