"""Dense, sparse and in between: the mean of four models of one gene."""

from typing import ClassVar, Self

import numpy as np

from haploscribe.arrays import BoolArray, Float64Array
from haploscribe.estimators.adaptive_shrinkage import AdaptiveShrinkage
from haploscribe.estimators.blup import DeltaBlup, DosageBlup
from haploscribe.estimators.elastic_net import ElasticNet
from haploscribe.estimators.fits import fitted
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.protocol import Estimator
from haploscribe.estimators.susie import Susie


class DosageEnsemble:
    """The mean of BLUP, SuSiE and adaptive shrinkage under the prior of other genes, and of the elastic net.

    Genes differ in how many variants drive them, and one gene's few hundred people do not say which model
    is right; the models err apart, so their mean errs less than any of them. The weights are equal: nothing
    is left to fit. All members read dosages.

    Parameters
    ----------
    seed
        Draws the inner folds of the elastic net.

    Attributes
    ----------
    members_
        The fitted models.
    """

    reads_deltas: ClassVar[bool] = False
    reads_wide: ClassVar[bool] = False
    uses_other_genes: bool = True

    _dense: ClassVar[type[DosageBlup | DeltaBlup]] = DosageBlup

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Fit all members; see `Estimator.fit`."""
        self.members_: tuple[Estimator, ...] = (
            fitted(self._dense(by_distance=True), inputs, expression, validation),
            fitted(Susie(), inputs, expression, validation),
            fitted(AdaptiveShrinkage(), inputs, expression, validation),
            fitted(ElasticNet(seed=self.seed), inputs, expression, validation),
        )
        return self

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression; see `Estimator.predict`."""
        return np.asarray(np.mean([member.predict(inputs) for member in self.members_], axis=0))


class DeltaEnsemble(DosageEnsemble):
    """The same, with a BLUP that reads deltas.

    `DosageEnsemble` is its dosage twin: what this gains over it is what the backbone is worth.
    """

    reads_deltas: ClassVar[bool] = True

    _dense: ClassVar[type[DosageBlup | DeltaBlup]] = DeltaBlup
