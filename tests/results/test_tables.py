"""Results folders: what is written is read back, and nothing else passes for it."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from haploscribe._version import __version__
from haploscribe.errors import InputError
from haploscribe.evaluation.metrics import METRIC_SCHEMA, gene_metrics, summarise_models
from haploscribe.evaluation.paired import compare_models
from haploscribe.results.format_version import RESULTS_FORMAT
from haploscribe.results.tables import (
    STAGES,
    Results,
    Summary,
    read_predictions,
    read_results,
    read_run,
    write_predictions,
    write_results,
)
from tests.fixtures.results import predictions_of, results_of


def write(folder: Path, results: Results, predictions: pl.DataFrame) -> None:
    """Write a results folder whole, its predictions in two parts."""
    half = predictions.height // 2
    write_predictions(folder, [predictions[:half], predictions[half:]], folder / "aside")
    (folder / "aside").rmdir()
    write_results(folder, results)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=9),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=5),
)
def test_results_read_back_exactly(tmp_path: Path, values: list[float], gene_id: str) -> None:
    written = results_of(values, gene_id)
    write(tmp_path / "out", written, predictions_of(values, gene_id))
    read = read_results(tmp_path / "out")
    predictions = read_predictions(tmp_path / "out")
    assert_frame_equal(predictions, predictions_of(values, gene_id), check_exact=True)
    for name in ("metrics", "comparison"):
        assert_frame_equal(getattr(read, name), getattr(written, name), check_exact=True)
    assert read.summary == written.summary
    assert read.run == written.run


def test_files_are_as_the_design_has_them(tmp_path: Path) -> None:
    values = [1.0, 2.0, 4.0, 3.0]
    write(tmp_path, results_of(values), predictions_of(values))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "comparison.tsv", "metrics.tsv", "predictions.parquet", "run.json", "summary.json"
    ]  # fmt: skip
    with (tmp_path / "metrics.tsv").open(newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    columns = "gene_id,model,n_samples,n_variants,pearson_r,pearson_p,spearman_r,r2,constant"
    assert ",".join(rows[0]) == columns
    assert float(rows[0]["spearman_r"]) == 0.8
    assert rows[0]["constant"] == "false"
    header = (tmp_path / "comparison.tsv").read_text().splitlines()[0]
    columns = "model_a,model_b,n_genes,mean_r_a,mean_r_b,median_delta_r,wilcoxon_p,n_a_better,n_b_better"
    columns += ",ci_low,ci_high"
    assert header == columns.replace(",", "\t")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert list(summary) == ["models", "embedding", "wall_seconds"]
    assert list(summary["models"]["a"]) == ["n_genes", "mean_r", "median_r", "n_significant", "mean_r_ci"]


def test_results_of_one_model_read_back(tmp_path: Path) -> None:
    both = results_of([1.0, 2.0, 4.0, 3.0])
    predictions = predictions_of([1.0, 2.0, 4.0, 3.0]).filter(pl.col("model") == "a")
    metrics = gene_metrics(predictions, {"G1.2": 7})
    summary: Summary = {**both.summary, "models": summarise_models(metrics)}
    one = Results(metrics, compare_models(metrics), summary, both.run)
    write(tmp_path, one, predictions)
    assert_frame_equal(read_results(tmp_path).comparison, one.comparison, check_exact=True)


def test_what_is_not_a_number_is_never_written(tmp_path: Path) -> None:
    results = results_of([1.0, 2.0, 4.0, 3.0])
    results.summary["wall_seconds"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        write_results(tmp_path, results)
    assert not (tmp_path / "summary.json").exists()


def test_other_columns_are_never_written(tmp_path: Path) -> None:
    results = results_of([1.0, 2.0, 4.0, 3.0])
    wrong = Results(
        results.metrics.select(reversed(METRIC_SCHEMA.names())),
        results.comparison,
        results.summary,
        results.run,
    )
    with pytest.raises(ValueError, match="columns are"):
        write_results(tmp_path, wrong)
    assert not list(tmp_path.iterdir())


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def rename_column(path: Path) -> None:
    path.write_text(path.read_text().replace("_r", "_rho", 1))


def spoil_number(path: Path) -> None:
    path.write_text(path.read_text().replace("\t7\t", "\tseven\t", 1))


@pytest.mark.parametrize(
    ("name", "spoil", "told"),
    [
        ("metrics.tsv", Path.unlink, "has no metrics.tsv; give the --out folder"),
        ("run.json", Path.unlink, "has no run.json"),
        ("predictions.parquet", cut_short, "predictions.parquet is damaged or"),
        ("summary.json", cut_short, "summary.json is damaged or"),
        ("metrics.tsv", rename_column, "its columns are gene_id"),
        ("metrics.tsv", spoil_number, "metrics.tsv is damaged or"),
    ],
)
def test_a_spoilt_folder_is_told(tmp_path: Path, name: str, spoil: Callable[[Path], None], told: str) -> None:
    values = [1.0, 2.0, 4.0, 3.0]
    write(tmp_path, results_of(values), predictions_of(values))
    spoil(tmp_path / name)
    with pytest.raises(InputError) as caught:
        read_results(tmp_path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def write_with_run(folder: Path, **changed: object) -> Results:
    """Write a results folder with these entries in its run.json."""
    values = [1.0, 2.0, 4.0, 3.0]
    results = results_of(values)
    results = replace(results, run={**results.run, **changed})
    write(folder, results, predictions_of(values))
    return results


@pytest.mark.parametrize("read", [read_results, read_predictions, read_run])
def test_a_folder_of_a_newer_format_is_refused_with_the_upgrade(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    """In that line alone, though its files and its record may have become others too."""
    newer = RESULTS_FORMAT + 1
    write_with_run(tmp_path, format_version=newer, haploscribe="9.0.0", versions="of another kind")
    (tmp_path / "predictions.parquet").unlink()
    rename_column(tmp_path / "metrics.tsv")
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'run.json'} has results of format {newer}, made by Haploscribe 9.0.0; "
        f"this is Haploscribe {__version__}, which reads format {RESULTS_FORMAT}: "
        "upgrade it (pip install --upgrade haploscribe)"
    )


def test_a_folder_without_a_format_is_read_as_the_first(tmp_path: Path) -> None:
    written = write_with_run(tmp_path)
    assert "format_version" not in written.run
    assert read_results(tmp_path).run == written.run


@pytest.mark.parametrize("version", [0, -1, "1", True, None, 1.5])
def test_a_format_that_cannot_be_is_damage(tmp_path: Path, version: object) -> None:
    write_with_run(tmp_path, format_version=version)
    with pytest.raises(InputError, match=r"run\.json is damaged: 'format_version' is"):
        read_results(tmp_path)


def test_stages_that_earlier_versions_wrote_are_read_by_their_keys(tmp_path: Path) -> None:
    values = [1.0, 2.0, 4.0, 3.0]
    write(tmp_path, results_of(values), predictions_of(values))
    summary = json.loads((tmp_path / "summary.json").read_text())
    summary["stages"] = {
        "reading variants": 1.0,
        "predicting with enformer": 2.0,
        "predicting with borzoi": 3.0,
        "fitting and predicting held-out samples": 4.0,
        "fitting all samples, to save the models": 5.0,
    }
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert read_results(tmp_path).summary["stages"] == {
        "reading_variants": 1.0,
        "predicting_zero_shot": 5.0,
        "fitting_folds": 4.0,
        "fitting_all_samples": 5.0,
    }


def test_keys_of_stages_are_identifiers() -> None:
    assert all(key.isidentifier() and key.islower() for key in STAGES)
