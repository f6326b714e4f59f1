"""Approximate a model that reads deltas by weights of dosages: its allele effects."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from haploscribe.estimators.base import LinearWeights
from haploscribe.utils.files import atomic_write
from haploscribe.utils.types import Float32Array, Float64Array

_CONSTANT_SPREAD = 1e-7
"""Predictions whose standard deviation is below this fraction of their size are constant up to rounding."""


def linear_approximation(
    effects: Float64Array, dosages: Float32Array, predicted: Float64Array
) -> LinearWeights:
    """Use a model's allele effects as weights, with the intercept that keeps its mean prediction.

    Parameters
    ----------
    effects
        float64 `(n_variants,)`.
    dosages
        float32 `(n_samples, n_variants)`; of the training samples.
    predicted
        float64 `(n_samples,)`; the model's predictions for them.
    """
    return LinearWeights(effects, float(np.mean(predicted - dosages @ effects)))


@dataclass(frozen=True, slots=True)
class LinearisingLoss:
    """Compare a model with its linear approximation over its training samples.

    Attributes
    ----------
    predicted_sd, linear_sd
        Standard deviation over samples of the predictions of the model, and of the linear model.
    lost
        1 − r², r the correlation of the two: the share of variance between samples that is lost. NaN where
        the model predicts the same for all samples; 1 where only the linear model does.
    rmse
        Root mean squared difference of the two, in `predicted_sd`; NaN likewise. It is larger than √`lost`
        where the linear model predicts with another spread.
    """

    predicted_sd: float
    linear_sd: float
    lost: float
    rmse: float

    @classmethod
    def of(cls, linear: LinearWeights, dosages: Float32Array, predicted: Float64Array) -> Self:
        """Compare a linear model with what it was made from; arguments as for `linear_approximation`."""
        found = linear.predict(dosages)
        whole, line = predicted - predicted.mean(), found - found.mean()
        predicted_sd, linear_sd = float(whole.std()), float(line.std())
        if predicted_sd <= _CONSTANT_SPREAD * np.abs(predicted).max(initial=0.0):
            return cls(predicted_sd, linear_sd, np.nan, np.nan)
        rmse = float(np.sqrt(np.mean((found - predicted) ** 2))) / predicted_sd
        if linear_sd <= _CONSTANT_SPREAD * predicted_sd:
            return cls(predicted_sd, linear_sd, 1.0, rmse)
        r = float(np.mean(whole * line)) / (predicted_sd * linear_sd)
        return cls(predicted_sd, linear_sd, max(1.0 - r**2, 0.0), rmse)


LINEARISED_SCHEMA = pl.Schema(
    {
        "gene_id": pl.String,
        "model": pl.String,
        "predicted_sd": pl.Float64,
        "linear_sd": pl.Float64,
        "lost": pl.Float64,
        "rmse": pl.Float64,
    }
)
"""The columns, in order; one row per gene and model.

See `haploscribe.workflows.export.linearise.LinearisingLoss`.

`lost` and `rmse` are empty where the model predicts the same for all samples.
"""


def linearised_path(folder: Path, name: str) -> Path:
    """Name the table of an export called `name`."""
    return folder / f"{name}.linearised.tsv"


def linearised_table(rows: Sequence[tuple[str, str, float, float, float, float]]) -> pl.DataFrame:
    """Make the table from its rows; NaN becomes null."""
    frame = pl.DataFrame(list(rows), schema=LINEARISED_SCHEMA, orient="row")
    return frame.with_columns(pl.selectors.float().fill_nan(None))


def write_linearised(path: Path, table: pl.DataFrame) -> None:
    """Write the table; where it has no row, remove that of an earlier export.

    Raises
    ------
    InputError
        When the place cannot be written to.
    """
    if table.is_empty():
        path.unlink(missing_ok=True)
        return
    with atomic_write(path) as aside:
        table.write_csv(aside, separator="\t")
