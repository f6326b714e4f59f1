"""A small cohort with known effects, and a ridge to learn them: enough to hold evaluation to its rules."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from haploscribe.estimators.base import State
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import BoolArray, Float64Array


class NotKept:
    """What an estimator needs that is fitted and asked, and never written down."""

    def standard_errors(self, inputs: GeneInputs) -> None:
        return None

    def state(self) -> State:
        raise NotImplementedError

    def restore(self, state: State) -> Self:
        raise NotImplementedError


class Ridge(NotKept):
    """Ridge regression on centred dosages; keeps what it was given, for tests to look at."""

    reads_deltas: ClassVar[bool] = False
    reads_wide: ClassVar[bool] = False
    uses_other_genes: bool = False
    seen: ClassVar[list[tuple[tuple[str, ...], BoolArray | None]]] = []

    def __init__(self, penalty: float = 30.0) -> None:
        self.penalty = penalty

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        self.seen.append((inputs.sample_ids, validation))
        x = inputs.dosages.astype(np.float64)
        self.mean_ = x.mean(axis=0)
        x = x - self.mean_
        gram = x.T @ x + self.penalty * np.eye(x.shape[1])
        self.effects_ = np.linalg.solve(gram, x.T @ (expression - expression.mean()))
        self.intercept_ = float(expression.mean())
        return self

    def predict(self, inputs: GeneInputs) -> Float64Array:
        predicted: Float64Array = self.intercept_ + (inputs.dosages - self.mean_) @ self.effects_
        return predicted


class Constant(NotKept):
    """Predicts one number for everyone."""

    reads_deltas: ClassVar[bool] = False
    reads_wide: ClassVar[bool] = False
    uses_other_genes: bool = False

    def __init__(self, predicted: Float64Array | None = None) -> None:
        self.predicted = predicted

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        return self

    def predict(self, inputs: GeneInputs) -> Float64Array:
        return np.full(len(inputs.sample_ids), 0.25)


@dataclass
class SyntheticGene:
    inputs: GeneInputs
    expression: Float64Array
    covariates: Float64Array


def synthetic_gene(
    seed: int, n_samples: int = 100, n_variants: int = 20, gene_id: str = "G"
) -> SyntheticGene:
    """A gene of which three variants explain about half the variance, and two covariates the rest."""
    rng = np.random.default_rng(seed)
    dosages = rng.binomial(2, rng.uniform(0.1, 0.5, n_variants), (n_samples, n_variants)).astype(np.float32)
    covariates = rng.normal(size=(n_samples, 2))
    signal = dosages[:, :3] @ rng.choice([-1.0, 1.0], 3)
    noise = rng.normal(size=n_samples) * signal.std()
    expression = np.exp(0.5 * (signal + noise + covariates @ [1.0, -1.0]))
    positions = np.sort(rng.choice(100_000, n_variants, replace=False)).astype(np.int64)
    sample_ids = tuple(f"S{i:03d}" for i in range(n_samples))
    inputs = GeneInputs(Gene(gene_id, "1", 50_000), sample_ids, positions, dosages)
    return SyntheticGene(inputs, expression, covariates)
