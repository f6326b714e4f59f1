"""Compare predictions of target samples with their measured expression."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl

from haploscribe.cohort.cohort import SampleMatch, match_samples
from haploscribe.config.finished_runs import PredictionOptions
from haploscribe.config.options import MODELS_NAME, Normalisation
from haploscribe.errors import InputError
from haploscribe.evaluation.bootstrap import genome_order
from haploscribe.evaluation.cross_validation import PREDICTION_SCHEMA
from haploscribe.evaluation.external import validate_genes, validate_models
from haploscribe.evaluation.folds import MIN_SAMPLES
from haploscribe.evaluation.metrics import with_symbols
from haploscribe.evaluation.paired import compare_models
from haploscribe.expression.covariates import read_covariates_of
from haploscribe.expression.gene_annotation import same_ids
from haploscribe.expression.genes import Gene
from haploscribe.expression.normalise import check_normalisation, prepare
from haploscribe.expression.table import read_expression
from haploscribe.expression.text_tables import listed
from haploscribe.genome.readers.open import open_variants
from haploscribe.results.models_folder import ModelsRecord
from haploscribe.results.tables import SUMMARY, Results, read_results
from haploscribe.results.tables import scan_predictions as scan_run_predictions
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.predict.tables import scan_predictions

_GENES_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Validation:
    """Predictions of target samples, measured against their expression.

    Attributes
    ----------
    genes
        One row per gene and model; `haploscribe.evaluation.external.NAMED_VALIDATION_SCHEMA` where symbols
        of genes are known, else `VALIDATION_SCHEMA`.
    models
        One row per model; `haploscribe.evaluation.external.MODEL_VALIDATION_SCHEMA`.
    comparison
        One row per ordered pair of models; `haploscribe.evaluation.paired.COMPARISON_SCHEMA`.
    summary
        Which samples and genes were compared, by its names in print.
    """

    genes: pl.DataFrame
    models: pl.DataFrame
    comparison: pl.DataFrame
    summary: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TargetExpression:
    """Expression of target samples at the genes of saved models.

    Attributes
    ----------
    match
        The samples that genotypes and expression share; `match.shared` is the order of the sample axis.
    rows
        For each gene of the models that the table has, by its ID in the models, its row in `values`.
    values
        float64 `(n_genes, n_samples)`; normalised, and corrected for covariates, in these samples.
    absent
        IDs of the genes of the models that the table lacks.
    run
        Results of the run that trained the models; None where its folder is not around them.
    """

    match: SampleMatch
    rows: Mapping[str, int]
    values: Float64Array
    absent: tuple[str, ...]
    run: Results | None

    def of(self, gene_ids: Sequence[str]) -> pl.DataFrame:
        """Return the rows `gene_id`, `sample_id` and `observed` of some genes, those of `rows` alone."""
        found = [gene_id for gene_id in gene_ids if gene_id in self.rows]
        samples = self.match.shared
        columns = {
            "gene_id": np.repeat(np.array(found, dtype=object), len(samples)).tolist(),
            "sample_id": list(samples) * len(found),
            "observed": self.values[[self.rows[gene_id] for gene_id in found]].ravel(),
        }
        return pl.DataFrame(columns, schema={name: PREDICTION_SCHEMA[name] for name in columns})


def read_target_expression(
    options: PredictionOptions, record: ModelsRecord, index_folder: Path
) -> TargetExpression | None:
    """Read expression and covariates of the target samples, and prepare them as in training.

    Normalisation and regression on covariates are fitted on the target samples, by the method of the
    models' record. Predictions have no part in it.

    Parameters
    ----------
    options
        The inputs.
    record
        The models' record, perhaps with only some of its genes.
    index_folder
        Where an index of the variants may be written when they have none.

    Returns
    -------
    The expression; None where none is given.

    Raises
    ------
    InputError
        When a table is at fault or does not suit the normalisation, no gene or fewer than 3 samples are
        shared, the covariates lack samples, or the results around the models are damaged.
    """
    if options.expression is None:
        return None
    # Genes are matched by ID: where the table has them does not matter.
    table = read_expression(options.expression, position="end")
    with open_variants(options.variants, index_folder, assume_phased=options.assume_phased) as reader:
        match = match_samples(reader.sample_ids, table.sample_ids)
    if len(match.shared) < MIN_SAMPLES:
        raise InputError(
            f"{options.expression} and {options.variants} share {len(match.shared)} samples "
            f"({listed(match.shared)}); at least {MIN_SAMPLES} are needed for a correlation"
        )
    row_of = {gene.gene_id: row for row, gene in enumerate(table.genes)}
    matched = same_ids(record.genes, table.genes)
    rows = {
        gene.gene_id: row_of[same[0].gene_id]
        for gene, same in zip(record.genes, matched, strict=True)
        if same
    }
    if not rows:
        raise InputError(
            f"{options.expression} has none of the {len(record.genes)} genes to predict: its ids look like "
            f"{table.genes[0].gene_id}, those of the models like {record.genes[0].gene_id}; name them alike"
        )
    covariates = None
    if options.covariates is not None:
        covariates = read_covariates_of(options.covariates, match.shared, "covariates")
    method = cast("Normalisation", record.normalize)
    table = table.take_samples(match.shared).take_genes(np.array(list(rows.values()), dtype=np.int64))
    check_normalisation(table, method)
    everyone = np.ones(len(match.shared), dtype=np.bool_)
    return TargetExpression(
        match=match,
        rows={gene_id: row for row, gene_id in enumerate(rows)},
        values=np.stack([prepare(values, covariates, everyone, method) for values in table.values]),
        absent=tuple(gene.gene_id for gene in record.genes if gene.gene_id not in rows),
        run=_results_around(options.models),
    )


def _results_around(models: Path) -> Results | None:
    """Read the results of the run that a folder of models lies in; None where they were copied away."""
    folder = models.absolute().parent
    if models.absolute().name != MODELS_NAME or not (folder / SUMMARY).is_file():
        return None
    return read_results(folder)


def validate(
    expression: TargetExpression,
    genes: Sequence[Gene],
    files: Sequence[Sequence[Path]],
    n_variants: Mapping[str, int],
    models: Path,
) -> Validation:
    """Measure the predictions of target samples.

    Parameters
    ----------
    expression
        Their expression.
    genes
        The genes that were predicted; at least one has expression.
    files
        For each gene, its predictions: Parquet files of `NEW_PREDICTION_SCHEMA`.
    n_variants
        For each gene, the number of variants that its models know.
    models
        The folder of the models.
    """
    measured = [
        (gene, own) for gene, own in zip(genes, files, strict=True) if gene.gene_id in expression.rows
    ]
    metrics = None if expression.run is None else expression.run.metrics
    tables = []
    for first in range(0, len(measured), _GENES_AT_ONCE):
        batch = measured[first : first + _GENES_AT_ONCE]
        predicted = scan_predictions([file for _, own in batch for file in own]).collect()
        observed = expression.of([gene.gene_id for gene, _ in batch])
        both = predicted.join(observed, on=["gene_id", "sample_id"], maintain_order="left")
        one_fold = both.with_columns(fold=pl.lit(1, pl.Int64)).select(PREDICTION_SCHEMA.names())
        tables.append(validate_genes(one_fold, n_variants, metrics))
    table = pl.concat(tables).sort("gene_id", "model")
    order = genome_order([gene for gene, _ in measured])
    return Validation(
        genes=with_symbols(table, {gene.gene_id: gene.symbol for gene, _ in measured}),
        models=validate_models(table, order),
        comparison=compare_models(table, order),
        summary=_summary(expression, len(measured), len(genes), models),
    )


def require_measured(expression: TargetExpression, genes: Sequence[Gene]) -> None:
    """Raise InputError if no gene to predict has expression."""
    if not any(gene.gene_id in expression.rows for gene in genes):
        raise InputError(
            f"none of the {len(expression.rows)} genes that --expression has can be predicted, as too few of "
            "their variants were found; impute them, or see --min-coverage and --absent-is-reference"
        )


def _summary(expression: TargetExpression, n_measured: int, n_predicted: int, models: Path) -> dict[str, str]:
    """Say which samples and genes were compared, and what is not known."""
    summary = {
        "samples with expression": expression.match.describe(),
        "genes validated": f"{n_measured:,} of {n_predicted:,} predicted",
    }
    if expression.absent:
        n_absent = len(expression.absent)
        summary["genes that --expression lacks"] = f"{n_absent:,} ({listed(expression.absent)})"
    if expression.run is None:
        summary["r of the run"] = (
            f"not known, as {models} is not in the results of its run; columns of it are empty"
        )
    elif again := _samples_of_run(expression, models):
        summary["samples that the run had too, so that r is too high"] = f"{len(again):,} ({listed(again)})"
    return summary


def _samples_of_run(expression: TargetExpression, models: Path) -> list[str]:
    """Return the shared samples that are in the run's held-out predictions, and so trained its models."""
    assert expression.run is not None
    one_gene = pl.col("gene_id") == expression.run.metrics["gene_id"][0]
    rows = scan_run_predictions(models.absolute().parent).filter(one_gene).select("sample_id")
    return sorted(set(rows.collect()["sample_id"]) & set(expression.match.shared))
