"""The commands of `haploscribe export`."""

from pathlib import Path
from typing import Any

import click

from haploscribe.cli.help import Subcommands
from haploscribe.cli.options import (
    OUT_FILE,
    click_options,
    out_option,
    own_option,
    taken,
    with_options,
    writes_files,
)
from haploscribe.cli.printing import print_line, print_summary
from haploscribe.config.finished_runs import CovarianceOptions, ExportOptions
from haploscribe.config.options import WorkerOptions
from haploscribe.utils.file_lists import Files

# Heavy modules are imported by the command that needs them, so that `haploscribe --help` answers at once.

_WORKERS = click_options(WorkerOptions)
SNP_KEY = own_option(
    "--snp-key",
    type=click.Choice(["rsid", "varID"]),
    default="rsid",
    show_default=True,
    help="Variant names in the covariances; MetaXcan's --model_db_snp_key must be the same.",
)


@click.group(cls=Subcommands)
def export() -> None:
    """Write the weights of a finished run's models for transcriptome-wide association tools.

    Models of dosages are exported as they are. Models that read sequence are made linear: each variant's
    weight is its effect in the model; the loss is reported for every gene.
    """


@export.command(example="haploscribe export predictdb --results results --build b38 --out lcl.db")
@with_options(
    click_options(ExportOptions, without=("models",)),
    [
        own_option(
            "--model",
            group="Models",
            metavar="NAME",
            default="elastic-net",
            show_default=True,
            help="The model whose weights are exported.",
        ),
        SNP_KEY,
        out_option("Database, .db; its covariances are written beside it as NAME.txt.gz.", OUT_FILE),
    ],
    _WORKERS,
)
@writes_files
def predictdb(out: Path, model: str, snp_key: Any, **values: Any) -> None:
    """Write a model's weights and covariances for MetaXcan.

    These are read by PrediXcan, S-PrediXcan, S-MultiXcan and cTWAS.
    """
    from haploscribe.workflows.export.workflow import export_predictdb

    options = taken(ExportOptions, {**values, "models": model})
    print_summary(export_predictdb(options, taken(WorkerOptions, values), out, snp_key).summary())
    print_line("Weights", out)


@export.command(example="haploscribe export fusion --results results --build b38 --out weights")
@with_options(
    click_options(ExportOptions),
    [
        own_option(
            "--panel",
            metavar="NAME",
            default="haploscribe",
            show_default=True,
            help="Name of the set of weights, of the table NAME.pos and of the folder NAME.",
        ),
        out_option("Folder of tables and weights; created if missing."),
    ],
    _WORKERS,
)
@writes_files
def fusion(out: Path, panel: str, **values: Any) -> None:
    """Write the weights of one or more models for FUSION."""
    from haploscribe.workflows.export.workflow import export_fusion

    options = taken(ExportOptions, values)
    print_summary(export_fusion(options, taken(WorkerOptions, values), out, panel).summary())
    print_line("Weights", f"{out / panel}.pos")


@export.command(example="haploscribe export merge --weights 'weights/{contig}.db' --out all.db")
@with_options(
    click_options(CovarianceOptions, only=("weights",)),
    [out_option("What to make of them: a database, .db, or a table of FUSION, .pos, as they are.", OUT_FILE)],
)
@writes_files
def merge(out: Path, weights: Path | Files) -> None:
    """Merge exports of several runs, such as one per chromosome."""
    from haploscribe.workflows.export.merge import merge_exports

    print_summary(merge_exports(weights, out).summary())
    print_line("Weights", out)


@export.command(
    example=(
        "haploscribe export covariance --weights a.db --weights b.db --variants cohort.vcf.gz \\\n"
        "  --out joint.txt.gz"
    )
)
@with_options(
    click_options(CovarianceOptions),
    [SNP_KEY, out_option("Covariances, .txt.gz, for S-MultiXcan's --snp_covariance.", OUT_FILE)],
)
@writes_files
def covariance(out: Path, snp_key: Any, **values: Any) -> None:
    """Write joint covariances of databases, for S-MultiXcan."""
    from haploscribe.workflows.export.covariance import export_covariance

    print_summary(export_covariance(taken(CovarianceOptions, values), out, snp_key).summary())
    print_line("Covariances", out)
