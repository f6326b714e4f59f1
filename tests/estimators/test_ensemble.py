"""An ensemble is the mean of its members, each fitted alone."""

import numpy as np
import pytest

from haploscribe.estimators.ensemble import DeltaEnsemble, DosageEnsemble
from haploscribe.estimators.linear.adaptive_shrinkage import AdaptiveShrinkage
from haploscribe.estimators.linear.blup import DeltaBlup, DosageBlup
from haploscribe.estimators.linear.elastic_net import ElasticNet
from haploscribe.estimators.linear.susie import Susie
from tests.fixtures.gene_inputs import inputs_with_tiles, made_inputs


@pytest.mark.parametrize(("ensemble", "dense"), [(DosageEnsemble, DosageBlup), (DeltaEnsemble, DeltaBlup)])
def test_predictions_are_the_mean_of_the_members_predictions(
    ensemble: type[DosageEnsemble], dense: type[DosageBlup | DeltaBlup]
) -> None:
    inputs = inputs_with_tiles(1)
    expression = inputs.dosages[:, 5] + np.random.default_rng(2).normal(size=150)
    train, people = inputs.take(np.arange(100)), inputs.take(np.arange(100, 150))
    members = (dense(by_distance=True), Susie(), AdaptiveShrinkage(), ElasticNet(seed=3))
    alone = [member.fit(train, expression[:100]).predict(people) for member in members]
    together = ensemble(seed=3).fit(train, expression[:100]).predict(people)
    np.testing.assert_allclose(together, np.mean(alone, axis=0), rtol=1e-10)


def test_no_variants_predict_the_mean() -> None:
    inputs = made_inputs(4, n_variants=0)
    expression = np.arange(150.0)
    np.testing.assert_allclose(DosageEnsemble().fit(inputs, expression).predict(inputs), expression.mean())
