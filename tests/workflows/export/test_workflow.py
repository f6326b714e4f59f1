"""Weights of a run's models, read back by others, predict as its models do."""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy.stats import false_discovery_control

from haploscribe.config.finished_runs import ExportOptions, PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.errors import InputError
from haploscribe.examples.cohort import example_cohort
from haploscribe.expression.genes import Gene
from haploscribe.results.tables import read_results
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.export import sequence_effects as gene_effects
from haploscribe.workflows.export.linearise import LINEARISED_SCHEMA, linearised_table, write_linearised
from haploscribe.workflows.export.weight_extractor import WeightExtractor
from haploscribe.workflows.export.weights import GeneWeights
from haploscribe.workflows.export.workflow import export_fusion, export_predictdb
from haploscribe.workflows.predict.workflow import predict
from haploscribe.workflows.run.workflow import run
from tests.fixtures.cohorts import odd_cohort
from tests.fixtures.command_line import run_cli
from tests.fixtures.exported import query, read_covariance
from tests.fixtures.r_session import r_session
from tests.fixtures.small_cohort import write_small_cohort
from tests.fixtures.variants import only_file

GENES = ("ENSG00000128191.9", "ENSG00000099899.10")
LINEAR = ("elastic-net", "elastic-net-1mb", "blup", "ensemble")
SEQUENCE = ("blup-delta", "transformer-all")
HERE = WorkerOptions()


@dataclass(frozen=True)
class Finished:
    """A run of two genes, and what `predict` says of its training people."""

    cohort: CohortOptions
    results: Path
    predicted: pl.DataFrame

    def options(
        self, *models: str, min_r: float = 0.0, max_p: float = 1.0, keep_r2: float | None = 1.0
    ) -> ExportOptions:
        return ExportOptions(self.results, "b38", models or None, min_r, max_p, keep_r2)

    def prediction(self, gene_id: str, model: str) -> Float64Array:
        rows = self.predicted.filter(gene_id=gene_id, model=model)
        return rows.sort("sample_id")["predicted"].to_numpy()


class Calls:
    """The calls of a VCF, read as text."""

    def __init__(self, path: Path) -> None:
        with gzip.open(path, "rt") as file:
            lines = [line.rstrip("\n").split("\t") for line in file if not line.startswith("##")]
        self.samples = lines[0][9:]
        self.order = np.argsort(self.samples)
        self.records = {(fields[0], fields[1], fields[3]): fields for fields in lines[1:]}

    def dosages(self, names: Sequence[str], alleles: Sequence[str]) -> Float64Array:
        """Copies of alleles, `(n_samples, n_variants)`, of variants by place; people sorted by name."""
        columns = []
        for name, allele in zip(names, alleles, strict=True):
            contig, position, ref, _alt, _build = name.split("_")
            fields = self.records[contig, position, ref]
            number = str([fields[3], *fields[4].split(",")].index(allele))
            columns.append([float(call.split("|").count(number)) for call in fields[9:]])
        return np.array(columns).T[self.order]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    folder = tmp_path_factory.mktemp("finished")
    with example_cohort() as example:
        cohort = replace(odd_cohort(example, folder), genes=",".join(GENES), window=60_000, maf=0.05)
        evaluation = EvaluationOptions(models=(*LINEAR, *SEQUENCE), folds=2)
        run(cohort, BackboneOptions("kmer"), evaluation, folder / "results")
        asked = PredictionOptions(folder / "results" / "models", cohort.variants, cohort.reference)
        predict(asked, HERE, folder / "p.parquet")
        yield Finished(cohort, folder / "results", pl.read_parquet(folder / "p.parquet"))


@pytest.fixture(scope="module")
def calls(finished: Finished) -> Calls:
    return Calls(only_file(finished.cohort.variants))


