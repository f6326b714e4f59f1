"""Fit one gene's model as a scikit-learn estimator."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from haploscribe.api.gene import GeneSamples
from haploscribe.api.keywords import check_option
from haploscribe.config.options import EvaluationOptions, Normalisation
from haploscribe.errors import InputError
from haploscribe.estimators.base import Estimator, GeneEstimator
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.registry import check_names, model_specs
from haploscribe.evaluation.metrics import gene_metrics
from haploscribe.expression.normalise import prepare
from haploscribe.parallel.threads import threads
from haploscribe.utils.types import Float64Array

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils.validation import check_is_fitted
except ModuleNotFoundError:
    raise InputError("GeneRegressor needs scikit-learn: pip install 'haploscribe[notebook]'") from None

_OWN = ("model", "normalize")


class GeneRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Fit one model of one gene, as an estimator of scikit-learn (`cross_val_predict`, `GridSearchCV`).

    `X` and `y` are those of `OpenedCohort.gene`: dosages, deltas and covariates, and expression as read.
    `fit` normalises expression and regresses out covariates with the given samples, as in a fold of a run, so
    nothing fitted within cross-validation sees a held-out sample. Predictions are on the scale
    of the prepared expression: mean 0 and variance 1 in the samples of `fit`. `prepared` puts held-out
    expression on this scale, and `score` correlates the two. A score that compares predictions with `y`
    itself (`scoring="r2"`) compares two scales.

    With the folds of `OpenedCohort.folds`, out-of-fold predictions equal those of a run for models that are
    trained on one gene alone. Models that also use other genes (`transformer`, `susie`, the ensembles,
    those named distance) use the default prior of the package.

    The order of samples does not change a fit.

    Parameters
    ----------
    model
        A name as in `--models`. Not for zero-shot models, `transformer-all` and `elastic-net-1mb`, which
        read more than one gene's cis window: see `haploscribe.run`.
    normalize
        `inverse-normal`, `log2p1` or `none`.
    params
        The model's own parameters, such as `alpha` of `elastic-net`; `get_params` lists them.

    Attributes
    ----------
    estimator_
        The fitted model (`haploscribe.estimators`).
    training_
        `X` of the samples that it was fitted on, in alphabetical order.
    expression_
        float64 `(n_training,)`; their expression, as given.

    Examples
    --------
    >>> import haploscribe
    >>> from sklearn.model_selection import cross_val_score
    >>> cohort = haploscribe.example_cohort(maf=0.05)
    >>> X, y = cohort.gene("ENSG00000185252")
    >>> cross_val_score(haploscribe.GeneRegressor("top-snp"), X, y, cv=3).round(2)
    array([0.13, 0.18, 0.17])
    >>> haploscribe.GeneRegressor("lasso", n_folds=5).get_params()  # doctest: +NORMALIZE_WHITESPACE
    {'model': 'lasso', 'normalize': 'inverse-normal', 'alpha': 1.0, 'n_folds': 5, 'n_lambdas': 100, 'seed': 0,
     'hard_calls': False}
    """

    def __init__(
        self, model: str = "elastic-net", *, normalize: Normalisation = "inverse-normal", **params: Any
    ) -> None:
        self.model = model
        self.normalize = normalize
        unknown = sorted(set(params) - set(self._defaults()))
        if unknown:
            raise InputError(
                f"{model} has no parameter {unknown[0]!r}; "
                f"there are {', '.join((*_OWN[1:], *self._defaults()))}"
            )
        for name, value in params.items():
            setattr(self, name, value)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all parameters, including the model's own; `deep`, of scikit-learn, changes nothing."""
        own = {name: getattr(self, name, default) for name, default in self._defaults().items()}
        return {"model": self.model, "normalize": self.normalize, **own}

    def set_params(self, **params: Any) -> Self:
        """Set parameters; `model` may be set together with parameters of the new model.

        Raises
        ------
        InputError
            When there is no such model.
        ValueError
            When the model has no such parameter.
        """
        self.model = params.pop("model", self.model)
        super().set_params(**params)
        return self

    def fit(self, X: GeneSamples, y: npt.ArrayLike) -> Self:
        """Normalise expression, regress out covariates, and fit the model.

        Parameters
        ----------
        X
            Training samples.
        y
            `(n_samples,)`; their expression, as read.

        Raises
        ------
        InputError
            When `X` and `y` differ in length, values are missing, there are too few samples for the
            covariates or the model, or the model reads deltas and `X` has none.
        """
        check_option(EvaluationOptions, "normalize", self.normalize)
        expression = _expression(X, y)
        params = {name: value for name, value in self.get_params().items() if name not in _OWN}
        estimator = self._factory()(**params)
        assert isinstance(estimator, GeneEstimator)
        if estimator.reads_deltas and not X.has_deltas:
            raise InputError(f"{self.model} reads deltas: X, y = cohort.gene(gene_id, cohort.embed(...))")
        by_name = np.argsort(np.asarray(X.sample_ids), kind="stable")
        self.training_, self.expression_ = X[by_name], expression[by_name]
        all_samples = np.ones(len(X), dtype=np.bool_)
        with threads(1):  # as in a run: several threads change the last bits of sums
            prepared = prepare(self.expression_, self.training_.covariates, all_samples, self.normalize)
            self.estimator_ = estimator.fit(self._complete(estimator, self.training_), prepared)
        return self

    def predict(self, X: GeneSamples) -> Float64Array:
        """Predict expression from genotypes; float64 `(n_samples,)`, on the scale of `prepared`.

        Raises
        ------
        InputError
            When `X` is of another gene or has other variants.
        """
        check_is_fitted(self)
        self._require_same_gene(X)
        with threads(1):
            return np.asarray(self.estimator_.predict(self._complete(self.estimator_, X)), dtype=np.float64)

    def prepared(self, X: GeneSamples, y: npt.ArrayLike) -> Float64Array:
        """Normalise expression and regress out covariates as fitted by `fit`: the scale of predictions.

        Parameters
        ----------
        X, y
            Samples, held out or not, and their expression, as read.

        Returns
        -------
        numpy.ndarray
            float64 `(n_samples,)`; in the samples of `fit`, mean 0 and variance 1.

        Raises
        ------
        InputError
            As `predict`, and when `X` and `y` differ in length.
        """
        check_is_fitted(self)
        self._require_same_gene(X)
        expression = np.concatenate([self.expression_, _expression(X, y)])
        training = np.arange(expression.size) < self.expression_.size
        covariates = _stacked(self.training_.covariates, X.covariates)
        with threads(1):
            return prepare(expression, covariates, training, self.normalize)[~training]

    def score(self, X: GeneSamples, y: npt.ArrayLike) -> float:
        """Return Pearson's r of predicted and `prepared` expression; 0 where either is constant.

        The mean over a run's folds is `pearson_r` of its `metrics.tsv`.
        """
        columns = {"observed": self.prepared(X, y), "predicted": self.predict(X)}
        frame = pl.DataFrame(columns).with_columns(
            gene_id=pl.lit(X.gene.gene_id), model=pl.lit(self.model), fold=1
        )
        r: float = gene_metrics(frame, {X.gene.gene_id: X.shape[1]}).item(0, "pearson_r")
        return r

    def _complete(self, estimator: Estimator, samples: GeneSamples) -> GeneInputs:
        """Return the inputs as the model reads them; training means impute missing dosages."""
        means = self.training_.inputs.means(np.arange(len(self.training_)))
        return estimator.select(samples.inputs.filled(means))

    def _defaults(self) -> dict[str, Any]:
        """Return the parameters of the model, and their defaults."""
        parameters = inspect.signature(self._factory()).parameters
        return {name: parameter.default for name, parameter in parameters.items()}

    def _factory(self) -> Callable[..., Estimator]:
        """Return the class or function that creates an unfitted model from its parameters."""
        check_names((self.model,))
        (spec,) = model_specs((self.model,), seed=0).values()
        able = spec.capabilities
        if able.across_genes or able.zero_shot or able.reads_wide:
            raise InputError(
                f"{self.model} reads more than the cis window of one gene; give it to haploscribe.run instead"
            )
        return partial(type(able), **spec.parameters)

    def _require_same_gene(self, samples: GeneSamples) -> None:
        """Raise InputError for samples of another gene, or with other variants or tiles, than in `fit`."""
        _require_samples(samples)
        mine, theirs = self.training_.inputs, samples.inputs
        same = mine.gene == theirs.gene and np.array_equal(mine.positions, theirs.positions)
        if self.estimator_.reads_deltas:
            same &= [tile.start for tile in mine.tiles] == [tile.start for tile in theirs.tiles]
        if not same:
            raise InputError(
                f"{self.model} was fitted on {self.training_} and cannot predict {samples}: "
                "give samples of the same cohort and gene"
            )


def _require_samples(samples: object) -> None:
    if not isinstance(samples, GeneSamples):
        raise InputError(
            f"X is a {type(samples).__name__}, not a gene's samples: X, y = cohort.gene(gene_id)"
        )


def _expression(samples: GeneSamples, values: npt.ArrayLike) -> Float64Array:
    """Return `y` as a float64 array, checked against `X`."""
    _require_samples(samples)
    expression = np.asarray(values, dtype=np.float64)
    if expression.shape != (len(samples),) or not np.isfinite(expression).all():
        raise InputError(
            f"y has shape {expression.shape} for {len(samples)} samples; give one finite number per sample"
        )
    return expression


def _stacked(first: Float64Array | None, second: Float64Array | None) -> Float64Array | None:
    """Concatenate the covariates of two groups of samples."""
    if first is None and second is None:
        return None
    n_covariates = [0 if table is None else table.shape[1] for table in (first, second)]
    if first is None or second is None or n_covariates[0] != n_covariates[1]:
        raise InputError(
            f"fitted with {n_covariates[0]} covariates but given {n_covariates[1]}: give samples of the same "
            "cohort"
        )
    return np.concatenate([first, second])
