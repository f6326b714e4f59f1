"""Everything the tool reads: which files are spoilt, and what is then done with them."""

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import polars as pl

from haploscribe.cli import main as cli
from haploscribe.cli.options import taken
from haploscribe.config.finished_runs import ExplanationOptions, ExportOptions, PredictionOptions
from haploscribe.config.options import EvaluationOptions, WorkerOptions
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.embedding.backbones.registry import load_backbone
from haploscribe.errors import InputError
from haploscribe.estimators.inputs import gene_inputs
from haploscribe.evaluation.folds import read_split
from haploscribe.expression.covariates import read_covariates
from haploscribe.expression.table import read_expression, select_genes
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.readers.vcf_text import MalformedRecordError, decode_records
from haploscribe.genome.reference import Reference
from haploscribe.parallel.executor import Executor
from haploscribe.report.page import write_report
from haploscribe.workflows.export.workflow import export_fusion, export_predictdb
from haploscribe.workflows.predict.workflow import predict
from haploscribe.workflows.validate import validated_cohort
from tests.campaigns.fuzzing.bases import NAMES, TRUTH, cohort_of
from tests.campaigns.fuzzing.mutations import Rng, spoil
from tests.campaigns.fuzzing.oracles import (
    END,
    require_as_bcftools,
    require_finite,
    require_sound_expression,
    require_sound_variants,
)
from tests.fixtures.explained import explain_into
from tests.fixtures.small_cohort import PEOPLE


@dataclass(frozen=True)
class Case:
    """One spoilt input.

    Attributes
    ----------
    folder
        A copy of the base, with a file spoilt.
    spoilt
        That file.
    truth
        The folder of the whole cohort, not spoilt.
    out
        Where outputs may go; not there yet.
    """

    folder: Path
    spoilt: Path
    truth: Path
    out: Path


@dataclass(frozen=True)
class Target:
    """A kind of input.

    Attributes
    ----------
    name
        What it is called in the tables of counts.
    base
        Folder of `make_bases`.
    spoils
        Patterns of the files that are spoilt, each as often as the others.
    operation
        Reads it and holds what was read against what must be true; raises InputError to refuse.
    """

    name: str
    base: str
    spoils: tuple[str, ...]
    operation: Callable[[Case], None]

    def drawn(self, bases: Path, folder: Path, rng: Rng) -> Case:
        """Make a spoilt copy in `folder`, which is not there yet."""
        shutil.copytree(bases / self.base, folder, copy_function=os.link)
        chosen = sorted(
            path for path in folder.glob(self.spoils[rng.integers(len(self.spoils))]) if path.is_file()
        )
        spoilt = chosen[rng.integers(len(chosen))]
        spoil(rng, spoilt)
        if rng.random() < 0.5:  # an index that seems to fit what was spoilt
            for index in (*spoilt.parent.glob(f"{spoilt.name}.*"),):
                os.utime(index)
        return Case(folder, spoilt, bases / TRUTH, folder.with_name(f"{folder.name}-out"))


_INDEX_SUFFIXES = (".tbi", ".csi", ".fai", ".gzi")


def _indexed(path: Path) -> Path:
    """The file that was spoilt, or whose index was."""
    return path.with_suffix("") if path.suffix in _INDEX_SUFFIXES else path


def read_variants(case: Case) -> None:
    """Read all records of a genotype file, then check a cohort with it."""
    path = (
        case.folder / "variants.pgen"
        if case.folder.joinpath("variants.pgen").exists()
        else _indexed(case.spoilt)
    )
    with open_variants(path, assume_phased=True, max_missing=1.0) as reader:
        read = {}
        for contig in reader.contigs:
            read[contig] = reader.read(contig, 0, END, reader.sample_ids)
            require_sound_variants(read[contig], reader.sample_ids)
        some = reader.sample_ids[::-2]
        for contig, variants in read.items():
            again = reader.read(contig, 0, END, some)
            assert (again.genotypes == variants.genotypes[:, ::-2]).all(), (
                "a subset of samples reads otherwise"
            )
        # An index that was spoilt and still has the layout of one may hide records from whoever believes it.
        if path == case.spoilt and path.suffix != ".pgen":
            require_as_bcftools(reader, read)
    if path.suffix != ".pgen":  # whose people have names of their own
        check_cohort(case, variants=path)


