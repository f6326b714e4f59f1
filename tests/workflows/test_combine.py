"""Runs of different genes, combined, are one run of all genes."""

import shutil
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from haploscribe.config.finished_runs import ExportOptions, PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.errors import InputError
from haploscribe.estimators.cross_gene import learners
from haploscribe.results.cross_gene_files import read_learned, samples_digest, write_learned
from haploscribe.workflows.combine import combine
from haploscribe.workflows.export.workflow import export_predictdb
from haploscribe.workflows.predict.workflow import predict
from haploscribe.workflows.run.workflow import run
from tests.fixtures.cohorts import PEOPLE, write_cohort
from tests.fixtures.equal_outputs import differences
from tests.fixtures.variants import only_file

MODELS = ("elastic-net", "blup-delta", "blup-distance", "susie")


def run_small(cohort: CohortOptions, out: Path, **evaluation: Any) -> Path:
    options = EvaluationOptions(**{"models": MODELS, "folds": 2, **evaluation})
    run(cohort, BackboneOptions("kmer"), options, out)
    return out


@pytest.fixture(scope="module")
def enough_genes() -> Any:
    """Priors are learned from one far gene."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learners, "MIN_GENES", 1)
        yield


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory, enough_genes: None) -> CohortOptions:
    cohort = write_cohort(tmp_path_factory.mktemp("cohort") / "small")
    text = cohort.expression.read_text()
    for odd, plain in {"a/b <c>, d": "middle", "at the ": "at-the-", "on X": "on-X"}.items():  # of an export
        text = text.replace(odd, plain)
    cohort.expression.write_text(text)
    return cohort


CONTIGS = ("chr2", "X")


@pytest.fixture(scope="module")
def runs(cohort: CohortOptions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of all genes; one per contig that takes what that one learned, and those combined."""
    folder = tmp_path_factory.mktemp("runs")
    whole = run_small(cohort, folder / "whole")
    for contig in CONTIGS:
        run_small(replace(cohort, contig=contig), folder / contig, cross_gene=whole)
    combine([folder / contig for contig in CONTIGS], folder / "combined")
    return folder


