"""Expression heterogeneity: what many genes' expression shares, and DNA near the gene does not cause.

Batches, cell state and growth move thousands of genes together. The covariates take out most of it; what
they leave is noise to a model of one gene's DNA, and other genes show it. So it is taken out of what models
learn from, as a random effect with the other genes' expression as its kernel (Kang, Ye & Eskin 2008,
Genetics 180:1909; Listgarten et al. 2010, PNAS 107:16465). Expression in held-out samples is never touched:
they are predicted from DNA alone, and judged on expression as it is.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from haploscribe.estimators.solvers.reml import KernelEigen, fit_reml, fixed_effects, residuals, standardised
from haploscribe.utils.files import write_if_absent
from haploscribe.utils.types import BoolArray, Float32Array, Float64Array

_NO_TRACE = 1e-9  # of a kernel: no gene and no factor has a say
_ARRAYS = ("fixed", "genes", "factors", "shared")


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """What genes share in some samples, once fixed effects are out.

    Attributes
    ----------
    fixed
        float64 `(n_samples, n_fixed)`; orthonormal columns that span the mean and the covariates.
    genes
        float32 `(n_genes, n_samples)`; every gene's expression, less the fixed effects.
    factors
        float64 `(n_factors, n_samples)`; hidden factors given from outside, likewise, over the root of their
        kernel's trace.
    shared
        float64 `(n_samples, n_samples)`; the sum of all genes' products of expression. `(0, 0)` where there
        are fewer genes and factors than samples: then they are the smaller side of any kernel.
    """

    fixed: Float64Array
    genes: Float32Array
    factors: Float64Array
    shared: Float64Array

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
        fixed = fixed_effects(n_samples, covariates)
        genes = residuals(expression, fixed).astype(np.float32)
        outside = np.zeros((0, n_samples))
        if factors is not None:
            outside = _unit_trace(residuals(standardised(factors).T, fixed))
        few = len(genes) + len(outside) < n_samples
        shared = np.zeros((0, 0)) if few else (genes.T @ genes).astype(np.float64)
        return cls(fixed, genes, outside, shared)

    def save(self, folder: Path) -> None:
        """Write the arrays to a new folder."""
        with write_if_absent(folder) as aside:
            aside.mkdir()
            for name in _ARRAYS:
                np.save(aside / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map what `save` wrote into memory: processes of one machine share it."""
        return cls(
            **{name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS}
        )

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
        residual = residuals(expression[None, :], self.fixed)[0]
        fit = fit_reml(self._spectrum(genes), residual, n_fixed_effects=self.fixed.shape[1])
        if not np.isfinite(fit.variance_ratio):
            return expression
        return fit.dual / fit.mean_precision

    def _spectrum(self, genes: BoolArray) -> KernelEigen:
        """Decompose the kernel of these genes, and of the factors, which count as much."""
        if not self.shared.size:
            trusted = _unit_trace(self.genes[genes].astype(np.float64))
            return KernelEigen.of_features(np.concatenate([trusted, self.factors]).T)
        left_out = self.genes[~genes].astype(np.float64)
        kernel = self.shared - left_out.T @ left_out
        trace = float(np.trace(kernel))
        kernel = kernel / trace if trace > _NO_TRACE else np.zeros_like(kernel)
        return KernelEigen.of(kernel + self.factors.T @ self.factors)


def _unit_trace(features: Float64Array) -> Float64Array:
    """Scale the rows of features so that their kernel has a trace of 1."""
    trace = float(np.square(features).sum())
    return features / np.sqrt(trace) if trace > _NO_TRACE else np.zeros_like(features)
