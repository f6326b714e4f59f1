"""The commands: each parses its options, calls one workflow and prints what it returns."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from haploscribe._version import __version__
from haploscribe.cli.backbones import backbones
from haploscribe.cli.combine import combine
from haploscribe.cli.exit import run_to_exit
from haploscribe.cli.export import export
from haploscribe.cli.help import Subcommands, given_arguments
from haploscribe.cli.options import (
    FILE,
    JSON,
    OUT_FILE,
    click_options,
    listed,
    out_option,
    own_option,
    taken,
    with_options,
    writes_files,
)
from haploscribe.cli.printing import (
    print_line,
    print_results,
    print_summary,
    print_table,
    print_text,
)
from haploscribe.cli.score import score
from haploscribe.config.finished_runs import ExplanationOptions, PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.config.pretraining import PretrainingOptions
from haploscribe.config.simulation import SimulationOptions
from haploscribe.config.zero_shot import ZeroShotOptions, ZeroShotWeights
from haploscribe.utils.file_lists import Files
from haploscribe.utils.files import remove_on_error, umask_for

# Heavy modules are imported by the command that needs them, so that `haploscribe --help` answers at once.

_FORCE = own_option(
    "--force", is_flag=True, help="Fit all models anew, and replace the results that OUT holds."
)

_COHORT = click_options(CohortOptions)
_BACKBONE = click_options(BackboneOptions)
_WORKERS = click_options(WorkerOptions)


_SECTIONS = {
    "Start": ("demo", "check", "run"),
    "Use a finished run": ("combine", "predict", "explain", "export", "report"),
    "Tools": ("score", "backbones", "embed", "haplotypes", "simulate", "pretrain"),
}
"""The commands, under the headings of the help."""


@click.group(
    cls=Subcommands,
    sections=_SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="haploscribe")
def cli() -> None:
    """Predict gene expression of each sample from both of its haplotypes.

    `haploscribe demo` runs on real people that come with the package. `haploscribe COMMAND --help` lists the
    options of a command, with an example.
    """


@cli.command(example="haploscribe demo")
@own_option("--out", type=FILE, default="demo-results", show_default=True, help="Results folder.")
@with_options(_WORKERS, [_FORCE, JSON])
@writes_files
def demo(out: Path, force: bool, as_json: bool, **values: Any) -> None:
    """Run on the bundled cohort: 358 real samples, 17 genes."""
    from haploscribe.examples.cohort import example_cohort
    from haploscribe.workflows.run.workflow import run as run_pipeline

    with example_cohort() as cohort:
        results = run_pipeline(
            cohort,
            BackboneOptions(),
            EvaluationOptions(),
            out,
            worker_options=taken(WorkerOptions, values),
            force=force,
        )
    print_results(results, out, as_json=as_json)


@cli.command(
    example=(
        "haploscribe check --variants cohort.vcf.gz --reference GRCh38.fa.gz \\\n"
        "  --expression expression.bed.gz --covariates covariates.txt"
    )
)
@with_options(
    _COHORT,
    click_options(WorkerOptions, only=("jobs",)),
    click_options(BackboneOptions, hidden=True),
    click_options(EvaluationOptions, hidden=True),
    click_options(ZeroShotOptions, hidden=True),
)
def check(**values: Any) -> None:
    """Read all inputs, stop at the first error, and say how long a run will take.

    Takes the other options of `run` too, checks them, and prints the command that runs. The time is
    roughly that of embedding and fitting on this machine: a little of both is timed. A backbone of the hub
    is downloaded.
    """
    from haploscribe.workflows.check import check as check_cohort

    cohort, workers = taken(CohortOptions, values), taken(WorkerOptions, values)
    backbone, evaluation = taken(BackboneOptions, values), taken(EvaluationOptions, values)
    taken(ZeroShotOptions, values)
    with umask_for("owner"):  # of temporary files
        checked = check_cohort(cohort, workers, evaluation, backbone)
    print_summary(checked.facts)
    print_text(f"{checked.verdict()}.")
    print_line("Next", shlex.join(("haploscribe", "run", *given_arguments(), "--out", "results")))


@cli.command(
    example=(
        "haploscribe run --variants cohort.vcf.gz --reference GRCh38.fa.gz \\\n"
        "  --expression expression.bed.gz --covariates covariates.txt \\\n"
        "  --out results"
    )
)
@with_options(
    _COHORT,
    _BACKBONE,
    click_options(EvaluationOptions),
    click_options(ZeroShotOptions),
    _WORKERS,
    [
        out_option("Results folder; created if missing."),
        own_option("--store", type=FILE, help="Embedding store. [default: OUT/embeddings.zarr]"),
        _FORCE,
        JSON,
    ],
)
@writes_files
def run(out: Path, store: Path | None, force: bool, as_json: bool, **values: Any) -> None:
    """Embed, train on folds, evaluate and report.

    Interrupt it at any time; rerunning the same command resumes. A finished OUT is kept: further --models are
    fitted and compared with those that it holds.
    """
    from haploscribe.workflows.run.workflow import run as run_pipeline

    results = run_pipeline(
        taken(CohortOptions, values),
        taken(BackboneOptions, values),
        taken(EvaluationOptions, values),
        out,
        store,
        taken(ZeroShotOptions, values),
        taken(WorkerOptions, values),
        force=force,
    )
    print_results(results, out, as_json=as_json)


@cli.command(
    example=(
        "haploscribe embed --variants cohort.vcf.gz --reference GRCh38.fa.gz \\\n"
        "  --expression expression.bed.gz --store embeddings.zarr"
    )
)
@with_options(
    _COHORT,
    _BACKBONE,
    _WORKERS,
    [own_option("--store", type=FILE, required=True, help="Embedding store; created if missing.")],
)
@writes_files
def embed(store: Path, **values: Any) -> None:
    """Embed the tiles around the genes: the embedding stage alone."""
    from haploscribe.workflows.embed import embed as embed_cohort

    cohort, backbone = taken(CohortOptions, values), taken(BackboneOptions, values)
    print_summary(embed_cohort(cohort, backbone, store, taken(WorkerOptions, values)))


@cli.command(
    example=(
        "haploscribe predict --results results --variants new.vcf.gz --reference GRCh38.fa.gz \\\n"
        "  --out predicted.parquet"
    )
)
@with_options(
    click_options(PredictionOptions),
    click_options(ZeroShotWeights, weights_of_run=True),
    _WORKERS,
    [out_option("File of predictions, .parquet or .tsv; NAME.coverage.tsv is written beside it.", OUT_FILE)],
)
@writes_files
def predict(out: Path, **values: Any) -> None:
    """Predict the expression of new samples with the fitted models of a run.

    With --expression, say how well: r, calibration and what is kept of the run's r, in NAME.validation.tsv,
    NAME.validation-models.tsv and NAME.validation-comparison.tsv.

    Interrupt it at any time; rerunning the same command resumes.
    """
    from haploscribe.report.terminal import validation_table
    from haploscribe.workflows.predict.tables import validation_paths
    from haploscribe.workflows.predict.workflow import predict as predict_samples

    weights = ZeroShotOptions.of(taken(ZeroShotWeights, values))
    options = replace(taken(PredictionOptions, values), zero_shot=weights)
    predicted = predict_samples(options, taken(WorkerOptions, values), out)
    print_summary(predicted.summary())
    if predicted.validation is not None:
        print_table(validation_table(predicted.validation.models, predicted.models))
        print_line("Validation", validation_paths(out)[0])
    print_line("Predictions", out)


@cli.command(example="haploscribe explain --results results --gene ENSG00000099899 --out explained")
@with_options(
    click_options(ExplanationOptions),
    _WORKERS,
    [out_option("Folder of tables and figure; created if missing.")],
)
@writes_files
def explain(out: Path, **values: Any) -> None:
    """Compute which variants and tiles drive the prediction of one gene.

    A variant's effect is the predicted expression of a haplotype with it minus that without it, on the
    reference and on its most common background.
    """
    from haploscribe.report.terminal import explanation_table
    from haploscribe.workflows.explain import explain as explain_gene
    from haploscribe.workflows.explain import write_explanation

    options, workers = taken(ExplanationOptions, values), taken(WorkerOptions, values)
    with remove_on_error(out):
        explained = explain_gene(options, workers, out / ".work")
        write_explanation(out, explained)
    print_table(explanation_table(explained))
    print_line("Tables and figure", out)


cli.add_command(combine)
cli.add_command(export)


@cli.command(
    example=(
        "haploscribe haplotypes --variants cohort.vcf.gz --reference GRCh38.fa.gz \\\n"
        "  --region chr22:20000001-20000100 --sample HG00096,HG00097 --out haplotypes.fa"
    )
)
@with_options(
    click_options(CohortOptions, only=("variants", "reference")),
    [
        own_option(
            "--region",
            group="Inputs",
            metavar="C:S-E",
            required=True,
            help="1-based, both ends included.",
        ),
        own_option(
            "--sample", group="Inputs", metavar="ID[,ID]", required=True, help="Samples, joined by commas."
        ),
        own_option("--out", type=OUT_FILE, help="FASTA file to write. [default: standard output]"),
    ],
    click_options(CohortOptions, only=("assume_phased",)),
)
@writes_files
def haplotypes(
    variants: Path | Files,
    reference: Path,
    region: str,
    sample: str,
    out: Path | None,
    assume_phased: bool,
) -> None:
    """Write both haplotypes of samples over a region as FASTA, as `bcftools consensus -H` does."""
    from haploscribe.genome.readers.open import variant_files
    from haploscribe.workflows.haplotypes import write_haplotypes

    samples = listed(sample)
    if not samples or len(set(samples)) < len(samples):
        raise click.UsageError(f"--sample {sample!r}: name samples, each once, with commas between")
    inputs = (*variant_files(variants), reference)
    if out is not None and out.resolve() in [path.resolve() for path in inputs]:
        raise click.UsageError(f"--out {out} is an input; name another file")
    write_haplotypes(variants, reference, region, samples, out, assume_phased=assume_phased)


@cli.command(
    example="haploscribe simulate --out cohort --variants cohort.vcf.gz --reference GRCh38.fa --genes 100"
)
@with_options(
    [out_option("Folder of the cohort; an earlier one is replaced.")],
    click_options(SimulationOptions),
)
@writes_files
def simulate(out: Path, **values: Any) -> None:
    """Simulate a cohort with known causal variants, on real or simulated haplotypes.

    Prints the command that runs on it.
    """
    from haploscribe.workflows.simulate import run_command
    from haploscribe.workflows.simulate import simulate as simulate_cohort

    options = taken(SimulationOptions, values)
    print_summary(simulate_cohort(options, out))
    click.echo(run_command(options, out))


@cli.command(example="haploscribe pretrain --reference genome.fa.gz --hold-out chr22:1-20000000 --out model")
@with_options(
    click_options(PretrainingOptions),
    [out_option("Folder of the model; created if missing.")],
)
@writes_files
def pretrain(out: Path, **values: Any) -> None:
    """Pretrain a small backbone of the Nucleotide Transformer architecture on a genome.

    Interrupt it at any time; rerunning the same command resumes from the last checkpoint.
    """
    from haploscribe.workflows.pretrain import pretrain as pretrain_backbone

    print_summary(pretrain_backbone(taken(PretrainingOptions, values), out))


cli.add_command(backbones)
cli.add_command(score)


@cli.command(example="haploscribe report --results results --figures figures")
@own_option("--results", group="Inputs", type=FILE, required=True, help="Results folder of a finished run.")
@own_option("--figures", type=FILE, help="Folder for the page's figures as SVG files. [default: none]")
@own_option("--png", is_flag=True, help="Write these as PNG too, at 300 dots an inch.")
@own_option("--pdf", is_flag=True, help="Write these as PDF too.")
@own_option(
    "--multiqc",
    type=OUT_FILE,
    help="File for the table of models as MultiQC reads it, NAME_mqc.json. [default: none]",
)
@writes_files
def report(results: Path, figures: Path | None, png: bool, pdf: bool, multiqc: Path | None) -> None:
    """Write the HTML page of a finished run again, its figures as files, and its table for MultiQC."""
    from haploscribe.workflows.report import report as report_run

    if (png or pdf) and figures is None:
        raise click.UsageError(
            f"--{'png' if png else 'pdf'} needs a folder for the figures; add --figures DIR"
        )
    written = report_run(results, figures, png=png, pdf=pdf, multiqc=multiqc)
    if figures is not None:
        print_line("Figures", f"{len(written.figures)} files in {figures}")
    if multiqc is not None:
        print_line("MultiQC", multiqc)
    print_line("Report", written.page)


def main() -> None:
    """Run the command line and exit."""
    run_to_exit(cli)
