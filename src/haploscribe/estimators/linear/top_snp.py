"""The one variant that is associated best."""

from typing import Self

import numpy as np

from haploscribe.estimators.base import require_complete
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.linear.dosage_model import DosageModel
from haploscribe.utils.types import BoolArray, Float64Array

_ROUNDING = 1e-9  # variants whose r² differ by less, relatively, are tied: copies do, by rounding


class TopSnp(DosageModel):
    """Simple regression on the variant with the smallest marginal p among the samples given.

    The smallest p is the largest squared correlation. Of variants that tie, as those in complete linkage
    disequilibrium do, the first along the contig is taken. A validation set is not needed, and is trained on.

    Parameters
    ----------
    hard_calls
        See `DosageModel`.

    Attributes
    ----------
    variant_
        The variant's place among those of the inputs; None where no variant or no expression varies. Known
        after `fit` alone, as prediction does not take it.
    """

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Find the variant and regress on it; see `Estimator.fit`."""
        require_complete(inputs, expression)
        dosages = inputs.dosages.astype(np.float64)
        centred = dosages - dosages.mean(axis=0)
        deviation = expression - expression.mean()
        self.variant_: int | None = None
        self.coefficients_ = np.zeros(inputs.positions.size)
        self.intercept_ = float(expression.mean())
        varying = np.flatnonzero(np.any(dosages != dosages[0], axis=0))
        if np.ptp(expression) > 0.0 and varying.size:
            explained = (deviation @ centred[:, varying]) ** 2 / np.sum(centred[:, varying] ** 2, axis=0)
            tied = varying[explained >= (1.0 - _ROUNDING) * explained.max()]
            self.variant_ = int(tied[np.argmin(inputs.positions[tied])])
            column = centred[:, self.variant_]
            self.coefficients_[self.variant_] = deviation @ column / (column @ column)
            self.intercept_ -= float(self.coefficients_ @ dosages.mean(axis=0))
        return self
