"""External validation against scipy's regression and correlation, gene by gene."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from polars.testing import assert_frame_equal
from scipy import stats

from haploscribe.evaluation.cross_validation import PREDICTION_SCHEMA
from haploscribe.evaluation.external import (
    MODEL_VALIDATION_SCHEMA,
    VALIDATION_SCHEMA,
    validate_genes,
    validate_models,
)
from haploscribe.evaluation.metrics import METRIC_SCHEMA
from haploscribe.evaluation.paired import compare_models

N = 40


def predictions_of(observed: np.ndarray, predicted: np.ndarray, gene_id: str, model: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "gene_id": gene_id,
            "sample_id": [f"S{i}" for i in range(len(observed))],
            "model": model,
            "fold": 1,
            "observed": observed,
            "predicted": predicted,
        },
        schema=PREDICTION_SCHEMA,
    )


def drawn(signal: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Standardised expression, and predictions that are off in level and in scale."""
    rng = np.random.default_rng(seed)
    predicted = 0.3 * rng.normal(size=N) + 0.2
    return stats.zscore(signal * predicted + rng.normal(size=N)), predicted


PAIRS = {
    (f"G{gene:02d}", model): drawn(signal * (gene + 1) / 8, seed=100 * gene + number)
    for gene in range(15)
    for number, (model, signal) in enumerate({"a": 2.0, "b": -0.5, "c": 4.0}.items())
}
GENES = sorted({gene for gene, _ in PAIRS})
N_VARIANTS = dict.fromkeys(GENES, 7)


def run_metrics() -> pl.DataFrame:
    """Made-up metrics of a run, in which model `b` was not measured and `c` did better than chance."""
    rng = np.random.default_rng(4)
    rows = [
        {"gene_id": gene, "model": model, "n_samples": 90, "n_variants": 7, "constant": False}
        | {"pearson_r": float(rng.uniform(0.1, 0.5)), "pearson_p": 0.1, "spearman_r": 0.0, "r2": 0.0}
        for gene, model in PAIRS
        if model != "b"
    ]
    return pl.DataFrame(rows, schema=METRIC_SCHEMA)


@pytest.fixture(scope="module")
def validated() -> pl.DataFrame:
    tables = [predictions_of(*pair, *names) for names, pair in PAIRS.items()]
    return validate_genes(pl.concat(tables).sample(fraction=1.0, shuffle=True, seed=1), N_VARIANTS)


def test_every_figure_of_a_gene_is_scipys(validated: pl.DataFrame) -> None:
    assert validated.schema == VALIDATION_SCHEMA
    assert validated.select("gene_id", "model").rows() == sorted(PAIRS)
    for row in validated.iter_rows(named=True):
        observed, predicted = PAIRS[row["gene_id"], row["model"]]
        fit = stats.linregress(predicted, observed)
        test = stats.pearsonr(observed, predicted, alternative="greater")
        expected = {
            "n_samples": N,
            "pearson_r": test.statistic,
            "pearson_p": test.pvalue,
            "spearman_r": stats.spearmanr(observed, predicted).statistic,
            "r2": 1 - np.sum((observed - predicted) ** 2) / np.sum((observed - observed.mean()) ** 2),
            "slope": fit.slope,
            "slope_standard_error": fit.stderr,
            "intercept": fit.intercept,
            "predicted_sd": predicted.std(),
        }
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-9)
        assert row["run_pearson_r"] is None


def test_the_r_of_the_run_is_that_of_the_same_gene_and_model() -> None:
    metrics = run_metrics()
    tables = pl.concat(predictions_of(*pair, *names) for names, pair in PAIRS.items())
    found = validate_genes(tables, N_VARIANTS, metrics)
    known = dict(zip(metrics.select("gene_id", "model").rows(), metrics["pearson_r"], strict=True))
    expected = [known.get(names) for names in found.select("gene_id", "model").rows()]
    assert found["run_pearson_r"].to_list() == expected


def test_genes_may_come_in_any_number_of_calls(validated: pl.DataFrame) -> None:
    parts = [
        validate_genes(
            pl.concat(predictions_of(*PAIRS[gene, model], gene, model) for model in "abc"), N_VARIANTS
        )
        for gene in GENES
    ]
    assert_frame_equal(pl.concat(parts), validated, rel_tol=1e-12)


