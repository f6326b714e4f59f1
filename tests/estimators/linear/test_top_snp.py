"""The top SNP against scipy's simple regression."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress

from haploscribe.errors import InputError
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.linear.top_snp import TopSnp
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float64Array
from tests.fixtures.gene_inputs import nothing_to_learn


def _inputs(dosages: Float64Array) -> GeneInputs:
    n_samples, n_variants = dosages.shape
    return GeneInputs(
        Gene("ENSG1", "chr1", 1000),
        tuple(f"S{sample}" for sample in range(n_samples)),
        np.arange(n_variants, dtype=np.int64),
        dosages.astype(np.float32),
    )


@given(
    n_samples=st.integers(4, 60),
    n_variants=st.integers(1, 15),
    n_copies=st.integers(0, 15),
    seed=st.integers(0, 2**32 - 1),
)
def test_variant_and_line_are_those_of_the_smallest_p(
    n_samples: int, n_variants: int, n_copies: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    dosages = rng.integers(0, 3, (n_samples, n_variants)).astype(np.float64)
    dosages = np.hstack([dosages, 2.0 - dosages[:, rng.integers(0, n_variants, n_copies)]])
    expression = dosages[:, 0] + rng.normal(size=n_samples)
    model = TopSnp().fit(_inputs(dosages), expression)
    lines = {j: linregress(x, expression) for j, x in enumerate(dosages.T) if np.ptp(x) > 0}
    if lines:
        best = min(lines, key=lambda j: (round(np.log(lines[j].pvalue), 6), j))
        assert model.variant_ == best
        expected = lines[best].intercept + lines[best].slope * dosages[:, best]
        np.testing.assert_allclose(model.predict(_inputs(dosages)), expected, atol=1e-8)
    else:
        assert model.variant_ is None


def test_tied_variants_give_way_to_the_first_position_whatever_their_order() -> None:
    dosages = np.tile(np.array([0.0, 1.0, 2.0, 1.0, 0.0])[:, None], 3)
    inputs = GeneInputs(
        Gene("ENSG1", "chr1", 1000),
        tuple("ABCDE"),
        np.array([300, 100, 200], dtype=np.int64),
        dosages.astype(np.float32),
    )
    assert TopSnp().fit(inputs, np.arange(5.0)).variant_ == 1


@nothing_to_learn
def test_nothing_to_learn_predicts_the_training_mean(dosages: Float64Array, expression: Float64Array) -> None:
    model = TopSnp().fit(_inputs(dosages), expression)
    np.testing.assert_allclose(model.predict(_inputs(dosages)), 9.5)
    assert model.variant_ is None


def test_missing_dosage_is_refused_by_sample() -> None:
    dosages = np.ones((20, 2))
    dosages[4, 1] = np.nan
    with pytest.raises(InputError, match=r"dosages of gene ENSG1.*S4"):
        TopSnp().fit(_inputs(dosages), np.arange(20.0))
