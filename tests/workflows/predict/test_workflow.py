"""Kept models predict new people by rule: however their file is written, and never from nothing."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pysam
import pysam.bcftools
import pytest
from polars.testing import assert_frame_equal

from haploscribe.cohort.cohort import open_cohort
from haploscribe.config.finished_runs import PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.errors import InputError
from haploscribe.estimators.inputs import gene_inputs
from haploscribe.estimators.linear.elastic_net import ElasticNet
from haploscribe.examples.cohort import example_cohort
from haploscribe.expression.normalise import prepare
from haploscribe.results.models_folder import gene_file
from haploscribe.results.saved_models import SavedModels
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.predict.tables import COVERAGE_SCHEMA, NEW_PREDICTION_SCHEMA
from haploscribe.workflows.predict.workflow import Predicted, predict
from haploscribe.workflows.run.workflow import run
from tests.fixtures.variants import only_file

GENES = "ENSG00000128191.9,ENSG00000099899.10"
MODELS = ("elastic-net", "blup", "blup-delta", "transformer-all")
Lines = Sequence[list[str]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CohortOptions, Path]]:
    """The bundled cohort, and models of two of its genes."""
    out = tmp_path_factory.mktemp("results")
    with example_cohort() as example:
        cohort = replace(example, genes=GENES, maf=0.05)
        run(cohort, BackboneOptions("kmer"), EvaluationOptions(models=MODELS, folds=2), out)
        yield cohort, out / "models"


def prediction_of(
    trained: tuple[CohortOptions, Path], folder: Path, variants: Path | None = None, **options: object
) -> tuple[pl.DataFrame, Predicted]:
    cohort, models = trained
    asked = PredictionOptions(models, variants or cohort.variants, cohort.reference)
    done = predict(replace(asked, **options), WorkerOptions(), folder / "p.parquet")  # type: ignore[arg-type]
    return pl.read_parquet(folder / "p.parquet"), done


def rewritten(source: Path, path: Path, change: Callable[[Lines], Lines]) -> Path:
    """A VCF with other records, sorted and indexed."""
    with gzip.open(source, "rt") as file:
        lines = file.read().splitlines()
    header = [line for line in lines if line.startswith("#")]
    records = change([line.split("\t") for line in lines if not line.startswith("#")])
    plain = path.with_suffix("")
    plain.write_text("\n".join([*header, *("\t".join(record) for record in records)]) + "\n")
    pysam.tabix_compress(str(plain), str(path), force=True)
    pysam.tabix_index(str(path), preset="vcf", force=True)
    return path


def test_training_people_get_the_fitted_values(trained: tuple[CohortOptions, Path], tmp_path: Path) -> None:
    cohort_options, _ = trained
    found, _ = prediction_of(trained, tmp_path)
    with open_cohort(cohort_options, tmp_path) as cohort:
        everyone = np.ones(len(cohort.match.shared), dtype=np.bool_)
        order = np.argsort(cohort.match.shared)
        for gene, values in zip(cohort.genes, cohort.values, strict=True):
            inputs = gene_inputs(cohort, gene, None).take(order)
            covariates = None if cohort.covariates is None else cohort.covariates[order]
            prepared = prepare(values[order], covariates, everyone, "inverse-normal")
            expected = ElasticNet().fit(inputs, prepared).predict(inputs)
            rows = found.filter(model="elastic-net", gene_id=gene.gene_id).sort("sample_id")
            assert rows["sample_id"].to_list() == list(inputs.sample_ids)
            np.testing.assert_allclose(rows["predicted"], expected, atol=1e-12)


def test_tables_have_their_schemas(trained: tuple[CohortOptions, Path], tmp_path: Path) -> None:
    found, done = prediction_of(trained, tmp_path)
    assert found.schema == NEW_PREDICTION_SCHEMA
    assert pl.read_csv(tmp_path / "p.coverage.tsv", separator="\t").schema == COVERAGE_SCHEMA
    assert found["model"].unique(maintain_order=True).to_list() == list(MODELS)
    assert found.filter(model="blup")["standard_error"].is_between(0.0, 1.0).all()
    assert found.filter(model="elastic-net")["standard_error"].is_null().all()
    assert done.summary()["genes predicted"] == "2 of 2"
    assert list(tmp_path.iterdir()) == sorted(tmp_path.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"p.parquet", "p.coverage.tsv"}


def test_shares_of_the_haplotypes_add_up_to_the_prediction(
    trained: tuple[CohortOptions, Path], tmp_path: Path
) -> None:
    found, _ = prediction_of(trained, tmp_path)
    base = found.with_columns(base=pl.col("predicted") - pl.col("haplotype_0") - pl.col("haplotype_1"))
    spread = base.group_by("gene_id", "model").agg(pl.col("base").max() - pl.col("base").min())
    assert spread["base"].max() < 1e-6  # type: ignore[operator]
    assert found.group_by("gene_id", "model").agg(pl.col("haplotype_0").std())["haplotype_0"].min() > 0.01  # type: ignore[operator]


def test_a_haplotypes_share_is_the_sum_of_its_alleles_effects(
    trained: tuple[CohortOptions, Path], tmp_path: Path
) -> None:
    """Alleles as bcftools lists them, and the elastic net's own coefficients."""
    cohort, models = trained
    found, _ = prediction_of(trained, tmp_path)
    kept = SavedModels(models)
    gene = kept.record.genes[0]
    weights = kept.of_gene(0)["elastic-net"].state().arrays["coefficients"]
    with open_cohort(cohort, tmp_path) as opened:
        positions = gene_inputs(opened, opened.genes[0], None).positions
    site = int(np.argmax(np.abs(weights)))
    alone = np.flatnonzero(weights)
    expected: Float64Array = np.zeros((found["sample_id"].n_unique(), 2))
    for column in alone.tolist():
        place = int(positions[column]) + 1
        text = pysam.bcftools.query(
            "-f", "%ALT[\t%GT]\n", "-r", f"{gene.contig}:{place}", str(cohort.variants)
        ).splitlines()
        (line,) = [row.split("\t") for row in text]
        assert "," not in line[0]
        expected += weights[column] * np.array([call.split("|") for call in line[1:]]).astype(int)
    rows = found.filter(model="elastic-net", gene_id=gene.gene_id)
    assert weights[site] != 0.0
    np.testing.assert_allclose(rows.select("haplotype_0", "haplotype_1").to_numpy(), expected, atol=1e-9)


