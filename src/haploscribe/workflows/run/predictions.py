"""Fits all models of a run and gathers what they predict of held-out samples."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import polars as pl

from haploscribe.cohort.cohort import Cohort
from haploscribe.cohort.validated import CheckedCohort
from haploscribe.estimators.cross_gene.effect_prior import VariancePrior
from haploscribe.estimators.registry import estimator_factories, wide_models
from haploscribe.parallel.executor import Workers
from haploscribe.results.tables import write_predictions
from haploscribe.utils.progress import stage
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.run.context import GeneJobs
from haploscribe.workflows.run.gene_fits import fit_genes, read_gene_fit
from haploscribe.workflows.run.multi_gene_fits import SharedFit, fit_shared, read_shared_fits, shared_fits

GENES_IN_MEMORY = 64
"""Genes whose predictions are measured at once: bounds memory, whatever the number of genes."""


def predict_held_out(
    jobs: GeneJobs,
    checked: CheckedCohort,
    workers: Workers,
    zero_shot: Mapping[str, Float64Array],
    priors: Sequence[Sequence[VariancePrior]] | None,
) -> pl.DataFrame:
    """Predict held-out samples with every model, write that, and measure it gene by gene.

    Parameters
    ----------
    jobs
        What to do.
    checked
        The cohort and what its variants are like.
    workers
        Who fits.
    zero_shot
        float64 `(n_genes, n_samples)` for each zero-shot model of the run: what it predicts.
    priors
        For each gene, its priors, as `learn_priors` learned them; None where no estimator learns from other
        genes.

    Returns
    -------
    One row a gene and model; `haploscribe.evaluation.metrics.METRIC_SCHEMA`.
    """
    cohort = checked.surveyed
    n_genes = len(cohort.genes)
    fits_genes = bool(estimator_factories(jobs.evaluation.models, jobs.evaluation.seed))
    if fits_genes:
        with stage("Fitting genes", n_genes, "genes") as advance:
            fit_genes(jobs, cohort, workers, zero_shot, priors, advance)
    fits = shared_fits(jobs, cohort)
    if fits:
        with stage("Fitting all genes together", len(fits), "fits") as advance:
            fit_shared(jobs, cohort, workers, fits, advance)

    metrics = []

    def measured() -> Iterator[pl.DataFrame]:
        for first in range(0, n_genes, GENES_IN_MEMORY):
            numbers = range(first, min(first + GENES_IN_MEMORY, n_genes))
            part = _read_predictions(jobs, cohort, fits, numbers if fits_genes else (), numbers)
            metrics.append(checked.measure(part, wide_models(jobs.evaluation.models)))
            yield part

    write_predictions(jobs.results, measured(), jobs.finished)
    return pl.concat(metrics).sort("gene_id", "model")


def _read_predictions(
    jobs: GeneJobs, cohort: Cohort, fits: Sequence[SharedFit], fitted: Iterable[int], numbers: Sequence[int]
) -> pl.DataFrame:
    """Read what was left of some genes: gene after gene, fold after fold, in the models' order."""
    tables = [read_gene_fit(jobs, number) for number in fitted]
    ids = [cohort.genes[number].gene_id for number in numbers]
    if fits:
        tables.append(read_shared_fits(jobs, fits, ids))
    places = {gene_id: i for i, gene_id in enumerate(ids)}
    model_places = {model: i for i, model in enumerate(jobs.evaluation.models)}
    return pl.concat(tables).sort(
        pl.col("gene_id").replace_strict(places),
        "fold",
        pl.col("model").replace_strict(model_places),
        maintain_order=True,
    )
