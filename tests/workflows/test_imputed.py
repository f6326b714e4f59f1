"""Imputed data from a file to predictions: dosages, missing calls, and files without calls."""

import gzip
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from haploscribe.cohort.missing_calls import TWINS_LABEL, missing_notes
from haploscribe.config.finished_runs import PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.errors import InputError
from haploscribe.genome.tiles import TILES_PER_BLOCK
from haploscribe.results.models_folder import read_known_variants
from haploscribe.results.saved_models import SavedModels
from haploscribe.results.tables import Results, read_predictions
from haploscribe.workflows.check import check
from haploscribe.workflows.embed import embed
from haploscribe.workflows.predict.workflow import Predicted, predict
from haploscribe.workflows.run.workflow import run
from tests.fixtures.imputed import imputed_vcf
from tests.fixtures.peers import require_program
from tests.fixtures.small_cohort import LENGTHS, N_PEOPLE, PEOPLE, SmallGenome, write_small_cohort
from tests.fixtures.variants import only_file

GENOME = SmallGenome.drawn()
NEW = ("n1", "n2", "n3", "n4", "n5")
UNCERTAIN = imputed_vcf(GENOME.vcf(NEW, seed=5), 8)


@dataclass(frozen=True)
class Imputed:
    """The small cohort with other genotypes."""

    cohort: CohortOptions
    folder: Path

    def run(self, text: str, name: str, *models: str) -> tuple[pl.DataFrame, Results]:
        """Run models on a VCF of the cohort's people; give predictions and results."""
        path = self.folder / f"{name}.vcf"
        path.write_text(text)
        options = EvaluationOptions(models=models, folds=2, normalize="none")
        results = run(
            replace(self.cohort, variants=path, maf=0), BackboneOptions("kmer"), options, self.folder / name
        )
        return read_predictions(self.folder / name), results

    def predict(self, name: str, text: str) -> tuple[pl.DataFrame, Predicted]:
        """Predict new people with the models of a run."""
        path = self.folder / "new.vcf"
        path.write_text(text)
        asked = PredictionOptions(self.folder / name / "models", path, self.cohort.reference)
        done = predict(asked, WorkerOptions())
        assert done.predictions is not None
        return done.predictions, done


@pytest.fixture
def imputed(tmp_path: Path) -> Imputed:
    return Imputed(write_small_cohort(tmp_path), tmp_path)


def of_model(frame: pl.DataFrame, model: str) -> pl.DataFrame:
    return frame.filter(model=model).drop("model")


def swapped(text: str) -> str:
    """Write every third record of one base with REF and ALT swapped, alleles and dosages with them."""
    lines = []
    for number, line in enumerate(text.splitlines()):
        cells = line.split("\t")
        if not line.startswith("#") and number % 3 == 0 and len(cells[3]) == len(cells[4]) == 1:
            cells[3:5] = cells[4], cells[3]
            for i in range(9, len(cells)):
                call, _, dosage = cells[i].partition(":")
                ploidy = len(call.split("|"))
                flipped = call.translate(str.maketrans("01", "10"))
                cells[i] = f"{flipped}:{ploidy - float(dosage):.3f}" if dosage else flipped
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"


def test_a_pgen_predicts_what_the_dosages_of_its_vcf_do(example: CohortOptions, tmp_path: Path) -> None:
    """Real people, one gene; the dosages of a PGEN are of 1/16,384."""
    plink2, vcf = require_program("plink2"), tmp_path / "v.vcf"
    lines = gzip.decompress(only_file(example.variants).read_bytes()).decode().splitlines()
    near = [
        line
        for line in lines
        if line[0] == "#" or (line.split("\t")[1][:4] in ("2009", "2010") and "," not in line.split("\t")[4])
    ]
    vcf.write_text(imputed_vcf("\n".join(near), 3))
    command = [plink2, "--vcf", str(vcf), "dosage=DS", "--make-pgen", "--output-chr", "chrM", "--out"]
    subprocess.run([*command, str(tmp_path / "v")], check=True, capture_output=True)
    options = EvaluationOptions(models=("elastic-net", "blup"), folds=3)
    cohort = replace(example, genes="ENSG00000099899.10", window=20_000, maf=0, assume_phased=True)
    found = []
    for name in ("v.vcf", "v.pgen", only_file(example.variants)):
        out = tmp_path / f"of-{Path(name).name}"
        run(replace(cohort, variants=tmp_path / name), BackboneOptions("kmer"), options, out)
        found.append(read_predictions(out))
    dosages, pgen, calls = (frame["predicted"].to_numpy() for frame in found)
    np.testing.assert_allclose(pgen, dosages, atol=2e-3)
    assert np.abs(calls - dosages).max() > 0.05


