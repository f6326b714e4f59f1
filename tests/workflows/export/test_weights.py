"""What is exported of a gene."""

from dataclasses import replace

import numpy as np
import pytest

from haploscribe.errors import InputError
from tests.fixtures.exported import simple_gene


def test_a_model_without_weights_is_named_with_those_that_have_some() -> None:
    with pytest.raises(InputError, match=r"no weights of model enet for gene ENSG1; choose from: blup"):
        simple_gene().weights_of("enet")


@pytest.mark.parametrize(("r", "r_squared"), [(0.3, 0.09), (-0.3, 0.0)])
def test_predicting_the_opposite_explains_nothing(r: float, r_squared: float) -> None:
    assert replace(simple_gene().models[0], pearson_r=r).r_squared == pytest.approx(r_squared)


def test_variants_taken_keep_their_own_covariance() -> None:
    variants = simple_gene(identifiers=("rs1", "rs2", "rs3"), positions=(1, 2, 3)).variants
    taken = variants.take(np.array([2, 0]))
    assert taken.identifiers == ("rs3", "rs1")
    np.testing.assert_array_equal(taken.covariance, variants.covariance[[2, 0]][:, [2, 0]])
