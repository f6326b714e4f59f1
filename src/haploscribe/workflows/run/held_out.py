"""Fit all models in all folds and gather their predictions of held-out samples; a stopped run resumes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from haploscribe.cohort.scan import VariantScan
from haploscribe.estimators.base import Estimator
from haploscribe.evaluation.cross_validation import evaluate, one_gene
from haploscribe.evaluation.metrics import gene_metrics, with_symbols
from haploscribe.parallel.executor import Executor, map_to_files
from haploscribe.results.tables import write_predictions
from haploscribe.utils.files import atomic_write
from haploscribe.utils.names import folder_name
from haploscribe.utils.progress import stage
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.run.existing import EarlierRun
from haploscribe.workflows.work import WorkContext

GENES_IN_MEMORY = 64
"""Genes whose predictions are measured at once: bounds memory, whatever the number of genes."""


@dataclass(frozen=True, slots=True)
class GeneItem:
    """One gene to fit, and what its fits take beside the cohort.

    Attributes
    ----------
    number
        Its index among the cohort's genes.
    zero_shot
        float64 `(n_samples,)` for each zero-shot model of the run: what it predicts.
    """

    number: int
    zero_shot: Mapping[str, Float64Array]


@dataclass(frozen=True, slots=True)
class MultiGeneFit:
    """One fit of a model that learns from all genes together.

    Attributes
    ----------
    model
        Estimator name.
    split, fold
        Indices among the run's splits of genes and folds.
    """

    model: str
    split: int
    fold: int


def gene_items(context: WorkContext, zero_shot: Mapping[str, Float64Array]) -> list[GeneItem]:
    """List the genes to fit, in genome order, so that those in work at one time share tiles.

    Parameters
    ----------
    context
        The run.
    zero_shot
        float64 `(n_genes, n_samples)` for each zero-shot model of the run: what it predicts.
    """
    return [
        GeneItem(number, {model: by_gene[number] for model, by_gene in zero_shot.items()})
        for number in context.cohort.genome_order()
    ]


def predict_held_out(
    context: WorkContext,
    scan: VariantScan,
    executor: Executor,
    items: Sequence[GeneItem],
    results: Path,
    earlier: EarlierRun | None = None,
) -> pl.DataFrame:
    """Predict held-out samples with every model, write the predictions, and measure them gene by gene.

    Parameters
    ----------
    context
        The run, open in this process.
    scan
        The variants of its genes.
    executor
        Runs the work.
    items
        From `gene_items`.
    results
        Folder for the table of predictions.
    earlier
        A finished run whose predictions are taken over, to the bit, before those of the run's own models.

    Returns
    -------
    One row per gene and model; `haploscribe.evaluation.metrics.METRIC_SCHEMA`, or `NAMED_METRIC_SCHEMA` where
    symbols of genes are known.
    """
    n_genes = len(context.cohort.genes)
    fits_genes = bool(model_makers(context, across_genes=False))
    if fits_genes:
        with stage("Fitting genes", n_genes, "genes") as advance:
            files = [(_gene_file(context, item.number), item) for item in items]
            map_to_files(executor, context.spec, _evaluate_gene, files, advance, context)
    fits = _multi_gene_fits(context)
    if fits:
        with stage("Fitting all genes together", len(fits), "fits") as advance:
            jobs = [(_fit_file(context, fit), fit) for fit in fits]
            map_to_files(executor, context.spec, _evaluate_genes, jobs, advance, context)

    metrics = []

    def measured() -> Iterator[pl.DataFrame]:
        for first in range(0, n_genes, GENES_IN_MEMORY):
            numbers = range(first, min(first + GENES_IN_MEMORY, n_genes))
            part = _read_predictions(context, fits, numbers, earlier, fits_genes=fits_genes)
            metrics.append(_measure(context, scan, part, earlier))
            yield part

    write_predictions(results, measured(), context.spec.folder)
    symbols = {gene.gene_id: gene.symbol for gene in context.cohort.genes}
    return with_symbols(pl.concat(metrics).sort("gene_id", "model"), symbols)


def _gene_file(context: WorkContext, number: int) -> Path:
    return context.spec.folder / f"predictions-{number:06d}.parquet"


def _fit_file(context: WorkContext, fit: MultiGeneFit) -> Path:
    return (
        context.spec.folder / f"{folder_name(fit.model, 'model')}-split-{fit.split}-fold-{fit.fold}.parquet"
    )


def _multi_gene_fits(context: WorkContext) -> list[MultiGeneFit]:
    """List the run's fits of models that learn from all genes together."""
    return [
        MultiGeneFit(model, split, fold)
        for model in model_makers(context, across_genes=True)
        for split in range(len(context.gene_splits))
        for fold in range(len(context.folds))
    ]


