"""`predict --expression` from start to end: the bundled people in two sets, and what a person is shown."""

from pathlib import Path

import polars as pl
import pytest
from scipy import stats

from haploscribe.config.options import CohortOptions
from tests.fixtures.command_line import GENES, inputs_of, run_cli


@pytest.mark.slow
def test_models_of_one_set_of_people_are_validated_on_another(
    example: CohortOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = pl.read_csv(example.expression, separator="\t", infer_schema=False)
    genes, people = table.columns[:6], table.columns[6:]
    for name, names in (("first", people[:248]), ("second", people[248:])):
        table.select(*genes, *names).write_csv(tmp_path / f"{name}.bed", separator="\t")
    first = inputs_of(example, expression=tmp_path / "first.bed")
    models = ("--genes", GENES, "--models", "top-snp,blup", "--folds", 3, "--jobs", 1)
    assert run_cli("run", *first, *models, "--out", tmp_path / "out", monkeypatch=monkeypatch) == 0
    capsys.readouterr()
    second = inputs_of(example, expression=tmp_path / "second.bed")
    results = ("--results", tmp_path / "out", "--jobs", 1, "--out", tmp_path / "new.parquet")
    assert run_cli("predict", *second, *results, monkeypatch=monkeypatch) == 0
    shown = capsys.readouterr().out
    assert "samples with expression: 110 samples shared; 248 of genotypes left out" in shown
    assert "genes validated: 3 of 3 predicted" in shown
    assert "Validation: " in shown
    found = pl.read_csv(tmp_path / "new.validation.tsv", separator="\t")
    by_run = pl.read_csv(tmp_path / "out" / "metrics.tsv", separator="\t")
    assert found["run_pearson_r"].to_list() == by_run.sort("gene_id", "model")["pearson_r"].to_list()
    assert found.height == 6
    for row in found.iter_rows(named=True):  # r and its p by themselves: a t test
        t = row["pearson_r"] * (108 / (1 - row["pearson_r"] ** 2)) ** 0.5
        assert row["pearson_p"] == pytest.approx(stats.t.sf(t, 108))
    models_table = pl.read_csv(tmp_path / "new.validation-models.tsv", separator="\t")
    means = found.group_by("model").agg(pl.col("pearson_r").mean()).sort("model")
    assert models_table["mean_r"].to_list() == pytest.approx(means["pearson_r"].to_list())
    assert pl.read_csv(tmp_path / "new.validation-comparison.tsv", separator="\t").height == 2
