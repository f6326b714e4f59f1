"""Average four models of one gene: dense, sparse and in between."""

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from haploscribe.estimators.base import CompositeEstimator, GeneEstimator, LinearWeights, State
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.linear.adaptive_shrinkage import AdaptiveShrinkage
from haploscribe.estimators.linear.blup import DeltaBlup, DosageBlup
from haploscribe.estimators.linear.elastic_net import ElasticNet
from haploscribe.estimators.linear.posterior import POSTERIOR
from haploscribe.estimators.linear.susie import Susie
from haploscribe.utils.types import Float64Array


class DosageEnsemble(CompositeEstimator):
    """The mean of BLUP, SuSiE and adaptive shrinkage under the prior of other genes, and of the elastic net.

    Genes differ in how many variants drive them, and a few hundred samples of one gene do not tell which
    model is right; the errors of the models differ, so their mean errs less than any of them. The weights are
    equal: nothing is left to fit. All members read dosages.

    Parameters
    ----------
    seed
        Draws the inner folds of the elastic net.
    hard_calls
        See `haploscribe.estimators.linear.dosage_model.DosageModel`.
    annotations
        Read what annotations say of variants, where a run has them; see `Estimator.annotations`.

    Attributes
    ----------
    members_
        The fitted models by name.
    """

    uses_other_genes: bool = True

    _dense: ClassVar[type[DosageBlup | DeltaBlup]] = DosageBlup

    def __init__(self, seed: int = 0, *, hard_calls: bool = False, annotations: bool = True) -> None:
        self.seed = seed
        self.hard_calls = hard_calls
        self.annotations = annotations

    def parts(self) -> dict[str, GeneEstimator]:
        """Return the members, not fitted."""
        return {
            "dense": self._dense(by_distance=True),
            "susie": Susie(),
            "adaptive-shrinkage": AdaptiveShrinkage(),
            "elastic-net": ElasticNet(seed=self.seed),
        }

    def fit_on(
        self, parts: Mapping[str, GeneEstimator], inputs: GeneInputs, expression: Float64Array
    ) -> Self:
        """Keep the fitted members; see `CompositeEstimator.fit_on`."""
        self.members_ = dict(parts)
        return self

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression; see `Estimator.predict`."""
        return np.asarray(np.mean([member.predict(inputs) for member in self.members_.values()], axis=0))

    def linear_weights(self) -> LinearWeights | None:
        """Average the members' weights; see `Estimator.linear_weights`."""
        found = [member.linear_weights() for member in self.members_.values()]
        linear = [weights for weights in found if weights is not None]
        if len(linear) < len(found):
            return None
        return LinearWeights(
            np.asarray(np.mean([member.weights for member in linear], axis=0)),
            float(np.mean([member.intercept for member in linear])),
        )

    def state(self) -> State:
        """Return the members' states; see `Estimator.state`."""
        return State(
            parts={name: member.state().without(POSTERIOR) for name, member in self.members_.items()}
        )

    def restore(self, state: State) -> Self:
        """Set what `state` returned; see `Estimator.restore`."""
        self.members_ = {name: member.restore(state.parts[name]) for name, member in self.parts().items()}
        return self


class DeltaEnsemble(DosageEnsemble):
    """The same, with a BLUP that reads deltas; the other members read hard calls, as haplotypes are spelled.

    `DosageEnsemble` of hard calls is its dosage twin: the gain over it is the gain from the backbone.

    Parameters
    ----------
    seed
        Draws the inner folds of the elastic net.
    annotations
        Read what annotations say of variants, where a run has them; see `Estimator.annotations`.
    """

    reads_deltas: ClassVar[bool] = True

    _dense: ClassVar[type[DosageBlup | DeltaBlup]] = DeltaBlup

    def __init__(self, seed: int = 0, *, annotations: bool = True) -> None:
        super().__init__(seed, annotations=annotations)