def model_makers(context: WorkContext, *, across_genes: bool) -> dict[str, Callable[[], Estimator]]:
    """Return what makes the run's estimators, of those that learn across genes or of the others."""
    specs = context.estimators
    return {name: spec.make for name, spec in specs.items() if spec.capabilities.across_genes == across_genes}


def _evaluate_gene(context: WorkContext, item: GeneItem, path: Path) -> None:
    """Fit one gene in every fold and write its out-of-fold predictions."""
    makers = model_makers(context, across_genes=False)
    predictions = evaluate(context.dataset(item.zero_shot), one_gene(item.number), context.folds, makers)
    with atomic_write(path) as aside:
        predictions.write_parquet(aside)


def _evaluate_genes(context: WorkContext, fit: MultiGeneFit, path: Path) -> None:
    """Fit one model on all genes of a split in one fold and write its predictions."""
    split, folds = context.gene_splits[fit.split], [context.folds[fit.fold]]
    predictions = evaluate(context.dataset(), split, folds, {fit.model: context.estimators[fit.model].make})
    with atomic_write(path) as aside:
        predictions.write_parquet(aside)


def _read_predictions(
    context: WorkContext,
    fits: Sequence[MultiGeneFit],
    numbers: Sequence[int],
    earlier: EarlierRun | None,
    *,
    fits_genes: bool,
) -> pl.DataFrame:
    """Read the predictions of some genes: gene after gene, fold after fold, in the models' order."""
    tables = [pl.read_parquet(_gene_file(context, number)) for number in numbers if fits_genes]
    ids = [context.cohort.genes[number].gene_id for number in numbers]
    if fits:
        found = pl.scan_parquet([_fit_file(context, fit) for fit in fits])
        tables.append(found.filter(pl.col("gene_id").is_in(ids)).collect())
    models = context.evaluation.models
    if earlier is not None:
        tables.append(earlier.predictions(ids))
        models = (*earlier.models, *models)
    gene_rank = {gene_id: i for i, gene_id in enumerate(ids)}
    model_rank = {model: i for i, model in enumerate(models)}
    return pl.concat(tables).sort(
        pl.col("gene_id").replace_strict(gene_rank),
        "fold",
        pl.col("model").replace_strict(model_rank),
        maintain_order=True,
    )


def _measure(
    context: WorkContext, scan: VariantScan, predictions: pl.DataFrame, earlier: EarlierRun | None
) -> pl.DataFrame:
    """Measure predictions; `n_variants` of models of the wide window counts that window."""
    ids = [gene.gene_id for gene in context.cohort.genes]
    metrics = gene_metrics(predictions, dict(zip(ids, scan.n_variants.tolist(), strict=True)))
    if scan.n_wide_variants is None:
        return metrics
    n_wide = dict(zip(ids, scan.n_wide_variants.tolist(), strict=True))
    specs = (*(earlier.specs.values() if earlier else ()), *context.estimators.values())
    wide = [spec.name for spec in specs if spec.capabilities.reads_wide]
    is_wide = pl.col("model").is_in(wide)
    counted = pl.when(is_wide).then(pl.col("gene_id").replace_strict(n_wide))
    return metrics.with_columns(n_variants=counted.otherwise(pl.col("n_variants")))
