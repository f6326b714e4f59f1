"""New people as they come: any file, any calls, other folders; and a job that was killed goes on."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pysam
import pysam.bcftools
import pytest
from polars.testing import assert_frame_equal

from haploscribe.config.finished_runs import ExplanationOptions, PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.errors import InputError
from haploscribe.results.models_folder import read_known_variants
from haploscribe.results.saved_models import SavedModels
from haploscribe.workflows.predict.workflow import Predicted, predict
from haploscribe.workflows.run.workflow import run
from tests.fixtures.explained import explain_into
from tests.fixtures.peers import require_program
from tests.fixtures.small_cohort import GENES, LENGTHS, N_PEOPLE, PEOPLE, SmallGenome, write_small_cohort
from tests.fixtures.variants import only_file

VARIANTS, TILES = "variants.tsv", "tiles.tsv"
MODELS = ("elastic-net", "blup", "blup-delta")
NEW = ("n1", "n2", "n3", "n4", "n5")
GENOME = SmallGenome.drawn()


@dataclass(frozen=True)
class Kept:
    """Models of the small cohort."""

    cohort: CohortOptions
    results: Path

    @property
    def models(self) -> Path:
        return self.results / "models"

    def predict(
        self, variants: Path | str, folder: Path, name: str = "p.parquet", **options: object
    ) -> tuple[pl.DataFrame, Predicted]:
        """Predict people of a VCF, or of the text of one."""
        if isinstance(variants, str):
            path = folder / "new.vcf"
            path.write_text(variants)
            variants = path
        asked = replace(PredictionOptions(self.models, variants, self.cohort.reference), **options)  # type: ignore[arg-type]
        done = predict(asked, WorkerOptions(), folder / name)
        if name.endswith(".tsv"):
            return pl.read_csv(folder / name, separator="\t"), done
        return pl.read_parquet(folder / name), done


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Five genes on two contigs."""
    folder = tmp_path_factory.mktemp("small")
    cohort = write_small_cohort(folder)
    options = EvaluationOptions(models=MODELS, folds=2, normalize="none")
    run(cohort, BackboneOptions("kmer"), options, folder / "results")
    return Kept(cohort, folder / "results")


@pytest.fixture(scope="module")
def new_people(tmp_path_factory: pytest.TempPathFactory, kept: Kept) -> pl.DataFrame:
    """Predictions of new people from a plain VCF."""
    return kept.predict(GENOME.vcf(NEW, seed=5), tmp_path_factory.mktemp("new"))[0]


def test_predictions_differ_between_people_and_genes(new_people: pl.DataFrame) -> None:
    assert new_people.height == len(NEW) * len(GENES) * len(MODELS)
    spread = new_people.group_by("gene_id", "model").agg(pl.col("predicted").std())
    quiet = spread.filter(gene_id="quiet")["predicted"]
    assert quiet.max() == 0.0
    assert spread.filter(pl.col("gene_id") != "quiet")["predicted"].min() > 0.05  # type: ignore[operator]


@pytest.mark.parametrize("kind", ["vcf.gz", "bcf"])
def test_the_kind_of_file_does_not_matter(
    kept: Kept, new_people: pl.DataFrame, tmp_path: Path, kind: str
) -> None:
    plain, path = tmp_path / "plain.vcf", tmp_path / f"new.{kind}"
    plain.write_text(GENOME.vcf(NEW, seed=5))
    pysam.bcftools.view("-O", "b" if kind == "bcf" else "z", "-o", str(path), str(plain), catch_stdout=False)
    assert_frame_equal(kept.predict(path, tmp_path)[0], new_people, check_exact=True)


def test_a_pgen_is_read_as_the_vcf_that_it_was_made_of(
    kept: Kept, new_people: pl.DataFrame, tmp_path: Path
) -> None:
    """Autosomes: plink2 makes all calls of chrX diploid or none, by sex."""
    plink2 = require_program("plink2")
    plain = tmp_path / "plain.vcf"
    plain.write_text(GENOME.vcf(NEW, seed=5, contigs=("chr2",)))
    command = (plink2, "--vcf", str(plain), "--make-pgen", "--output-chr", "chrM")
    subprocess.run((*command, "--out", str(tmp_path / "n")), check=True, capture_output=True)
    found, _ = kept.predict(tmp_path / "n.pgen", tmp_path)
    assert_frame_equal(found, new_people.filter(pl.col("gene_id") != "on X"), check_exact=True)


