"""SuSiE on the dosages of a gene's variants: a few effects, each of one variant not known for certain."""

from typing import Self

import numpy as np

from haploscribe.arrays import BoolArray, Float64Array
from haploscribe.estimators.checks import require_complete
from haploscribe.estimators.dosage_model import DosageModel
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.single_effects import fit_susie


class Susie(DosageModel):
    """The sum of single effects (Wang et al., JRSS B 2020), likelier where other genes have theirs.

    A variant's prior inclusion weight is the variance that `GeneInputs.prior` expects of it. Variances are
    estimated on all samples given; a validation set is not needed, and is trained on. The method:
    `haploscribe.estimators.single_effects`.

    Parameters
    ----------
    n_effects
        L, the number of effects at most; those that do not help vanish.

    Attributes
    ----------
    pip_
        float64 `(n_variants,)`; posterior inclusion probability.
    """

    uses_other_genes: bool = True

    def __init__(self, n_effects: int = 5) -> None:
        self.n_effects = n_effects

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Estimate variances and the posterior of the effects; see `Estimator.fit`."""
        require_complete(inputs, expression)
        weights = inputs.prior.variances(inputs.distances())
        fit = fit_susie(inputs.dosages.astype(np.float64), expression, weights, self.n_effects)
        self.coefficients_ = fit.coefficients
        self.intercept_ = fit.intercept
        self.pip_: Float64Array = fit.pip
        return self
