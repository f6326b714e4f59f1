"""External validation: a cohort's own held-out people as a cohort of their own, and one built by hand."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats

import haploscribe
from haploscribe.config.finished_runs import PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.errors import InputError
from haploscribe.evaluation.external import MODEL_VALIDATION_SCHEMA, VALIDATION_SCHEMA
from haploscribe.evaluation.paired import COMPARISON_SCHEMA
from haploscribe.results.tables import Results, read_results
from haploscribe.workflows.predict.tables import VALIDATION_TABLES
from haploscribe.workflows.predict.validation import Validation
from haploscribe.workflows.predict.workflow import predict
from haploscribe.workflows.run.workflow import run
from tests.fixtures.small_cohort import PEOPLE as LONG_NAMES
from tests.fixtures.small_cohort import write_small_cohort
from tests.fixtures.variants import only_file

MODELS = ("elastic-net", "blup")
PEOPLE = tuple(name.split()[0] for name in LONG_NAMES)
"""A split file takes no spaces in names."""
TRAINED, NEW = PEOPLE[:28], PEOPLE[28:]


@dataclass(frozen=True)
class Cut:
    """The small cohort cut in two: models of the one half, and expression of the other.

    `split` has the results of a run on everyone that held the other half out.
    """

    cohort: CohortOptions
    results: Path
    expression: Path
    split: Results

    def validate(self, folder: Path, **options: object) -> Validation:
        """Predict and validate the people of the expression given, by default the other half."""
        asked = PredictionOptions(self.results / "models", self.cohort.variants, self.cohort.reference)
        asked = replace(asked, **{"expression": self.expression, **options})  # type: ignore[arg-type]
        found = predict(asked, WorkerOptions(), folder / "p.tsv").validation
        assert found is not None
        return found


def of_people(table: Path, path: Path, people: Sequence[str]) -> Path:
    """Write the columns of some people of a table of expression."""
    frame = pl.read_csv(table, separator="\t", infer_schema=False)
    frame.select(*frame.columns[:4], *people).write_csv(path, separator="\t")
    return path


def edited(table: Path, path: Path, change: Callable[[list[str]], list[str]]) -> Path:
    """Write a table with other cells in the rows behind the header."""
    header, *rows = table.read_text().splitlines()
    lines = [header, *("\t".join(change(row.split("\t"))) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Cut:
    folder = tmp_path_factory.mktemp("cut")
    cohort = write_small_cohort(folder)
    for file in (only_file(cohort.variants), cohort.expression):
        file.write_text(file.read_text().replace(LONG_NAMES[0].removeprefix(PEOPLE[0]), ""))
    sets = folder / "sets.tsv"
    halves = {"train": TRAINED, "test": NEW}
    sets.write_text("".join(f"{name}\t{word}\n" for word, names in halves.items() for name in names))
    of_half = {
        word: of_people(cohort.expression, folder / f"{word}.bed", names) for word, names in halves.items()
    }
    options = EvaluationOptions(models=MODELS, folds=2, normalize="none")
    split = run(cohort, BackboneOptions(), replace(options, split=sets), folder / "split")
    half = replace(cohort, expression=of_half["train"])
    run(half, BackboneOptions(), options, folder / "results")
    return Cut(cohort, folder / "results", of_half["test"], split)


def test_held_out_people_as_a_cohort_have_the_r_of_the_run_that_held_them_out(
    cut: Cut, tmp_path: Path
) -> None:
    """Without covariates and normalisation, what is fitted on the new people is their mean and scale."""
    found = cut.validate(tmp_path).genes
    measured = ["gene_id", "model", "n_samples", "pearson_r", "pearson_p", "spearman_r", "constant"]
    assert_frame_equal(found.select(measured), cut.split.metrics.select(measured), abs_tol=1e-9)


def test_figures_are_scipys_on_expression_prepared_by_hand(cut: Cut, tmp_path: Path) -> None:
    """Rank-based inverse normal scores, and residuals of numpy's regression on the covariates."""
    results = tmp_path / "results"
    half = replace(cut.cohort, expression=of_people(cut.cohort.expression, tmp_path / "t.bed", TRAINED))
    run(half, BackboneOptions(), EvaluationOptions(models=MODELS, folds=2), results)
    covariates = tmp_path / "covariates.txt"
    drawn = np.random.default_rng(7).normal(size=(2, len(PEOPLE)))
    lines = [["id", *PEOPLE], *([f"pc{i}", *map(repr, row)] for i, row in enumerate(drawn.tolist()))]
    covariates.write_text("".join("\t".join(line) + "\n" for line in lines))
    new = haploscribe.predict(
        results / "models",
        cut.cohort.variants,
        cut.cohort.reference,
        expression=cut.expression,
        covariates=covariates,
    )
    assert new.validation is not None
    expression = pl.read_csv(cut.expression, separator="\t")
    design = np.column_stack([np.ones(len(NEW)), drawn[:, len(TRAINED) :].T])
    for row in new.validation.genes.iter_rows(named=True):
        values = expression.filter(gene_id=row["gene_id"]).select(NEW).to_numpy()[0]
        scores = stats.norm.ppf((stats.rankdata(values) - 3 / 8) / (len(NEW) + 1 / 4))
        observed = stats.zscore(scores - design @ np.linalg.lstsq(design, scores)[0])
        own = new.predictions.filter(gene_id=row["gene_id"], model=row["model"])
        by_name = dict(own.select("sample_id", "predicted").iter_rows())
        predicted = np.array([by_name[name] for name in NEW])
        if row["constant"]:
            assert np.ptp(predicted) < 1e-6
            continue
        fit = stats.linregress(predicted, observed)
        expected = {"pearson_r": fit.rvalue, "slope": fit.slope, "intercept": fit.intercept}
        expected |= {"slope_standard_error": fit.stderr, "n_samples": len(NEW)}
        expected["r2"] = 1 - np.sum((observed - predicted) ** 2) / np.sum(observed**2)
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-8)
    assert new.validation.genes.filter(~pl.col("constant")).height >= 4