@pytest.fixture(scope="module")
def own(cohort: CohortOptions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run per contig that learns across its own genes, and those combined."""
    folder = tmp_path_factory.mktemp("own")
    for contig in CONTIGS:
        run_small(replace(cohort, contig=contig), folder / contig, models=("elastic-net", "susie"))
    combine([folder / contig for contig in CONTIGS], folder / "combined")
    return folder


def test_runs_of_contigs_are_one_run_of_all_genes(runs: Path) -> None:
    """All but what a combined run says of itself; models of all genes took what the one had learned."""
    of_itself = ("genes.txt", "report.html", "embeddings.zarr", "index/*", "cross-gene/*")
    found = differences(runs / "whole", runs / "combined", ignored=of_itself)
    assert {name.partition(":")[0] for name in found} == {"run.json"}
    fields = {name.split(": ")[1].split(".")[0] for name in found}
    assert fields == {"combined", "inputs", "options"}


HALVES = {"first": ("at-the-start", "middle", "on-X"), "second": ("quiet", "at-the-end")}


@pytest.fixture(scope="module")
def halves(runs: Path, cohort: CohortOptions) -> Path:
    """Runs of genes that share a block of tiles, combined in another order than that of the genome."""
    for name, genes in HALVES.items():
        run_small(replace(cohort, genes=genes), runs / name, cross_gene=runs / "whole")
    return combined(runs, "second", "first")


def combined(runs: Path, *names: str) -> Path:
    out = runs / "-".join(names)
    combine([runs / name for name in names], out)
    return out


def test_runs_of_neighbouring_genes_are_one_run_of_all_genes(halves: Path, runs: Path) -> None:
    """Genes come in the order of contig, TSS and name."""
    made = ("predictions.parquet", "metrics.tsv", "comparison.tsv", "models/*")
    everything = {path.relative_to(runs / "whole").as_posix() for path in (runs / "whole").rglob("*")}
    others = tuple(name for name in everything if not any(fnmatchcase(name, one) for one in made))
    assert not differences(runs / "whole", halves, ignored=(*others, "genes.txt"))


def test_combined_models_predict_and_are_exported_as_those_of_one_run(
    halves: Path, runs: Path, cohort: CohortOptions, tmp_path: Path
) -> None:
    written = []
    for folder in (runs / "whole", halves):
        new = PredictionOptions(folder / "models", cohort.variants, cohort.reference)
        predict(new, WorkerOptions(), tmp_path / f"{folder.name}.tsv")
        weights = ExportOptions(folder, "b38", models=("susie",), min_r=0.0, max_p=1.0)
        export_predictdb(weights, WorkerOptions(), tmp_path / f"{folder.name}.db")
        written.append([(tmp_path / f"{folder.name}{suffix}").read_bytes() for suffix in (".tsv", ".db")])
    assert written[0] == written[1]


def test_missing_calls_of_all_samples_add_up(cohort: CohortOptions, tmp_path: Path) -> None:
    """Also with a split, where only the test samples are predicted; no call of chrX is missing."""
    lines = only_file(cohort.variants).read_text().splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if line.startswith("chr2\t"))
    for i in range(first, first + 3):
        lines[i] = lines[i].replace("0|1", ".|.", 2)
    (tmp_path / "missing.vcf").write_text("".join(lines))
    sets = ["train", "test"] * len(PEOPLE)
    rows = (f"{name}\t{word}\n" for name, word in zip(PEOPLE, sets, strict=False))
    (tmp_path / "split.tsv").write_text("".join(rows))
    options: dict[str, Any] = {"models": ("elastic-net",), "split": tmp_path / "split.tsv"}
    missing = replace(cohort, variants=tmp_path / "missing.vcf")
    whole = run_small(missing, tmp_path / "whole", **options)
    parts = [run_small(replace(missing, contig=contig), tmp_path / contig, **options) for contig in CONTIGS]
    combine(parts, tmp_path / "combined")
    assert not (parts[1] / "missing-samples.tsv").exists()
    for name in ("missing-samples.tsv", "missing-variants.tsv"):
        assert (tmp_path / "combined" / name).read_bytes() == (whole / name).read_bytes()


def test_what_was_learned_in_other_folds_is_refused(
    runs: Path, cohort: CohortOptions, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"learned in other samples or folds .* could leak"):
        run_small(replace(cohort, contig="chr2"), tmp_path / "out", seed=1, cross_gene=runs / "whole")
    assert not (tmp_path / "out").exists()


def test_the_page_says_which_runs_were_combined(runs: Path) -> None:
    named = ", ".join(str(runs / contig) for contig in CONTIGS)
    assert f"2 runs of different genes: {named}<" in (runs / "combined" / "report.html").read_text()
    assert 'id="combined"' not in (runs / "whole" / "report.html").read_text()


def test_what_runs_learned_adds_up_to_what_one_run_learned(runs: Path, own: Path) -> None:
    found = differences(runs / "whole" / "cross-gene", own / "combined" / "cross-gene")
    assert not found


def test_other_training_samples_are_refused(own: Path, tmp_path: Path) -> None:
    """Of runs with a split, predictions name the test samples alone."""
    shutil.copytree(own / "X", tmp_path / "X")
    learned = read_learned(tmp_path / "X" / "cross-gene", 0)
    other = replace(learned, samples=samples_digest(["someone else"]))
    write_learned(tmp_path / "X" / "cross-gene", {0: other}, None)
    with pytest.raises(InputError, match="in different training samples"):
        combine([own / "chr2", tmp_path / "X"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_combined_run_is_that_of_its_options(runs: Path, own: Path, cohort: CohortOptions) -> None:
    """The same command on all genes finds it finished; further models are added to it."""
    options = replace(cohort, genes=str(own / "combined" / "genes.txt"))
    evaluation = EvaluationOptions(models=("elastic-net", "susie"), folds=2)
    assert run(options, BackboneOptions("kmer"), evaluation, own / "combined").fitted == ()