@pytest.mark.slow
def test_models_of_deltas_read_calls_and_a_twin_of_hard_calls_does_too(imputed: Imputed) -> None:
    plain, uncertain = GENOME.vcf(PEOPLE, seed=1), imputed_vcf(GENOME.vcf(PEOPLE, seed=1), 4)
    calls, _ = imputed.run(plain, "calls", "blup", "ensemble", "blup-delta", "ensemble-delta")
    twins = ("blup(hard_calls=true)", "ensemble(hard_calls=true)")
    models = ("blup", "ensemble", "blup-delta", "ensemble-delta")
    found, results = imputed.run(uncertain, "uncertain", *models, *twins)
    for model in ("blup-delta", "ensemble-delta"):
        assert_frame_equal(of_model(found, model), of_model(calls, model), check_exact=True)
    for model, twin in zip(("blup", "ensemble"), twins, strict=True):
        assert_frame_equal(of_model(found, twin), of_model(calls, model), check_exact=True)
        assert not of_model(found, model).equals(of_model(calls, model))
    assert TWINS_LABEL not in results.run["data"]
    new, _ = imputed.predict("uncertain", UNCERTAIN)
    of_calls, _ = imputed.predict("uncertain", GENOME.vcf(NEW, seed=5))
    for model in ("blup-delta", "ensemble-delta", *twins):
        assert_frame_equal(of_model(new, model), of_model(of_calls, model), check_exact=True)
    assert not of_model(new, "blup").equals(of_model(of_calls, "blup"))


def test_a_run_names_the_twins_that_it_lacks(imputed: Imputed) -> None:
    models = ("blup(hard_calls=true)", "blup-delta", "ensemble-delta")
    _, results = imputed.run(imputed_vcf(GENOME.vcf(PEOPLE, seed=1), 4), "uncertain", *models)
    assert results.run["data"][TWINS_LABEL] == "ensemble(hard_calls=true)"
    assert TWINS_LABEL in missing_notes(results.run["data"])
    _, results = imputed.run(GENOME.vcf(PEOPLE, seed=1), "calls", *models)
    assert missing_notes(results.run["data"]) == {}


def test_a_file_of_dosages_alone_serves_models_of_dosages(imputed: Imputed) -> None:
    plain = GENOME.vcf(PEOPLE, seed=1, contigs=("chr2",))
    alone, both = (imputed_vcf(plain, 4, keys) for keys in ("DS", "GT:DS"))
    models = ("elastic-net", "blup")
    found, expected = (imputed.run(text, name, *models)[0] for text, name in ((alone, "a"), (both, "b")))
    assert_frame_equal(found, expected, abs_tol=1e-6)
    with pytest.raises(InputError) as stopped:
        imputed.run(alone, "c", "blup", "blup-delta", "susie(hard_calls=true)")
    assert "100% of" in str(stopped.value)
    assert "and blup-delta, susie(hard_calls=true) would read the reference" in str(stopped.value)
    assert "use models that read its dosages: blup" in str(stopped.value)
    assert not (imputed.folder / "c").exists()


