"""PrediXcan's elastic net on the dosages of a gene's variants."""

from typing import ClassVar, Self

import numpy as np

from haploscribe.errors import InputError
from haploscribe.estimators.base import require_complete
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.linear.dosage_model import DosageModel
from haploscribe.estimators.solvers.penalty_choice import cross_validated_path
from haploscribe.utils.types import BoolArray, Float64Array, Int64Array


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
    hard_calls
        See `DosageModel`.

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

    def __init__(
        self,
        alpha: float = 0.5,
        n_folds: int = 10,
        n_lambdas: int = 100,
        seed: int = 0,
        *,
        hard_calls: bool = False,
    ) -> None:
        super().__init__(hard_calls=hard_calls)
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
            self.lambda_ = float(path.lambdas[path.chosen])
            self.coefficients_ = path.coefficients[path.chosen]
            self.intercept_ = float(path.intercepts[path.chosen])
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
                    "but some must be and some not: fix the split"
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
        return super().fit(inputs.with_wide_window(), expression, validation)

    def predict(self, inputs: GeneInputs) -> Float64Array:
        """Predict expression; see `Estimator.predict`."""
        return super().predict(inputs.with_wide_window())
