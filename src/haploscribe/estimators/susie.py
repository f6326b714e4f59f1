"""SuSiE on the dosages of a gene's variants: a few effects, each of one variant not known for certain."""

from typing import Self

import numpy as np

from haploscribe.arrays import BoolArray, Float64Array
from haploscribe.estimators.checks import require_complete
from haploscribe.estimators.distance_prior import variance_prior
from haploscribe.estimators.dosage_model import DosageModel
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.single_effects import fit_susie


class Susie(DosageModel):
    """The sum of single effects (Wang et al., JRSS B 2020), likelier of variants near the TSS.

    A variant's prior inclusion weight falls with its distance to the TSS
    (`haploscribe.estimators.distance_prior`). Variances are estimated on all samples given; a validation set
    is not needed, and is trained on. The method: `haploscribe.estimators.single_effects`.

    Parameters
    ----------
    n_effects
        L, the number of effects at most; those that do not help vanish.

    Attributes
    ----------
    pip_
        float64 `(n_variants,)`; posterior inclusion probability.
    """

    def __init__(self, n_effects: int = 5) -> None:
        self.n_effects = n_effects

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Estimate variances and the posterior of the effects; see `Estimator.fit`."""
        require_complete(inputs, expression)
        weights = variance_prior(inputs.positions - inputs.gene.tss)
        fit = fit_susie(inputs.dosages.astype(np.float64), expression, weights, self.n_effects)
        self.coefficients_ = fit.coefficients
        self.intercept_ = fit.intercept
        self.pip_: Float64Array = fit.pip
        return self
