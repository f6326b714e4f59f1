"""`GeneRegressor` is an estimator to scikit-learn, and predicts what a run does, as honestly."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import check_get_params_invariance

from haploscribe.api.gene import GeneSamples
from haploscribe.api.regressor import GeneRegressor
from haploscribe.errors import InputError
from haploscribe.utils.types import Float64Array
from tests.fixtures.api_run import GENE, MODELS, OTHER_GENE, Made

ALL_MODELS = (*MODELS, "blup-distance", "blup-distance-delta", "susie", "adaptive-shrinkage", "ensemble")

# A run takes covariates out of all samples at once, we out of those of a fold: BLAS may round the last bit
# of a row otherwise. REML's search for the ratio of variances turns that into what its stopping rule allows.
REML = dict.fromkeys(("blup", "blup-delta"), 1e-6)


@pytest.fixture
def gene(made: Made) -> tuple[GeneSamples, Float64Array]:
    X, y = made.cohort.gene(GENE, made.embedded)
    return X, y


@pytest.mark.parametrize("model", MODELS)
def test_cross_validation_around_it_predicts_what_the_run_did(
    made: Made, gene: tuple[GeneSamples, Float64Array], model: str
) -> None:
    X, y = gene
    regressor = GeneRegressor(model)
    if "seed" in regressor.get_params():
        regressor.set_params(seed=3)
    found = cross_val_predict(regressor, X, y, cv=made.cohort.folds(5, seed=3))
    rows = made.predictions.filter(gene_id=GENE, model=model)
    by_run = dict(zip(rows["sample_id"], rows["predicted"], strict=True))
    np.testing.assert_allclose(
        found, [by_run[name] for name in X.sample_ids], rtol=0, atol=REML.get(model, 1e-10)
    )


def test_the_mean_score_over_the_runs_folds_is_the_runs_pearson_r(
    made: Made, gene: tuple[GeneSamples, Float64Array]
) -> None:
    scores = cross_val_score(GeneRegressor("top-snp"), *gene, cv=made.cohort.folds(5, seed=3))
    by_run = made.metrics.filter(gene_id=GENE, model="top-snp")["pearson_r"].item()
    assert scores.mean() == pytest.approx(by_run, abs=1e-12)


def changed_expression(X: GeneSamples, y: Float64Array, sample: int) -> tuple[GeneSamples, Float64Array]:
    changed = y.copy()
    changed[sample] = 1000.0
    return X, changed


def changed_covariates(X: GeneSamples, y: Float64Array, sample: int) -> tuple[GeneSamples, Float64Array]:
    assert X.covariates is not None
    changed = X.covariates.copy()
    changed[sample] = 1000.0
    return replace(X, covariates=changed), y


@pytest.mark.parametrize("change", [changed_expression, changed_covariates])
@pytest.mark.parametrize("model", ["elastic-net", "blup-delta"])
def test_what_a_held_out_sample_has_changes_no_prediction_of_their_fold(
    gene: tuple[GeneSamples, Float64Array],
    model: str,
    change: Callable[[GeneSamples, Float64Array, int], tuple[GeneSamples, Float64Array]],
) -> None:
    folds = KFold(3)
    held_out = next(test for _, test in folds.split(gene[0]))
    before = cross_val_predict(GeneRegressor(model), *gene, cv=folds)
    after = cross_val_predict(GeneRegressor(model), *change(*gene, int(held_out[0])), cv=folds)
    assert np.array_equal(before[held_out], after[held_out])
    assert not np.array_equal(before, after)


def test_the_order_of_samples_does_not_matter(gene: tuple[GeneSamples, Float64Array]) -> None:
    X, y = gene
    shuffled = np.random.default_rng(0).permutation(len(X))
    alone = GeneRegressor("elastic-net").fit(X, y).predict(X)
    assert np.array_equal(alone, GeneRegressor("elastic-net").fit(X[shuffled], y[shuffled]).predict(X))


def test_prepared_expression_is_the_residual_on_covariates_in_units_of_training(
    gene: tuple[GeneSamples, Float64Array],
) -> None:
    X, y = gene
    training, test = np.arange(200), np.arange(200, len(X))
    assert X.covariates is not None
    regression = LinearRegression().fit(X.covariates[training], y[training])
    residuals = y - regression.predict(X.covariates)
    model = GeneRegressor("top-snp", normalize="none").fit(X[training], y[training])
    wanted = residuals[test] / residuals[training].std()
    np.testing.assert_allclose(model.prepared(X[test], y[test]), wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("model", ALL_MODELS)
def test_its_parameters_are_what_scikit_learn_expects(model: str) -> None:
    regressor = GeneRegressor(model, normalize="none")
    check_get_params_invariance("GeneRegressor", regressor)
    assert clone(regressor).get_params() == regressor.get_params()


def test_a_clone_keeps_the_models_own_parameters() -> None:
    copied = clone(GeneRegressor("elastic-net", alpha=0.9, seed=4))
    assert copied.get_params() == {
        "model": "elastic-net",
        "normalize": "inverse-normal",
        "alpha": 0.9,
        "n_folds": 10,
        "n_lambdas": 100,
        "seed": 4,
        "hard_calls": False,
    }


def test_missing_dosages_are_the_mean_in_the_fit(
    gene: tuple[GeneSamples, Float64Array],
) -> None:
    X, y = gene
    calls, rng = X.dosages, np.random.default_rng(0)
    missing = rng.random(calls.shape) < 0.05
    dosages = np.where(missing, np.float32(np.nan), calls)
    imputed = GeneSamples(replace(X.inputs, dosages=dosages, hard_calls=calls), X.covariates)
    train, test = np.arange(0, len(X), 2), np.arange(1, len(X), 2)
    filled = np.where(missing, np.nanmean(dosages[train], axis=0, dtype=np.float64), dosages)
    expected = GeneSamples(replace(X.inputs, dosages=filled.astype(np.float32)), X.covariates)
    found, of_means, of_calls = (
        GeneRegressor("blup", hard_calls=hard_calls).fit(data[train], y[train]).predict(data[test])
        for data, hard_calls in ((imputed, False), (expected, False), (imputed, True))
    )
    np.testing.assert_allclose(found, of_means, atol=1e-6)
    np.testing.assert_array_equal(of_calls, GeneRegressor("blup").fit(X[train], y[train]).predict(X[test]))
    assert np.abs(found - of_calls).max() > 1e-3


def test_a_models_own_parameters_reach_the_model(gene: tuple[GeneSamples, Float64Array]) -> None:
    lasso = GeneRegressor("elastic-net").set_params(alpha=1.0).fit(*gene)
    assert np.array_equal(lasso.predict(gene[0]), GeneRegressor("lasso").fit(*gene).predict(gene[0]))


def test_parameters_of_another_model_come_with_its_name() -> None:
    assert GeneRegressor("blup").set_params(alpha=0.2, model="elastic-net").get_params()["alpha"] == 0.2


def test_a_grid_search_scores_each_alpha_as_cross_validation_does(
    gene: tuple[GeneSamples, Float64Array],
) -> None:
    search = GridSearchCV(GeneRegressor("elastic-net"), {"alpha": [0.1, 1.0]}, cv=3).fit(*gene)
    alone = [cross_val_score(GeneRegressor("elastic-net", alpha=a), *gene, cv=3).mean() for a in (0.1, 1.0)]
    assert search.cv_results_["mean_test_score"] == pytest.approx(alone, abs=1e-12)


def test_a_grid_search_may_be_over_models_in_a_pipeline(gene: tuple[GeneSamples, Float64Array]) -> None:
    models = ["top-snp", "blup"]
    search = GridSearchCV(Pipeline([("m", GeneRegressor())]), {"m__model": models}, cv=3).fit(*gene)
    alone = [cross_val_score(GeneRegressor(model), *gene, cv=3).mean() for model in models]
    assert search.best_params_ == {"m__model": models[int(np.argmax(alone))]}


def test_a_fitted_model_survives_pickling(gene: tuple[GeneSamples, Float64Array]) -> None:
    fitted = GeneRegressor("blup-delta").fit(*gene)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict(gene[0]), fitted.predict(gene[0]))


def test_polars_and_pandas_series_do_for_y(gene: tuple[GeneSamples, Float64Array]) -> None:
    X, y = gene
    scores = [
        cross_val_score(GeneRegressor("top-snp"), X, series, cv=3).tolist()
        for series in (y, pl.Series(y), pd.Series(y, index=X.sample_ids))
    ]
    assert scores[0] == scores[1] == scores[2]


def test_prediction_before_fit_is_refused_as_scikit_learn_does(
    gene: tuple[GeneSamples, Float64Array],
) -> None:
    with pytest.raises(NotFittedError):
        GeneRegressor("top-snp").predict(gene[0])


@pytest.mark.parametrize(
    ("model", "parameters", "said"),
    [
        ("elasticnet", {}, "no model 'elasticnet'; there are top-snp"),
        ("blup", {"alpha": 0.5}, "blup has no parameter 'alpha'; there are normalize, by_distance"),
        ("xpresso", {}, "give it to haploscribe.run"),
        ("transformer-all", {}, "give it to haploscribe.run"),
        ("elastic-net-1mb", {}, "give it to haploscribe.run"),
    ],
)
def test_a_model_that_cannot_be_is_refused_when_made(
    model: str, parameters: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        GeneRegressor(model, **parameters)


def test_an_unknown_normalisation_is_refused(gene: tuple[GeneSamples, Float64Array]) -> None:
    with pytest.raises(InputError, match="normalize='zscore': give one of inverse-normal, log2p1, none"):
        GeneRegressor("blup").set_params(normalize="zscore").fit(*gene)


def test_a_model_of_deltas_needs_embedded_tiles(made: Made) -> None:
    with pytest.raises(InputError, match="blup-delta reads deltas"):
        GeneRegressor("blup-delta").fit(*made.cohort.gene(GENE))


def test_expression_of_other_samples_is_refused(gene: tuple[GeneSamples, Float64Array]) -> None:
    with pytest.raises(InputError, match=r"y has shape \(357,\) for 358 samples"):
        GeneRegressor("blup").fit(gene[0], gene[1][1:])


def test_a_plain_array_for_x_is_refused(gene: tuple[GeneSamples, Float64Array]) -> None:
    X, y = gene
    with pytest.raises(InputError, match="X is a ndarray, not a gene's samples"):
        GeneRegressor("blup").fit(X.inputs.dosages, y)  # type: ignore[arg-type]


def test_another_gene_is_refused(made: Made, gene: tuple[GeneSamples, Float64Array]) -> None:
    other, _ = made.cohort.gene(OTHER_GENE)
    with pytest.raises(InputError, match=f"cannot predict <{OTHER_GENE}"):
        GeneRegressor("top-snp").fit(*gene).predict(other)


def test_samples_without_the_covariates_are_refused(gene: tuple[GeneSamples, Float64Array]) -> None:
    X, y = gene
    with pytest.raises(InputError, match="fitted with 28 covariates but given 0"):
        GeneRegressor("top-snp").fit(X, y).score(replace(X, covariates=None), y)
