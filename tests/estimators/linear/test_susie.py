"""SuSiE as an estimator: which prior it has, and what it predicts."""

import numpy as np
import pytest

from haploscribe.errors import InputError
from haploscribe.estimators.cross_gene.effect_prior import DEFAULT_PRIOR
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.linear.susie import Susie
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float64Array
from tests.fixtures.gene_inputs import nothing_to_learn

TSS = 50_000


def _inputs(dosages: Float64Array) -> GeneInputs:
    """Variants 1 kb apart, the TSS at the middle one."""
    n_samples, n_variants = dosages.shape
    return GeneInputs(
        Gene("ENSG1", "chr1", TSS),
        tuple(f"S{sample}" for sample in range(n_samples)),
        TSS + 1_000 * (np.arange(n_variants, dtype=np.int64) - n_variants // 2),
        dosages.astype(np.float32),
    )


def test_of_variants_that_cannot_be_told_apart_the_likelier_is_the_one_the_prior_prefers() -> None:
    rng = np.random.default_rng(0)
    dosages = np.tile(rng.binomial(2, 0.4, (100, 1)).astype(np.float64), 5)
    model = Susie(n_effects=1).fit(_inputs(dosages), dosages[:, 0] + rng.normal(size=100))
    prior = DEFAULT_PRIOR.variances(np.array([-2_000.0, -1_000.0, 0.0, 1_000.0, 2_000.0]))
    np.testing.assert_allclose(model.pip_, prior / prior.sum())


def test_prediction_for_new_people_follows_the_alleles_that_matter() -> None:
    rng = np.random.default_rng(1)
    dosages = rng.binomial(2, 0.3, (300, 400)).astype(np.float64)
    expression = 7.0 + dosages[:, 190] - dosages[:, 230] + rng.normal(0, 0.5, 300)
    model = Susie().fit(_inputs(dosages[:200]), expression[:200])
    predicted = model.predict(_inputs(dosages[200:]))
    assert np.flatnonzero(model.pip_ > 0.9).tolist() == [190, 230]
    np.testing.assert_allclose(predicted, 7.0 + dosages[200:, 190] - dosages[200:, 230], atol=0.3)


@nothing_to_learn
def test_nothing_to_learn_predicts_the_training_mean(dosages: Float64Array, expression: Float64Array) -> None:
    model = Susie().fit(_inputs(dosages), expression)
    np.testing.assert_allclose(model.predict(_inputs(dosages)), 9.5)


def test_missing_expression_is_refused_by_sample() -> None:
    expression = np.arange(20.0)
    expression[3] = np.nan
    with pytest.raises(InputError, match=r"expression of gene ENSG1.*S3"):
        Susie().fit(_inputs(np.ones((20, 1))), expression)
