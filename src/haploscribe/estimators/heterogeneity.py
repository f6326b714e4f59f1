"""Expression heterogeneity: what many genes' expression shares, and DNA near the gene does not cause.

Batches, cell state and growth move thousands of genes together. The covariates take out most of it; what
they leave is noise to a model of one gene's DNA, and other genes show it. So it is taken out of what models
learn from, as a random effect with the other genes' expression as its kernel (Kang, Ye & Eskin 2008,
Genetics 180:1909; Listgarten et al. 2010, PNAS 107:16465). Expression in held-out samples is never touched:
they are predicted from DNA alone, and judged on expression as it is.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from haploscribe.arrays import BoolArray, Float32Array, Float64Array
from haploscribe.estimators.reml import fit_reml

_NOTHING_LEFT = 1e-9  # of what it is the residual of: rounding


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """What genes share in some samples, once fixed effects are out.

    Attributes
    ----------
    fixed
        float64 `(n_samples, n_fixed)`; orthonormal columns that span the mean and the covariates.
    genes
        float32 `(n_genes, n_samples)`; every gene's expression, less the fixed effects.
    shared
        float64 `(n_samples, n_samples)`; the sum of all genes' products of expression.
    factors
        float64 `(n_samples, n_samples)`; likewise of hidden factors given from outside, 0 without any.
    """

    fixed: Float64Array
    genes: Float32Array
    shared: Float64Array
    factors: Float64Array

    @classmethod
    def of(
        cls, expression: Float64Array, covariates: Float64Array | None, factors: Float64Array | None
    ) -> Self:
        """Prepare for taking it out of any gene's expression.

        Parameters
        ----------
        expression
            float64 `(n_genes, n_samples)`; normalised, of unit variance, in the samples to learn from alone.
        covariates
            float64 `(n_samples, n_covariates)`, or None.
        factors
            float64 `(n_samples, n_factors)`: hidden factors that count as much as all genes together; or
            None.
        """
        n_samples = expression.shape[1]
        columns = np.ones((n_samples, 1))
        if covariates is not None:
            columns = np.column_stack([columns, _standardised(covariates)])
        vectors, sizes, _ = np.linalg.svd(columns, full_matrices=False)
        fixed = vectors[:, sizes > _NOTHING_LEFT * sizes[0]]
        genes = _residuals(expression, fixed).astype(np.float32)
        outside = np.zeros((n_samples, n_samples))
        if factors is not None:
            residual = _residuals(_standardised(factors).T, fixed)
            outside = residual.T @ residual
        return cls(fixed, genes, (genes.T @ genes).astype(np.float64), outside)

    def removed(self, expression: Float64Array, genes: BoolArray) -> Float64Array:
        """Take out what these genes share of one gene's expression.

        With y = h + e, h ~ N(0, σ²_h K) and e ~ N(0, σ²_e I), fitted by REML, a model of y under that
        noise has the scores Xᵀ(K + δI)⁻¹y, which are those of (K + δI)⁻¹y under independent noise: that is
        given, scaled so that what is independent of h keeps its size.

        Parameters
        ----------
        expression
            float64 `(n_samples,)`; the gene's own.
        genes
            bool `(n_genes,)`; which genes to trust: those that share no variants with it.

        Returns
        -------
        float64 `(n_samples,)`; orthogonal to the fixed effects. The expression as it is where the genes and
        factors share nothing with it.
        """
        left_out = self.genes[~genes].astype(np.float64)
        kernel = _unit_trace(self.shared - left_out.T @ left_out) + _unit_trace(self.factors)
        residual = _residuals(expression[None, :], self.fixed)[0]
        fit = fit_reml(kernel, residual, n_fixed_effects=self.fixed.shape[1])
        if not np.isfinite(fit.variance_ratio):
            return expression
        return fit.dual / fit.mean_precision


def _standardised(columns: Float64Array) -> Float64Array:
    """Centre columns and scale them to variance 1; 0 where a column is constant."""
    centred = columns - columns.mean(axis=0)
    spread = centred.std(axis=0)
    varies = spread > _NOTHING_LEFT * np.abs(columns).max(axis=0, initial=0.0)
    return np.asarray(np.where(varies, centred / np.where(varies, spread, 1.0), 0.0))


def _residuals(rows: Float64Array, fixed: Float64Array) -> Float64Array:
    """Take the span of `fixed` out of every row; rows of rounding error become 0."""
    residuals = rows - (rows @ fixed) @ fixed.T
    left = np.linalg.norm(residuals, axis=1) > _NOTHING_LEFT * np.linalg.norm(rows, axis=1)
    return np.asarray(residuals * left[:, None])


def _unit_trace(kernel: Float64Array) -> Float64Array:
    trace = float(np.trace(kernel))
    return kernel / trace if trace > _NOTHING_LEFT else np.zeros_like(kernel)
