"""Metrics against scipy, one group at a time, and Benjamini-Hochberg against R."""

import subprocess

import numpy as np
import polars as pl
import pytest
from scipy import stats

from haploscribe.evaluation.bootstrap import mean_intervals
from haploscribe.evaluation.cross_validation import PREDICTION_SCHEMA
from haploscribe.evaluation.metrics import (
    METRIC_SCHEMA,
    benjamini_hochberg,
    fold_scores,
    gene_metrics,
    summarise_models,
)
from tests.fixtures.peers import require_r


def predictions_of(gene_id: str, model: str, folds: list[tuple[np.ndarray, np.ndarray]]) -> pl.DataFrame:
    return pl.concat(
        pl.DataFrame(
            {
                "gene_id": gene_id,
                "sample_id": [f"S{number}_{i}" for i in range(len(observed))],
                "model": model,
                "fold": number,
                "observed": observed,
                "predicted": predicted,
            },
            schema=PREDICTION_SCHEMA,
        )
        for number, (observed, predicted) in enumerate(folds, start=1)
    )


def draw_folds(
    seed: int, signal: float, sizes: tuple[int, ...] = (20, 21, 7)
) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    folds = []
    for size in sizes:
        predicted = rng.integers(0, 5, size) * 0.3 - 0.5
        folds.append((signal * predicted + rng.normal(size=size), predicted))
    return folds


def test_every_figure_equals_scipys() -> None:
    drawn = {
        (gene, model): draw_folds(seed, signal)
        for seed, (gene, model, signal) in enumerate(
            [("G1", "a", 1.0), ("G1", "b", -2.0), ("G2", "a", 0.0), ("G2", "b", 5.0)]
        )
    }
    tables = [predictions_of(gene, model, folds) for (gene, model), folds in drawn.items()]
    shuffled = pl.concat(tables).sample(fraction=1.0, shuffle=True, seed=1)
    metrics = gene_metrics(shuffled, {"G1": 5, "G2": 0, "G3": 1})
    assert metrics.schema == METRIC_SCHEMA
    assert metrics.select("gene_id", "model").rows() == sorted(drawn)
    for row in metrics.iter_rows(named=True):
        folds = drawn[row["gene_id"], row["model"]]
        tests = [stats.pearsonr(o, p, alternative="greater") for o, p in folds]
        weights = np.sqrt([len(o) for o, _ in folds])
        independent = stats.combine_pvalues(
            [test.pvalue for test in tests], method="stouffer", weights=weights
        )
        # Three folds' scores correlate by 1/2: the variance of their weighted sum by its own definition.
        variance = weights @ np.where(np.eye(3, dtype=bool), 1.0, 0.5) @ weights
        expected_p = stats.norm.sf(independent.statistic * np.sqrt(weights @ weights / variance))
        observed, predicted = (np.concatenate(column) for column in zip(*folds, strict=True))
        assert row["pearson_r"] == pytest.approx(np.mean([test.statistic for test in tests]), abs=1e-12)
        assert row["pearson_p"] == pytest.approx(expected_p, rel=1e-8)
        assert row["spearman_r"] == pytest.approx(
            np.mean([stats.spearmanr(o, p).statistic for o, p in folds])
        )
        assert row["r2"] == pytest.approx(1 - np.sum((observed - predicted) ** 2) / np.sum(observed**2))
        assert row["n_samples"] == 48
        assert row["n_variants"] == {"G1": 5, "G2": 0}[row["gene_id"]]
        assert row["constant"] is False


@pytest.mark.parametrize("noise", [0.0, 1e-17, 1e-9])
def test_a_constant_fold_counts_as_zero_and_is_told(noise: float) -> None:
    (o1, p1), (o2, _), _ = draw_folds(1, 2.0)
    flat = 0.2 + noise * np.arange(len(o2))
    row = gene_metrics(predictions_of("G", "m", [(o1, p1), (o2, flat)]), {"G": 1}).row(0, named=True)
    alone = stats.pearsonr(o1, p1, alternative="greater")
    assert row["constant"] is True
    assert row["pearson_r"] == pytest.approx(alone.statistic / 2)
    assert row["spearman_r"] == pytest.approx(stats.spearmanr(o1, p1).statistic / 2)
    # Two folds share all their pairs: their scores add, and so do their weights.
    weights = np.sqrt([20, 21])
    expected_p = stats.norm.sf(stats.norm.isf(alone.pvalue) * weights[0] / weights.sum())
    assert row["pearson_p"] == pytest.approx(expected_p)


def test_rounding_on_one_large_number_is_constant() -> None:
    (observed, _), *_ = draw_folds(1, 2.0)
    predicted = np.where(np.arange(len(observed)) % 2, 1e6, np.nextafter(np.float32(1e6), np.float32(0)))
    row = gene_metrics(predictions_of("G", "m", [(observed, predicted)]), {"G": 1}).row(0, named=True)
    assert (row["constant"], row["pearson_r"]) == (True, 0.0)