def test_genes_on_contigs_that_the_file_lacks_are_refused_by_name(
    kept: Kept, new_people: pl.DataFrame, tmp_path: Path
) -> None:
    """A file of each chromosome is what most people have; absent is not reference there."""
    for absent_is_reference in (False, True):
        found, done = kept.predict(
            GENOME.vcf(NEW, seed=5, contigs=("chr2",)), tmp_path, absent_is_reference=absent_is_reference
        )
        assert done.coverage.filter(~pl.col("predicted"))["gene_id"].to_list() == ["on X"]
        assert done.coverage.filter(gene_id="on X")["n_found"].to_list() == [0]
        assert_frame_equal(found, new_people.filter(pl.col("gene_id") != "on X"), check_exact=True)


def test_haploid_calls_are_one_haplotype_beside_the_reference(kept: Kept, tmp_path: Path) -> None:
    """The same calls written `1|0` by who has no notion of chrX."""
    text = GENOME.vcf(NEW, seed=5)
    written_out = re.sub(r"\t([01])(?=\t|\n)", r"\t\1|0", text)
    assert written_out.count("|") > text.count("|")
    haploid, diploid = (kept.predict(calls, tmp_path)[0] for calls in (text, written_out))
    assert_frame_equal(haploid, diploid, check_exact=True)
    men = haploid.filter(pl.col("gene_id") == "on X", pl.col("sample_id").is_in(NEW[::2]))
    np.testing.assert_array_equal(men["haplotype_1"], 0.0)
    assert men["haplotype_0"].abs().max() > 0.01  # type: ignore[operator]


def test_unphased_people_are_refused_unless_phase_is_assumed(
    kept: Kept, new_people: pl.DataFrame, tmp_path: Path
) -> None:
    text = GENOME.vcf(NEW, seed=5, phase="/")
    with pytest.raises(InputError, match="--assume-phased") as caught:
        kept.predict(text, tmp_path)
    assert "\n" not in str(caught.value)
    found, _ = kept.predict(text, tmp_path, assume_phased=True)
    assert_frame_equal(found, new_people, check_exact=True)


def test_missing_calls_are_reference_in_haplotypes_up_to_a_limit(kept: Kept, tmp_path: Path) -> None:
    text = GENOME.vcf(NEW, seed=5)

    def without(every: int, value: str) -> str:
        lines = []
        for number, line in enumerate(text.splitlines()):
            cells = line.split("\t")
            if line.startswith("chr2") and number % every == 0:
                cells[11] = value
            lines.append("\t".join(cells))
        return "\n".join(lines) + "\n"

    missing, reference = (kept.predict(without(9, value), tmp_path)[0] for value in (".|.", "0|0"))
    of_deltas = pl.col("model") == "blup-delta"
    assert_frame_equal(missing.filter(of_deltas), reference.filter(of_deltas), check_exact=True)
    assert not missing.filter(~of_deltas).equals(reference.filter(~of_deltas))
    with pytest.raises(InputError, match="missing"):
        kept.predict(without(1, ".|.").replace("0|1", ".|."), tmp_path)


def test_a_gene_at_the_end_of_its_contig_has_the_variants_there(kept: Kept, tmp_path: Path) -> None:
    _, done = kept.predict(GENOME.vcf(NEW, seed=5), tmp_path)
    for gene_id, start, end in (("at the start", 0, 1_000), ("at the end", 8_000, 9_000)):
        here = [site for site in GENOME.sites if site.contig == "chr2" and start <= site.position < end]
        assert done.coverage.filter(gene_id=gene_id)["n_found"].to_list() == [len(here)]
    assert LENGTHS["chr2"] == 9_000


def test_names_with_blanks_are_kept(kept: Kept, tmp_path: Path) -> None:
    names = ("Ann Lee", "Bo, Jr.", '"C"')
    for name in ("p.tsv", "p.parquet"):
        found, _ = kept.predict(GENOME.vcf(names, seed=5), tmp_path, name)
        assert tuple(found["sample_id"].unique(maintain_order=True)) == names
        assert set(found["gene_id"]) == set(GENES)


def test_both_kinds_of_table_hold_the_same_numbers(
    kept: Kept, new_people: pl.DataFrame, tmp_path: Path
) -> None:
    found, _ = kept.predict(GENOME.vcf(NEW, seed=5), tmp_path, "p.tsv")
    assert_frame_equal(found, new_people, check_exact=True)


