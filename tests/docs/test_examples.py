"""The worked examples: right by themselves, and enough for a real run."""

import inspect
from pathlib import Path

import numpy as np
import pytest
from docs.examples import dinucleotides, ridge
from docs.examples.dinucleotides import DinucleotideCounts
from docs.examples.ridge import Ridge
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import lstsq

from haploscribe.embedding.backbones.base import Backbone
from haploscribe.estimators.base import Estimator
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.expression.genes import Gene
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.utils.types import Float64Array

ONE_GENE = "ENSG00000183597"


def made_inputs(n_variants: int) -> tuple[GeneInputs, Float64Array]:
    rng = np.random.default_rng(5)
    dosages = rng.binomial(2, 0.3, (40, n_variants)).astype(np.float32)
    people = tuple(f"S{i}" for i in range(40))
    positions = np.arange(n_variants, dtype=np.int64)
    return GeneInputs(Gene("g", "chr1", 0), people, positions, dosages), rng.normal(2.0, 1.0, 40)


@pytest.mark.parametrize("n_variants", [0, 1, 15, 120])
@pytest.mark.parametrize("penalty", [0.5, 100.0])
def test_ridge_is_least_squares_with_the_penalty_as_further_samples(n_variants: int, penalty: float) -> None:
    inputs, expression = made_inputs(n_variants)
    centred = inputs.dosages - inputs.dosages.mean(axis=0, dtype=np.float64)
    rows = np.vstack([centred, np.sqrt(penalty) * np.eye(n_variants)])
    outcomes = np.concatenate([expression - expression.mean(), np.zeros(n_variants)])
    effects = lstsq(rows, outcomes)[0] if n_variants else np.zeros(0)
    fitted: Estimator = Ridge(penalty).fit(inputs, expression)
    np.testing.assert_allclose(fitted.predict(inputs), expression.mean() + centred @ effects, atol=1e-9)


@given(st.lists(st.binary(max_size=30).map(lambda raw: bytes(b"ACGTN"[i % 5] for i in raw)), max_size=4))
def test_dinucleotides_are_counted_as_by_hand(sequences: list[bytes]) -> None:
    backbone: Backbone = DinucleotideCounts()
    pairs = [bytes([a, b]) for a in b"ACGT" for b in b"ACGT"]
    by_hand = [[sum(s[i : i + 2] == p for i in range(len(s))) for p in pairs] for s in sequences]
    found = backbone.embed([TileHaplotype(sequence) for sequence in sequences])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], np.reshape(by_hand, (len(sequences), 16)))


@pytest.mark.parametrize("module", [ridge, dinucleotides])
def test_an_example_is_under_40_lines(module: object) -> None:
    assert len(Path(inspect.getfile(module)).read_text().splitlines()) < 40  # type: ignore[arg-type]
