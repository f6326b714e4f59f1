"""PrediXcan's elastic net on the dosages of a gene's variants."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from haploscribe.arrays import BoolArray, Float64Array, Int64Array
from haploscribe.errors import InputError
from haploscribe.estimators.checks import require_complete
from haploscribe.estimators.coordinate_descent import elastic_net_path
from haploscribe.estimators.distinct_columns import distinct_columns
from haploscribe.estimators.dosage_model import DosageModel
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.shared_columns import FittedSamples, SharedColumns, shared_columns

_CONSTANT = 1e-10  # a variance this much smaller than among all samples is rounding error


@dataclass(frozen=True, slots=True)
class _Moments:
    """Sums over samples, from which means, variances and correlations with y follow; x is a row a column."""

    n_samples: int
    x: Float64Array
    xx: Float64Array
    xy: Float64Array
    y: float
    yy: float

    @classmethod
    def of(cls, x: Float64Array, y: Float64Array) -> Self:
        return cls(len(y), x.sum(axis=1), np.einsum("ji,ji->j", x, x), x @ y, float(y.sum()), float(y @ y))

    def without(self, other: Self) -> "_Moments":
        """Take away samples; for a tenth of them, ten times cheaper than to sum the rest again."""
        return _Moments(
            self.n_samples - other.n_samples,
            self.x - other.x,
            self.xx - other.xx,
            self.xy - other.xy,
            self.y - other.y,
            self.yy - other.yy,
        )


@dataclass(frozen=True, slots=True)
class _Path:
    """Coefficients and intercepts along falling λ, all on the scale of x and y."""

    lambdas: Float64Array
    coefficients: Float64Array
    intercepts: Float64Array

    def at(self, lambdas: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Coefficients and intercepts at other λ, linear between those fitted, held constant outside."""
        place = np.interp(-lambdas, -self.lambdas, np.arange(self.lambdas.size, dtype=np.float64))
        left = np.floor(place).astype(np.int64)
        right = np.minimum(left + 1, self.lambdas.size - 1)
        share = place - left
        coefficients = (1.0 - share)[:, None] * self.coefficients[left]
        coefficients += share[:, None] * self.coefficients[right]
        return coefficients, (1.0 - share) * self.intercepts[left] + share * self.intercepts[right]


@dataclass(frozen=True, slots=True)
class _Problem:
    """What all fits of one gene share: columns (a row each) and y of all samples, their sums, settings."""

    columns: SharedColumns
    y: Float64Array
    moments: _Moments
    multiplicity: Float64Array
    n_variants: int
    alpha: float
    n_lambdas: int

    def fit(self, held_out: Int64Array) -> _Path:
        """Fit a path by glmnet's conventions: x and y standardised with variance 1/n, λ on y's scale."""
        left_out = np.ascontiguousarray(self.columns.values[:, held_out])
        moments = self.moments.without(_Moments.of(left_out, self.y[held_out]))
        n = moments.n_samples
        mean_x, mean_y = moments.x / n, moments.y / n
        variance_y = moments.yy / n - mean_y**2
        variance = moments.xx / n - mean_x**2
        constant = variance <= _CONSTANT * self.moments.xx / self.moments.n_samples
        scale_x = np.sqrt(np.where(constant, np.inf, variance))
        scale_y = np.sqrt(variance_y) if variance_y > _CONSTANT * moments.yy / n else 1.0
        correlation = (moments.xy / n - mean_x * mean_y) / scale_x / scale_y
        largest = np.abs(correlation).max() / self.alpha
        smallest_share = 1e-2 if n < self.n_variants else 1e-4
        lambdas = largest * np.geomspace(1.0, smallest_share, self.n_lambdas)
        samples = FittedSamples(left_out, n, mean_x, scale_x, correlation)
        coefficients = elastic_net_path(self.columns, samples, 1.0 / self.multiplicity, self.alpha, lambdas)
        coefficients *= scale_y / scale_x
        return _Path(lambdas[: len(coefficients)] * scale_y, coefficients, mean_y - coefficients @ mean_x)


@dataclass(frozen=True, slots=True)
class CrossValidatedPath:
    """An elastic-net path and how well each λ predicts samples held out.

    Attributes
    ----------
    lambdas
        float64 `(n_lambdas,)`, falling, on the scale of expression as glmnet reports them.
    mean_squared_errors
        float64 `(n_lambdas,)`; over all held-out samples (`cvm` of `cv.glmnet`).
    coefficients
        float64 `(n_lambdas, n_variants)`; fitted on all samples, per allele copy.
    intercepts
        float64 `(n_lambdas,)`.
    """

    lambdas: Float64Array
    mean_squared_errors: Float64Array
    coefficients: Float64Array
    intercepts: Float64Array