def test_genes_may_be_named_in_a_file(kept: Kept, new_people: pl.DataFrame, tmp_path: Path) -> None:
    names = tmp_path / "genes.txt"
    names.write_text("# one of them\nquiet\n")
    found, _ = kept.predict(GENOME.vcf(NEW, seed=5), tmp_path, genes=str(names))
    assert_frame_equal(found, new_people.filter(gene_id="quiet"), check_exact=True)


@pytest.mark.parametrize("gene_id", GENES)
def test_any_name_of_a_gene_can_be_asked_for(
    kept: Kept, new_people: pl.DataFrame, tmp_path: Path, gene_id: str
) -> None:
    """Slashes, commas, blanks and what means something in a page."""
    found, _ = kept.predict(GENOME.vcf(NEW, seed=5), tmp_path, genes=gene_id)
    assert_frame_equal(found, new_people.filter(gene_id=gene_id), check_exact=True)
    asked = ExplanationOptions(kept.results, gene_id)
    if gene_id == "quiet":
        with pytest.raises(InputError, match="no variant"):
            explain_into(asked, WorkerOptions(), tmp_path / "o")
        return
    explain_into(asked, WorkerOptions(), tmp_path / "o")
    variants, tiles = (pl.read_csv(tmp_path / "o" / name, separator="\t") for name in (VARIANTS, TILES))
    assert set(tiles["gene_id"]) == {gene_id}
    assert variants["position"].to_list() == positions_near(gene_id)
    assert "<c>" not in (tmp_path / "o" / "region.svg").read_text()


def positions_near(gene_id: str) -> list[int]:
    """Where the sites of a gene's window of 2,000 bp are, from 1."""
    contig, tss = GENES[gene_id]
    return [
        site.position + 1
        for site in GENOME.sites
        if site.contig == contig and abs(site.position - tss) <= 1_000
    ]


def test_models_of_a_wide_window_are_explained_in_the_cis_window(tmp_path: Path) -> None:
    """At a gene without variants there too."""
    cohort, results = write_small_cohort(tmp_path), tmp_path / "r"
    models = ("elastic-net-1mb", "blup-delta")
    run(cohort, BackboneOptions("kmer"), EvaluationOptions(models=models, folds=2, normalize="none"), results)
    kept = SavedModels(results / "models")
    numbers = {gene.gene_id: number for number, gene in enumerate(kept.record.genes)}
    for gene_id in ("a/b <c>, d", "quiet"):
        explained = explain_into(ExplanationOptions(results, gene_id), WorkerOptions(), tmp_path / "o")
        table = pl.read_csv(tmp_path / "o" / VARIANTS, separator="\t")
        near = positions_near(gene_id)
        assert table["position"].to_list() == near
        coefficients = kept.of_gene(numbers[gene_id])["elastic-net-1mb"].state().arrays["coefficients"]
        on_contig = [site.position + 1 for site in GENOME.sites if site.contig == "chr2"]
        assert coefficients.size == len(on_contig)
        expected = coefficients[np.isin(on_contig, near)]
        np.testing.assert_allclose(explained.effects["elastic-net-1mb"], expected, atol=1e-9)
        assert explained.effects["blup-delta"].size == len(near)
        assert bool(near) == (gene_id != "quiet") == bool(expected.any())


@pytest.mark.parametrize("contigs", [(), ("chr2", "chrX")])
def test_a_file_without_records_is_refused_in_a_line(
    kept: Kept, tmp_path: Path, contigs: tuple[str, ...]
) -> None:
    text = "\n".join(line for line in GENOME.vcf(NEW, 5, contigs).splitlines() if line[0] == "#") + "\n"
    with pytest.raises(InputError) as caught:
        kept.predict(text, tmp_path)
    assert "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"new.vcf"}


