"""Predict the expression of target samples at one gene with the saved models."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from haploscribe.estimators.inputs import GeneInputs, gene_inputs, haplotype_inputs
from haploscribe.utils.files import atomic_write
from haploscribe.utils.types import Float32Array, Float64Array, Int64Array
from haploscribe.workflows.predict.tables import NEW_PREDICTION_SCHEMA
from haploscribe.workflows.predict.target_samples import ContigColumns
from haploscribe.workflows.work import WorkContext


@dataclass(frozen=True, slots=True)
class TargetGene:
    """One gene to predict.

    Attributes
    ----------
    index
        Its index in the models' record.
    absent, wide_absent
        Columns of the cis window, and of the wide one, that the target file lacks.
    """

    index: int
    absent: "AbsentColumns"
    wide_absent: "AbsentColumns"


@dataclass(frozen=True, slots=True)
class AbsentColumns:
    """Dosage columns that the target file lacks.

    Attributes
    ----------
    indices
        int64 `(n_absent,)`; indices among the columns of a window.
    means
        float64 `(n_absent,)`; mean dosage of the training samples, which imputes all target samples.
    """

    indices: Int64Array
    means: Float64Array

    def filled(self, dosages: Float32Array, share: Float32Array) -> Float32Array:
        """Fill the absent columns with the means times each row's share, float32 `(n_samples,)`."""
        if not self.indices.size:
            return dosages
        filled = dosages.copy()
        filled[:, self.indices] = share[:, None] * self.means
        return filled


def absent_columns(columns: ContigColumns, *, filled: bool) -> AbsentColumns:
    """Return the columns of a window that the file lacks; none unless they are to be filled."""
    indices = np.flatnonzero(~columns.found) if filled else np.zeros(0, dtype=np.int64)
    return AbsentColumns(indices, columns.means[indices])


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
        _filled(read, target.absent, target.wide_absent, np.array(shares, dtype=np.float32))
        for read, shares in (
            (gene_inputs(windows, gene, context.deltas), [1.0] * n_samples),
            (haplotype_inputs(windows, gene, context.deltas), [0.5] * (2 * n_samples) + [0.0]),
        )
    )
    tables = [pl.DataFrame(schema=NEW_PREDICTION_SCHEMA)]
    for model, estimator in context.models.of_gene(target.index).items():
        if estimator.zero_shot:
            continue  # see `haploscribe.workflows.predict.zero_shot`
        single = estimator.predict(haplotypes)
        effects = (single[:-1] - single[-1]).reshape(n_samples, 2)
        columns = {
            "gene_id": gene.gene_id,
            "sample_id": list(inputs.sample_ids),
            "model": model,
            "predicted": estimator.predict(inputs),
            "standard_error": estimator.standard_errors(inputs),
            "haplotype_0": effects[:, 0],
            "haplotype_1": effects[:, 1],
        }
        tables.append(pl.DataFrame(columns, schema=NEW_PREDICTION_SCHEMA))
    with atomic_write(path) as aside:
        pl.concat(tables).write_parquet(aside)


def _filled(
    inputs: GeneInputs, absent: AbsentColumns, wide_absent: AbsentColumns, share: Float32Array
) -> GeneInputs:
    """Fill the columns that the file lacks, in both windows."""
    wide = inputs.wide
    if wide is not None:
        wide = replace(wide, dosages=wide_absent.filled(wide.dosages, share))
    return replace(inputs, dosages=absent.filled(inputs.dosages, share), wide=wide)