def check_cohort(case: Case, **files: Path) -> None:
    """Do what `haploscribe check` does, and read every gene's inputs."""
    options = cohort_of(case.truth, **files)
    with validated_cohort(options, Executor(1)) as validated:
        assert all(isinstance(value, int | str) for value in validated.summary().values())
        cohort = validated.cohort
        require_finite(cohort.values)
        for gene in cohort.genes:
            inputs = gene_inputs(cohort, gene, None)
            assert np.isin(inputs.dosages, (0, 1, 2)).all()
            assert inputs.dosages.shape == (len(cohort.match.shared), len(inputs.positions))


def read_reference(case: Case) -> None:
    """Read all contigs of a FASTA file, then check a cohort with it."""
    path = _indexed(case.spoilt)
    case.out.mkdir()
    with Reference.open(path, case.out) as reference:
        for contig, length in reference.contigs.items():
            sequence = reference.fetch(contig, 0, length)
            assert len(sequence) == length
            assert set(sequence) <= set(b"ACGTN")
    check_cohort(case, reference=path)


def read_table(case: Case) -> None:
    """Read expression or covariates, then check a cohort with them."""
    if case.spoilt.name.startswith("covariates"):
        covariates = read_covariates(case.spoilt)
        assert covariates.values.shape == (len(covariates.sample_ids), len(covariates.names))
        require_finite(covariates.values)
        check_cohort(case, covariates=case.spoilt)
        check_cohort(case, hidden_factors=case.spoilt)
        return
    require_sound_expression(read_expression(case.spoilt))
    check_cohort(case, expression=case.spoilt)


def read_list(case: Case) -> None:
    """Read a split file or a list of genes."""
    if case.spoilt.name == "split.tsv":
        people = [f"person{i}" for i in range(len(PEOPLE))]
        fold = read_split(case.spoilt, people).fold
        places = np.concatenate((fold.training, fold.validation, fold.test))
        assert len(set(places.tolist())) == len(places)
        return
    table = read_expression(case.truth / "expression.bed")
    names = ("ENSG00000000001.4", "ENSG00000000002.1", "ENSG00000000003.1", "ENSG00000000003.2", "x")
    genes = tuple(
        gene.__class__(name, gene.contig, gene.tss) for gene, name in zip(table.genes, names, strict=True)
    )
    chosen = select_genes(table.__class__(genes, table.sample_ids, table.values), str(case.spoilt))
    assert chosen.genes
    require_sound_expression(chosen)


def read_config(case: Case) -> None:
    """Parse the options of `run`, and check a cohort, with a configuration file."""
    path = str(case.spoilt)
    needed = [f"--{name}={case.truth / file}" for name, file in _NEEDED.items()]
    with _refusals_of_click():
        context = cli.run.make_context("run", [*needed, f"--out={case.out}", f"--config={path}"])
        taken(EvaluationOptions, dict(context.params))
        taken(ZeroShotOptions, dict(context.params))
    # `check` knows fewer options: those lines are left out.
    kept = [line for line in case.spoilt.read_text().splitlines() if line.startswith(_OF_CHECK)]
    case.spoilt.write_text("\n".join(kept))
    with _refusals_of_click():
        cli.check.main([*needed, f"--config={path}"], standalone_mode=False)


_NEEDED = {"variants": "variants.vcf", "reference": "reference.fa", "expression": "expression.bed"}
_OF_CHECK = ("window", "tile", "maf", "no-ambiguous", "no_ambiguous", "assume", "genes", "covariates")


@contextlib.contextmanager
def _refusals_of_click():  # type: ignore[no-untyped-def]
    """What click refuses is refused too: the command line prints it as one line."""
    try:
        yield
    except click.ClickException as error:
        raise InputError(" ".join(error.format_message().split())) from None


def predict_with_models(case: Case) -> None:
    """Predict people with kept models."""
    _predict(case, None)


def predict_with_store(case: Case) -> None:
    """Predict people with an embedding store that has all their sequences."""
    _predict(case, case.folder / "embeddings.zarr")