def test_a_models_figures_are_those_of_its_genes() -> None:
    tables = pl.concat(predictions_of(*pair, *names) for names, pair in PAIRS.items())
    genes = validate_genes(tables, N_VARIANTS, run_metrics())
    found = validate_models(genes, GENES)
    assert found.schema == MODEL_VALIDATION_SCHEMA
    assert found["model"].to_list() == ["a", "b", "c"]
    for row in found.iter_rows(named=True):
        pairs = [pair for (_, model), pair in PAIRS.items() if model == row["model"]]
        tests = [stats.pearsonr(o, p, alternative="greater") for o, p in pairs]
        r, p_values = (np.array([getattr(test, name) for test in tests]) for name in ("statistic", "pvalue"))
        covariance = sum(np.cov(o, p)[0, 1] for o, p in pairs)
        assert row["n_genes"] == len(GENES)
        assert row["mean_r"] == pytest.approx(r.mean())
        assert row["median_r"] == pytest.approx(np.median(r))
        assert row["n_passing"] == np.count_nonzero((r > 0.1) & (p_values < 0.05))
        assert row["n_significant"] == np.count_nonzero(stats.false_discovery_control(p_values) <= 0.05)
        assert row["slope"] == pytest.approx(covariance / sum(p.var(ddof=1) for _, p in pairs))
        assert row["mean_r_low"] < row["mean_r"] < row["mean_r_high"]
        assert row["slope_low"] < row["slope"] < row["slope_high"]
        of_run = genes.filter(model=row["model"])["run_pearson_r"].drop_nulls()
        if row["model"] == "b":
            names = ("run_mean_r", "share_kept", "share_kept_low", "share_kept_high")
            assert [row[name] for name in names] == [None] * 4
            continue
        assert row["run_mean_r"] == pytest.approx(of_run.mean())
        assert row["share_kept"] == pytest.approx(r.mean() / np.mean(of_run.to_numpy()))
        assert row["share_kept_low"] < row["share_kept"] < row["share_kept_high"]


def test_pairs_of_models_are_compared_on_the_new_r(validated: pl.DataFrame) -> None:
    found = compare_models(validated, GENES).filter(model_a="a", model_b="c").row(0, named=True)
    r = [validated.filter(model=model).sort("gene_id")["pearson_r"].to_numpy() for model in "ac"]
    assert found["wilcoxon_p"] == pytest.approx(stats.wilcoxon(r[0] - r[1]).pvalue)
    assert found["n_b_better"] == np.count_nonzero(r[1] > r[0])


def test_genes_unknown_to_the_run_do_not_count_in_the_share_kept() -> None:
    tables = pl.concat(predictions_of(*pair, *names) for names, pair in PAIRS.items())
    metrics = run_metrics().filter(pl.col("gene_id") < "G05")
    genes = validate_genes(tables, N_VARIANTS, metrics)
    row = validate_models(genes, GENES).filter(model="a").row(0, named=True)
    known = genes.filter(pl.col("gene_id") < "G05", model="a")
    assert row["n_genes"] == len(GENES)
    new, of_run = known.select("pearson_r", "run_pearson_r").sum().row(0)
    assert row["share_kept"] == pytest.approx(new / of_run)


@pytest.mark.parametrize("flat", ["observed", "predicted"])
def test_what_does_not_vary_has_r_0_and_no_slope(flat: str) -> None:
    observed, predicted = PAIRS["G14", "c"]
    if flat == "observed":
        observed = np.zeros(N)
    else:
        predicted = np.full(N, 0.1)
    genes = validate_genes(predictions_of(observed, predicted, "G00", "c"), N_VARIANTS)
    row = genes.row(0, named=True)
    assert (row["pearson_r"], row["constant"]) == (0.0, flat == "predicted")
    assert [row[name] for name in ("slope", "slope_standard_error", "intercept")] == [None] * 3
    summary = validate_models(genes, ["G00"]).row(0, named=True)
    assert (summary["mean_r"], summary["slope"], summary["mean_r_low"]) == (0.0, None, None)


def test_a_run_that_predicted_nothing_has_no_share_kept() -> None:
    metrics = run_metrics().with_columns(pearson_r=pl.lit(-0.1))
    tables = pl.concat(predictions_of(*pair, *names) for names, pair in PAIRS.items())
    found = validate_models(validate_genes(tables, N_VARIANTS, metrics), GENES)
    assert found["share_kept"].to_list() == [None] * 3


values = st.floats(-1e3, 1e3, allow_subnormal=False, width=32)


@settings(deadline=None, max_examples=100)
@given(data=st.data(), n_samples=st.integers(3, 12))
def test_any_values_have_scipys_slope_or_none(data: st.DataObject, n_samples: int) -> None:
    """Ties, few samples, far levels; scipy cannot tell variation below rounding from none, so it is none."""
    observed, predicted = (data.draw(arrays(np.float64, n_samples, elements=values)) for _ in range(2))
    row = validate_genes(predictions_of(observed, predicted, "G00", "a"), N_VARIANTS).row(0, named=True)
    assert -1 <= row["pearson_r"] <= 1
    assert 0 <= row["pearson_p"] <= 1
    if np.ptp(observed) == 0 or np.ptp(predicted) == 0:
        assert row["slope"] is None
    elif min(np.ptp(part) / np.abs(part).max() for part in (observed, predicted)) > 1e-4:
        if row["slope"] is None:  # predictions that are flat beside the expression
            assert np.ptp(predicted) <= 1e-6 * observed.std()
            return
        fit = stats.linregress(predicted, observed)
        size = observed.std() / predicted.std()
        assert row["slope"] == pytest.approx(fit.slope, rel=1e-6, abs=1e-6 * size)
        assert row["slope_standard_error"] == pytest.approx(fit.stderr, rel=1e-3, abs=1e-6 * size)
        level = np.abs(observed).max() + size * np.abs(predicted).max()
        assert row["intercept"] == pytest.approx(fit.intercept, rel=1e-6, abs=1e-6 * level)