def swapped(records: Lines) -> Lines:
    """Every third SNV with REF and ALT in each other's place."""
    turned = str.maketrans("01", "10")
    return [
        [*record[:3], record[4], record[3], *record[5:9], *(call.translate(turned) for call in record[9:])]
        if number % 3 == 0 and len(record[3]) == len(record[4]) == 1
        else record
        for number, record in enumerate(records)
    ]


def renamed(records: Lines) -> Lines:
    return [[record[0].removeprefix("chr"), *record[1:]] for record in records]


def with_others(records: Lines) -> Lines:
    """Beside every second record another one, of an allele that the models do not know."""
    found: list[list[str]] = []
    for number, record in enumerate(records):
        found.append(record)
        if number % 2 == 0 and len(record[3]) == len(record[4]) == 1:
            other = next(base for base in "ACGT" if base not in record[3:5])
            found.append([*record[:2], ".", record[3], other, *record[5:9], *(["0|1"] * len(record[9:]))])
    return found


@pytest.mark.parametrize("change", [swapped, renamed, with_others])
def test_how_the_file_is_written_changes_nothing(
    trained: tuple[CohortOptions, Path], tmp_path: Path, change: Callable[[Lines], Lines]
) -> None:
    cohort, _ = trained
    expected, before = prediction_of(trained, tmp_path)
    source = only_file(cohort.variants)
    vcf = rewritten(source, tmp_path / "new.vcf.gz", change)
    if change is renamed:
        header = tmp_path / "header.txt"
        text = pysam.bcftools.view("-h", str(source))
        header.write_text(text.replace("ID=chr", "ID="))
        pysam.bcftools.reheader(
            "-h", str(header), "-o", str(tmp_path / "n.vcf.gz"), str(vcf), catch_stdout=False
        )
        vcf = tmp_path / "n.vcf.gz"
    found, after = prediction_of(trained, tmp_path, vcf)
    assert_frame_equal(found, expected, check_exact=True)
    counted = {"swapped": after.coverage["n_swapped"].sum(), "with_others": after.coverage["n_extra"].sum()}
    if change.__name__ in counted:
        assert counted[change.__name__] > 100
    assert before.coverage["n_swapped"].sum() == before.coverage["n_extra"].sum() == 0


def test_absent_variants_count_as_what_training_people_have_on_average(
    trained: tuple[CohortOptions, Path], tmp_path: Path
) -> None:
    cohort, models = trained
    full, _ = prediction_of(trained, tmp_path)
    vcf = rewritten(only_file(cohort.variants), tmp_path / "new.vcf.gz", lambda records: records[::2])
    found, done = prediction_of(trained, tmp_path, vcf, min_coverage=0.3)
    kept = SavedModels(models)
    present = {int(text) for text in pysam.bcftools.query("-f", "%POS\n", str(vcf)).split()}
    for number, gene_id in enumerate(done.coverage["gene_id"]):
        weights = kept.of_gene(number)["elastic-net"].state().arrays["coefficients"]
        with open_cohort(cohort, tmp_path) as opened:
            inputs = gene_inputs(opened, opened.genes[number], None)
        absent = np.array([position + 1 not in present for position in inputs.positions.tolist()])
        assert done.coverage["n_found"][number] == np.count_nonzero(~absent)
        assert np.count_nonzero(weights[absent]) > 0
        lost = (inputs.dosages - inputs.dosages.mean(axis=0, dtype=np.float64))[:, absent] @ weights[absent]
        rows = [
            frame.filter(model="elastic-net", gene_id=gene_id)["predicted"].to_numpy()
            for frame in (found, full)
        ]
        np.testing.assert_allclose(rows[0], rows[1] - lost, atol=1e-6)


