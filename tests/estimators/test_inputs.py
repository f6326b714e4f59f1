"""What estimators are given of missing calls and uncertain ones."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from haploscribe.estimators.base import Estimator
from haploscribe.estimators.ensemble import DeltaEnsemble, DosageEnsemble
from haploscribe.estimators.inputs import DosageMeans, Dosages1Mb, GeneInputs
from haploscribe.estimators.linear.blup import DeltaBlup, DosageBlup
from haploscribe.estimators.linear.top_snp import TopSnp
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import Float32Array

N_SAMPLES, N_VARIANTS = 7, 4
_POSITIONS = np.arange(N_VARIANTS, dtype=np.int64)


def inputs_of(dosages: Float32Array) -> GeneInputs:
    called = np.nan_to_num(np.rint(dosages)).astype(np.float32)
    return GeneInputs(
        Gene("g", "1", 0),
        tuple(f"s{i}" for i in range(len(dosages))),
        _POSITIONS,
        dosages,
        wide=Dosages1Mb(_POSITIONS, dosages[:, ::-1], called[:, ::-1]),
        hard_calls=called,
    )


drawn_dosages = hnp.arrays(
    np.float32,
    (N_SAMPLES, N_VARIANTS),
    elements=st.floats(0, 2, width=32) | st.just(np.float32("nan")),
)


@given(dosages=drawn_dosages, training=st.sets(st.integers(0, N_SAMPLES - 1), min_size=1))
def test_a_missing_dosage_is_the_mean_of_training_samples_that_have_one(
    dosages: Float32Array, training: set[int]
) -> None:
    inputs, rows = inputs_of(dosages), np.array(sorted(training))
    filled = inputs.imputed(rows)
    means = np.nan_to_num(np.ma.masked_invalid(dosages[rows].astype(float)).mean(axis=0).filled(0.0))
    expected = np.where(np.isnan(dosages), means, dosages)
    np.testing.assert_allclose(filled.dosages, expected, rtol=1e-6, atol=1e-9)
    assert filled.wide is not None
    np.testing.assert_allclose(filled.wide.dosages, expected[:, ::-1], rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(filled.with_hard_calls().dosages, inputs.hard_calls)
    # Nothing of the others is used.
    others = np.setdiff1d(np.arange(N_SAMPLES), rows)
    changed = dosages.copy()
    changed[others] = 1.5
    np.testing.assert_array_equal(inputs_of(changed).imputed(rows).take(rows).dosages, filled.dosages[rows])


def test_half_a_sample_has_half_the_mean() -> None:
    dosages = np.array([[np.nan, 1.0, 0.5, 0.0]], dtype=np.float32)
    means = DosageMeans(np.array([1.2, 0.3, 0.3, 0.3]), None)
    filled = inputs_of(dosages).filled(means, np.array([0.5], dtype=np.float32))
    np.testing.assert_allclose(filled.dosages, [[0.6, 1.0, 0.5, 0.0]])


def test_complete_calls_are_not_copied() -> None:
    inputs = inputs_of(np.ones((N_SAMPLES, N_VARIANTS), dtype=np.float32))
    assert inputs.wide is not None
    complete = replace(inputs, hard_calls=None, wide=replace(inputs.wide, hard_calls=None))
    assert complete.imputed(np.arange(3)) is complete
    assert complete.with_hard_calls().dosages is complete.dosages


@pytest.mark.parametrize(
    ("estimator", "of_calls"),
    [
        (DosageBlup(), False),
        (TopSnp(), False),
        (DosageEnsemble(), False),
        (DosageBlup(hard_calls=True), True),
        (TopSnp(hard_calls=True), True),
        (DosageEnsemble(hard_calls=True), True),
        (DeltaBlup(), True),
        (DeltaEnsemble(), True),
    ],
)
def test_models_of_deltas_and_those_told_so_read_calls(estimator: Estimator, of_calls: bool) -> None:
    inputs = inputs_of(np.full((N_SAMPLES, N_VARIANTS), 0.7, dtype=np.float32))
    assert np.all(estimator.select(inputs).dosages == (1.0 if of_calls else np.float32(0.7)))
