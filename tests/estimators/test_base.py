"""Parameters and states of estimators, and fits that several models share."""

from typing import Self

import numpy as np
import pytest

from haploscribe.errors import InputError
from haploscribe.estimators.base import GeneEstimator, parameters_of
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.evaluation.cross_validation import TrainingSet
from haploscribe.utils.types import BoolArray, Float64Array
from tests.fixtures.synthetic import Constant, Ridge, synthetic_gene

GENE = synthetic_gene(1)


class Level(GeneEstimator):
    """What is the least: `fit` and `predict`."""

    def __init__(self, add: float = 0.5, note: object = None) -> None:
        self.add, self.note = add, note

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        self.level_ = float(expression.mean()) + self.add
        self.count_, self.whole_ = expression.size, bool(expression.size)
        self.values_ = np.arange(3, dtype=np.float32)
        return self

    def predict(self, inputs: GeneInputs) -> Float64Array:
        return np.full(len(inputs.sample_ids), self.level_)


def test_the_default_state_restores_every_learned_attribute() -> None:
    fitted = Level().fit(GENE.inputs, GENE.expression)
    restored = Level().restore(fitted.state())
    assert (restored.level_, restored.count_, restored.whole_) == (
        fitted.level_,
        fitted.count_,
        fitted.whole_,
    )
    assert isinstance(restored.count_, int)
    np.testing.assert_array_equal(restored.values_, fitted.values_, strict=True)
    np.testing.assert_array_equal(restored.predict(GENE.inputs), fitted.predict(GENE.inputs))
    assert fitted.standard_errors(GENE.inputs) is None
    assert fitted.linear_weights() is None


def test_what_cannot_be_saved_is_named() -> None:
    fitted = Level().fit(GENE.inputs, GENE.expression)
    fitted.names_ = {"a": 1}  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="names_ is a dict, which cannot be saved"):
        fitted.state()
    with pytest.raises(InputError, match="parameter 'note' is a list; only numbers, texts"):
        parameters_of(Level(note=[1]))
    assert parameters_of(Level(2.0)) == {"add": 2.0, "note": None}


def test_the_same_class_parameters_and_data_share_a_fit() -> None:
    training = TrainingSet(GENE.inputs, GENE.expression)
    first = training.fit(Ridge(2.0))
    assert training.fit(Ridge(2.0)) is first
    alone = Ridge(2.0).fit(GENE.inputs, GENE.expression)
    np.testing.assert_array_equal(first.predict(GENE.inputs), alone.predict(GENE.inputs))


def test_anything_else_is_fitted_anew() -> None:
    training = TrainingSet(GENE.inputs, GENE.expression)
    fits = [training.fit(Ridge(2.0)), training.fit(Ridge(3.0)), training.fit(Constant())]
    fits.append(TrainingSet(GENE.inputs, GENE.expression).fit(Ridge(2.0)))
    assert len({id(fit) for fit in fits}) == len(fits)
