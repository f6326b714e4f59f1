"""Calibration against scipy's regression, and in simulations whose truth is known."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from haploscribe.evaluation.calibration import (
    GENE_CALIBRATION_SCHEMA,
    MODEL_CALIBRATION_SCHEMA,
    calibrate_bins,
    calibrate_genes,
    calibrate_models,
)
from haploscribe.evaluation.cross_validation import PREDICTION_SCHEMA
from haploscribe.evaluation.metrics import gene_metrics

N_FOLDS, N_TEST = 5, 70


def predictions_of(observed: np.ndarray, predicted: np.ndarray, model: str = "m") -> pl.DataFrame:
    """Predictions from arrays (n_genes, N_FOLDS × N_TEST)."""
    n_genes = len(observed)
    return pl.DataFrame(
        {
            "gene_id": np.repeat([f"G{i:03d}" for i in range(n_genes)], observed.shape[1]),
            "sample_id": np.tile([f"S{i}" for i in range(observed.shape[1])], n_genes),
            "model": model,
            "fold": np.tile(np.repeat(np.arange(1, N_FOLDS + 1), N_TEST), n_genes),
            "observed": observed.ravel(),
            "predicted": predicted.ravel(),
        },
        schema=PREDICTION_SCHEMA,
    )


def simulated(n_genes: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Expression of variance 1, and its mean given what is known, whose variance differs by gene."""
    rng = np.random.default_rng(seed)
    known = rng.uniform(0, 0.5, n_genes)[:, None]
    predicted = rng.normal(size=(n_genes, N_FOLDS * N_TEST)) * np.sqrt(known)
    return predicted + rng.normal(size=predicted.shape) * np.sqrt(1 - known), predicted


def order_of(genes: pl.DataFrame) -> list[str]:
    return sorted(set(genes["gene_id"]))


def test_a_fold_alone_has_scipys_slope_and_correlation() -> None:
    observed, predicted = simulated(3)
    table = predictions_of(observed, predicted + 2).filter(pl.col("fold") == 1)
    genes = calibrate_genes(table)
    assert genes.schema == GENE_CALIBRATION_SCHEMA
    squared = calibrate_bins(genes, [])["squared_r"].item()
    fits = [stats.linregress(predicted[i, :N_TEST], observed[i, :N_TEST]) for i in range(3)]
    slopes = genes["covariance"] / genes["predicted_spread"]
    np.testing.assert_allclose(slopes, [fit.slope for fit in fits], rtol=1e-10)
    assert squared == pytest.approx(np.mean([fit.rvalue**2 for fit in fits]))


def test_folds_that_differ_in_mean_only_do_not_make_a_slope() -> None:
    observed, predicted = simulated(1)
    shift = np.repeat(np.arange(N_FOLDS) * 5.0, N_TEST)
    plain, shifted = (
        calibrate_models(calibrate_genes(predictions_of(observed - by, predicted + by)), ["G000"])
        for by in (0.0, shift)
    )
    assert shifted["slope"].item() == pytest.approx(plain["slope"].item())


def test_r2_is_that_of_the_metrics() -> None:
    observed, predicted = simulated(1)
    table = predictions_of(observed, predicted * 1.7)
    r2 = gene_metrics(table, {"G000": 1})["r2"].item()
    assert calibrate_bins(calibrate_genes(table), [0.1])["r2"].item() == pytest.approx(r2)


@pytest.mark.parametrize(("scale", "slope", "explained"), [(1.0, 1.0, 1.0), (2.0, 0.5, 0.0), (0.5, 2.0, 3.0)])
def test_a_known_scale_is_found(scale: float, slope: float, explained: float) -> None:
    # E[observed | predicted] = predicted / s explains (2 / s − 1) times the variance that is predicted
    observed, predicted = simulated()
    genes = calibrate_genes(predictions_of(observed, predicted * scale))
    row = calibrate_models(genes, order_of(genes)).row(0, named=True)
    assert row["slope_low"] <= slope <= row["slope_high"]
    assert row["slope_high"] - row["slope_low"] < 0.1 * slope
    difference = row["explained_variance"] - explained * row["predicted_variance"]
    assert abs(difference) < 0.05 * row["predicted_variance"]