@pytest.fixture(scope="module")
def databases(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of each model, of all genes."""
    folder = tmp_path_factory.mktemp("databases")
    for model in (*LINEAR, *SEQUENCE):
        key = "varID" if model in LINEAR else "rsid"
        export_predictdb(finished.options(model), HERE, folder / f"{model}.db", key)  # type: ignore[arg-type]
    return folder


def score(database: Path, calls: Calls, gene_id: str) -> Float64Array:
    """Predict from a database alone."""
    weights = query(database, f"SELECT * FROM weights WHERE gene = '{gene_id}'")
    (intercept,) = query(database, f"SELECT intercept FROM extra WHERE gene = '{gene_id}'")["intercept"]
    dosages = calls.dosages(weights["varID"], weights["eff_allele"])
    return np.asarray(intercept + dosages @ weights["weight"].to_numpy())


@pytest.mark.parametrize("model", LINEAR)
def test_a_database_predicts_as_the_linear_model(
    finished: Finished, databases: Path, calls: Calls, model: str
) -> None:
    for gene_id in GENES:
        found = score(databases / f"{model}.db", calls, gene_id)
        np.testing.assert_allclose(found, finished.prediction(gene_id, model), rtol=0, atol=1e-9)


def test_covariances_are_those_of_the_people(databases: Path, calls: Calls) -> None:
    weights = query(databases / "elastic-net.db", "SELECT * FROM weights")
    for gene_id in GENES:
        here = weights[weights["gene"] == gene_id]
        expected = np.cov(calls.dosages(here["varID"], here["eff_allele"]), rowvar=False)
        found = read_covariance(databases / "elastic-net.db", gene_id, list(here["varID"]))
        np.testing.assert_allclose(found, np.atleast_2d(expected), rtol=1e-8, atol=1e-12)


def test_performance_is_that_of_the_metrics(finished: Finished, databases: Path) -> None:
    metrics = pd.read_csv(finished.results / "metrics.tsv", sep="\t")
    metrics = metrics[metrics["model"] == "elastic-net-1mb"].set_index("gene_id")
    extra = query(databases / "elastic-net-1mb.db", "SELECT * FROM extra").set_index("gene")
    metrics = metrics.loc[extra.index]
    np.testing.assert_allclose(extra["pred.perf.R2"], metrics["pearson_r"].clip(lower=0) ** 2)
    np.testing.assert_allclose(extra["pred.perf.pval"], metrics["pearson_p"])
    np.testing.assert_allclose(extra["pred.perf.qval"], false_discovery_control(metrics["pearson_p"]))
    np.testing.assert_array_equal(extra["n.snps.in.window"], metrics["n_variants"])


@pytest.mark.parametrize("model", SEQUENCE)
def test_the_table_says_what_a_sequence_model_lost(
    finished: Finished, databases: Path, calls: Calls, model: str
) -> None:
    table = pd.read_csv(databases / f"{model}.linearised.tsv", sep="\t").set_index("gene_id")
    assert list(table.columns) == list(LINEARISED_SCHEMA)[1:]
    for gene_id in GENES:
        found = score(databases / f"{model}.db", calls, gene_id)
        whole = finished.prediction(gene_id, model)
        row = table.loc[gene_id]
        assert found.mean() == pytest.approx(whole.mean(), abs=1e-6)
        assert row["lost"] == pytest.approx(1 - np.corrcoef(found, whole)[0, 1] ** 2, abs=1e-6)
        assert row["rmse"] == pytest.approx(np.sqrt(np.mean((found - whole) ** 2)) / whole.std(), abs=1e-6)
        assert row["predicted_sd"] == pytest.approx(whole.std(), abs=1e-6)
        assert row["linear_sd"] == pytest.approx(found.std(), abs=1e-6)
        assert 0 < row["lost"] < 0.05  # counts of 6-mers are all but additive over variants


def test_a_gene_where_making_the_model_linear_loses_too_much_is_left_out(
    finished: Finished, databases: Path, tmp_path: Path
) -> None:
    losses = pd.read_csv(databases / "transformer-all.linearised.tsv", sep="\t").sort_values("lost")
    options = replace(finished.options("transformer-all", "blup"), max_lost=float(losses["lost"].mean()))
    one = replace(options, models=("transformer-all",))
    done = export_predictdb(one, HERE, tmp_path / "x.db", "rsid")
    assert list(query(tmp_path / "x.db", "SELECT gene FROM extra")["gene"]) == [losses["gene_id"].iloc[0]]
    said = "genes without weights of transformer-all, as more than --max-lost is lost"
    assert done.summary()[said] == 1
    assert export_fusion(options, HERE, tmp_path / "out", "LCL").counts.n_genes == 2
    script = f"""
    load("out/LCL/LCL.{losses["gene_id"].iloc[1]}.wgt.RDat")
    stopifnot(all(wgt.matrix[, "transformer-all"] == 0), is.na(cv.performance["pval", "transformer-all"]))
    stopifnot(any(wgt.matrix[, "blup"] != 0), !is.na(cv.performance["pval", "blup"]))
    """
    r_session(script, tmp_path)
    with pytest.raises(InputError, match="loses more than 1e-09 of its variance at each of 2 genes; raise"):
        export_predictdb(replace(one, max_lost=1e-9), HERE, tmp_path / "none" / "x.db")
    assert not list((tmp_path / "none").iterdir())


def test_r_predicts_as_the_linear_models(finished: Finished, calls: Calls, tmp_path: Path) -> None:
    export_fusion(finished.options(), HERE, tmp_path / "out", "LCL")
    models = ("elastic-net", "blup", "ensemble")
    for place in (1, 2):
        loaded = f"""
        wgtlist <- read.table("out/LCL.pos", head = TRUE, as.is = TRUE)
        load(file.path("out", wgtlist$WGT[{place}]))
        """
        script = f"""{loaded}
        names <- paste("chr22", snps$V4, snps$V6, snps$V5, "b38", sep = "_")
        writeLines(c(wgtlist$ID[{place}], names))
        """
        gene_id, *names = r_session(script, tmp_path)
        calls.dosages(names, [name.split("_")[3] for name in names]).T.tofile(tmp_path / "dosages")
        script = f"""{loaded}
        x <- matrix(readBin("dosages", "double", 1e8), ncol = nrow(snps))
        x <- scale(x, haploscribe$dosage.mean, haploscribe$dosage.sd)
        y <- sweep(x %*% wgt.matrix[, 1:3], 2, haploscribe$intercept, "+")
        stopifnot(identical(colnames(wgt.matrix), c("enet", "blup", "ensemble", "top1")))
        writeBin(as.vector(y), "predicted")
        """
        r_session(script, tmp_path)
        predicted = np.fromfile(tmp_path / "predicted").reshape(3, -1)
        expected = [finished.prediction(gene_id, model) for model in models]
        np.testing.assert_allclose(predicted, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("keep_r2", [None, 0.9])
def test_a_dense_model_is_exported_with_few_weights_that_predict_as_it_does(
    finished: Finished, databases: Path, calls: Calls, tmp_path: Path, keep_r2: float | None
) -> None:
    done = export_predictdb(finished.options("ensemble", keep_r2=keep_r2), HERE, tmp_path / "x.db", "varID")
    assert done.counts.n_weights < 0.2 * len(query(databases / "ensemble.db", "SELECT * FROM weights"))
    extra = query(tmp_path / "x.db", "SELECT * FROM extra").set_index("gene")
    for gene_id in GENES:
        found, whole = score(tmp_path / "x.db", calls, gene_id), finished.prediction(gene_id, "ensemble")
        kept = np.corrcoef(found, whole)[0, 1] ** 2
        assert (keep_r2 or 0.999) <= kept < 1.0
        assert extra.loc[gene_id, "kept.R2"] == pytest.approx(kept, abs=1e-9)
        assert found.mean() == pytest.approx(whole.mean(), abs=1e-6)


def test_a_sparse_model_is_exported_whole(finished: Finished, databases: Path, tmp_path: Path) -> None:
    export_predictdb(finished.options("elastic-net", keep_r2=None), HERE, tmp_path / "x.db", "varID")
    assert (tmp_path / "x.db").read_bytes() == (databases / "elastic-net.db").read_bytes()
    assert set(query(tmp_path / "x.db", "SELECT * FROM extra")["kept.R2"]) == {1.0}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_command_gives_the_same_bytes(finished: Finished, databases: Path, tmp_path: Path) -> None:
    export_predictdb(finished.options("blup-delta"), HERE, tmp_path / "blup-delta.db")
    made = contents(tmp_path)
    assert made == {name: data for name, data in contents(databases).items() if name in made}
    for name in ("a", "b"):
        export_fusion(finished.options("blup", "elastic-net"), HERE, tmp_path / name, "LCL")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(contents(tmp_path / "a")) == 2 + len(GENES)  # two tables, and a file for each gene


def test_genes_are_those_that_the_model_predicts_well(finished: Finished, tmp_path: Path) -> None:
    metrics = read_results(finished.results).metrics.filter(model="elastic-net").sort("pearson_r")
    limit = metrics["pearson_r"][1]
    done = export_predictdb(finished.options("elastic-net", min_r=limit), HERE, tmp_path / "x.db")
    found = query(tmp_path / "x.db", "SELECT gene, `pred.perf.qval` AS q FROM extra")
    assert list(found["gene"]) == [metrics["gene_id"][1]]
    assert (done.n_fitted, done.n_passing, done.counts.n_genes) == (2, 1, 1)
    q = false_discovery_control(metrics["pearson_p"].to_numpy())[1]  # over both genes
    assert found["q"][0] == pytest.approx(q)


def test_an_earlier_table_of_losses_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "x.linearised.tsv"
    path.write_text("of a sequence model")
    write_linearised(path, linearised_table([]))
    assert not path.exists()


def test_a_stopped_export_leaves_nothing_half_written_and_goes_on(
    finished: Finished, databases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weigh, out = WeightExtractor.gene_weights, tmp_path / "transformer-all.db"
    weighed: list[Gene] = []

    def stopping(self: WeightExtractor, gene: Gene) -> GeneWeights:
        if weighed:
            raise KeyboardInterrupt
        weighed.append(gene)
        return weigh(self, gene)

    monkeypatch.setattr(WeightExtractor, "gene_weights", stopping)
    with pytest.raises(KeyboardInterrupt):
        export_predictdb(finished.options("transformer-all"), HERE, out)
    assert [path.name for path in tmp_path.iterdir()] == [".transformer-all.db.work"]
    monkeypatch.setattr(WeightExtractor, "gene_weights", weigh)
    monkeypatch.delattr(gene_effects, "sequence_effects")  # variants are not asked about again
    export_predictdb(finished.options("transformer-all"), HERE, out)
    made = contents(tmp_path)
    assert made == {name: data for name, data in contents(databases).items() if name in made}
    assert len(made) == 3


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes(finished: Finished, databases: Path, tmp_path: Path) -> None:
    options = finished.options("transformer-all")
    export_predictdb(options, WorkerOptions(dask="local:2"), tmp_path / "transformer-all.db")
    made = contents(tmp_path)
    assert made == {name: data for name, data in contents(databases).items() if name in made}


@pytest.mark.parametrize(
    ("verb", "options", "said"),
    [
        ("predictdb", ("--min-r", 0.9), "no gene of"),
        ("predictdb", ("--model", "susie"), "no trained model 'susie'; it has elastic-net"),
        ("predictdb", ("--model", "blup,ensemble"), "one model"),
        ("predictdb", ("--out", "weights.sqlite"), "does not end in .db"),
        ("predictdb", ("--build", "GRCh38 p13"), "--build 'GRCh38 p13'"),
        ("predictdb", ("--results", "nowhere"), "nowhere has no"),
        ("predictdb", ("--max-p", 2), "--max-p"),
        (
            "fusion",
            ("--models", "elastic-net-1mb,blup"),
            "elastic-net-1mb has weights outside the cis window",
        ),
        ("fusion", ("--models", ","), "--models : name each model once"),
        ("fusion", ("--models", "xpresso"), "no trained model 'xpresso'"),
        ("fusion", ("--panel", "../x"), "--panel '../x'"),
        ("fusion", ("--min-r", 0.9), "no gene of"),
    ],
)
def test_bad_input_is_one_line(
    finished: Finished,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    options: tuple[object, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    common = ("--results", finished.results, "--build", "b38", "--out", "weights.db", "--jobs", 1)
    assert run_cli("export", verb, *common, *options, monkeypatch=monkeypatch) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not list(tmp_path.iterdir())


def test_the_command_line_says_what_was_written(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--results", finished.results, "--build", "b38", "--min-r", 0, "--max-p", 1, "--jobs", 1)
    models = ("--models", "blup,transformer-all")
    out = ("--out", tmp_path / "weights")
    assert run_cli("export", "fusion", *arguments, *models, *out, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert "genes exported: 2\n" in said
    assert "lost by making transformer-all linear (1 - r²): median 0." in said
    table = pl.read_csv(tmp_path / "weights" / "haploscribe.linearised.tsv", separator="\t")
    assert_frame_equal(
        table.select("gene_id", "model").sort("gene_id"),
        pl.DataFrame({"gene_id": sorted(GENES), "model": ["transformer-all"] * 2}),
    )


def test_a_gene_id_with_a_comma_passes_where_others_do_not(tmp_path: Path) -> None:
    cohort = write_small_cohort(tmp_path)
    table = cohort.expression.read_text()
    for name, plain in (("a/b <c>, d", "a,b"), ("at the start", "c"), ("at the end", "d"), ("on X", "e")):
        table = table.replace(name, plain)
    cohort.expression.write_text(table)
    models = EvaluationOptions(models=("top-snp",), folds=2)
    metrics = run(cohort, BackboneOptions("kmer"), models, tmp_path / "out").metrics
    (lowest,) = metrics.filter(pl.col("gene_id").str.contains(","))["pearson_r"]
    assert metrics["pearson_r"].min() < lowest
    options = ExportOptions(tmp_path / "out", "hg38", ("top-snp",), min_r=lowest, max_p=1.0)
    export_fusion(options, HERE, tmp_path / "weights", "panel")
    positions = pl.read_csv(tmp_path / "weights" / "panel.pos", separator="\t")
    assert positions.height == metrics.filter(pl.col("pearson_r") >= lowest).height
    assert "a,b" in positions["ID"].to_list()
