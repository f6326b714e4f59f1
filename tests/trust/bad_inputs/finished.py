"""Results and models that are not whole; and odd questions to them."""

import json
import shutil
from collections.abc import Callable
from functools import partial

from tests.trust.bad_inputs.files import cut
from tests.trust.bad_inputs.options import folder_at, given
from tests.trust.bad_inputs.rows import (
    EXPRESSION,
    GENE,
    QUIET,
    RESULTS,
    VARIANTS,
    Case,
    Ended,
    accepted,
    refused,
)

TITLE = "Results, models, and questions to them"
USES = ("report", "explain", "export predictdb", "export fusion")
ASKS = ("explain", "export predictdb", "export fusion")
MODELS = f"{RESULTS}/models"
RECORD = f"{MODELS}/models.json"
OF_GENE = f"{MODELS}/genes/000004.safetensors"
ADVICE = "give the --out folder of a finished `haploscribe run`"


def without(name: str) -> Callable[[Case], None]:
    """Take a file or a folder away."""

    def spoil(case: Case) -> None:
        path = case.path(name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return spoil


def record(name: str, **changed: object) -> Callable[[Case], None]:
    """Change entries of a record."""

    def spoil(case: Case) -> None:
        case.write(name, json.dumps(json.loads(case.text(name)) | changed))

    return spoil


def written(name: str, content: str) -> Callable[[Case], None]:
    return lambda case: case.write(name, content)


def lines_lost(case: Case) -> None:
    text = case.text(f"{RESULTS}/metrics.tsv")
    case.write(f"{RESULTS}/metrics.tsv", text[: len(text) // 2])


def changed_variants(case: Case) -> None:
    case.set_calls("0|1", slice(0, 1))


def bad_header(case: Case) -> None:
    content = case.path(OF_GENE).read_bytes()
    case.write(OF_GENE, content[:12] + b"\xff" + content[13:])


def damaged_missing_calls(case: Case) -> None:
    case.write(f"{RESULTS}/missing-samples.tsv", "id\tn_calls\nZq001\t4\n")
    case.give("multiqc", "run_mqc.json")


def same_page(case: Case, _: Ended) -> None:
    assert "</html>" in case.text(f"{RESULTS}/report.html")


ROWS = (
    refused(
        "results: a folder that is missing",
        given("results", "nowhere"),
        "nowhere has no run.json",
        ADVICE,
        verbs=USES,
    ),
    refused(
        "results: a file",
        given("results", VARIANTS),
        "variants.vcf has no run.json",
        ADVICE,
        verbs=USES,
    ),
    refused(
        "results: another folder",
        given("results", MODELS),
        "results/models has no run.json",
        ADVICE,
        verbs=USES,
    ),
    refused(
        "results of a run that was stopped",
        without(f"{RESULTS}/summary.json"),
        "results has no summary.json",
        ADVICE,
        verbs=USES,
    ),
    refused(
        "results without run.json",
        without(f"{RESULTS}/run.json"),
        "results has no run.json",
        ADVICE,
        verbs=USES,
    ),
    refused(
        "results: predictions.parquet cut",
        partial(cut, name=f"{RESULTS}/predictions.parquet"),
        "results/predictions.parquet is damaged or",
        "run again",
        verbs=USES,
        elsewhere=r"\(.*\)",
    ),
    refused(
        "results: metrics.tsv cut",
        lines_lost,
        r"results/metrics.tsv is damaged or .* \(its last line is cut\); run again",
        verbs=USES,
    ),
    refused(
        "results: summary.json cut",
        partial(cut, name=f"{RESULTS}/summary.json"),
        "results/summary.json is damaged or",
        "run again",
        verbs=USES,
        elsewhere=r"\(.*\)",
    ),
    refused(
        "results: summary.json of something else",
        written(f"{RESULTS}/summary.json", "{}"),
        r"results/summary.json is damaged: it lacks '\w+'; copy it again, or run again",
        verbs=USES,
    ),
    refused(
        "results: run.json of something else",
        written(f"{RESULTS}/run.json", "[1]"),
        r"results/run.json is damaged: it is \[1\]; copy it again, or run again",
        verbs=USES,
    ),
    refused(
        "results of a later version",
        record(f"{RESULTS}/run.json", format_version=99, haploscribe="9.0"),
        "results/run.json has results of format 99, made by Haploscribe 9.0",
        "upgrade it",
        verbs=USES,
        elsewhere=r"(?<=which reads format )\d+",
    ),
    accepted(
        "results without models, report",
        without(MODELS),
        "is written without the figures of regions",
        same_page,
        verbs=("report",),
    ),
    refused(
        "results: missing-samples.tsv of something else",
        damaged_missing_calls,
        "results/missing-samples.tsv is damaged",
        "run again",
        verbs=("report",),
        elsewhere=r"\(.*\)",
    ),
    refused("results without models", without(MODELS), "results/models has no models.json; give", verbs=ASKS),
    refused(
        "results whose input is gone",
        without(VARIANTS),
        "variants.vcf, listed in results/run.json, does not exist; restore it",
        verbs=ASKS,
    ),
    refused(
        "results whose genotypes have changed",
        changed_variants,
        "variants.vcf has changed since the run that read it; run again, or restore it",
        verbs=ASKS,
    ),
    refused(
        "results whose expression has changed",
        lambda case: case.set_cells({6: "1"}, slice(0, 1), EXPRESSION),
        "expression.bed has changed since the run",
        verbs=ASKS,
    ),
    refused(
        "models: a folder that is missing",
        given("models", "nowhere"),
        "nowhere has no models.json; give the `models` folder",
        verbs=("predict",),
    ),
    refused(
        "models: the folder of results",
        given("models", RESULTS),
        "results has no models.json; give the `models` folder",
        verbs=("predict",),
    ),
    refused(
        "models: models.json cut",
        partial(cut, name=RECORD),
        "results/models/models.json cannot be read",
        "give the `models` folder",
        verbs=("predict", *USES),
        elsewhere=r"\(.*\)",
    ),
    refused(
        "models: models.json of something else",
        written(RECORD, "{}"),
        "results/models/models.json is no record of models; give",
        verbs=("predict", *USES),
    ),
    refused(
        "models of a later version",
        record(RECORD, format_version=99, haploscribe="9.0"),
        "models.json has models of format 99, made by Haploscribe 9.0",
        "upgrade it",
        verbs=("predict", *USES),
        elsewhere=r"(?<=which reads format )\d+",
    ),
    refused(
        "models of an earlier version",
        record(RECORD, format_version=0),
        "models.json has models of format 0",
        "run again",
        verbs=("predict", *USES),
    ),
    refused(
        "models: a gene's file is missing",
        without(OF_GENE),
        "results/models/genes/000004.safetensors is missing; copy the whole folder",
        verbs=("predict", "explain", "export fusion", "report"),
    ),
    refused(
        "models: a gene's file is cut",
        partial(cut, name=OF_GENE),
        "results/models/genes/000004.safetensors is damaged",
        "copy or make it again",
        verbs=("predict", "explain", "export fusion", "report"),
        elsewhere=r"\(.*\)",
    ),
    refused(
        "models: a gene's file is altered",
        bad_header,
        "results/models/genes/000004.safetensors is damaged",
        "copy or make it again",
        verbs=("predict", "explain", "report"),
        elsewhere=r"\(.*\)",
    ),
    refused(
        "models: the known variants are missing",
        without(f"{MODELS}/variants/chrX"),
        r"results/models/variants/chrX/\d.safetensors is missing; copy the whole folder",
        verbs=("predict",),
    ),
    refused(
        "predict: both `--results` and `--models`",
        given("results", RESULTS),
        "--models and --results say the same; give one of them",
        verbs=("predict",),
    ),
    refused(
        "predict: neither `--results` nor `--models`",
        lambda case: case.leave_out("models"),
        "Missing option '--results'",
        "haploscribe predict --help",
        verbs=("predict",),
    ),
    refused(
        "predict: an unknown gene",
        given("genes", "nobody"),
        r"--genes: 1 of 1 ids are not in the models of results/models \(nobody\)",
        verbs=("predict",),
    ),
    refused(
        "`--min-coverage nan`",
        given("min-coverage", "nan"),
        "--min-coverage nan: give a share from 0 to 1",
        verbs=("predict",),
    ),
    refused(
        "predict: weights of a model that the run had not",
        given("xpresso", "x.h5"),
        "--xpresso: the models of results/models are not of a run with xpresso",
        verbs=("predict",),
    ),
    refused(
        "predict: `--store` is a file",
        given("store", "covariates.txt"),
        "covariates.txt is not an embedding store",
        verbs=("predict",),
    ),
    refused(
        "predict: a folder in place of the table of coverage",
        folder_at("predicted.coverage.tsv"),
        "cannot write to predicted.coverage.tsv: it is a folder; name a file",
        verbs=("predict",),
    ),
    refused(
        "explain: an unknown gene",
        given("gene", "nobody"),
        r"--genes?: 1 of 1 ids are not in the models of results \(nobody\)",
        verbs=("explain",),
    ),
    refused(
        "explain: two genes",
        given("gene", f"{QUIET},{GENE}"),
        "--gene quiet,on_x: name one gene",
        verbs=("explain",),
    ),
    refused(
        "explain: a sample that the run had not",
        given("sample", "nobody"),
        "--sample nobody: no sample of results, which has Zq000, Zq001, Zq002, … 40 more; name one of these",
        verbs=("explain",),
    ),
    refused(
        "explain: a gene without variants",
        given("gene", QUIET),
        "quiet has no variant with MAF 0.01 or more in its cis window; name a gene that has some",
        verbs=("explain",),
    ),
    refused(
        "explain: a model that was not trained",
        given("models", "lasso"),
        "results/models has no trained model 'lasso'; it has elastic-net",
        verbs=("explain",),
    ),
    refused(
        "explain: no model",
        given("models", ""),
        "--models : name each model once, of elastic-net, blup, blup-delta",
        verbs=("explain",),
    ),
    refused(
        "explain: a variant outside the window",
        given("variant", "chr2:31:T:A"),
        "--variant chr2:31:T:A: lies outside the window of on_x, chrX:2001-4001",
        verbs=("explain",),
    ),
    refused(
        "explain: REF that is not the reference's",
        given("variant", "chrX:3001:G:A"),
        "--variant chrX:3001:G:A: the reference has A there; give its REF",
        verbs=("explain",),
    ),
    refused(
        "explain: a variant that is none",
        given("variant", "chrX:3001"),
        "--variant chrX:3001: write it as chr:pos:ref:alt",
        verbs=("explain",),
    ),
    refused(
        "export: a build that is no plain word",
        given("build", "b 38;rm"),
        "--build 'b 38;rm' holds more than letters, digits",
        verbs=("export predictdb", "export fusion"),
    ),
    refused(
        "export: a panel in another folder",
        given("panel", "../x"),
        "--panel '../x' holds more than letters, digits",
        verbs=("export fusion",),
    ),
    refused(
        "export: a model that was not trained",
        given("model", "lasso"),
        "results/models has no trained model 'lasso'; it has",
        verbs=("export predictdb",),
    ),
    refused(
        "export: no gene is predicted well enough",
        given("min-r", 1.0),
        "no gene of results has r of 1 or more",
        "change --min-r and --max-p",
        verbs=("export predictdb",),
    ),
    refused(
        "export: a folder in place of the covariances",
        folder_at("weights.txt.gz"),
        "cannot write to .*weights.txt.gz: it is a folder; name a file",
        verbs=("export predictdb",),
    ),
)
