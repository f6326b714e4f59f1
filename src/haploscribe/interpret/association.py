"""Marginal association: expression regressed on one variant at a time."""

from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, betaln, hyp2f1

from haploscribe.utils.types import Float32Array, Float64Array

_BLOCK = 1024
# Below this, the incomplete beta function nears the smallest number a float64 holds.
_SMALL_P = 1e-200


@dataclass(frozen=True, slots=True)
class MarginalAssociation:
    """Simple regressions of expression on the ALT dosage of each variant, with an intercept.

    Attributes
    ----------
    slope
        float64 `(n_variants,)`; change in expression with each copy of ALT; NaN where no dosage differs.
    standard_error
        float64 `(n_variants,)`; of the slope; NaN where the slope is.
    log10_p
        float64 `(n_variants,)`; log10 of the two-sided p-value of the t test that the slope is 0, with n − 2
        degrees of freedom; exact also where p is too small for a float64; NaN where the slope is.
    """

    slope: Float64Array
    standard_error: Float64Array
    log10_p: Float64Array


def marginal_association(dosages: Float32Array, expression: Float64Array) -> MarginalAssociation:
    """Regress expression on each variant alone.

    Parameters
    ----------
    dosages
        float32 `(n_samples, n_variants)`; copies of ALT, none missing.
    expression
        float64 `(n_samples,)`; already corrected for covariates; their degrees of freedom are not subtracted,
        as in cross-validation.

    Raises
    ------
    ValueError
        With fewer than three samples.
    """
    n_samples, n_variants = dosages.shape
    if n_samples < 3:
        raise ValueError(f"a regression takes three samples, not {n_samples}")
    y = expression - expression.mean()
    freedom = n_samples - 2
    slope = np.full(n_variants, np.nan)
    standard_error = np.full(n_variants, np.nan)
    unexplained = np.full(n_variants, np.nan)  # residual over total sum of squares
    for start in range(0, n_variants, _BLOCK):  # bounds what is in memory as float64
        columns = start + np.flatnonzero(np.ptp(dosages[:, start : start + _BLOCK], axis=0))
        x = dosages[:, columns].astype(np.float64)
        x -= x.mean(axis=0)
        spread = np.einsum("ij,ij->j", x, x)
        slope[columns] = y @ x / spread
        residuals = y[:, None] - slope[columns] * x
        squares = np.einsum("ij,ij->j", residuals, residuals)
        standard_error[columns] = np.sqrt(squares / freedom / spread)
        total = float(y @ y)
        # Expression that does not vary has slope 0, which explains nothing: p is 1.
        unexplained[columns] = np.minimum(squares / total, 1.0) if total > 0 else 1.0
    return MarginalAssociation(slope, standard_error, _log10_p(unexplained, freedom))


def marginal_correlations(dosages: Float32Array, expression: Float64Array) -> Float64Array:
    """Correlate expression with each variant alone.

    Parameters
    ----------
    dosages, expression
        As `marginal_association`.

    Returns
    -------
    float64 `(n_variants,)`; Pearson's r, 0 where no dosage or no expression differs.
    """
    y = expression - expression.mean()
    found = np.zeros(dosages.shape[1])
    for start in range(0, dosages.shape[1], _BLOCK):
        columns = start + np.flatnonzero(np.ptp(dosages[:, start : start + _BLOCK], axis=0))
        x = dosages[:, columns].astype(np.float64)
        x -= x.mean(axis=0)
        size = np.sqrt(np.einsum("ij,ij->j", x, x) * float(y @ y))
        found[columns] = y @ x / np.where(size > 0.0, size, 1.0)
    return found


def _log10_p(unexplained: Float64Array, freedom: int) -> Float64Array:
    """Return log10 of the p-value of a t test from the unexplained share of the variance.

    With x = 1 − r² = ν / (ν + t²), the two-sided p is the regularised incomplete beta I_x(ν/2, 1/2), and
    I_x(a, b) = x^a / (a B(a, b)) · ₂F₁(a, 1 − b; a + 1; x), whose logarithm needs no small number (NIST
    Digital Library of Mathematical Functions, 8.17.2 and 8.17.7).

    Parameters
    ----------
    unexplained
        float64 `(n,)`; x, 0 to 1 or NaN.
    freedom
        ν, at least 1.
    """
    a = freedom / 2
    p = betainc(a, 0.5, unexplained)
    small = p < _SMALL_P
    log_p = np.log(np.where(small, 1.0, p))
    x = unexplained[small]
    with np.errstate(divide="ignore"):  # a perfect fit
        log_p[small] = a * np.log(x) - np.log(a) - betaln(a, 0.5) + np.log(hyp2f1(a, 0.5, a + 1, x))
    log10_p: Float64Array = log_p / np.log(10)
    return log10_p