def test_the_folder_of_models_is_all_that_it_takes(
    kept: Kept, new_people: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied elsewhere, the results out of reach, files without dates or rights to write."""
    models = tmp_path / "elsewhere" / "m"
    shutil.copytree(kept.models, models, copy_function=shutil.copyfile)
    for path in models.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    away = kept.results.with_name("away")
    kept.results.rename(away)
    monkeypatch.chdir(tmp_path)
    try:
        found, _ = kept.predict(GENOME.vcf(NEW, seed=5), tmp_path, models=Path("elsewhere/m"))
    finally:
        away.rename(kept.results)
        for path in models.rglob("*"):
            path.chmod(0o755)
    assert_frame_equal(found, new_people, check_exact=True)


def test_missing_folders_are_made_and_others_refused(kept: Kept, tmp_path: Path) -> None:
    kept.predict(GENOME.vcf(NEW, seed=5), tmp_path, "p.parquet")
    variants = tmp_path / "new.vcf"
    asked = PredictionOptions(kept.models, variants, kept.cohort.reference)
    predict(asked, WorkerOptions(), tmp_path / "a" / "b" / "p.parquet")
    assert (tmp_path / "a/b/p.parquet").read_bytes() == (tmp_path / "p.parquet").read_bytes()
    assert {path.name for path in (tmp_path / "a/b").iterdir()} == {"p.parquet", "p.coverage.tsv"}
    with pytest.raises(InputError, match="cannot write to"):
        predict(asked, WorkerOptions(), variants / "p.parquet")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_only_be_read_is_refused(kept: Kept, tmp_path: Path) -> None:
    variants = tmp_path / "new.vcf"
    variants.write_text(GENOME.vcf(NEW, seed=5))
    out = tmp_path / "o"
    out.mkdir(mode=0o555)
    asked = PredictionOptions(kept.models, variants, kept.cohort.reference)
    with pytest.raises(InputError, match="cannot write to"):
        predict(asked, WorkerOptions(), out / "p.parquet")


def test_kept_models_name_nobody_and_hold_nothing_of_one_person(kept: Kept) -> None:
    """No sample's name in any byte, and no array with an axis of people or of their haplotypes."""
    files = [path for path in kept.models.rglob("*") if path.is_file()]
    assert len(files) > len(GENES)
    content = b"".join(path.read_bytes() for path in files)
    for name in PEOPLE:
        assert name.encode() not in content
        assert name.split()[0].encode() not in content
    shapes = []
    for path in kept.models.rglob("*.safetensors"):
        text = path.read_bytes()
        header = json.loads(text[8 : 8 + int.from_bytes(text[:8], "little")])
        shapes += [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    assert len(shapes) > len(files)
    assert not [shape for shape in shapes if {N_PEOPLE, 2 * N_PEOPLE} & set(shape)]


def test_people_in_no_set_of_a_split_are_not_counted_among_those_of_training(tmp_path: Path) -> None:
    """What fills in an absent variant is of whom the models have learned from."""
    cohort, split = write_small_cohort(tmp_path), tmp_path / "split.txt"
    sets = ["train"] * 30 + ["test"] * 6
    people = [name.replace(" ", "_") for name in PEOPLE]
    for path in (only_file(cohort.variants), cohort.expression):
        path.write_text(path.read_text().replace(" Doe", "_Doe"))
    split.write_text("".join(f"{name}\t{part}\n" for name, part in zip(people, sets, strict=False)))
    options = EvaluationOptions(models=("blup",), split=split, normalize="none")
    run(replace(cohort, genes="on X"), BackboneOptions("kmer"), options, tmp_path / "r")
    known = read_known_variants(tmp_path / "r" / "models", "chrX", 0)
    on_x = [site.contig == "chrX" for site in GENOME.sites]
    expected = GENOME.carried(N_PEOPLE, seed=1)[on_x, : len(sets)].sum(axis=(1, 2))
    np.testing.assert_array_equal(known.counts.reshape(-1, 2)[:, 1], expected)
    np.testing.assert_array_equal(known.counts.reshape(-1, 2).sum(axis=1), 2 * len(sets))


KILLED = """
import os, signal, sys
from pathlib import Path
import haploscribe.workflows.predict.workflow as prediction
from haploscribe.config.finished_runs import PredictionOptions
from haploscribe.config.options import WorkerOptions

work, done = prediction.predict_gene, []

def predict_gene(*arguments):
    if len(done) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(work(*arguments))

prediction.predict_gene = predict_gene
models, variants, reference, out = map(Path, sys.argv[1:])
prediction.predict(PredictionOptions(models, variants, reference), WorkerOptions(), out)
"""


@pytest.mark.slow
def test_a_killed_job_goes_on_and_leaves_the_same_bytes(kept: Kept, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    kept.predict(GENOME.vcf(NEW, seed=5), whole)
    variants, out = whole / "new.vcf", broken / "p.parquet"
    command = [sys.executable, "-c", KILLED, *map(str, (kept.models, variants, kept.cohort.reference, out))]
    killed = subprocess.run(command, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    left = {path.name: path.stat().st_mtime_ns for path in broken.rglob("gene-*.parquet")}
    assert len(left) == 2
    asked = PredictionOptions(kept.models, variants, kept.cohort.reference)
    predict(asked, WorkerOptions(), out)
    for name in ("p.parquet", "p.coverage.tsv"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    assert {path.name for path in broken.iterdir()} == {"p.parquet", "p.coverage.tsv"}
