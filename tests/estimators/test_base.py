"""A fit is shared where class, parameters and data are the same, and only there."""

from dataclasses import replace

import numpy as np

from haploscribe.estimators.base import fitted
from tests.fixtures.synthetic import Constant, Ridge, synthetic_gene

GENE = synthetic_gene(1)


def test_the_same_class_parameters_and_data_share_a_fit() -> None:
    inputs = replace(GENE.inputs)
    first = fitted(Ridge(2.0), inputs, GENE.expression)
    assert fitted(Ridge(2.0), inputs, GENE.expression.copy()) is first
    np.testing.assert_array_equal(
        first.predict(inputs), Ridge(2.0).fit(inputs, GENE.expression).predict(inputs)
    )


def test_anything_else_is_fitted_anew() -> None:
    inputs, expression = replace(GENE.inputs), GENE.expression
    mask = np.arange(expression.size) > 80
    fits = [
        fitted(Ridge(2.0), inputs, expression),
        fitted(Ridge(3.0), inputs, expression),
        fitted(Constant(), inputs, expression),
        fitted(Ridge(2.0), inputs, np.nextafter(expression, 0.0)),
        fitted(Ridge(2.0), inputs, expression, mask),
        fitted(Ridge(2.0), inputs, expression, ~mask),
        fitted(Ridge(2.0), replace(inputs, dosages=inputs.dosages[:, ::-1]), expression),
        fitted(Ridge(2.0), inputs.take(np.arange(expression.size)), expression),
    ]
    assert len({id(fit) for fit in fits}) == len(fits)
