"""A run with `--gtf`: the same as with strands and TSSs in the table, and with names for its genes."""

import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest

import haploscribe
from haploscribe.config.finished_runs import ExplanationOptions, ExportOptions, PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.report.terminal import explanation_table
from haploscribe.results.tables import read_predictions, read_results
from haploscribe.workflows.check import check
from haploscribe.workflows.explain import explain
from haploscribe.workflows.export.workflow import export_fusion, export_predictdb
from haploscribe.workflows.predict.workflow import predict
from haploscribe.workflows.run.workflow import run
from tests.fixtures.command_line import inputs_of, run_cli
from tests.fixtures.small_cohort import GENES, LENGTHS, write_small_cohort

IDS = {name: f"ENSG0{number}.1" for number, name in enumerate(GENES)}
STRANDS = dict(zip(GENES, "+-+-+", strict=True))
EVALUATION = EvaluationOptions(models=("blup", "blup-distance"), folds=2)
ALONE = WorkerOptions()
ON_X = IDS["on X"]


def bounds(name: str) -> tuple[int, int]:
    """A gene's body, 0-based half-open: at most 300 bases from its TSS on."""
    contig, tss = GENES[name]
    if STRANDS[name] == "+":
        return tss, min(tss + 300, LENGTHS[contig])
    return max(0, tss - 299), tss + 1


def write_gtf(path: Path) -> Path:
    lines = []
    for name, (contig, _) in GENES.items():
        start, end = bounds(name)
        attributes = f'gene_id "{IDS[name]}"; gene_type "lncRNA"; gene_name "NAME{IDS[name][-3]}"; level 2;'
        place = (contig.removeprefix("chr"), "TEST", "gene", str(start + 1), str(end))
        lines.append("\t".join((*place, ".", STRANDS[name], ".", attributes)))
    path.write_text("\n".join(lines) + "\n")
    return path


def rewritten(table: Path, to: Path, *, bodies: bool) -> Path:
    """The table with other IDs; rows are gene bodies, or the TSS with a strand."""
    frame = pl.read_csv(table, separator="\t", infer_schema=False)
    places = {name: bounds(name) if bodies else (tss, tss + 1) for name, (_, tss) in GENES.items()}
    names = frame["gene_id"].to_list()
    frame = frame.with_columns(
        start=pl.Series([places[name][0] for name in names]),
        end=pl.Series([places[name][1] for name in names]),
        gene_id=pl.Series([IDS[name] for name in names]),
    )
    if not bodies:
        frame = frame.with_columns(strand=pl.Series([STRANDS[name] for name in names]))
    frame.write_csv(to, separator="\t")
    return to


@dataclass(frozen=True)
class Runs:
    """A run on gene bodies with a GTF that is gone, and one on TSSs with strands."""

    cohort: CohortOptions
    annotated: Path
    plain: Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("runs")
    cohort = write_small_cohort(folder)
    plain = replace(cohort, expression=rewritten(cohort.expression, folder / "tss.bed", bodies=False))
    bodies = rewritten(cohort.expression, folder / "bodies.bed", bodies=True)
    annotated = replace(cohort, expression=bodies, gtf=write_gtf(folder / "genes.gtf"))
    for options, out in ((annotated, "annotated"), (plain, "plain")):
        run(options, BackboneOptions(), EVALUATION, folder / out)
    (folder / "genes.gtf").unlink()
    return Runs(annotated, folder / "annotated", folder / "plain")


def test_predictions_are_those_of_a_table_with_tss_and_strand(runs: Runs) -> None:
    assert read_predictions(runs.annotated).equals(read_predictions(runs.plain))


def test_metrics_and_page_have_symbols_where_they_are_known(runs: Runs) -> None:
    annotated, plain = read_results(runs.annotated).metrics, read_results(runs.plain).metrics
    assert annotated.drop("symbol").equals(plain)
    assert annotated.columns[:2] == ["gene_id", "symbol"]
    named = annotated.select("gene_id", "symbol").unique().sort("gene_id")
    assert named.rows() == [(gene_id, f"NAME{gene_id[-3]}") for gene_id in sorted(IDS.values())]
    assert f"NAME4 ({ON_X})" in (runs.annotated / "report.html").read_text()
    assert "NAME4" not in (runs.plain / "report.html").read_text()


def test_a_gene_is_explained_by_its_symbol_without_the_gtf(runs: Runs) -> None:
    explained = explain(ExplanationOptions(runs.annotated, "NAME4"), ALONE)
    same = explain(ExplanationOptions(runs.plain, ON_X), ALONE)
    assert explained.gene == replace(same.gene, symbol="NAME4", biotype="lncRNA", start=3_000, end=3_300)
    assert {name: of.tolist() for name, of in explained.effects.items()} == {
        name: of.tolist() for name, of in same.effects.items()
    }
    assert f"NAME4 ({ON_X})" in str(explanation_table(explained).title)
    assert {gene.symbol for gene in explain(
        ExplanationOptions(runs.annotated, "NAME2"), ALONE
    ).neighbours} == {"NAME0", "NAME1", "NAME3"}  # fmt: skip


