"""The command `score`: what published sequence models say of alleles."""

from pathlib import Path
from typing import Any

import click

from haploscribe.cli.help import Subcommand
from haploscribe.cli.options import OUT_FILE, click_options, out_option, taken, with_options, writes_files
from haploscribe.cli.printing import print_line, print_summary
from haploscribe.config.scoring import ScoringOptions
from haploscribe.config.zero_shot import ZeroShotOptions


@click.command(
    cls=Subcommand,
    example=(
        "haploscribe score --models enformer --variants cohort.vcf.gz --reference GRCh38.fa.gz \\\n"
        "  --gtf gencode.gtf.gz --genes COMT,SNRPD3 --out scores.parquet"
    ),
)
@with_options(
    click_options(ScoringOptions),
    click_options(ZeroShotOptions),
    [out_option("File of scores, .parquet or .tsv, as --annotations of `run` takes it.", OUT_FILE)],
)
@writes_files
def score(out: Path, **values: Any) -> None:
    """Score each allele near genes with published sequence models, on the reference or a sample's haplotypes.

    For each track: the log2 fold of expression at the TSS, and how much the signal changes at the allele.

    Interrupt it at any time; rerunning the same command resumes.
    """
    from haploscribe.workflows.score import score as score_alleles

    options, zero_shot = taken(ScoringOptions, values), taken(ZeroShotOptions, values)
    print_summary(score_alleles(options, zero_shot, out).summary())
    print_line("Scores", out)
