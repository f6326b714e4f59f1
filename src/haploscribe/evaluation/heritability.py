"""Estimate the SNP heritability of a gene's expression from the variants of its cis window."""

import numpy as np

from haploscribe.errors import InputError
from haploscribe.estimators.solvers.reml import KernelEigen, fit_reml, fixed_effects, residuals, standardised
from haploscribe.utils.types import Float32Array, Float64Array


def snp_heritability(
    dosages: Float32Array, expression: Float64Array, covariates: Float64Array | None = None
) -> float:
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
    float
        0 to 1; 0 where no variant or no expression varies beyond the covariates.

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
    return fit_reml(kernel, outcome, n_fixed_effects=fixed.shape[1]).heritability
