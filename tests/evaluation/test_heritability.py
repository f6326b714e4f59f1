"""SNP heritability against GEMMA's REML, with covariates."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from haploscribe.errors import InputError
from haploscribe.evaluation.heritability import snp_heritability
from tests.fixtures.peers import require_program

N_SAMPLES, N_VARIANTS, N_COVARIATES = 150, 60, 4


def drawn(h2: float, seed: int = 0, follow: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dosages, expression, and covariates that act on it and follow the dosages."""
    rng = np.random.default_rng(seed)
    frequencies = rng.uniform(0.1, 0.9, N_VARIANTS)
    dosages = rng.binomial(2, frequencies, (N_SAMPLES, N_VARIANTS)).astype(np.float32)
    genetic = standardised(dosages) @ rng.normal(size=N_VARIANTS)
    genetic *= np.sqrt(h2) / genetic.std()
    covariates = rng.normal(size=(N_SAMPLES, N_COVARIATES)) + follow * dosages[:, :N_COVARIATES]
    noise = rng.normal(0, np.sqrt(1 - h2), N_SAMPLES)
    return dosages, 3 + genetic + noise + covariates @ rng.normal(size=N_COVARIATES), covariates


def standardised(dosages: np.ndarray) -> np.ndarray:
    return np.asarray((dosages - dosages.mean(axis=0)) / dosages.std(axis=0), dtype=np.float64)


@pytest.mark.parametrize("h2", [0.1, 0.4, 0.8])
def test_the_share_equals_gemmas(tmp_path: Path, h2: float) -> None:
    gemma = require_program("gemma")
    dosages, expression, covariates = drawn(h2, seed=1)
    kernel = standardised(dosages) @ standardised(dosages).T / N_VARIANTS
    design = np.column_stack([np.ones(N_SAMPLES), covariates])
    for name, table in (("kernel", kernel), ("expression", expression), ("design", design)):
        np.savetxt(tmp_path / name, table, fmt="%.15g")
    # GEMMA wants a variant to test; its null model, which we read, does not look at it.
    calls = np.random.default_rng(2).binomial(2, 0.4, N_SAMPLES)
    (tmp_path / "variant").write_text(f"rs1, A, G, {', '.join(map(str, calls))}\n")
    inputs = ["-g", "variant", "-p", "expression", "-k", "kernel", "-c", "design"]
    subprocess.run([gemma, *inputs, "-lmm", "1", "-o", "null"], cwd=tmp_path, capture_output=True, check=True)
    log = (tmp_path / "output" / "null.log.txt").read_text()
    genetic, residual = (
        float(re.findall(rf"## {name} estimate in the null model = (\S+)", log)[0]) for name in ("vg", "ve")
    )
    # Its components are of the kernel as given; ours, of one with a mean diagonal of 1 beyond covariates.
    left = np.eye(N_SAMPLES) - design @ np.linalg.pinv(design)
    genetic *= np.trace(left @ kernel @ left) / (N_SAMPLES - N_COVARIATES - 1)
    ours = snp_heritability(dosages, expression, covariates).estimate
    assert ours == pytest.approx(genetic / (genetic + residual), abs=2e-4)


def test_the_standard_error_is_that_of_the_information_matrix() -> None:
    """½ tr(V⁻¹ V_k V⁻¹ V_l) of both components, carried over to their share by the delta method."""
    dosages, expression, _ = drawn(0.4, follow=0.0)
    found = snp_heritability(dosages, expression)
    contrasts = np.linalg.svd(np.ones((N_SAMPLES, 1)))[0][:, 1:]
    z = contrasts.T @ standardised(dosages)
    kernel = z @ z.T * (N_SAMPLES - 1) / np.trace(z @ z.T)
    h2 = found.estimate
    inverse = np.linalg.inv(h2 * kernel + (1 - h2) * np.eye(N_SAMPLES - 1))
    slopes = [inverse @ kernel, inverse]
    information = 0.5 * np.array([[np.trace(one @ other) for other in slopes] for one in slopes])
    gradient = np.array([1 - h2, -h2])  # of σ²_g / (σ²_g + σ²_e), which add up to 1
    expected = np.sqrt(gradient @ np.linalg.inv(information) @ gradient)
    assert found.standard_error == pytest.approx(expected, rel=1e-6)


def test_errors_and_tests_are_calibrated() -> None:
    """Over genes without heritability, p is that of half a χ²; over others, errors are the spread."""
    none = [snp_heritability(*drawn(0.0, seed, follow=0.0)) for seed in range(150)]
    assert 0.01 <= np.mean([one.p_value < 0.05 for one in none]) <= 0.11
    assert max(one.p_value for one in none) == 0.5
    some = [snp_heritability(*drawn(0.5, seed, follow=0.0)) for seed in range(60)]
    spread = np.std([one.estimate for one in some])
    assert 0.7 < np.mean([one.standard_error for one in some]) / spread < 1.4
    assert np.mean([one.p_value < 0.01 for one in some]) > 0.8


def test_covariates_in_or_out_of_expression_are_the_same() -> None:
    dosages, expression, covariates = drawn(0.4)
    design = np.column_stack([np.ones(N_SAMPLES), covariates])
    residual = expression - design @ np.linalg.lstsq(design, expression)[0]
    with_covariates = snp_heritability(dosages, expression, covariates).estimate
    assert 0.1 < with_covariates < 0.9
    assert snp_heritability(dosages, residual, covariates).estimate == pytest.approx(
        with_covariates, abs=1e-6
    )


def test_covariates_count_once_in_any_unit() -> None:
    dosages, expression, covariates = drawn(0.4)
    again = np.column_stack([covariates * 1e6, covariates @ np.ones(N_COVARIATES), np.full(N_SAMPLES, 7.0)])
    expected = snp_heritability(dosages, expression, covariates).estimate
    assert snp_heritability(dosages, expression, again).estimate == pytest.approx(expected, abs=1e-6)


def test_many_simulated_genes_average_to_the_truth() -> None:
    found = [snp_heritability(*drawn(0.3, seed, follow=0.0)).estimate for seed in range(60)]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - 0.3) < 4 * error


@pytest.mark.parametrize("what", ["dosages", "expression", "explained"])
def test_nothing_to_explain_is_zero(what: str) -> None:
    dosages, expression, covariates = drawn(0.4)
    if what == "dosages":
        dosages[:] = 1
    else:
        expression = np.full(N_SAMPLES, 2.0) if what == "expression" else covariates @ np.arange(4.0)
    assert snp_heritability(dosages, expression, covariates).estimate == 0.0


def test_too_many_covariates_are_the_users_fault() -> None:
    dosages, expression, _ = drawn(0.4)
    with pytest.raises(InputError, match="149 covariates are too many for 150 samples; give at most 147"):
        snp_heritability(dosages, expression, np.random.default_rng(0).normal(size=(150, 149)))


def test_as_many_covariates_as_are_allowed_leave_a_share() -> None:
    dosages, expression, _ = drawn(0.4)
    covariates = np.random.default_rng(0).normal(size=(20, 18))
    assert 0 <= snp_heritability(dosages[:20], expression[:20], covariates[:, :17]).estimate <= 1
    with pytest.raises(InputError, match="18 covariates are too many for 20 samples; give at most 17"):
        snp_heritability(dosages[:20], expression[:20], covariates)
