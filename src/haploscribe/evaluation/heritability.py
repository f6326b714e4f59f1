"""Estimate the SNP heritability of a gene's expression from the variants of its cis window."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from haploscribe.errors import InputError
from haploscribe.estimators.solvers.reml import KernelEigen, fit_reml, fixed_effects, residuals, standardised
from haploscribe.utils.types import Float32Array, Float64Array


@dataclass(frozen=True, slots=True)
class Heritability:
    """SNP heritability of a gene's expression.

    Attributes
    ----------
    estimate, standard_error
        Of h², 0 to 1; the error from the expected information of the restricted likelihood, NaN where nothing
        varies.
    p_value
        Of the likelihood-ratio test that h² is 0, whose statistic is 0 or χ² with 1 degree of freedom, each
        with probability ½ (Self & Liang 1987, JASA 82:605), as GCTA and FUSION have it.
    """

    estimate: float
    standard_error: float
    p_value: float


def snp_heritability(
    dosages: Float32Array, expression: Float64Array, covariates: Float64Array | None = None
) -> Heritability:
    """Estimate the share of expression's variance, beyond covariates, that all variants explain together.

    y = Cα + g + e, g ~ N(0, σ²_g K), e ~ N(0, σ²_e I), K = ZZᵀ with each variant standardised (Yang et al.
    2011, AJHG 88:76), by restricted maximum likelihood, that is of contrasts free of the mean and
    covariates. The share is σ²_g / (σ²_g + σ²_e) with K scaled to a mean diagonal of 1 on these contrasts.

    Fitted on all samples given: where these include held-out ones, use it to classify genes only, never in a
    prediction.

    Parameters
    ----------
    dosages
        float32 `(n_samples, n_variants)`; copies of the ALT allele.
    expression
        float64 `(n_samples,)`; normalised, before or after regressing out covariates.
    covariates
        float64 `(n_samples, n_covariates)`, without an intercept, or None.

    Returns
    -------
    Heritability
        With the estimate 0 where no variant or no expression varies beyond the covariates.

    Raises
    ------
    InputError
        When there are fewer than 2 samples more than covariates.
    """
    n_samples = len(expression)
    fixed = fixed_effects(n_samples, covariates)
    if fixed.shape[1] > n_samples - 2:
        raise InputError(
            f"{fixed.shape[1] - 1} covariates are too many for {n_samples} samples; give at most "
            f"{max(n_samples - 3, 0)}, or more samples"
        )
    genetic = residuals(standardised(dosages.astype(np.float64)).T, fixed)
    outcome = residuals(expression[None, :], fixed)[0]
    kernel = KernelEigen.of_features(genetic.T)
    fit = fit_reml(kernel, outcome, n_fixed_effects=fixed.shape[1])
    if not np.isfinite(fit.variance_ratio):
        return Heritability(0.0, float("nan"), 1.0)
    n_contrasts = n_samples - fixed.shape[1]
    spectrum = np.zeros(n_contrasts)
    values = kernel.values[-n_contrasts:]
    spectrum[: len(values)] = values / (values.sum() / n_contrasts)
    squares = np.zeros(n_contrasts)
    along = kernel.vectors[:, -n_contrasts:].T @ outcome
    squares[: len(values)] = along**2
    apart = float(outcome @ outcome - along @ along)  # shared by the directions without genetic variance
    squares[len(values) :] = max(apart, 0.0) / max(n_contrasts - len(values), 1)
    return _tested(fit.heritability, spectrum, squares)


def _tested(estimate: float, spectrum: Float64Array, squares: Float64Array) -> Heritability:
    """Return h² with its standard error and test.

    On contrasts along the eigenvectors of K, y_i ~ N(0, σ² v_i) with v_i = h² s_i + 1 − h². The expected
    information of log σ² and h² is ½ [n, Σd; Σd, Σd²] with d_i = (s_i − 1) / v_i.

    Parameters
    ----------
    estimate
        h².
    spectrum, squares
        float64 `(n_contrasts,)`; s_i, of mean 1, and y_i².
    """

    def twice_likelihood(h2: float) -> float:
        variances = h2 * spectrum + 1.0 - h2
        return -float(len(squares) * np.log(np.sum(squares / variances)) + np.sum(np.log(variances)))

    slopes = (spectrum - 1.0) / (estimate * spectrum + 1.0 - estimate)
    information = 0.5 * (float(slopes @ slopes) - float(slopes.sum()) ** 2 / len(slopes))
    error = 1.0 / np.sqrt(information) if information > 0.0 else np.nan
    statistic = max(twice_likelihood(estimate) - twice_likelihood(0.0), 0.0)
    return Heritability(estimate, float(error), 0.5 * float(chi2.sf(statistic, 1)))
