"""The command `backbones`: which there are, and how well one knows a genome."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from haploscribe.cli.help import Subcommands
from haploscribe.cli.options import click_options, own_option, with_options
from haploscribe.cli.printing import print_lines
from haploscribe.config.options import BackboneOptions
from haploscribe.config.pretraining import PretrainingOptions


@click.group(cls=Subcommands, invoke_without_command=True)
@own_option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
@click.pass_context
def backbones(context: click.Context, as_json: bool) -> None:
    """List the backbones that have a name, or score one."""
    if context.invoked_subcommand is not None:
        return
    from haploscribe.report.terminal import backbone_lines, backbones_json

    print_lines(backbone_lines(), backbones_json(), as_json=as_json)


@backbones.command(
    example="haploscribe backbones score nano --reference GRCh38.fa --region chr22:20000001-20100000"
)
@click.argument("name", metavar="NAME|PATH")
@with_options(
    click_options(BackboneOptions, only=("revision",)),
    click_options(PretrainingOptions, only=("reference", "variants", "assume_phased")),
    [
        own_option(
            "--region",
            group="Inputs",
            metavar="C:S-E",
            required=True,
            help="1-based, both ends included.",
        )
    ],
    click_options(PretrainingOptions, only=("device",)),
    [own_option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")],
)
def score(
    name: str, revision: str | None, reference: Path, region: str, as_json: bool, **values: Any
) -> None:
    """Score a backbone: its masked-token loss on a region, in bits per base.

    15 % of the region's 6-mers are masked and predicted from the rest, on both sides. For comparison, on the
    same 6-mers: an order-5 Markov chain fitted on the rest of the contig, given the five bases before; the
    same chain, given also the five after; and uniform guessing, 2.0.
    """
    from haploscribe.report.terminal import score_lines
    from haploscribe.workflows.score_backbone import score_backbone

    asked = BackboneOptions(name, revision)
    found = asdict(score_backbone(asked.backbone, reference, region, revision=asked.revision, **values))
    print_lines(score_lines(found), found, as_json=as_json)