def test_tables_stand_beside_predictions_that_are_as_without_expression(cut: Cut, tmp_path: Path) -> None:
    alone, both = tmp_path / "alone", tmp_path / "both"
    for folder in (alone, both):
        folder.mkdir()
    found = cut.validate(both)
    asked = PredictionOptions(cut.results / "models", cut.cohort.variants, cut.cohort.reference)
    predict(asked, WorkerOptions(), alone / "p.tsv")
    names = [f"p.{name}.tsv" for name in VALIDATION_TABLES]
    assert {path.name for path in both.iterdir()} - {path.name for path in alone.iterdir()} == set(names)
    for path in alone.iterdir():
        assert path.read_bytes() == (both / path.name).read_bytes()
    schemas = (VALIDATION_SCHEMA, MODEL_VALIDATION_SCHEMA, COMPARISON_SCHEMA)
    tables = (found.genes, found.models, found.comparison)
    for name, schema, table in zip(names, schemas, tables, strict=True):
        written = pl.read_csv(both / name, separator="\t", schema=schema)
        assert_frame_equal(written, table, check_exact=True)
    predict(asked, WorkerOptions(), both / "p.tsv")
    assert not any((both / name).exists() for name in names), "they are of predictions that are replaced"


def test_the_r_of_the_run_is_that_of_its_metrics(cut: Cut, tmp_path: Path) -> None:
    found = cut.validate(tmp_path)
    metrics = read_results(cut.results).metrics.select("gene_id", "model", "pearson_r")
    expected = found.genes.select("gene_id", "model", pearson_r="run_pearson_r")
    assert_frame_equal(expected, metrics.sort("gene_id", "model"))
    assert not any("run" in label for label in found.summary)


def test_models_that_were_copied_away_leave_the_r_of_the_run_empty_and_say_so(
    cut: Cut, tmp_path: Path
) -> None:
    models = shutil.copytree(cut.results / "models", tmp_path / "elsewhere" / "models")
    found = cut.validate(tmp_path, models=models)
    assert found.genes["run_pearson_r"].is_null().all()
    assert found.models.select("run_mean_r", "share_kept").null_count().row(0) == (2, 2)
    assert found.summary["r of the run"].startswith(f"not known, as {models} is not in the results")


def test_people_without_expression_and_genes_that_it_lacks_are_named(cut: Cut, tmp_path: Path) -> None:
    short = of_people(cut.expression, tmp_path / "short.bed", NEW[2:])
    lines = short.read_text().splitlines()
    short.write_text("\n".join(line for line in lines if "quiet" not in line) + "\n")
    found = cut.validate(tmp_path, expression=short)
    assert found.genes["n_samples"].unique().to_list() == [len(NEW) - 2]
    assert "13 samples shared; 30 of genotypes left out" in found.summary["samples with expression"]
    assert found.summary["genes validated"] == "4 of 5 predicted"
    assert found.summary["genes that --expression lacks"] == "1 (quiet)"


def test_people_of_the_run_are_named_as_no_new_people(cut: Cut, tmp_path: Path) -> None:
    mixed = of_people(cut.cohort.expression, tmp_path / "mixed.bed", PEOPLE[26:])
    summary = cut.validate(tmp_path, expression=mixed).summary
    (told,) = (text for label, text in summary.items() if label.startswith("samples that the run had too"))
    assert told == f"2 ({PEOPLE[26]}, {PEOPLE[27]})"


def test_genes_match_by_id_whatever_the_version_and_wherever_they_lie(cut: Cut, tmp_path: Path) -> None:
    """The run's place of a gene counts; a row may span several bases, or be on another build."""
    other = edited(
        cut.expression, tmp_path / "v.bed", lambda row: ["chr9", "10", "900", f"{row[3]}.12", *row[4:]]
    )
    columns = pl.exclude("gene_id")
    found, expected = cut.validate(tmp_path, expression=other).genes, cut.validate(tmp_path).genes
    assert found["gene_id"].to_list() == expected["gene_id"].to_list()
    assert_frame_equal(found.select(columns), expected.select(columns))


def test_expression_that_is_constant_has_r_0(cut: Cut, tmp_path: Path) -> None:
    flat = edited(cut.expression, tmp_path / "f.bed", lambda row: [*row[:4], *["2.5"] * len(NEW)])
    found = cut.validate(tmp_path, expression=flat)
    assert found.genes["pearson_r"].to_list() == [0.0] * found.genes.height
    assert found.genes["slope"].is_null().all()
    assert found.models["n_significant"].to_list() == [0, 0]


def test_covariates_of_no_expression_are_refused(cut: Cut) -> None:
    models = cut.results / "models"
    with pytest.raises(InputError, match=r"--covariates c\.txt: there is no expression"):
        PredictionOptions(models, cut.cohort.variants, cut.cohort.reference, covariates=Path("c.txt"))
