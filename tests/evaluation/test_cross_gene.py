"""Who may teach whom."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haploscribe.estimators.cross_gene.effect_prior import SHIPPED_PRIOR, VarianceMoments, variance_moments
from haploscribe.estimators.cross_gene.heterogeneity import Heterogeneity
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.evaluation.cross_gene import FAR, far_genes, meet_gene, near_genes, priors_from
from haploscribe.evaluation.folds import Fold
from haploscribe.expression.genes import Gene

GENES = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 5) | st.integers(0, 3 * FAR)), max_size=12
).map(lambda places: [Gene(f"G{i}", contig, tss, "+") for i, (contig, tss) in enumerate(places)])


@given(GENES)
def test_near_genes_are_those_not_far(genes: list[Gene]) -> None:
    for gene, near in zip(genes, near_genes(genes), strict=True):
        np.testing.assert_array_equal(near, np.flatnonzero(~far_genes(genes, gene)))


def test_genes_exactly_1_mb_apart_are_far() -> None:
    genes = [Gene("a", "chr1", 0, "+"), Gene("b", "chr1", FAR, "+"), Gene("c", "chr1", FAR - 1, "-")]
    assert [near.tolist() for near in near_genes(genes)] == [[0, 2], [1, 2], [0, 1, 2]]


def moments_of(n_genes: int) -> list[list[VarianceMoments]]:
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


@pytest.mark.parametrize("n_genes", [102, 103])
def test_a_prior_is_the_one_of_the_far_genes_and_of_100_at_least(n_genes: int) -> None:
    """Genes 0 to 2 are neighbours, all others alone: those three have 99 or 100 far genes."""
    genes = [Gene(f"G{i}", "chr1", i if i < 3 else i * FAR, "+") for i in range(n_genes)]
    moments = moments_of(n_genes)
    found = priors_from(genes, moments)
    for i in (0, 2, 3, n_genes - 1):
        others = [j for j in range(n_genes) if j != i and not (i < 3 and j < 3)]
        for fold in (0, 1):
            if len(others) < 100:
                assert found[i][fold] is SHIPPED_PRIOR
                continue
            kernels = sum(moments[j][fold].kernels for j in others)
            outcomes = sum(moments[j][fold].outcomes for j in others)
            expected = VarianceMoments(np.asarray(kernels), np.asarray(outcomes)).prior()
            assert expected is not None
            distances = np.array([-50_000.0, -500.0, 0.0, 2_000.0, 90_000.0])
            np.testing.assert_allclose(
                found[i][fold].variances(distances), expected.variances(distances), rtol=1e-3
            )


def test_genes_that_say_nothing_leave_the_prior_that_ships() -> None:
    genes = [Gene(f"G{i}", "chr1", i * FAR, "+") for i in range(101)]
    found = priors_from(genes, [[VarianceMoments.none()]] * 101)
    assert all(prior is SHIPPED_PRIOR for (prior,) in found)


def test_what_is_met_in_a_fold_is_what_its_fitted_samples_alone_show() -> None:
    rng = np.random.default_rng(8)
    dosages = rng.binomial(2, 0.4, (30, 5)).astype(np.float32)
    inputs = GeneInputs(
        Gene("G", "chr1", 900, "-"), tuple(f"S{i:02d}" for i in range(30)), np.arange(5) * 700, dosages
    )
    folds = [
        Fold(1, np.arange(14), np.arange(20, 26), np.arange(14, 20)),
        Fold(2, np.arange(8, 30), nobody(), np.arange(8)),
    ]
    prepared = [rng.normal(size=30) for _ in folds]
    shared = [
        Heterogeneity.of(
            rng.normal(size=(9, fold.fitted.size)) + rng.normal(size=fold.fitted.size), None, None
        )
        for fold in folds
    ]
    far = np.arange(9) > 2
    met = meet_gene(inputs, prepared, folds, shared, far)
    for i, fold in enumerate(folds):
        alone = Fold(1, np.arange(fold.fitted.size), nobody(), nobody())
        part = meet_gene(inputs.take(fold.fitted), [prepared[i][fold.fitted]], [alone], [shared[i]], far)
        np.testing.assert_allclose(met.expression[i], part.expression[0])
        np.testing.assert_allclose(met.moments[i].outcomes, part.moments[0].outcomes)
        np.testing.assert_allclose(met.moments[i].kernels, part.moments[0].kernels)
        assert not np.allclose(met.expression[i], prepared[i][fold.fitted])


def nobody() -> np.ndarray:
    return np.zeros(0, dtype=np.int64)
