"""Paired comparisons of models, against R's wilcox.test."""

import subprocess

import numpy as np
import polars as pl
import pytest

from haploscribe.evaluation.bootstrap import mean_intervals
from haploscribe.evaluation.metrics import METRIC_SCHEMA
from haploscribe.evaluation.paired import COMPARISON_SCHEMA, compare_models, signed_rank_p
from tests.fixtures.peers import require_r


def metrics_of(r: dict[str, dict[str, float]]) -> pl.DataFrame:
    """Metrics with these values of `pearson_r`, by model and gene."""
    rows = [
        {"gene_id": gene, "model": model, "pearson_r": value, "constant": False}
        for model, genes in r.items()
        for gene, value in genes.items()
    ]
    return pl.DataFrame(rows, schema=METRIC_SCHEMA)


def test_each_ordered_pair_over_the_genes_both_have() -> None:
    comparison = compare_models(
        metrics_of(
            {
                "b": {"G3": 0.4, "G1": 0.1, "G2": 0.3, "G9": 0.9},
                "a": {"G1": 0.2, "G2": 0.3 + 1e-15, "G3": 0.1, "G8": -1.0},
                "c": {"G1": 0.1},
            }
        )
    )
    assert comparison.schema == COMPARISON_SCHEMA
    assert comparison.select("model_a", "model_b", "n_genes").rows() == [
        ("a", "b", 3), ("a", "c", 1), ("b", "a", 3), ("b", "c", 1), ("c", "a", 1), ("c", "b", 1)
    ]  # fmt: skip
    forth, back = comparison.row(0, named=True), comparison.row(2, named=True)
    assert forth["mean_r_a"] == back["mean_r_b"] == pytest.approx(0.2)
    assert forth["mean_r_b"] == back["mean_r_a"] == pytest.approx(0.8 / 3)
    assert forth["median_delta_r"] == back["median_delta_r"] == 0.0
    assert (forth["n_a_better"], forth["n_b_better"]) == (back["n_b_better"], back["n_a_better"]) == (1, 1)
    assert forth["wilcoxon_p"] == back["wilcoxon_p"] == 1.0


def test_direction_of_the_difference() -> None:
    rng = np.random.default_rng(1)
    worse = {f"G{i}": float(value) for i, value in enumerate(rng.uniform(size=60))}
    better = {gene: value + 0.1 + 0.01 * i for i, (gene, value) in enumerate(worse.items())}
    forth, back = compare_models(metrics_of({"better": better, "worse": worse})).rows(named=True)
    assert (forth["model_a"], forth["n_a_better"], forth["n_b_better"]) == ("better", 60, 0)
    assert forth["median_delta_r"] == pytest.approx(0.395)
    assert back["median_delta_r"] == -forth["median_delta_r"]
    assert forth["wilcoxon_p"] == back["wilcoxon_p"] < 1e-9


def test_the_interval_is_that_of_the_mean_difference() -> None:
    rng = np.random.default_rng(4)
    genes = [f"G{i}" for i in rng.permutation(50)]  # in genome order, which their names do not follow
    a, b = rng.normal(0.2, 0.1, (2, 50))
    metrics = metrics_of(
        {name: dict(zip(genes, r.tolist(), strict=True)) for name, r in (("a", a), ("b", b))}
    )
    forth, back = compare_models(metrics, genes).rows(named=True)
    assert [forth["ci_low"], forth["ci_high"]] == mean_intervals((a - b)[:, None])[:, 0].tolist()
    assert (back["ci_low"], back["ci_high"]) == (-forth["ci_high"], -forth["ci_low"])
    assert forth["ci_low"] < forth["mean_r_a"] - forth["mean_r_b"] < forth["ci_high"]


def test_without_an_order_genes_are_resampled_one_by_one() -> None:
    a, b = np.random.default_rng(4).normal(0.2, 0.1, (2, 50))
    by_name = [f"G{i:02d}" for i in range(50)]
    metrics = metrics_of(
        {name: dict(zip(by_name, r.tolist(), strict=True)) for name, r in (("a", a), ("b", b))}
    )
    ours = compare_models(metrics).row(0, named=True)
    assert [ours["ci_low"], ours["ci_high"]] == mean_intervals((a - b)[:, None], 1)[:, 0].tolist()


def test_a_single_gene_has_no_interval() -> None:
    comparison = compare_models(metrics_of({"a": {"G1": 0.1}, "b": {"G1": 0.3}}))
    assert comparison.select("ci_low", "ci_high").null_count().row(0) == (2, 2)


def test_one_model_or_no_shared_gene_has_nothing_to_compare() -> None:
    assert compare_models(metrics_of({"a": {"G1": 0.1}})).height == 0
    comparison = compare_models(metrics_of({"a": {"G1": 0.1}, "b": {"G2": 0.1}}))
    assert comparison.height == 0
    assert comparison.schema == COMPARISON_SCHEMA


@pytest.mark.parametrize(("n_pairs", "n_zero"), [(1, 0), (12, 0), (60, 0), (60, 25)])
def test_p_value_equals_r(n_pairs: int, n_zero: int) -> None:
    rscript = require_r()
    delta = np.random.default_rng(n_pairs).normal(0.2, 1.0, n_pairs)
    numbers = ",".join(map(repr, delta.tolist()))
    # R's exact test wants no zeros; leaving them out is what it does itself.
    code = f"cat(format(wilcox.test(c({numbers}), correct=FALSE)$p.value, digits=15))"
    printed = subprocess.run([rscript, "-e", code], capture_output=True, text=True, check=True).stdout
    with_zeros = np.concatenate([np.zeros(n_zero), delta])
    assert signed_rank_p(with_zeros) == pytest.approx(float(printed), rel=1e-10)


def test_no_difference_at_all_is_no_evidence() -> None:
    assert signed_rank_p(np.zeros(5)) == 1.0
