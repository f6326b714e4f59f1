"""Estimators that cheat, each in another way: what the audit must catch.

They find what they must not know where a careless estimator would have it from: in what is around when they
are fitted.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from haploscribe.estimators.base import State
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.utils.types import BoolArray, Float64Array

MODULE = __name__
PENALTIES = (1.0, 30.0, 1000.0)


def around(function: str) -> dict[str, Any]:
    """Give the variables of the nearest call of a function that led here."""
    frame = sys._getframe()
    while frame.f_code.co_name != function:
        assert frame.f_back is not None
        frame = frame.f_back
    return frame.f_locals


class Honest:
    """Ridge regression on dosages; those that cheat differ in one thing."""

    reads_deltas: ClassVar[bool] = True
    reads_wide: ClassVar[bool] = False
    uses_other_genes: bool = False

    penalty: float = 30.0

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        x = inputs.dosages.astype(np.float64)
        self.mean_, self.intercept_ = self.centre(inputs), self.level(expression)
        self.effects_ = self.solved(x - self.mean_, expression - self.intercept_, self.penalty)
        return self

    def solved(self, x: Float64Array, y: Float64Array, penalty: float) -> Float64Array:
        return np.asarray(np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y))

    def centre(self, inputs: GeneInputs) -> Float64Array:
        return np.asarray(inputs.dosages.mean(axis=0, dtype=np.float64))

    def level(self, expression: Float64Array) -> float:
        return float(expression.mean())

    def predict(self, inputs: GeneInputs) -> Float64Array:
        return np.asarray(self.intercept_ + (inputs.dosages - self.mean_) @ self.effects_)

    def standard_errors(self, inputs: GeneInputs) -> None:
        return None

    def state(self) -> State:
        return State({"intercept": self.intercept_}, {"effects": self.effects_, "mean": self.mean_})


class StandardisesByEveryone(Honest):
    """Centres expression by the mean of all people."""

    def level(self, expression: Float64Array) -> float:
        return float(around("fit_fold")["prepared"].mean())


class StopsByHeldOutPeople(Honest):
    """Takes the penalty that suits held-out people best."""

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        known = around("fit_fold")
        test, prepared = known["inputs"].take(known["fold"].test), known["prepared"][known["fold"].test]
        losses = []
        for penalty in PENALTIES:
            self.penalty = penalty
            super().fit(inputs, expression)
            losses.append(float(np.square(prepared - self.predict(test)).sum()))
        self.penalty = PENALTIES[int(np.argmin(losses))]
        return super().fit(inputs, expression)


class RemembersHeldOutPeople(Honest):
    """Looks up the expression of whoever is asked about."""

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        known = around("fit_fold")
        self.values_ = dict(zip(known["inputs"].sample_ids, known["prepared"].tolist(), strict=True))
        return super().fit(inputs, expression)

    def predict(self, inputs: GeneInputs) -> Float64Array:
        return np.array([self.values_[sample_id] for sample_id in inputs.sample_ids])


class CentresByEveryonesDosages(Honest):
    """Centres dosages by all people's."""

    def centre(self, inputs: GeneInputs) -> Float64Array:
        return super().centre(around("fit_fold")["inputs"])


class ScalesByEveryonesHaplotypes(Honest):
    """Shrinks by how far all people's haplotypes lie from the reference."""

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        self.penalty = sum(float(np.square(tile.deltas).sum()) for tile in around("fit_fold")["inputs"].tiles)
        return super().fit(inputs, expression)


class CountsTiles(Honest):
    """Shrinks by the number of tiles, which people who are held out decide too; no other crime."""

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        self.penalty = float(len(inputs.tiles))
        return super().fit(inputs, expression)


class CentresByCompany(Honest):
    """Centres by whoever else is asked about."""

    def predict(self, inputs: GeneInputs) -> Float64Array:
        predicted = super().predict(inputs)
        return np.asarray(predicted - predicted.mean())


class SharedRemembers:
    """Learns from all genes together, and looks up the mean expression of all people."""

    reads_deltas: ClassVar[bool] = False

    def fit(
        self,
        genes: Iterable[GeneInputs],
        expression: Sequence[Float64Array],
        validation: BoolArray | None = None,
    ) -> Self:
        self.level_ = float(around("fit_shared_fold")["genes"].expression.mean())
        return self

    def predict(self, inputs: GeneInputs) -> Float64Array:
        return np.full(len(inputs.sample_ids), self.level_)

    def state(self) -> State:
        return State({"level": self.level_})


CAUGHT = {
    "StandardisesByEveryone": "held-out expression",
    "StopsByHeldOutPeople": "held-out expression",
    "RemembersHeldOutPeople": "held-out expression",
    "CentresByEveryonesDosages": "held-out genotypes reach the fitted model",
    "ScalesByEveryonesHaplotypes": "held-out genotypes reach the fitted model",
    "CountsTiles": "held-out genotypes reach the fitted model",
    "CentresByCompany": "a held-out person's genotypes reach predictions of another",
    "SharedRemembers": "held-out expression",
}
"""What the audit says of each."""