def test_every_bin_of_a_calibrated_model_explains_what_it_predicts() -> None:
    observed, predicted = simulated(400)
    genes = calibrate_genes(predictions_of(observed, predicted))
    bins = calibrate_bins(genes, [0.1, 0.2, 0.3, 0.4])
    assert bins["bin"].to_list() == [0, 1, 2, 3, 4]
    assert bins["n_genes"].sum() == 400
    assert ((bins["explained_variance"] - bins["predicted_variance"]).abs() < 0.03).all()
    assert bins["predicted_variance"].is_sorted()


def test_the_pooled_slope_is_that_of_one_regression_over_all_genes() -> None:
    observed, predicted = simulated(20, seed=4)
    centred = predicted.reshape(20, N_FOLDS, N_TEST)
    centred = centred - centred.mean(axis=2, keepdims=True)
    genes = calibrate_genes(predictions_of(observed, predicted))
    pooled = calibrate_models(genes, order_of(genes))
    assert pooled.schema == MODEL_CALIBRATION_SCHEMA
    expected = stats.linregress(centred.ravel(), observed.ravel()).slope
    assert pooled["slope"].item() == pytest.approx(expected, rel=1e-6)


def test_the_interval_is_as_wide_as_the_slopes_spread() -> None:
    slopes, widths = [], []
    for seed in range(60):
        genes = calibrate_genes(predictions_of(*simulated(40, seed)))
        row = calibrate_models(genes, order_of(genes)).row(0, named=True)
        slopes.append(row["slope"])
        widths.append(row["slope_high"] - row["slope_low"])
    assert 3.2 < np.mean(widths) / np.std(slopes) < 5.2  # 3.92 standard errors, more for few blocks


def test_predictions_that_never_vary_have_no_slope() -> None:
    observed, _ = simulated(3)
    genes = calibrate_genes(predictions_of(observed, np.zeros_like(observed)))
    row = calibrate_models(genes, order_of(genes)).row(0, named=True)
    assert row["slope"] is row["slope_low"] is row["slope_high"] is None
    assert row["predicted_variance"] == row["explained_variance"] == 0
    assert calibrate_bins(genes, [0.1]).row(0)[1:] == (0, 3, 0.0, 0.0, 0.0, 0.0)


def test_one_gene_has_the_slope_of_its_regression_and_no_interval() -> None:
    observed, predicted = simulated(1, seed=3)
    genes = calibrate_genes(predictions_of(observed, predicted).filter(pl.col("fold") == 1))
    row = calibrate_models(genes, ["G000"]).row(0, named=True)
    assert row["slope"] == pytest.approx(stats.linregress(predicted[0, :N_TEST], observed[0, :N_TEST]).slope)
    assert row["slope_low"] is row["slope_high"] is None


def test_two_genes_have_an_interval() -> None:
    genes = calibrate_genes(predictions_of(*simulated(2)))
    row = calibrate_models(genes, order_of(genes)).row(0, named=True)
    assert row["slope_low"] < row["slope"] < row["slope_high"]


def test_rows_are_sorted_by_gene_and_model() -> None:
    tables = [predictions_of(*simulated(12), model) for model in "dbeac"]
    genes = calibrate_genes(pl.concat(tables).sample(fraction=1.0, shuffle=True, seed=0))
    assert genes.select("gene_id", "model").rows() == [
        (f"G{i:03d}", model) for i in range(12) for model in "abcde"
    ]
    models = calibrate_models(genes.sample(fraction=1.0, shuffle=True, seed=1), order_of(genes))
    assert models["model"].to_list() == ["a", "b", "c", "d", "e"]
    bins = calibrate_bins(genes, [0.1, 0.2]).select("model", "bin").rows()
    assert bins == sorted(bins)
