"""Elastic-net paths of one gene, on all samples or without some, each fitted only as far as asked for."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from haploscribe.estimators.solvers.columns import FoldMoments, GramCache
from haploscribe.estimators.solvers.coordinate_descent import elastic_net_path
from haploscribe.utils.types import Float64Array, Int64Array

_CONSTANT = 1e-10  # a variance this much smaller than among all samples is rounding error


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over samples that give means, variances and correlations with y; one row of x per column."""

    n_samples: int
    x: Float64Array
    xx: Float64Array
    xy: Float64Array
    y: float
    yy: float

    @classmethod
    def of(cls, x: Float64Array, y: Float64Array) -> Self:
        """Sum over the samples of x, float64 `(n_columns, n_samples)`, and y, float64 `(n_samples,)`."""
        return cls(len(y), x.sum(axis=1), np.einsum("ji,ji->j", x, x), x @ y, float(y.sum()), float(y @ y))

    def without(self, other: Self) -> "Moments":
        """Take away samples; for a tenth of them, ten times cheaper than to sum the rest again."""
        return Moments(
            self.n_samples - other.n_samples,
            self.x - other.x,
            self.xx - other.xx,
            self.xy - other.xy,
            self.y - other.y,
            self.yy - other.yy,
        )


@dataclass(frozen=True, slots=True)
class PenaltyProblem:
    """What all paths of one gene share.

    Attributes
    ----------
    columns
        The columns of x in all samples, about centred, and their products.
    y
        float64 `(n_samples,)`; about centred.
    moments
        Sums over all samples.
    multiplicity
        float64 `(n_columns,)`; how many variants each column stands for.
    n_variants
        Variants, those that do not vary among them: glmnet's number of variables.
    alpha
        Share of the L1 penalty, above 0, at most 1.
    n_lambdas
        Length of a path before glmnet's rules cut it short.
    """

    columns: GramCache
    y: Float64Array
    moments: Moments
    multiplicity: Float64Array
    n_variants: int
    alpha: float
    n_lambdas: int


class PenaltyPath:
    """Coefficients along falling λ on the samples that are not held out; `extend` fits more of it.

    Conventions are glmnet's: x and y are standardised with variance 1/n, λ is on y's scale, from the least
    that leaves no column down to a hundredth of it (a ten-thousandth where samples outnumber variants).

    Parameters
    ----------
    problem
        The columns and y.
    held_out
        int64 `(n_held_out,)`; samples to leave out.

    Attributes
    ----------
    lambdas
        float64 `(n_lambdas,)`; all λ of the path, also those not fitted yet.
    ended
        Whether the path is fitted to its end, which glmnet's rules may put before the last λ.
    """

    def __init__(self, problem: PenaltyProblem, held_out: Int64Array) -> None:
        left_out = np.ascontiguousarray(problem.columns.values[:, held_out])
        moments = problem.moments.without(Moments.of(left_out, problem.y[held_out]))
        n = moments.n_samples
        mean_x, mean_y = moments.x / n, moments.y / n
        variance_y = moments.yy / n - mean_y**2
        variance = moments.xx / n - mean_x**2
        constant = variance <= _CONSTANT * problem.moments.xx / problem.moments.n_samples
        scale_x = np.sqrt(np.where(constant, np.inf, variance))
        scale_y = np.sqrt(variance_y) if variance_y > _CONSTANT * moments.yy / n else 1.0
        correlation = (moments.xy / n - mean_x * mean_y) / scale_x / scale_y
        largest = np.abs(correlation).max() / problem.alpha
        smallest_share = 1e-2 if n < problem.n_variants else 1e-4
        self._problem = problem
        self._samples = FoldMoments(left_out, n, mean_x, scale_x, correlation)
        self._mean_y, self._scale_y = mean_y, float(scale_y)
        self._standardised_lambdas = largest * np.geomspace(1.0, smallest_share, problem.n_lambdas)
        self._standardised = np.zeros((1, correlation.size))
        self._held_out_y = problem.y[held_out]
        self._held_out_predictions = np.full((1, held_out.size), mean_y)
        self.lambdas = self._standardised_lambdas * scale_y
        self.ended = False

    @property
    def n_fitted(self) -> int:
        """How many λ, from the first on, are fitted."""
        return len(self._standardised)

    def extend(self, n_lambdas: int) -> None:
        """Fit the path up to some λ, or up to its end if that comes before.

        Parameters
        ----------
        n_lambdas
            How many λ should then be fitted, counted from the first.
        """
        n_lambdas = min(n_lambdas, self.lambdas.size)
        if self.ended or n_lambdas <= self.n_fitted:
            return
        problem, samples = self._problem, self._samples
        added, ended = elastic_net_path(
            problem.columns,
            samples,
            1.0 / problem.multiplicity,
            problem.alpha,
            self._standardised_lambdas[self.n_fitted - 1 : n_lambdas],
            self._standardised[-1],
            self.n_fitted - 1,
        )
        scaled = added * (self._scale_y / samples.scales)
        predictions = (scaled @ (samples.left_out - samples.means[:, None])) + self._mean_y
        self._held_out_predictions = np.concatenate((self._held_out_predictions, predictions))
        self._standardised = np.concatenate((self._standardised, added))
        self.ended = ended or self.n_fitted == self.lambdas.size

    def coefficients(self, n_lambdas: int) -> tuple[Float64Array, Float64Array]:
        """Scale coefficients and intercepts back to x and y.

        Parameters
        ----------
        n_lambdas
            At how many λ, counted from the first, `n_fitted` at most.

        Returns
        -------
        float64 `(n_lambdas, n_columns)` and `(n_lambdas,)`.
        """
        coefficients = self._standardised[:n_lambdas] * (self._scale_y / self._samples.scales)
        return coefficients, self._mean_y - coefficients @ self._samples.means

    def held_out_errors(self, lambdas: Float64Array) -> Float64Array:
        """Sum squared errors over the held-out samples, fitting as much of the path as that takes.

        Parameters
        ----------
        lambdas
            float64 `(n,)`, falling. Between those of the path coefficients are linear in λ, and outside they
            are held constant, as R's `cv.glmnet` has it.

        Returns
        -------
        float64 `(n,)`.
        """
        self.extend(int(np.searchsorted(-self.lambdas, -lambdas[-1])) + 1)
        fitted = self.lambdas[: self.n_fitted]
        place = np.interp(-lambdas, -fitted, np.arange(fitted.size, dtype=np.float64))
        left = np.floor(place).astype(np.int64)
        right = np.minimum(left + 1, fitted.size - 1)
        share = (place - left)[:, None]
        predictions = (1.0 - share) * self._held_out_predictions[left]
        predictions += share * self._held_out_predictions[right]
        return np.asarray(np.sum((self._held_out_y - predictions) ** 2, axis=1))
