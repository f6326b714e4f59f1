"""A run with --no-ambiguous and --snps is a run on the file that bcftools leaves of the genotypes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pysam.bcftools
import pytest

from haploscribe.config.finished_runs import ExplanationOptions, ExportOptions, PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.errors import InputError
from haploscribe.examples.cohort import example_cohort
from haploscribe.parallel.open import open_executor
from haploscribe.workflows.check import check
from haploscribe.workflows.explain import explain
from haploscribe.workflows.export.workflow import export_fusion
from haploscribe.workflows.finished_run import RunFolder, finished_run
from haploscribe.workflows.predict.workflow import predict
from haploscribe.workflows.run.workflow import run
from tests.fixtures.cohorts import odd_cohort
from tests.fixtures.equal_outputs import assert_same_results
from tests.fixtures.variants import only_file

GENES = ("ENSG00000128191.9", "ENSG00000099899.10")
EVALUATION = EvaluationOptions(models=("top-snp", "elastic-net", "blup-delta"), folds=2)
PAIRS = " | ".join(f'(REF="{one}" & ALT="{other}")' for one, other in ("AT", "TA", "CG", "GC"))
HERE = WorkerOptions(1)


@dataclass(frozen=True)
class Filtered:
    """A cohort with filters, the same without on the filtered file, and a run of each."""

    cohort: CohortOptions
    on_file: CohortOptions
    results: Path
    results_on_file: Path


def query(vcf: Path, *options: str) -> list[list[str]]:
    """Contig, position, ID, REF and ALT of records."""
    text = str(pysam.bcftools.query(*options, "-f", "%CHROM\t%POS\t%ID\t%REF\t%ALT\n", str(vcf)))
    return [line.split("\t") for line in text.splitlines()]


def run_on(cohort: CohortOptions, out: Path, worker_options: WorkerOptions = HERE) -> None:
    run(cohort, BackboneOptions("kmer"), EVALUATION, out, worker_options=worker_options)


@pytest.fixture(scope="module")
def filtered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filtered]:
    """Every second record is listed: by its ID, or by its place where it has none."""
    folder = tmp_path_factory.mktemp("filtered")
    with example_cohort() as example:
        odd = replace(odd_cohort(example, folder), genes=",".join(GENES), window=60_000, maf=0.05)
        vcf, named, snps = only_file(odd.variants), folder / "named.vcf.gz", folder / "snps.txt"
        by_place = ["--set-id", "+%CHROM:%POS:%REF:%ALT", "-Oz", "-o", str(named), str(vcf)]
        pysam.bcftools.annotate(*by_place, catch_stdout=False)
        names = [record[2] for record in query(named) if "," not in record[2]]
        snps.write_text("".join(f"{name}\n" for name in names[::2]))
        listed, plain = query(named, "-i", f"ID=@{snps}"), query(named, "-e", PAIRS)
        targets, out = folder / "targets.txt", folder / "kept.vcf.gz"
        places = ["\t".join(record[:2]) for record in listed if record in plain]
        targets.write_text("\n".join(places) + "\n")
        view = ["-T", str(targets), "--targets-overlap", "pos", "-Oz", "-o", str(out), "--write-index"]
        pysam.bcftools.view(*view, str(vcf), catch_stdout=False)
        cohort = replace(odd, no_ambiguous=True, snps=snps)
        on_file = replace(odd, variants=out)
        made = Filtered(cohort, on_file, folder / "by-options", folder / "by-file")
        run_on(made.cohort, made.results)
        run_on(made.on_file, made.results_on_file)
        yield made


def test_results_are_those_on_the_filtered_file_to_the_bit(filtered: Filtered) -> None:
    """Dosages, haplotypes and what is made of them: predictions, embeddings, models."""
    other = ("run.json", "report.html")
    assert_same_results(filtered.results, filtered.results_on_file, other_files=True, ignored=other)


def test_each_variant_that_is_left_out_is_counted_once(filtered: Filtered) -> None:
    by_options, by_file = (check(each, HERE).facts for each in (filtered.cohort, filtered.on_file))
    labels = ("A/T and C/G variants left out", "variants that --snps does not name")
    n_ambiguous, n_unlisted = (by_options.pop(label) for label in labels)
    used = "variants used (REF equals the FASTA at each)"
    everything = check(replace(filtered.cohort, no_ambiguous=False, snps=None), HERE).facts
    only_plain = check(replace(filtered.cohort, snps=None), HERE).facts
    assert by_options[used] == by_file[used]
    assert n_ambiguous == int(everything[used]) - int(only_plain[used])
    assert n_unlisted == int(only_plain[used]) - int(by_file[used])
    assert min(int(n_ambiguous), int(n_unlisted)) > 10
    assert by_options["variants below the MAF floor"] == everything["variants below the MAF floor"]


def test_training_people_are_predicted_as_by_the_runs_models(filtered: Filtered, tmp_path: Path) -> None:
    """Saved models know their variants: of the unfiltered file they are given these alone."""
    asked = PredictionOptions(
        filtered.results / "models", only_file(filtered.cohort.variants), filtered.cohort.reference
    )
    predict(asked, HERE, tmp_path / "p.parquet")
    found = pl.read_parquet(tmp_path / "p.parquet")
    with (
        open_executor(HERE) as executor,
        finished_run(
            RunFolder.read(filtered.results), executor, tmp_path / "work", genes=None, models=None
        ) as opened,
    ):
        for gene in opened.cohort.genes:
            inputs = opened.inputs(gene)
            for name, model in opened.models_of(gene).items():
                rows = found.filter(gene_id=gene.gene_id, model=name).sort("sample_id")
                own = dict(zip(inputs.sample_ids, model.predict(model.select(inputs)), strict=True))
                expected = [own[sample] for sample in rows["sample_id"].to_list()]
                np.testing.assert_allclose(rows["predicted"], expected, rtol=0, atol=1e-12)
                assert np.std(expected) > 0


def test_fusion_drops_no_weight(filtered: Filtered, tmp_path: Path) -> None:
    options = ExportOptions(filtered.results, "b38", min_r=0.0, max_p=1.0)
    export_fusion(options, HERE, tmp_path, "LCL")
    lost = pl.read_csv(tmp_path / "LCL.dropped.tsv", separator="\t")
    assert lost.height > 0
    assert lost["n_dropped"].sum() == lost["lost"].sum() == 0


def test_a_list_that_has_changed_since_is_noticed(filtered: Filtered) -> None:
    snps = filtered.cohort.snps
    assert snps is not None
    content = snps.read_text()
    snps.write_text(content.split("\n", 1)[1])
    try:
        with pytest.raises(InputError, match=r"on other content of --snps than that of .*snps.txt now"):
            run_on(filtered.cohort, filtered.results)
        with pytest.raises(InputError, match=r"snps.txt has changed since the run that read it"):
            explain(ExplanationOptions(filtered.results, GENES[0]), HERE)
    finally:
        snps.write_text(content)
    with pytest.raises(InputError, match="with --no-ambiguous, this command is without --no-ambiguous"):
        run_on(replace(filtered.cohort, no_ambiguous=False), filtered.results)


@pytest.mark.slow
def test_other_processes_read_the_list_themselves(filtered: Filtered, tmp_path: Path) -> None:
    run_on(filtered.cohort, tmp_path / "out", WorkerOptions(2))
    assert_same_results(tmp_path / "out", filtered.results)
