"""The ensemble is the mean of its members, each fitted alone."""

import numpy as np

from haploscribe.estimators.adaptive_shrinkage import AdaptiveShrinkage
from haploscribe.estimators.blup import DosageBlup
from haploscribe.estimators.elastic_net import ElasticNet
from haploscribe.estimators.ensemble import Ensemble
from haploscribe.estimators.susie import Susie
from tests.estimators.test_adaptive_shrinkage import made_inputs


def test_predictions_are_the_mean_of_the_members_predictions() -> None:
    inputs = made_inputs(1)
    expression = inputs.dosages[:, 5] + np.random.default_rng(2).normal(size=150)
    train, people = inputs.take(np.arange(100)), inputs.take(np.arange(100, 150))
    members = (DosageBlup(by_distance=True), Susie(), AdaptiveShrinkage(), ElasticNet(seed=3))
    alone = [member.fit(train, expression[:100]).predict(people) for member in members]
    together = Ensemble(seed=3).fit(train, expression[:100]).predict(people)
    np.testing.assert_allclose(together, np.mean(alone, axis=0), rtol=1e-10)


def test_no_variants_predict_the_mean() -> None:
    inputs = made_inputs(4, n_variants=0)
    expression = np.arange(150.0)
    np.testing.assert_allclose(Ensemble().fit(inputs, expression).predict(inputs), expression.mean())
