"""Dense, sparse and in between: the mean of four models of the same dosages."""

from typing import Self

import numpy as np

from haploscribe.arrays import BoolArray, Float64Array
from haploscribe.estimators.adaptive_shrinkage import AdaptiveShrinkage
from haploscribe.estimators.blup import DosageBlup
from haploscribe.estimators.dosage_model import DosageModel
from haploscribe.estimators.elastic_net import ElasticNet
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.susie import Susie


class Ensemble(DosageModel):
    """The mean of BLUP, SuSiE and adaptive shrinkage under the distance prior, and of the elastic net.

    Genes differ in how many variants drive them, and one gene's few hundred people do not say which model
    is right; the models err apart, so their mean errs less than any of them. The weights are equal: nothing
    is left to fit.

    Parameters
    ----------
    seed
        Draws the inner folds of the elastic net.

    Attributes
    ----------
    members_
        The fitted models.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Fit all members; see `Estimator.fit`."""
        members: tuple[DosageModel, ...] = (
            DosageBlup(by_distance=True).fit(inputs, expression, validation),
            Susie().fit(inputs, expression, validation),
            AdaptiveShrinkage().fit(inputs, expression, validation),
            ElasticNet(seed=self.seed).fit(inputs, expression, validation),
        )
        self.members_ = members
        self.coefficients_ = np.mean([member.coefficients_ for member in members], axis=0)
        self.intercept_ = float(np.mean([member.intercept_ for member in members]))
        return self
