"""Who may teach whom."""

from pathlib import Path

import numpy as np
import pytest

from haploscribe.estimators.cross_gene.effect_prior import (
    DEFAULT_PRIOR,
    HasemanElstonMoments,
    variance_moments,
)
from haploscribe.estimators.cross_gene.heterogeneity import Heterogeneity
from haploscribe.estimators.cross_gene.learners import (
    EffectPriorLearner,
    EffectPriorModel,
    HeterogeneityLearner,
)
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.evaluation.cross_gene import FAR, CrossGeneTraining, adjust_gene, far_genes
from haploscribe.expression.genes import Gene


def test_genes_exactly_1_mb_apart_are_far() -> None:
    genes = [
        Gene("a", "chr1", 0),
        Gene("b", "chr1", FAR),
        Gene("c", "chr1", FAR - 1, "-"),
        Gene("d", "chr2", 0),
    ]
    far = [np.flatnonzero(far_genes(genes, gene)).tolist() for gene in genes]
    assert far == [[1, 3], [0, 3], [3], [0, 1, 2]]


def moments_of(n_genes: int) -> list[list[HasemanElstonMoments]]:
    """What genes say in two folds, each of a large effect at its own distance."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(n_genes):
        dosages = rng.binomial(2, 0.4, (24, 6)).astype(np.float32)
        distances = rng.normal(0, 30_000, 6)
        expression = dosages[:, 0] + 0.3 * rng.normal(size=24)
        found.append(
            [
                variance_moments(dosages[part], distances, expression[part])
                for part in (slice(16), slice(8, 24))
            ]
        )
    return found


def models_of(moments: list[list[HasemanElstonMoments]]) -> list[EffectPriorModel]:
    return [EffectPriorLearner().combine([own[fold] for own in moments]) for fold in (0, 1)]


@pytest.mark.parametrize("n_genes", [102, 103])
def test_a_prior_is_the_one_of_the_far_genes_and_of_100_at_least(n_genes: int) -> None:
    """Genes 0 to 2 are neighbours, all others alone: those three have 99 or 100 far genes."""
    genes = [Gene(f"G{i}", "chr1", i if i < 3 else i * FAR, "+") for i in range(n_genes)]
    moments = moments_of(n_genes)
    found = [
        [model.adjustment(far_genes(genes, gene)).prior for model in models_of(moments)] for gene in genes
    ]
    for i in (0, 2, 3, n_genes - 1):
        others = [j for j in range(n_genes) if j != i and not (i < 3 and j < 3)]
        for fold in (0, 1):
            if len(others) < 100:
                assert found[i][fold] is DEFAULT_PRIOR
                continue
            kernels = sum(moments[j][fold].kernels for j in others)
            outcomes = sum(moments[j][fold].outcomes for j in others)
            expected = HasemanElstonMoments(np.asarray(kernels), np.asarray(outcomes)).prior()
            assert expected is not None
            distances = np.array([-50_000.0, -500.0, 0.0, 2_000.0, 90_000.0])
            np.testing.assert_allclose(
                found[i][fold].variances(distances), expected.variances(distances), rtol=1e-3
            )


def test_genes_that_say_nothing_leave_the_default_prior(tmp_path: Path) -> None:
    model = EffectPriorLearner().combine([HasemanElstonMoments.none()] * 101)
    model.save(tmp_path / "prior")
    for found in (model, EffectPriorModel.open(tmp_path / "prior")):
        assert found.adjustment(np.arange(101) > 0).prior is DEFAULT_PRIOR


def test_a_gene_is_adjusted_by_what_far_genes_share() -> None:
    rng = np.random.default_rng(8)
    dosages = rng.binomial(2, 0.4, (30, 5)).astype(np.float32)
    inputs = GeneInputs(
        Gene("G", "chr1", 900, "-"), tuple(f"S{i:02d}" for i in range(30)), np.arange(5) * 700, dosages
    )
    expression, batch = dosages[:, 1] + 0.3 * rng.normal(size=30), rng.normal(size=30)
    genes = rng.normal(size=(9, 30)) + batch
    far = np.arange(9) > 2
    shared = HeterogeneityLearner(None, None).combine(list(genes)).adjustment(far)
    prior = EffectPriorLearner(min_genes=1).combine(
        [variance_moments(dosages, inputs.distances(), expression)] * 9
    )
    training = CrossGeneTraining((shared, prior.adjustment(far)))
    found, adjusted = adjust_gene(inputs, expression + batch, training)
    assert found.prior is not DEFAULT_PRIOR
    assert abs(np.corrcoef(adjusted, batch)[0, 1]) < abs(np.corrcoef(expression + batch, batch)[0, 1])
    np.testing.assert_array_equal(
        adjusted, Heterogeneity.of(genes, None, None).removed(expression + batch, far)
    )
