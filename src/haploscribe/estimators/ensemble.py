"""Dense, sparse and in between: the mean of four models of one gene."""

from typing import ClassVar, Self

import numpy as np

from haploscribe.estimators.base import Estimator, State, fitted
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.linear.adaptive_shrinkage import AdaptiveShrinkage
from haploscribe.estimators.linear.blup import DeltaBlup, DosageBlup
from haploscribe.estimators.linear.elastic_net import ElasticNet
from haploscribe.estimators.linear.posterior import POSTERIOR
from haploscribe.estimators.linear.susie import Susie
from haploscribe.utils.types import BoolArray, Float64Array

_MEMBERS = ("dense", "susie", "adaptive-shrinkage", "elastic-net")


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
        self.members_: tuple[Estimator, ...] = tuple(
            fitted(member, inputs, expression, validation) for member in self._members()
        )
        return self

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression; see `Estimator.predict`."""
        return np.asarray(np.mean([member.predict(inputs) for member in self.members_], axis=0))

    def standard_errors(self, inputs: GeneInputs) -> None:
        """Give none: how far the members' errors go together is not known."""

    def state(self) -> State:
        """Give the members' states; see `Estimator.state`."""
        states = zip(_MEMBERS, (member.state() for member in self.members_), strict=True)
        return State(parts={name: state.without(POSTERIOR) for name, state in states})

    def restore(self, state: State) -> Self:
        """Take what `state` gave; see `Estimator.restore`."""
        self.members_ = tuple(
            member.restore(state.parts[name]) for name, member in zip(_MEMBERS, self._members(), strict=True)
        )
        return self

    def _members(self) -> tuple[Estimator, ...]:
        dense = self._dense(by_distance=True)
        return dense, Susie(), AdaptiveShrinkage(), ElasticNet(seed=self.seed)


class DeltaEnsemble(DosageEnsemble):
    """The same, with a BLUP that reads deltas.

    `DosageEnsemble` is its dosage twin: what this gains over it is what the backbone is worth.
    """

    reads_deltas: ClassVar[bool] = True

    _dense: ClassVar[type[DosageBlup | DeltaBlup]] = DeltaBlup
