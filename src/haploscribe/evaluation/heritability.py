"""SNP heritability of a gene's expression: how much of it the variants of its cis window could predict."""

import numpy as np
from scipy.linalg import helmert

from haploscribe.arrays import Float32Array, Float64Array
from haploscribe.errors import InputError
from haploscribe.estimators.reml import fit_reml

# Contrasts smaller than this part of what they are contrasts of are rounding.
_NOTHING_LEFT = 1e-9


def snp_heritability(
    dosages: Float32Array, expression: Float64Array, covariates: Float64Array | None = None
) -> float:
    """Estimate the share of expression's variance, beyond covariates, that all variants explain together.

    y = Cα + g + e, g ~ N(0, σ²_g K), e ~ N(0, σ²_e I), K = ZZᵀ with each variant standardised (Yang et al.
    2011, AJHG 88:76), by restricted maximum likelihood: that of the contrasts which the mean and covariates
    do not touch. The share is σ²_g / (σ²_g + σ²_e) with K scaled to a mean diagonal of 1 on these contrasts.

    Fitted on all samples given: where these include held-out ones, it may sort genes into classes, but no
    prediction may see it.

    Parameters
    ----------
    dosages
        float32 `(n_samples, n_variants)`; copies of the ALT allele.
    expression
        float64 `(n_samples,)`; normalised, with covariates still in it or not.
    covariates
        float64 `(n_samples, n_covariates)`, without an intercept; None for none.

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
    design = np.ones((n_samples, 1))
    if covariates is not None:
        spread = covariates.std(axis=0)
        scaled = (covariates - covariates.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        design = np.column_stack([design, scaled])
    if design.shape[1] > n_samples - 2:
        raise InputError(
            f"{design.shape[1] - 1} covariates are too many for {n_samples} samples; give at most "
            f"{max(n_samples - 3, 0)}, or more samples"
        )
    values = dosages.astype(np.float64)
    spread = values.std(axis=0)
    standardised = (values[:, spread > 0] - values[:, spread > 0].mean(axis=0)) / spread[spread > 0]
    basis, rank = _contrasts(design)
    # The contrasts have no mean, but fit_reml takes one out: so they are spread over as many made-up samples
    # and one more, orthogonal to the mean of these.
    to_samples = helmert(n_samples - rank + 1).T @ basis.T
    genetic, outcome = to_samples @ standardised, to_samples @ expression
    if _nothing_left(genetic, standardised) or _nothing_left(outcome, expression):
        return 0.0
    return fit_reml(genetic @ genetic.T, outcome).heritability


def _nothing_left(contrasts: Float64Array, of: Float64Array) -> bool:
    return bool(np.linalg.norm(contrasts) <= _NOTHING_LEFT * np.linalg.norm(of))


def _contrasts(design: Float64Array) -> tuple[Float64Array, int]:
    """Span what a design leaves, float64 `(n_samples, n_samples − rank)`, orthonormal; give its rank too."""
    left, singular, _ = np.linalg.svd(design, full_matrices=True)
    rank = int(np.count_nonzero(singular > singular[0] * max(design.shape) * np.finfo(np.float64).eps))
    return left[:, rank:], rank