def test_predictions_that_hardly_leave_zero_are_constant() -> None:
    (observed, predicted), *_ = draw_folds(1, 2.0)
    row = gene_metrics(predictions_of("G", "m", [(observed, predicted * 1e-9)]), {"G": 1}).row(0, named=True)
    assert (row["constant"], row["pearson_r"]) == (True, 0.0)


def test_shrunken_predictions_are_not_constant() -> None:
    (observed, predicted), *_ = draw_folds(2, 2.0)
    row = gene_metrics(predictions_of("G", "m", [(observed, predicted * 1e-5)]), {"G": 1}).row(0, named=True)
    assert row["constant"] is False
    assert row["pearson_r"] == pytest.approx(stats.pearsonr(observed, predicted).statistic)


def test_a_gene_that_nobody_expresses_has_finite_figures() -> None:
    predicted = np.arange(5.0)
    row = gene_metrics(predictions_of("G", "m", [(np.zeros(5), predicted)]), {"G": 1}).row(0, named=True)
    assert (row["pearson_r"], row["spearman_r"], row["r2"], row["pearson_p"]) == (0.0, 0.0, 0.0, 0.5)
    assert row["constant"] is False


def test_perfect_predictions_have_finite_scores() -> None:
    scores = fold_scores(np.array([1.0, -1.0, 0.0]), np.array([50, 50, 3]))
    assert np.isfinite(scores).all()
    assert scores[0] == -scores[1] > 37
    assert scores[2] == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_no_correlation_is_beyond_one(sign: int) -> None:
    rng = np.random.default_rng(4)
    folds = [(values, sign * 0.3 * values + 0.1) for values in rng.normal(size=(60, 9))]
    tables = [predictions_of(f"G{i}", "m", [fold]) for i, fold in enumerate(folds)]
    r = sign * gene_metrics(pl.concat(tables), {f"G{i}": 1 for i in range(60)})["pearson_r"]
    assert r.is_between(1 - 1e-12, 1.0).all()


def test_one_fold_is_a_plain_t_test() -> None:
    (observed, predicted), *_ = draw_folds(3, 0.5)
    metrics = gene_metrics(predictions_of("G", "m", [(observed, predicted)]), {"G": 1})
    expected = stats.pearsonr(observed, predicted, alternative="greater").pvalue
    assert metrics["pearson_p"][0] == pytest.approx(expected)


def test_summary() -> None:
    metrics = pl.DataFrame(
        {
            "gene_id": ["G1", "G2", "G3", "G1"],
            "model": ["b", "b", "b", "a"],
            "n_samples": [9] * 4,
            "n_variants": [1] * 4,
            "pearson_r": [0.5, 0.0, 0.1, -0.2],
            # Benjamini-Hochberg makes .03 of three tests .045, and .06 stays .06.
            "pearson_p": [0.001, 0.03, 0.06, 0.05],
            "spearman_r": [0.0] * 4,
            "r2": [0.0] * 4,
            "constant": [False] * 4,
        },
        schema=METRIC_SCHEMA,
    )
    summaries = summarise_models(metrics)
    interval = summaries["b"]["mean_r_ci"]
    assert interval is not None
    low, high = interval
    assert 0.0 <= low < 0.2 < high <= 0.5
    figures = {"n_genes": 3, "mean_r": pytest.approx(0.2), "median_r": 0.1, "n_significant": 2}
    assert summaries == {
        "a": {"n_genes": 1, "mean_r": -0.2, "median_r": -0.2, "n_significant": 1, "mean_r_ci": None},
        "b": figures | {"mean_r_ci": [low, high]},
    }
    assert list(summaries) == ["a", "b"]


def test_the_interval_of_the_mean_r_follows_the_genome_order() -> None:
    r = np.random.default_rng(9).normal(size=40)
    order = [f"G{i}" for i in range(40)]
    rows = [
        {"gene_id": gene, "model": "m", "pearson_r": value, "pearson_p": 0.5}
        for gene, value in zip(order, r, strict=True)
    ]
    metrics = pl.DataFrame(rows, schema=METRIC_SCHEMA)
    assert summarise_models(metrics, order)["m"]["mean_r_ci"] == mean_intervals(r[:, None])[:, 0].tolist()


def test_benjamini_hochberg_equals_r() -> None:
    rscript = require_r()
    p_values = np.concatenate([np.random.default_rng(6).uniform(size=40) ** 3, [0.2, 0.2, 1.0]])
    code = f"cat(format(p.adjust(c({','.join(map(repr, p_values.tolist()))}), 'BH'), digits=15))"
    printed = subprocess.run([rscript, "-e", code], capture_output=True, text=True, check=True).stdout
    assert np.allclose(benjamini_hochberg(p_values), np.array(printed.split(), dtype=float), rtol=1e-12)
    assert benjamini_hochberg(np.empty(0)).size == 0