def test_absent_is_reference_reads_a_file_of_differences_as_the_whole(
    trained: tuple[CohortOptions, Path], tmp_path: Path
) -> None:
    """One person's file with only the sites where that person differs from the reference."""
    cohort, _ = trained
    person = "HG00096"
    expected, _ = prediction_of(trained, tmp_path)
    vcf = tmp_path / "one.vcf.gz"
    view = ("-s", person, "-c", "1", "-Oz", "-o", str(vcf), str(cohort.variants))
    pysam.bcftools.view(*view, catch_stdout=False)
    with pytest.raises(InputError, match="--absent-is-reference"):
        prediction_of(trained, tmp_path, vcf)
    found, _ = prediction_of(trained, tmp_path, vcf, absent_is_reference=True)
    assert_frame_equal(found, expected.filter(sample_id=person), rel_tol=1e-6)


def test_genes_of_low_coverage_are_refused_by_name(
    trained: tuple[CohortOptions, Path], tmp_path: Path
) -> None:
    cohort, models = trained
    first, second = SavedModels(models).record.genes
    half_way = (first.tss + second.tss) // 2

    def cut(records: Lines) -> Lines:
        return [record for record in records if int(record[1]) < half_way + 60_000]

    vcf = rewritten(only_file(cohort.variants), tmp_path / "new.vcf.gz", cut)
    found, done = prediction_of(trained, tmp_path, vcf)
    assert done.coverage.filter(~pl.col("predicted"))["gene_id"].to_list() == [second.gene_id]
    assert found["gene_id"].unique().to_list() == [first.gene_id]
    assert any(second.gene_id in str(fact) for fact in done.summary().values())


def test_one_gene_is_predicted_as_among_all(trained: tuple[CohortOptions, Path], tmp_path: Path) -> None:
    expected, _ = prediction_of(trained, tmp_path)
    gene = GENES.split(",")[1]
    found, _ = prediction_of(trained, tmp_path, genes=gene)
    assert_frame_equal(found, expected.filter(gene_id=gene), check_exact=True)


@pytest.mark.slow
def test_two_processes_predict_the_same(trained: tuple[CohortOptions, Path], tmp_path: Path) -> None:
    cohort, models = trained
    options = PredictionOptions(models, cohort.variants, cohort.reference)
    for jobs in (1, 2):
        predict(options, WorkerOptions(jobs), tmp_path / f"{jobs}.tsv")
    assert (tmp_path / "1.tsv").read_bytes() == (tmp_path / "2.tsv").read_bytes()


def test_files_of_other_people_in_the_same_run_do_not_matter(
    trained: tuple[CohortOptions, Path], tmp_path: Path
) -> None:
    """A person is predicted the same alone as among 358: nothing is fitted on new people."""
    cohort, _ = trained
    vcf = tmp_path / "two.vcf.gz"
    people = ("HG00097", "HG00099")
    pysam.bcftools.view(
        "-s", ",".join(people), "-Oz", "-o", str(vcf), str(cohort.variants), catch_stdout=False
    )
    expected, _ = prediction_of(trained, tmp_path)
    found, _ = prediction_of(trained, tmp_path, vcf)
    assert_frame_equal(found, expected.filter(pl.col("sample_id").is_in(people)), rel_tol=1e-6)


def test_what_cannot_be_is_refused_in_words(trained: tuple[CohortOptions, Path], tmp_path: Path) -> None:
    cohort, models = trained
    options = PredictionOptions(models, cohort.variants, cohort.reference)
    cases: list[tuple[PredictionOptions, str, str]] = [
        (options, "p.csv", "ends in .parquet or .tsv"),
        (replace(options, models=models.parent), "p.tsv", "give the `models` folder"),
        (replace(options, genes="ENSG1"), "p.tsv", "not in the models of"),
        (replace(options, backbone="nano"), "p.tsv", "were trained on kmer"),
    ]
    for asked, name, message in cases:
        with pytest.raises(InputError, match=message):
            predict(asked, WorkerOptions(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_damaged_model_is_named(trained: tuple[CohortOptions, Path], tmp_path: Path) -> None:
    cohort, models = trained
    file = gene_file(models, 1)
    content = file.read_bytes()
    with ExitStack() as stack:
        stack.callback(file.write_bytes, content)
        file.write_bytes(content[:200])
        options = PredictionOptions(models, cohort.variants, cohort.reference)
        with pytest.raises(InputError, match=file.name):
            predict(options, WorkerOptions(), tmp_path / "p.tsv")