def test_check_and_embed_know_a_file_of_dosages_alone(imputed: Imputed) -> None:
    path = imputed.folder / "alone.vcf"
    path.write_text(imputed_vcf(GENOME.vcf(PEOPLE, seed=1, contigs=("chr2",)), 4, "DS"))
    cohort = replace(imputed.cohort, variants=path)
    data = check(cohort, WorkerOptions()).facts
    n_calls = N_PEOPLE * int(data["variants used (REF equals the FASTA at each)"])
    assert data["missing calls, read as reference in haplotypes"].endswith("(100.00%)")  # type: ignore[union-attr]
    assert n_calls > 0
    with pytest.raises(InputError, match="lack alleles"):
        check(cohort, WorkerOptions(), EvaluationOptions(models=("blup-delta",)), BackboneOptions("kmer"))
    with pytest.raises(InputError, match="and embed would read the reference"):
        embed(cohort, BackboneOptions("kmer"), imputed.folder / "s.zarr", WorkerOptions())


def test_missing_calls_are_told_by_sample_and_variant(imputed: Imputed) -> None:
    lines = GENOME.vcf(PEOPLE, seed=1).splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("chr2"))
    cells = lines[first + 1].split("\t")
    cells[9:12] = [".|."] * 3
    lines[first + 1] = "\t".join(cells)
    cells = lines[first + 2].split("\t")
    cells[10] = ".|."
    lines[first + 2] = "\t".join(cells)
    _, results = imputed.run("\n".join(lines) + "\n", "r", "top-snp")
    data = results.run["data"]
    assert data["missing calls, read as reference in haplotypes"].startswith("4 of ")
    assert data["of them without a dosage, read as the training mean in dosages"] == "4"
    assert data["most missing calls of a sample, of variants used"].endswith(f"({PEOPLE[1]})")
    site = lines[first + 1].split("\t")
    where = f"chr2:{site[1]}:{site[3]}:{site[4]}"
    assert data["most missing calls of a variant used"] == f"{3 / N_PEOPLE:.2%} ({where})"
    samples, variants = (
        pl.read_csv(imputed.folder / "r" / f"missing-{what}.tsv", separator="\t")
        for what in ("samples", "variants")
    )
    assert dict(samples.filter(pl.col("n_missing") > 0).select("id", "n_missing").iter_rows()) == {
        PEOPLE[0]: 1,
        PEOPLE[1]: 2,
        PEOPLE[2]: 1,
    }
    assert samples["n_missing_dosage"].to_list() == samples["n_missing"].to_list()
    assert variants["id"][0] == where
    assert variants["missing"].to_list() == [3 / N_PEOPLE, 1 / N_PEOPLE]


