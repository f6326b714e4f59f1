"""Predict the expression of target samples at one gene with the saved models."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from haploscribe.estimators.inputs import DosageMeans, GeneInputs, gene_inputs, haplotype_inputs
from haploscribe.utils.files import atomic_write
from haploscribe.utils.types import BoolArray, Float32Array
from haploscribe.workflows.predict.tables import NEW_PREDICTION_SCHEMA
from haploscribe.workflows.work import WorkContext


@dataclass(frozen=True, slots=True)
class TargetGene:
    """One gene to predict.

    Attributes
    ----------
    index
        Its index in the models' record.
    means
        Mean dosages of the training samples, which impute missing ones.
    absent, wide_absent
        bool `(n_variants,)`; columns of the cis window, and of the wide one, that the target file lacks and
        that are imputed in all samples.
    """

    index: int
    means: DosageMeans
    absent: BoolArray
    wide_absent: BoolArray


def predict_gene(context: WorkContext, target: TargetGene, path: Path) -> None:
    """Predict one gene with all its models, and write a table of `NEW_PREDICTION_SCHEMA`.

    Parameters
    ----------
    context
        The target samples and the models.
    target
        The gene.
    path
        Where the table goes, as Parquet.
    """
    windows, gene = context.windows, context.windows.genes[target.index]
    n_samples = len(windows.genotypes.sample_ids)
    inputs, haplotypes = (
        _imputed(read, target, np.array(shares, dtype=np.float32))
        for read, shares in (
            (gene_inputs(windows, gene, context.deltas), [1.0] * n_samples),
            (haplotype_inputs(windows, gene, context.deltas), [0.5] * (2 * n_samples) + [0.0]),
        )
    )
    tables = [pl.DataFrame(schema=NEW_PREDICTION_SCHEMA)]
    for model, estimator in context.models.of_gene(target.index).items():
        if estimator.zero_shot:
            continue  # see `haploscribe.workflows.predict.zero_shot`
        single = estimator.predict(estimator.select(haplotypes))
        read = estimator.select(inputs)
        effects = (single[:-1] - single[-1]).reshape(n_samples, 2)
        columns = {
            "gene_id": gene.gene_id,
            "sample_id": list(inputs.sample_ids),
            "model": model,
            "predicted": estimator.predict(read),
            "standard_error": estimator.standard_errors(read),
            "haplotype_0": effects[:, 0],
            "haplotype_1": effects[:, 1],
        }
        tables.append(pl.DataFrame(columns, schema=NEW_PREDICTION_SCHEMA))
    with atomic_write(path) as aside:
        pl.concat(tables).write_parquet(aside)


def _imputed(inputs: GeneInputs, target: TargetGene, share: Float32Array) -> GeneInputs:
    """Impute what the file lacks, and missing calls, in both windows; times the share of each row."""
    wide = inputs.wide
    if wide is not None:
        wide = replace(
            wide,
            dosages=_without(wide.dosages, target.wide_absent),
            hard_calls=None if wide.hard_calls is None else _without(wide.hard_calls, target.wide_absent),
        )
    known = replace(
        inputs,
        dosages=_without(inputs.dosages, target.absent),
        hard_calls=None if inputs.hard_calls is None else _without(inputs.hard_calls, target.absent),
        wide=wide,
    )
    return known.filled(target.means, share)


def _without(dosages: Float32Array, absent: BoolArray) -> Float32Array:
    """Mark the columns that the file lacks as missing."""
    if not absent.any():
        return dosages
    return np.where(absent, np.float32(np.nan), dosages)