def _predict(case: Case, store: Path | None) -> None:
    options = PredictionOptions(
        case.folder / "models", case.truth / "variants.vcf", case.truth / "reference.fa", store=store
    )
    case.out.mkdir()
    predict(options, WorkerOptions(), case.out / "predicted.parquet")
    predicted = pl.read_parquet(case.out / "predicted.parquet")
    require_finite(predicted["predicted"].to_numpy())


def report_results(case: Case) -> None:
    """Write the page of a finished run again."""
    page = write_report(case.folder).read_text()
    assert page.rstrip().endswith("</html>")


def export_results(case: Case) -> None:
    """Export a finished run's models for both families of tools."""
    options = ExportOptions(case.folder, "b38", models=("blup",), min_r=0.0, max_p=1.0)
    export_predictdb(options, WorkerOptions(), case.out / "weights.db", "varID")
    export_fusion(options, WorkerOptions(), case.out / "fusion")


def explain_results(case: Case) -> None:
    """Explain a gene of a finished run."""
    explained = explain_into(ExplanationOptions(case.folder, NAMES["on X"]), WorkerOptions(), case.out)
    for effects in explained.effects.values():
        require_finite(effects)


def embed_with_backbone(case: Case) -> None:
    """Load a checkpoint and embed two sequences."""
    backbone = load_backbone(str(case.folder))
    vectors = backbone.embed([TileHaplotype(b"ACGTAC" * 5), TileHaplotype(b"NNACG")])
    assert vectors.dtype == np.float32
    assert len(vectors) == 2
    require_finite(vectors)


def decode_lines(case: Case) -> None:
    """Decode the lines of a VCF without its header."""
    text = case.spoilt.read_bytes().decode("utf-8", "replace")
    lines = [line for line in text.split("\n") if not line.startswith("#")]
    for n_samples in (4, max((line.count("\t") - 8 for line in lines), default=0)):
        if n_samples < 1:
            continue
        with contextlib.suppress(MalformedRecordError):
            calls = decode_records(lines, 0, END, n_samples)
            assert calls.numbers.shape == (len(calls.positions), n_samples, 2)
            assert calls.phased.shape == (len(calls.positions), n_samples)
            assert calls.numbers.min(initial=0) >= -2
            assert calls.numbers.max(initial=0) <= 9999


TARGETS = (
    Target("VCF", "vcf", ("*.vcf",), read_variants),
    Target("VCF, bgzipped", "vcf-bgzipped", ("*.vcf.gz",), read_variants),
    Target("VCF, index", "vcf-bgzipped", ("*.tbi", "*.csi"), read_variants),
    Target("BCF", "bcf", ("*.bcf", "*.bcf", "*.csi"), read_variants),
    Target("PGEN", "pgen", ("*",), read_variants),
    Target("VCF, lines", "vcf", ("*.vcf",), decode_lines),
    Target("FASTA", "fasta", ("*.fa", "*.fai"), read_reference),
    Target("FASTA, bgzipped", "fasta-bgzipped", ("*.gz", "*.fai", "*.gzi"), read_reference),
    Target("expression, BED", "tables", ("*.bed", "*.bed.gz"), read_table),
    Target("expression, Parquet", "tables", ("*.parquet",), read_table),
    Target("covariates", "tables", ("covariates.txt",), read_table),
    Target("split and gene lists", "lists", ("*",), read_list),
    Target("configuration", "config", ("*.toml",), read_config),
    Target("models, predict", "run", ("models/**/*.*",), predict_with_models),
    Target("results, report", "run", ("models/**/*.*", "*.json", "*.tsv", "*.parquet"), report_results),
    Target("results, export", "run", ("models/**/*.*", "*.json", "metrics.tsv"), export_results),
    Target("results, explain", "run", ("models/**/*.*", "*.json"), explain_results),
    Target(
        "embedding store",
        "run",
        ("embeddings.zarr/**/zarr.json", "embeddings.zarr/**/c/**/*"),
        predict_with_store,
    ),
    Target("backbone, version 1", "backbone-v1", ("*.json", "*.txt", "*.safetensors"), embed_with_backbone),
    Target("backbone, version 2", "backbone-v2", ("*.json", "*.txt", "*.safetensors"), embed_with_backbone),
)