def cross_validated_path(
    dosages: Float64Array,
    expression: Float64Array,
    held_out: Sequence[Int64Array],
    *,
    alpha: float,
    n_lambdas: int,
) -> CrossValidatedPath:
    """Fit the path on all samples, and its error on samples held out in turn, as R's `cv.glmnet` does.

    Each fit draws its own sequence of λ, from the least that leaves no variant down to a hundredth of it
    (a ten-thousandth where samples outnumber variants). The fits without held-out samples are read off at
    the λ of the fit on all samples by linear interpolation.

    Parameters
    ----------
    dosages
        float64 `(n_samples, n_variants)`; at least one column must vary.
    expression
        float64 `(n_samples,)`.
    held_out
        int64 arrays; the samples of each inner fold.
    alpha
        Share of the L1 penalty, above 0, at most 1.
    n_lambdas
        Length of the sequence before glmnet's rules cut it short.
    """
    centre_x, centre_y = dosages.mean(axis=0), expression.mean()
    distinct = distinct_columns(dosages)
    # Centred, so that sums of squares lose no digits.
    x = np.ascontiguousarray((dosages - centre_x)[:, distinct.columns].T)
    y = expression - centre_y
    moments, multiplicity = _Moments.of(x, y), distinct.multiplicity
    problem = _Problem(shared_columns(x), y, moments, multiplicity, dosages.shape[1], alpha, n_lambdas)
    path = problem.fit(np.empty(0, dtype=np.int64))
    squared_error = np.zeros(path.lambdas.size)
    for fold in held_out:
        coefficients, intercepts = problem.fit(fold).at(path.lambdas)
        squared_error += np.sum((y[fold] - coefficients @ x[:, fold] - intercepts[:, None]) ** 2, axis=1)

    # Equal copies share their coefficient equally: the only minimum where alpha < 1.
    varying = np.flatnonzero(distinct.group >= 0)
    group = distinct.group[varying]
    spread = np.sqrt(np.mean((dosages[:, varying] - centre_x[varying]) ** 2, axis=0))
    share = distinct.sign[varying] * np.sqrt(moments.xx[group] / len(y)) / spread / multiplicity[group]
    coefficients = np.zeros((path.lambdas.size, dosages.shape[1]))
    coefficients[:, varying] = path.coefficients[:, group] * share
    return CrossValidatedPath(
        path.lambdas,
        squared_error / sum(len(fold) for fold in held_out),
        coefficients,
        centre_y + path.intercepts - coefficients @ centre_x,
    )


class ElasticNet(DosageModel):
    """PrediXcan's elastic net: the penalty chosen by inner cross-validation, as R's `cv.glmnet` does it.

    The model of Gamazon et al. 2015: L1 and L2 penalty in equal parts, λ with the least cross-validated
    squared error (`lambda.min`), variants standardised. With a validation set, λ is the one with the least
    error there instead. Either way the final coefficients are fitted on all samples given.

    Parameters
    ----------
    alpha
        Share of the L1 penalty, above 0, at most 1 (the lasso).
    n_folds
        Inner folds that choose λ.
    n_lambdas
        Values of λ tried at most.
    seed
        Draws the inner folds; the same samples get the same inner folds at every gene.

    Attributes
    ----------
    lambda_
        The chosen penalty, on the scale of expression; NaN where nothing varies.
    n_selected
        Number of variants with a coefficient other than zero.

    Raises
    ------
    InputError
        If `alpha`, `n_folds` or `n_lambdas` is out of range; from `fit` if values are missing or there are
        fewer samples than inner folds.
    """

    def __init__(self, alpha: float = 0.5, n_folds: int = 10, n_lambdas: int = 100, seed: int = 0) -> None:
        if not 0.0 < alpha <= 1.0:
            raise InputError(f"elastic net: alpha is {alpha}, but must be above 0 and at most 1")
        if n_folds < 2 or n_lambdas < 2:
            raise InputError(
                f"elastic net: {n_folds} folds and {n_lambdas} lambdas, but each must be 2 or more"
            )
        self.alpha = alpha
        self.n_folds = n_folds
        self.n_lambdas = n_lambdas
        self.seed = seed

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Choose λ and fit the coefficients on all samples given; see `Estimator.fit`."""
        require_complete(inputs, expression)
        held_out = self._held_out(inputs, validation)
        dosages = inputs.dosages.astype(np.float64)
        self.coefficients_ = np.zeros(dosages.shape[1])
        self.intercept_, self.lambda_ = float(expression.mean()), float("nan")
        if np.ptp(expression) > 0.0 and np.any(dosages != dosages[0]):
            path = cross_validated_path(
                dosages, expression, held_out, alpha=self.alpha, n_lambdas=self.n_lambdas
            )
            best = int(np.argmin(path.mean_squared_errors))  # of equals the first, the largest λ
            self.lambda_ = float(path.lambdas[best])
            self.coefficients_ = path.coefficients[best]
            self.intercept_ = float(path.intercepts[best])
        return self

    @property
    def n_selected(self) -> int:
        """Number of variants with a coefficient other than zero."""
        return int(np.count_nonzero(self.coefficients_))

    def _held_out(self, inputs: GeneInputs, validation: BoolArray | None) -> list[Int64Array]:
        n_samples = len(inputs.sample_ids)
        if validation is not None:
            if validation.all() or not validation.any():
                raise InputError(
                    f"elastic net: {validation.sum()} of {n_samples} samples are for validation, "
                    "but some must be and some not: mend the split"
                )
            return [np.flatnonzero(validation)]
        if n_samples < self.n_folds:
            raise InputError(
                f"elastic net: {n_samples} training samples are too few for {self.n_folds} inner folds"
            )
        fold = np.random.default_rng(self.seed).permutation(np.arange(n_samples) % self.n_folds)
        return [np.flatnonzero(fold == k) for k in range(self.n_folds)]


class WideElasticNet(ElasticNet):
    """The elastic net on all variants within 1 Mb of the TSS, the window that PrediXcan uses.

    Coefficients are those of `GeneInputs.wide`.
    """

    reads_wide: ClassVar[bool] = True

    def fit(self, inputs: GeneInputs, expression: Float64Array, validation: BoolArray | None = None) -> Self:
        """Choose λ and fit the coefficients on all samples given; see `Estimator.fit`."""
        return super().fit(inputs.widened(), expression, validation)

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression; see `Estimator.predict`."""
        return super().predict(inputs.widened())
