"""Normalisation of one gene's expression across people, fitted on training samples."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from haploscribe.arrays import Float64Array
from haploscribe.config.options import Normalisation
from haploscribe.errors import InputError
from haploscribe.expression.table import ExpressionTable

# Blom's offset (Blom 1958, "Statistical Estimates and Transformed Beta-Variables"; compared with others by
# Beasley, Erickson & Allison 2009, Behavior Genetics 39:580).
_BLOM = 3 / 8


class Normaliser(Protocol):
    """A transformation of expression that has learned what it needs from training samples."""

    def transform(self, expression: Float64Array) -> Float64Array:
        """Normalise float64 `(n_samples,)`, each value on its own."""
        ...


@dataclass(frozen=True, slots=True)
class InverseNormal:
    """Rank-based inverse normal transformation.

    A training value becomes Φ⁻¹((rank − 3/8) / (n + 1/4)), ranks of ties averaged. Any other value gets
    its rank by linear interpolation between the training values around it; beyond the smallest and the
    largest, theirs.

    Attributes
    ----------
    values
        float64 `(n_distinct,)`; the distinct training values, rising.
    ranks
        float64 `(n_distinct,)`; their average ranks among the training values, 1-based.
    n_training
        Number of training values.
    """

    values: Float64Array
    ranks: Float64Array
    n_training: int

    def transform(self, expression: Float64Array) -> Float64Array:
        """Normalise float64 `(n_samples,)`, each value on its own."""
        ranks = np.interp(expression, self.values, self.ranks)
        scores: Float64Array = ndtri((ranks - _BLOM) / (self.n_training + 1 - 2 * _BLOM))
        return scores


@dataclass(frozen=True, slots=True)
class Log2PlusOne:
    """log2(x + 1); learns nothing."""

    def transform(self, expression: Float64Array) -> Float64Array:
        """Normalise float64 `(n_samples,)`, each value on its own."""
        if expression.min(initial=0.0) < 0:
            raise InputError(_negative_message("an expression value", float(expression.min())))
        return np.log2(expression + 1)


@dataclass(frozen=True, slots=True)
class Identity:
    """Leaves expression as it is."""

    def transform(self, expression: Float64Array) -> Float64Array:
        """Return float64 `(n_samples,)` unchanged."""
        return expression


def fit_normaliser(training: Float64Array, method: Normalisation) -> Normaliser:
    """Learn a normalisation from training samples.

    Parameters
    ----------
    training
        float64 `(n_training,)`; one gene's expression.
    method
        `inverse-normal`, `log2p1` or `none`.
    """
    if method == "inverse-normal":
        values, first = np.unique(training, return_index=True)
        return InverseNormal(values, rankdata(training)[first], training.size)
    return Log2PlusOne() if method == "log2p1" else Identity()


def check_normalisation(table: ExpressionTable, method: Normalisation) -> None:
    """Refuse, before any work, a table that the method cannot take.

    Raises
    ------
    InputError
        For `log2p1` and negative expression; names the gene and the sample.
    """
    if method == "log2p1" and table.values.min(initial=0.0) < 0:
        gene, sample = np.unravel_index(table.values.argmin(), table.values.shape)
        where = f"gene {table.genes[gene].gene_id}, sample {table.sample_ids[sample]}"
        raise InputError(_negative_message(where, float(table.values[gene, sample])))


def _negative_message(where: str, value: float) -> str:
    return (
        f"--normalize log2p1 takes no negative expression, but {where} is {value:g}; "
        "use none where the table is already on a log scale, or inverse-normal"
    )