def test_exports_have_symbol_biotype_and_bounds(runs: Runs, tmp_path: Path) -> None:
    for results, expected in (
        (runs.annotated, (ON_X, "NAME4", "lncRNA")),
        (runs.plain, (ON_X, ON_X, None)),
    ):
        options = ExportOptions(results, "b38", models=("blup",), min_r=0.0, max_p=1.0)
        database = tmp_path / results.name / "x.db"
        export_predictdb(options, ALONE, database)
        with sqlite3.connect(database) as connection:
            rows = connection.execute("SELECT gene, genename, gene_type FROM extra").fetchall()
        assert expected in rows
        export_fusion(options, ALONE, tmp_path / results.name / "fusion", "LCL")
        table = pl.read_csv(tmp_path / results.name / "fusion" / "LCL.pos", separator="\t")
        (place,) = table.filter(ID=ON_X).select("P0", "P1").rows()
        assert place == ((3_001, 3_300) if results == runs.annotated else (3_001, 3_001))


def test_new_samples_are_predicted_by_symbol(runs: Runs) -> None:
    options = PredictionOptions(
        runs.annotated / "models", runs.cohort.variants, runs.cohort.reference, genes="NAME4"
    )
    predicted = predict(options, ALONE).predictions
    assert predicted is not None
    assert set(predicted["gene_id"]) == {ON_X}


def test_a_run_of_chosen_genes_keeps_to_them(runs: Runs, tmp_path: Path) -> None:
    """Explaining reads no row that only the GTF could place."""
    write_gtf(tmp_path / "genes.gtf")
    options = replace(runs.cohort, gtf=tmp_path / "genes.gtf", genes="NAME2")
    run(options, BackboneOptions(), EVALUATION, tmp_path / "out")
    (tmp_path / "genes.gtf").unlink()
    explained = explain(ExplanationOptions(tmp_path / "out", "NAME2"), ALONE)
    assert explained.gene.gene_id == IDS["a/b <c>, d"]
    assert explained.neighbours == ()


def test_models_that_lack_strands_are_named(runs: Runs, tmp_path: Path) -> None:
    cohort = write_small_cohort(tmp_path)
    found = check(cohort, ALONE, EVALUATION).facts
    assert found["genes without strand"] == (
        "5 of 5, taken as on + by blup-distance; give --gtf, or a column strand"
    )
    found = check(cohort, ALONE, replace(EVALUATION, models=("blup",))).facts
    assert found["genes without strand"] == "5 of 5, which no model of the run reads"
    every = ("susie", "adaptive-shrinkage", "ensemble", "transformer", "transformer-all", "borzoi")
    models = ("top-snp", "elastic-net", "blup-delta", *every)
    found = check(cohort, ALONE, replace(EVALUATION, models=models), BackboneOptions("kmer")).facts
    assert f"by {', '.join(every)};" in str(found["genes without strand"])
    assert "by models that know" in str(check(cohort, ALONE).facts["genes without strand"])
    for folder in (runs.annotated, runs.plain):
        assert "genes without strand" not in read_results(folder).run["data"]
    assert read_results(runs.annotated).run["data"]["genes that the GTF lacks"] == 0


def test_a_run_prints_the_models_that_lack_strands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort = write_small_cohort(tmp_path)
    options = inputs_of(cohort, window=2_000, tile=500, folds=2)
    for models, said in (
        ("blup-distance", "taken as on + by blup-distance; give --gtf"),
        ("blup", "no model"),
    ):
        out = tmp_path / models
        assert run_cli("run", *options, "--models", models, "--out", str(out), monkeypatch=monkeypatch) == 0
        printed = capsys.readouterr()
        lines = [
            line for line in printed.err.splitlines() if line.startswith("genes without strand: 5 of 5, ")
        ]
        assert len(lines) == 1
        assert said in lines[0]


def test_genes_that_the_gtf_lacks_are_counted(runs: Runs, tmp_path: Path) -> None:
    gtf = write_gtf(tmp_path / "genes.gtf")
    gtf.write_text("".join(line for line in gtf.read_text().splitlines(True) if ON_X not in line))
    plain = replace(runs.cohort, expression=runs.cohort.expression.with_name("tss.bed"), gtf=gtf)
    assert check(plain, ALONE).facts["genes that the GTF lacks"] == f"1 ({ON_X})"


def test_python_finds_genes_by_symbol(runs: Runs, tmp_path: Path) -> None:
    gtf = write_gtf(tmp_path / "genes.gtf")
    files = (runs.cohort.variants, runs.cohort.reference, runs.cohort.expression)
    with haploscribe.open_cohort(*files, gtf=gtf, window=2_000, tile=500) as cohort:
        assert cohort.genes.filter(symbol="NAME4").rows() == [
            (ON_X, "chrX", 3_000, "+", "NAME4", "lncRNA", 3_000, 3_300)
        ]
        assert cohort.gene("NAME4").X.gene.gene_id == ON_X
