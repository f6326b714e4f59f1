"""The command `combine`: runs of different genes become one, runs of several tissues stand side by side."""

from pathlib import Path
from typing import Any

import click

from haploscribe.cli.export import SNP_KEY
from haploscribe.cli.help import Subcommand
from haploscribe.cli.options import (
    FILE,
    JSON,
    click_options,
    out_option,
    own_option,
    taken,
    with_options,
    writes_files,
)
from haploscribe.cli.printing import print_line, print_results, print_summary
from haploscribe.config.finished_runs import ExportOptions
from haploscribe.config.options import WorkerOptions


@click.command(
    cls=Subcommand,
    example=(
        "haploscribe combine results/chr21 results/chr22 --out results/all\n"
        "haploscribe combine --tissue blood=results/blood --tissue liver=results/liver \\\n"
        "  --build b38 --out tissues"
    ),
)
@click.argument("results", type=FILE, nargs=-1, metavar="[RESULTS...]")
@with_options(
    [
        own_option(
            "--tissue",
            group="Inputs",
            metavar="NAME=RESULTS",
            multiple=True,
            help="Instead of RESULTS: a finished run of one tissue. Given for each tissue.",
        ),
        own_option(
            "--model",
            group="Weights",
            metavar="NAME",
            help="Of tissues: the model that is exported. [default: the one with the largest mean r]",
        ),
        SNP_KEY,
        own_option(
            "--build",
            group="Weights",
            metavar="NAME",
            help="Of tissues: export weights and joint covariances for S-MultiXcan too; the assembly of the "
            "genotypes, which names of variants end in, such as b38. [default: no export]",
        ),
        out_option("Folder to write; a new one."),
        own_option("--force", is_flag=True, help="Replace what OUT holds."),
        JSON,
    ],
    click_options(WorkerOptions, only=("jobs",)),
)
@writes_files
def combine(
    results: tuple[Path, ...],
    tissue: tuple[str, ...],
    model: str | None,
    build: str | None,
    snp_key: Any,
    out: Path,
    force: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Combine finished runs of different genes, such as one per chromosome, as if one run had done them all.

    They must be of the same samples, folds, models and options. Runs of several tissues are put side by side
    instead, in a table and a page with a column per tissue.
    """
    if bool(results) == bool(tissue):
        raise click.UsageError("give RESULTS of different genes, or --tissue NAME=RESULTS for each tissue")
    if results:
        if model is not None or build is not None:
            raise click.UsageError(
                "--model and --build are of tissues; `haploscribe export` exports a combined run"
            )
        from haploscribe.workflows.combine import combine as combine_runs

        print_results(combine_runs(results, out, force=force), out, as_json=as_json)
        return
    from haploscribe.workflows.tissues import PAGE, combine_tissues, export_tissues, named_folders

    folders = named_folders(tissue)
    tissues = combine_tissues(folders, out, force=force)
    if build is not None:
        options = ExportOptions(next(iter(folders.values())), build, models=(model or tissues.best_model(),))
        print_summary(export_tissues(folders, out, options, taken(WorkerOptions, values), snp_key))
    print_line("Tissues", out / PAGE)
