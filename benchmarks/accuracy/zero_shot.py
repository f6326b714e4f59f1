"""Measure zero-shot Xpresso on 300 genes of 358 real samples, across samples and across genes.

FILE is Xpresso's Keras model for GM12878. Samples, genes, folds and covariates are those of `accuracy`.
Nothing is fitted: a sample's prediction is Xpresso's in every fold, brought to the scale of the expression.
"""

import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch
from scipy.stats import pearsonr, spearmanr

from benchmarks.common.cohort import benchmark_cohort
from benchmarks.common.options import benchmark_parser
from benchmarks.common.pages import stamp, write_page
from haploscribe._version import __version__
from haploscribe.cohort.cohort import Cohort, open_cohort
from haploscribe.config.options import EvaluationOptions
from haploscribe.estimators.inputs import gene_inputs
from haploscribe.estimators.zero_shot import ZeroShot
from haploscribe.evaluation.cross_validation import GeneDataset, evaluate, one_gene
from haploscribe.evaluation.folds import run_folds
from haploscribe.evaluation.metrics import (
    FALSE_DISCOVERY_RATE,
    benjamini_hochberg,
    gene_metrics,
    summarise_models,
)
from haploscribe.utils.progress import stage
from haploscribe.utils.types import Float64Array
from haploscribe.zero_shot.base import SequenceModel
from haploscribe.zero_shot.predictions import GenePredictions, predict_gene
from haploscribe.zero_shot.xpresso import read_xpresso


@dataclass(frozen=True)
class Measured:
    """Predictions and metrics of all genes.

    Attributes
    ----------
    metrics
        One row per gene: the columns of `evaluation.metrics.METRIC_SCHEMA`, and `varies`: whether the
        prediction differs between any two samples.
    predictions
        In the order of the cohort's genes.
    rpkm
        float64 `(n_genes, n_samples)`; expression as read.
    seconds
        Wall-clock time of the predictions alone.
    """

    metrics: pl.DataFrame
    predictions: list[GenePredictions]
    rpkm: Float64Array
    seconds: float


def measure(cohort: Cohort, model: SequenceModel) -> Measured:
    """Predict every gene and evaluate it across the samples of each fold."""
    options = EvaluationOptions()
    folds = run_folds(options, cohort.match.shared)
    predictions, tables, n_variants = [], [], {}
    seconds = 0.0
    with stage(f"Predicting with {model.name}", len(cohort.genes), "genes") as advance:
        for gene, values in zip(cohort.genes, cohort.values, strict=True):
            started = time.monotonic()
            predictions.append(predict_gene(model, cohort.genotypes, gene))
            seconds += time.monotonic() - started
            zero_shot = {model.name: predictions[-1].samples}
            inputs = replace(gene_inputs(cohort, gene, None), zero_shot=zero_shot)
            n_variants[gene.gene_id] = len(inputs.positions)
            tables.append(
                evaluate(
                    GeneDataset(
                        {0: inputs}.__getitem__, values[None, :], cohort.covariates, options.normalize
                    ),
                    one_gene(0),
                    folds,
                    {model.name: partial(ZeroShot, model.name)},
                )
            )
            advance(1)
    varies = {
        gene.gene_id: bool(np.ptp(found.samples) > 0)
        for gene, found in zip(cohort.genes, predictions, strict=True)
    }
    metrics = gene_metrics(pl.concat(tables), n_variants)
    return Measured(
        metrics=metrics.with_columns(varies=pl.col("gene_id").replace_strict(varies)),
        predictions=predictions,
        rpkm=cohort.values,
        seconds=seconds,
    )


def sample_lines(measured: Measured, model: SequenceModel) -> list[str]:
    """Format the results across samples, gene by gene."""
    r = measured.metrics["pearson_r"].to_numpy()
    varying = r[measured.metrics["varies"].to_numpy()]
    summary = summarise_models(measured.metrics)[model.name]
    error = r.std(ddof=1) / r.size**0.5
    # The p-values are one-sided, for correlation above 0; their complements, below.
    opposite = benjamini_hochberg(1 - measured.metrics["pearson_p"].to_numpy())
    n_opposite = np.count_nonzero(opposite <= FALSE_DISCOVERY_RATE)
    return [
        "| across samples, gene by gene | |",
        "|---|---|",
        f"| mean r | {summary['mean_r']:.4f} (standard error {error:.4f}) |",
        f"| median r | {summary['median_r']:.4f} |",
        f"| genes predicted, FDR 5 % | {summary['n_significant']} |",
        f"| genes predicted with the wrong sign, FDR 5 % | {n_opposite} |",
        f"| genes with one prediction for all samples | {r.size - varying.size} |",
        f"| negative r, of the {varying.size} other genes | {np.mean(varying < 0):.1%} |",
        "",
        "r is the mean over the 5 folds of `accuracy` of Pearson's correlation in held-out "
        "samples, with expression prepared as there; 0 in a fold where the prediction is constant.",
    ]


def gene_lines(measured: Measured) -> list[str]:
    """Format the results across genes, on the reference."""
    reference = np.array([found.reference for found in measured.predictions])
    lines = ["| across genes, on the reference | Pearson r (95 % interval) | Spearman r |", "|---|---|---|"]
    typical = {"mean": measured.rpkm.mean(axis=1), "median": np.median(measured.rpkm, axis=1)}
    for name, rpkm in typical.items():
        expression = np.log10(rpkm + 0.1)
        found = pearsonr(reference, expression)
        low, high = found.confidence_interval()
        ranked = spearmanr(reference, expression).statistic
        lines.append(f"| with the {name} | {found.statistic:.3f} ({low:.3f} to {high:.3f}) | {ranked:.3f} |")
    return [
        *lines,
        "",
        "Against log10 of the mean or median RPKM over samples, plus 0.1. The median leaves out what a few "
        "clones do to immunoglobulin genes in cell lines.",
    ]


def page(measured: Measured, model: SequenceModel, command: str) -> list[str]:
    """Format the page: command, versions, data, results."""
    n_genes, n_samples = measured.rpkm.shape
    passes = sum(found.forward_passes for found in measured.predictions)
    naive = 2 * n_samples * n_genes
    return [
        "# Geuvadis, chromosome 22: Xpresso, zero-shot",
        "",
        f"{stamp(command)}, haploscribe {__version__}, "
        f"Python {platform.python_version()}, torch {torch.__version__}.",
        "",
        f"{n_genes} genes, {n_samples} samples, {model.upstream:,} bp before and {model.downstream:,} bp "
        "from the TSS on, variants with MAF of 1 % or more. A sample's prediction is the mean of their "
        "two haplotypes'; the model's half-life features are 0.",
        "",
        *sample_lines(measured, model),
        "",
        *gene_lines(measured),
        "",
        f"{passes:,} forward passes, one for each unique haplotype of a gene, in place of {naive:,} "
        f"({naive / passes:.0f} times fewer), in {measured.seconds:.0f} s with the reading of variants.",
        "",
    ]


def main(argv: Sequence[str]) -> None:
    """Run the benchmark and write its table."""
    parser = benchmark_parser("zero_shot", __doc__, every=1)
    parser.add_argument("--xpresso", type=Path, required=True)
    arguments = parser.parse_args(argv)
    model = read_xpresso(arguments.xpresso)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = benchmark_cohort(arguments.source, folder, every=arguments.every)
        with open_cohort(options, folder) as cohort:
            measured = measure(cohort, model)
    command = f"zero_shot --source FOLDER --xpresso {arguments.xpresso.name} --every {arguments.every}"
    write_page(arguments.table, page(measured, model, command))
