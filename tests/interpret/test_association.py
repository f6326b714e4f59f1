"""Marginal association, against scipy and R."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from haploscribe.interpret.association import marginal_association, marginal_correlations
from tests.fixtures.peers import require_r


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_samples=st.integers(3, 40), effect=st.floats(-3, 3))
def test_each_variant_is_regressed_as_scipy_does(seed: int, n_samples: int, effect: float) -> None:
    rng = np.random.default_rng(seed)
    dosages = rng.binomial(2, 0.4, (n_samples, 5)).astype(np.float32)
    expression = effect * dosages[:, 0] + rng.normal(size=n_samples) + 10
    found = marginal_association(dosages, expression)
    for column, slope, error, log10_p in zip(
        dosages.T.astype(np.float64), found.slope, found.standard_error, found.log10_p, strict=True
    ):
        if np.ptp(column) == 0:
            assert np.isnan([slope, error, log10_p]).all()
        else:
            expected = stats.linregress(column, expression)
            values = [expected.slope, expected.stderr, np.log10(expected.pvalue)]
            np.testing.assert_allclose([slope, error, log10_p], values, rtol=1e-7, atol=1e-9)


def test_p_too_small_for_a_number_is_that_of_r(tmp_path: Path) -> None:
    rscript = require_r()
    rng = np.random.default_rng(0)
    dosages = rng.binomial(2, 0.5, (2000, 1)).astype(np.float32)
    noises = [1.0, 0.3, 0.1, 0.03, 0.001]
    found = []
    with (tmp_path / "t").open("w") as file:
        for noise in noises:
            expression = dosages[:, 0] + noise * rng.normal(size=2000)
            one = marginal_association(dosages, expression)
            found.append(one.log10_p[0])
            file.write(f"{float(one.slope[0] / one.standard_error[0])!r}\n")
    script = (
        "cat((pt(abs(scan('t', quiet = TRUE)), 1998, lower.tail = FALSE, log.p = TRUE) + log(2)) / log(10))"
    )
    done = subprocess.run(
        [rscript, "--vanilla", "-e", f"options(digits = 15); {script}"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    np.testing.assert_allclose(found, [float(x) for x in done.stdout.split()], rtol=1e-10)
    assert found[-1] < -5000


def test_more_variants_than_fit_a_block_are_each_given_their_own() -> None:
    rng = np.random.default_rng(1)
    dosages = rng.binomial(2, 0.4, (30, 2500)).astype(np.float32)
    expression = rng.normal(size=30)
    whole = marginal_association(dosages, expression)
    some = np.array([0, 1023, 1024, 2047, 2048, 2499])
    np.testing.assert_allclose(
        whole.log10_p[some], marginal_association(dosages[:, some], expression).log10_p, rtol=1e-12
    )


def test_expression_that_does_not_vary_is_associated_with_nothing() -> None:
    found = marginal_association(np.array([[0], [1], [2], [1]], dtype=np.float32), np.full(4, 5.0))
    assert (found.slope[0], found.standard_error[0], found.log10_p[0]) == (0, 0, 0)


def test_a_perfect_fit_has_no_standard_error_and_a_p_of_zero() -> None:
    dosages = np.array([[0], [1], [2], [1]], dtype=np.float32)
    found = marginal_association(dosages, 2 * dosages[:, 0].astype(np.float64))
    assert (found.slope[0], found.standard_error[0], found.log10_p[0]) == (2, 0, -np.inf)


def test_two_samples_are_too_few() -> None:
    with pytest.raises(ValueError, match="three samples, not 2"):
        marginal_association(np.ones((2, 1), dtype=np.float32), np.ones(2))


def test_correlations_are_those_of_numpy_and_0_where_nothing_differs() -> None:
    rng = np.random.default_rng(3)
    dosages = rng.binomial(2, 0.3, (60, 1500)).astype(np.float32)
    dosages[:, [0, 1400]] = 1.0
    expression = rng.normal(size=60)
    expected = np.zeros(1500)
    for column in set(range(1500)) - {0, 1400}:
        expected[column] = np.corrcoef(dosages[:, column], expression)[0, 1]
    np.testing.assert_allclose(marginal_correlations(dosages, expression), expected, atol=1e-12)
    np.testing.assert_array_equal(marginal_correlations(dosages, np.ones(60)), 0.0)
