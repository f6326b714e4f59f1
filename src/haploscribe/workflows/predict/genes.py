"""Predicts new people's expression with kept models, gene by gene; a stopped job goes on where it was."""

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
    number
        Its index in the models' record.
    absent, wide_absent
        What the target file lacks of the cis window, and of the wide one.
    """

    number: int
    absent: "AbsentColumns"
    wide_absent: "AbsentColumns"


@dataclass(frozen=True, slots=True)
class AbsentColumns:
    """Dosage columns that new people's file lacks.

    Attributes
    ----------
    places
        int64 `(n_absent,)`; among the columns of a window.
    means
        float64 `(n_absent,)`; mean dosage of the training people, which everyone is given.
    """

    places: Int64Array
    means: Float64Array

    def filled(self, dosages: Float32Array, share: Float32Array) -> Float32Array:
        """Give everyone their share of the means, `(n_samples,)`, where the file has nothing."""
        if not self.places.size:
            return dosages
        filled = dosages.copy()
        filled[:, self.places] = share[:, None] * self.means
        return filled


def absent_columns(columns: ContigColumns, *, filled: bool) -> AbsentColumns:
    """List the columns of a window that the file lacks; none unless they are to be filled."""
    places = np.flatnonzero(~columns.found) if filled else np.zeros(0, dtype=np.int64)
    return AbsentColumns(places, columns.means[places])


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
    windows, gene = context.windows, context.windows.genes[target.number]
    n_samples = len(windows.genotypes.sample_ids)
    people, apart = (
        _filled(inputs, target.absent, target.wide_absent, np.array(shares, dtype=np.float32))
        for inputs, shares in (
            (gene_inputs(windows, gene, context.deltas), [1.0] * n_samples),
            (haplotype_inputs(windows, gene, context.deltas), [0.5] * (2 * n_samples) + [0.0]),
        )
    )
    tables = [pl.DataFrame(schema=NEW_PREDICTION_SCHEMA)]
    for model, estimator in context.models.of_gene(target.number).items():
        if estimator.zero_shot:
            continue  # see `haploscribe.workflows.predict.zero_shot`
        alone = estimator.predict(apart)
        haplotypes = (alone[:-1] - alone[-1]).reshape(n_samples, 2)
        columns = {
            "gene_id": gene.gene_id,
            "sample_id": list(people.sample_ids),
            "model": model,
            "predicted": estimator.predict(people),
            "standard_error": estimator.standard_errors(people),
            "haplotype_0": haplotypes[:, 0],
            "haplotype_1": haplotypes[:, 1],
        }
        tables.append(pl.DataFrame(columns, schema=NEW_PREDICTION_SCHEMA))
    with atomic_write(path) as aside:
        pl.concat(tables).write_parquet(aside)


def _filled(
    inputs: GeneInputs, absent: AbsentColumns, wide_absent: AbsentColumns, share: Float32Array
) -> GeneInputs:
    """Fill in what the file lacks, in both windows."""
    wide = inputs.wide
    if wide is not None:
        wide = replace(wide, dosages=wide_absent.filled(wide.dosages, share))
    return replace(inputs, dosages=absent.filled(inputs.dosages, share), wide=wide)