def test_new_people_get_the_training_mean_for_a_missing_call(imputed: Imputed) -> None:
    """As if the file had the mean as dosage; haplotypes share it."""
    text = imputed_vcf(GENOME.vcf(PEOPLE, seed=1), 4, missing=0.04)
    imputed.run(text, "r", "elastic-net", "blup", "blup-delta")
    means: dict[int, float] = {}
    for block in range(-(-LENGTHS["chr2"] // (imputed.cohort.tile_size * TILES_PER_BLOCK))):
        known = read_known_variants(imputed.folder / "r" / "models", "chr2", block)
        means.update(zip(known.sites.positions.tolist(), known.mean_dosages().tolist(), strict=True))

    def without(dosage: bool) -> str:
        lines = []
        for number, line in enumerate(UNCERTAIN.splitlines()):
            cells = line.split("\t")
            if line.startswith("chr2") and number % 9 == 0:
                cells[11] = f".|.:{means[int(cells[1]) - 1]:.9g}" if dosage else ".|.:."
            lines.append("\t".join(cells))
        return "\n".join(lines) + "\n"

    (found, done), (expected, _) = (imputed.predict("r", without(dosage)) for dosage in (False, True))
    assert_frame_equal(found, expected, abs_tol=1e-6)
    other, _ = imputed.predict("r", UNCERTAIN)
    assert not of_model(found, "blup").equals(of_model(other, "blup"))
    assert done.coverage["missing"].max() > 0  # type: ignore[operator]
    assert done.summary()["most missing calls of a sample, of variants used"].endswith("(n3)")  # type: ignore[union-attr]
    # What two haplotypes add is what the sample has beyond the reference.
    blup = of_model(found, "blup").with_columns(
        rest=pl.col("predicted") - pl.col("haplotype_0") - pl.col("haplotype_1")
    )
    spread = blup.group_by("gene_id").agg(pl.col("rest").max() - pl.col("rest").min())
    assert spread["rest"].max() < 1e-5  # type: ignore[operator]


def test_what_haplotypes_add_follows_hds(imputed: Imputed) -> None:
    """A copy of the text and the model's weights give the same."""
    imputed.run(GENOME.vcf(PEOPLE, seed=1), "r", "blup")
    text = imputed_vcf(GENOME.vcf(NEW, seed=5), 8, "GT:HDS")
    found, _ = imputed.predict("r", text)
    saved = SavedModels(imputed.folder / "r" / "models")
    (number,) = (i for i, gene in enumerate(saved.record.genes) if gene.gene_id == "a/b <c>, d")
    weights = saved.of_gene(number)["blup"].linear_weights()
    assert weights is not None
    start, end = (saved.record.genes[number].tss + side * imputed.cohort.window // 2 for side in (-1, 1))
    records = [line.split("\t") for line in text.splitlines() if line.startswith("chr2\t")]
    near = [record for record in records if start <= int(record[1]) - 1 <= end]
    hds = np.array([[call.split(":")[1].split(",") for call in record[9:]] for record in near], dtype=float)
    expected = np.einsum("v,vsh->sh", weights.weights, hds)
    own = found.filter(gene_id="a/b <c>, d", model="blup")
    np.testing.assert_allclose(own.select("haplotype_0", "haplotype_1").to_numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(
        own["predicted"].to_numpy(), weights.intercept + expected.sum(axis=1), atol=1e-5
    )


@pytest.mark.slow
def test_held_out_dosages_and_missing_calls_reach_no_fit(imputed: Imputed) -> None:
    """People of the test fold get other dosages and other gaps; the predictions of the others stay."""
    text = imputed_vcf(GENOME.vcf(PEOPLE, seed=1), 4, missing=0.04)
    models = ("elastic-net", "ensemble", "elastic-net-1mb")
    found, _ = imputed.run(text, "r", *models)
    strangers = imputed_vcf(GENOME.vcf(PEOPLE, seed=99), 5, missing=0.04).splitlines()
    test = [PEOPLE.index(name) for name in found.filter(fold=1)["sample_id"].unique().to_list()]
    kept, changed = test[: len(test) // 2], test[len(test) // 2 :]
    lines = []
    for line, other in zip(text.splitlines(), strangers, strict=True):
        cells, others = line.split("\t"), other.split("\t")
        if not line.startswith("#"):
            for sample in changed:
                cells[9 + sample] = others[9 + sample]
        lines.append("\t".join(cells))
    again, _ = imputed.run("\n".join(lines) + "\n", "other", *models)
    names = pl.col("sample_id").is_in([PEOPLE[sample] for sample in kept])
    of_kept = [frame.filter(pl.col("fold") == 1, names) for frame in (found, again)]
    assert_frame_equal(of_kept[0], of_kept[1], check_exact=True)
    assert not found.filter(~names).equals(again.filter(~names))


def test_swapped_records_have_swapped_dosages(imputed: Imputed) -> None:
    imputed.run(imputed_vcf(GENOME.vcf(PEOPLE, seed=1), 4), "r", "blup", "blup-delta")
    text = imputed_vcf(GENOME.vcf(NEW, seed=5, contigs=("chr2",)), 8)
    expected, _ = imputed.predict("r", text)
    found, done = imputed.predict("r", swapped(text))
    assert done.coverage["n_swapped"].sum() > 0
    assert_frame_equal(found, expected, abs_tol=1e-5)


def test_too_many_calls_without_dosage_stop_any_model(imputed: Imputed) -> None:
    text = imputed_vcf(GENOME.vcf(PEOPLE, seed=1), 4, missing=0.5)
    with pytest.raises(InputError, match=r"2\d% of .* calls are missing near the genes, more than 10%"):
        imputed.run(text, "r", "blup")
