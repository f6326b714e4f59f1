"""Options of `pretrain`, `backbones score` and `simulate`."""

from pathlib import Path
from typing import get_args

import click

from haploscribe.cli_options.common import BACKBONE, COHORT, FILE
from haploscribe.options import Architecture, PretrainingOptions, SimulationOptions

_GENOME = (
    click.option("--reference", type=FILE, required=True, help="Reference FASTA, plain or bgzipped."),
    click.option(
        "--variants",
        type=FILE,
        help="Phased genotypes; their haplotypes are used too. [default: the reference alone]",
    ),
    COHORT[-1],
)

_TRAINING = PretrainingOptions(reference=Path())

PRETRAINING = (
    *_GENOME,
    click.option(
        "--hold-out",
        multiple=True,
        metavar="C:S-E",
        help="Region excluded from training, whose loss is reported; 1-based, ends included; repeatable.",
    ),
    click.option(
        "--window",
        type=int,
        metavar="BP",
        default=_TRAINING.window,
        show_default=True,
        help="Length of a training sequence in base pairs, a multiple of 6; also the longest tile.",
    ),
    click.option(
        "--hidden-size",
        type=int,
        default=_TRAINING.hidden_size,
        show_default=True,
        help="Hidden size.",
    ),
    click.option("--layers", type=int, default=_TRAINING.layers, show_default=True, help="Encoder layers."),
    click.option("--heads", type=int, default=_TRAINING.heads, show_default=True, help="Attention heads."),
    click.option(
        "--feed-forward",
        type=int,
        default=_TRAINING.feed_forward,
        show_default=True,
        help="Size of the feed-forward layers.",
    ),
    click.option("--batch", type=int, default=_TRAINING.batch, show_default=True, help="Sequences per step."),
    click.option("--steps", type=int, default=_TRAINING.steps, show_default=True, help="Number of steps."),
    click.option(
        "--learning-rate",
        type=float,
        default=_TRAINING.learning_rate,
        show_default=True,
        help="Peak learning rate.",
    ),
    click.option(
        "--checkpoint-every",
        type=int,
        default=_TRAINING.checkpoint_every,
        show_default=True,
        help="Steps between checkpoints.",
    ),
    click.option(
        "--seed",
        type=int,
        default=_TRAINING.seed,
        show_default=True,
        help="Seed of initial weights and batches.",
    ),
    BACKBONE[-1],
)

SCORING = (
    *_GENOME,
    click.option("--region", metavar="C:S-E", required=True, help="1-based, both ends included."),
    BACKBONE[-1],
    click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON."),
)

_SIMULATION = SimulationOptions()

SIMULATION = (
    click.option("--samples", type=int, metavar="N", help="Samples. [default: all of --variants]"),
    click.option("--genes", type=int, metavar="G", help="Genes. [default: all of --expression]"),
    click.option("--seed", type=int, default=_SIMULATION.seed, show_default=True, help="Random seed."),
    click.option(
        "--variants",
        type=FILE,
        help="Phased genotypes of real samples. [default: simulated; needs the extra [simulate]]",
    ),
    click.option("--reference", type=FILE, help="Reference FASTA of --variants, plain or bgzipped."),
    click.option(
        "--expression",
        type=FILE,
        help="Table whose genes are used, not their values. [default: genes where there are variants]",
    ),
    click.option(
        "--architecture",
        type=click.Choice(get_args(Architecture)),
        default=_SIMULATION.architecture,
        show_default=True,
        help="A few causal alleles; all of them; or pairs in one tile that act when on the same haplotype.",
    ),
    click.option(
        "--causal",
        type=int,
        metavar="K",
        default=_SIMULATION.causal,
        show_default=True,
        help="Causal alleles of a sparse gene, or pairs of an epistatic one.",
    ),
    click.option(
        "--main-effects", is_flag=True, help="Epistatic: each allele of a pair also has a main effect."
    ),
    click.option(
        "--h2",
        type=float,
        metavar="X",
        default=_SIMULATION.h2,
        show_default=True,
        help="Heritability of expression, exact in the sample.",
    ),
    *COHORT[-4:],
)
