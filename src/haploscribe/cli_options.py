"""Options that several verbs share, and the file that can hold them all."""

import os
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from haploscribe.errors import InputError
from haploscribe.estimators.registry import ESTIMATOR_NAMES, check_names
from haploscribe.options import (
    DEFAULT_MODELS,
    DEFAULT_TILE,
    DEFAULT_WINDOW,
    Architecture,
    BackboneOptions,
    CohortOptions,
    EvaluationOptions,
    ExplanationOptions,
    PredictionOptions,
    SimulationOptions,
    WorkerOptions,
    ZeroShotOptions,
)
from haploscribe.pretraining.options import PretrainingOptions
from haploscribe.zero_shot.borzoi.configuration import BORZOI_HUB_NAMES, FLASHZOI_HUB_NAMES
from haploscribe.zero_shot.enformer.configuration import HUB_NAMES as ENFORMER_HUB_NAMES
from haploscribe.zero_shot.enformer.tracks import TRACKS as ENFORMER_TRACKS

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path)
_FOLDER = "a folder of config.json and model.safetensors, or a name on the Hugging Face hub."
_ZERO_SHOT = ZeroShotOptions()

COHORT = (
    click.option("--variants", type=_FILE, required=True, help="Phased genotypes: VCF, VCF.gz, BCF or PGEN."),
    click.option("--reference", type=_FILE, required=True, help="Reference FASTA, plain or bgzipped."),
    click.option(
        "--expression",
        type=_FILE,
        required=True,
        help="Expression: BED, BED.gz or Parquet, columns as tensorQTL or QTLtools; TSS = end.",
    ),
    click.option(
        "--covariates", type=_FILE, help="Covariates, a row each, a column a sample. [default: none]"
    ),
    click.option(
        "--hidden-factors",
        type=_FILE,
        help="Factors of expression (PEER, PCs), laid out as covariates: taken out only of what models that "
        "use other genes learn from. [default: none]",
    ),
    click.option("--genes", metavar="FILE|ID,ID", help="Only these genes. [default: all of the table]"),
    click.option(
        "--window",
        type=int,
        metavar="BP",
        default=DEFAULT_WINDOW,
        show_default=True,
        help="Width of the cis window around the TSS, in base pairs.",
    ),
    click.option(
        "--tile",
        type=int,
        metavar="BP",
        default=DEFAULT_TILE,
        show_default=True,
        help="Size of the tiles that are embedded, in base pairs.",
    ),
    click.option(
        "--maf",
        type=float,
        default=0.01,
        show_default=True,
        help="Leave out variants with a rarer minor allele among the samples of the run.",
    ),
    click.option("--assume-phased", is_flag=True, help="Read unphased heterozygotes as if phased."),
)

BACKBONE = (
    click.option(
        "--backbone",
        metavar="NAME|PATH",
        default="nano",
        show_default=True,
        help="Frozen model that embeds the tiles; see `haploscribe backbones`.",
    ),
    click.option(
        "--layer",
        type=int,
        default=-1,
        show_default=True,
        help="Hidden state to take: 0 is the token embedding, negative counts from the last layer.",
    ),
    click.option(
        "--pooling",
        metavar="mean|bins-K",
        default="mean",
        show_default=True,
        help="Mean over the tile's tokens, or over each of K equal stretches.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["float32", "mixed"]),
        default="float32",
        show_default=True,
        help="Of the backbone. mixed, for GPUs: float16 products, all else float32; refused where real "
        "haplotypes' deltas do not survive it.",
    ),
    click.option(
        "--device",
        metavar="auto|cpu|cuda[:N]",
        default="auto",
        show_default=True,
        help="Where backbone and zero-shot models run; auto takes a GPU where there is one.",
    ),
)

EVALUATION = (
    click.option(
        "--models",
        metavar="A,B,C",
        default=",".join(DEFAULT_MODELS),
        show_default=True,
        help=f"Models to compare, of {', '.join(ESTIMATOR_NAMES)}.",
    ),
    click.option(
        "--folds", type=int, metavar="K", default=5, show_default=True, help="Folds of cross-validation."
    ),
    click.option(
        "--split",
        type=_FILE,
        help="Instead of folds: a TSV with columns sample_id and set (train, validation or test).",
    ),
    click.option(
        "--gene-split",
        type=int,
        metavar="K",
        help="Predict unseen genes: K blocks of genes along the genome are held out in turn, in held-out "
        "samples. [default: learn from every gene]",
    ),
    click.option(
        "--normalize",
        type=click.Choice(["inverse-normal", "log2p1", "none"]),
        default="inverse-normal",
        show_default=True,
        help="Normalisation of expression, fitted on training samples.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of folds and models."),
)

WORKERS = (
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        default=lambda: len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        show_default="all cores",
        help="Processes that work side by side on this machine.",
    ),
    click.option(
        "--dask",
        metavar="ADDRESS|local:N",
        help="Work on a Dask cluster instead: the scheduler's address, such as tcp://host:8786, or local:N "
        "for one of N processes here. Needs the extra [cluster]. [default: none]",
    ),
)

ZERO_SHOT = (
    click.option(
        "--xpresso", type=_FILE, help="Weights of the model xpresso: the published Keras file (.h5)."
    ),
    click.option(
        "--enformer",
        metavar="FOLDER|NAME",
        help=f"Weights of the model enformer: {_FOLDER} [default: {ENFORMER_HUB_NAMES[0]}, whose pickled "
        "weights must be converted once: the message says how]",
    ),
    click.option(
        "--borzoi",
        metavar="FOLDER|NAME",
        help=f"Weights of the model borzoi: {_FOLDER} [default: {BORZOI_HUB_NAMES[0]}; also …-1 to …-3]",
    ),
    click.option(
        "--flashzoi",
        metavar="FOLDER|NAME",
        help=f"Weights of the model flashzoi: {_FOLDER} [default: {FLASHZOI_HUB_NAMES[0]}; also …-1 to …-3]",
    ),
    click.option(
        "--enformer-tracks",
        metavar="A,B",
        default=",".join(_ZERO_SHOT.enformer_tracks),
        show_default=True,
        help=f"Tracks that enformer is read in, averaged: {', '.join(ENFORMER_TRACKS)} or, from 0, their "
        "number in the human head.",
    ),
    click.option(
        "--borzoi-tracks",
        metavar="A,B",
        default=",".join(_ZERO_SHOT.borzoi_tracks),
        show_default=True,
        help="Tracks that borzoi and flashzoi are read in, averaged: RNA:GM12878, CAGE:GM12878 or RNA:TISSUE "
        "of GTEx, such as RNA:blood.",
    ),
    click.option(
        "--shifts",
        metavar="BP,BP",
        default=",".join(map(str, _ZERO_SHOT.shifts)),
        show_default=True,
        help="Zero-shot models: average over windows moved downstream by so many base pairs, such as -1,0,1.",
    ),
    click.option(
        "--reverse-complement",
        is_flag=True,
        help="Zero-shot models: average over each sequence and its reverse complement; not xpresso, which "
        "reads the gene's own strand.",
    ),
)

_GENOME = (
    click.option("--reference", type=_FILE, required=True, help="Reference FASTA, plain or bgzipped."),
    click.option(
        "--variants",
        type=_FILE,
        help="Phased genotypes; their haplotypes are read too. [default: the reference alone]",
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
        help="Region never trained on, whose loss is watched; 1-based, both ends included; may be repeated.",
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
        help="Width of the model.",
    ),
    click.option("--layers", type=int, default=_TRAINING.layers, show_default=True, help="Encoder layers."),
    click.option("--heads", type=int, default=_TRAINING.heads, show_default=True, help="Attention heads."),
    click.option(
        "--feed-forward",
        type=int,
        default=_TRAINING.feed_forward,
        show_default=True,
        help="Width of the feed-forward.",
    ),
    click.option("--batch", type=int, default=_TRAINING.batch, show_default=True, help="Sequences a step."),
    click.option("--steps", type=int, default=_TRAINING.steps, show_default=True, help="Steps in all."),
    click.option(
        "--learning-rate",
        type=float,
        default=_TRAINING.learning_rate,
        show_default=True,
        help="Its highest value.",
    ),
    click.option(
        "--checkpoint-every",
        type=int,
        default=_TRAINING.checkpoint_every,
        show_default=True,
        help="Steps between checkpoints.",
    ),
    click.option(
        "--seed", type=int, default=_TRAINING.seed, show_default=True, help="Seed of weights and batches."
    ),
    BACKBONE[-1],
)

PREDICTION = (
    click.option(
        "--models", type=_FILE, required=True, help="Folder of kept models: `models` of a finished run."
    ),
    *COHORT[:2],
    COHORT[5],
    click.option(
        "--min-coverage",
        type=float,
        default=0.8,
        show_default=True,
        help="Predict a gene only where the file has this share of the variants that its models know.",
    ),
    click.option(
        "--absent-is-reference",
        is_flag=True,
        help="Read known variants that the file lacks as reference: for whole genomes that list only sites "
        "where someone differs. Without it everyone gets what training people had on average.",
    ),
    click.option(
        "--backbone",
        metavar="NAME|PATH",
        help="Where the backbone of the training is now. [default: as the models say]",
    ),
    click.option("--store", type=_FILE, help="Embedding store to use and add to. [default: one of its own]"),
    BACKBONE[-1],
    COHORT[-1],
)

EXPLANATION = (
    click.option("--results", type=_FILE, required=True, help="Results folder of a finished run."),
    click.option("--gene", metavar="ID", required=True, help="The gene; its version may be left out."),
    click.option("--models", metavar="a,b,c", help="Ask these models. [default: all that were trained]"),
    click.option(
        "--variant",
        "variants",
        metavar="CHR:POS:REF:ALT",
        multiple=True,
        help="Also ask about this variant, seen in training or not; POS is 1-based. May be repeated.",
    ),
    click.option(
        "--saturate",
        metavar="C:S-E",
        help="Also substitute every base of this stretch: three passes of the backbone a base.",
    ),
)

SCORING = (
    *_GENOME,
    click.option("--region", metavar="C:S-E", required=True, help="1-based, both ends included."),
    BACKBONE[-1],
    click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON."),
)


_SIMULATION = SimulationOptions()

SIMULATION = (
    click.option(
        "--samples", type=int, metavar="N", help="People. [default: all of --variants, if there is one]"
    ),
    click.option(
        "--genes", type=int, metavar="G", help="Genes. [default: all of --expression, if there is one]"
    ),
    click.option(
        "--seed", type=int, default=_SIMULATION.seed, show_default=True, help="Seed of all that is drawn."
    ),
    click.option(
        "--variants",
        type=_FILE,
        help="Phased genotypes of real people. [default: people are simulated; needs the extra [simulate]]",
    ),
    click.option("--reference", type=_FILE, help="Reference FASTA of --variants, plain or bgzipped."),
    click.option(
        "--expression",
        type=_FILE,
        help="Table whose genes are taken, not their values. [default: genes lie where there are variants]",
    ),
    click.option(
        "--architecture",
        type=click.Choice(get_args(Architecture)),
        default=_SIMULATION.architecture,
        show_default=True,
        help="A few causal alleles; all of them; or pairs in a tile that act when on the same haplotype.",
    ),
    click.option(
        "--causal",
        type=int,
        metavar="K",
        default=_SIMULATION.causal,
        show_default=True,
        help="Causal alleles of a sparse gene, pairs of an epistatic one.",
    ),
    click.option(
        "--main-effects", is_flag=True, help="Epistatic: each allele of a pair also has an effect of its own."
    ),
    click.option(
        "--h2",
        type=float,
        metavar="X",
        default=_SIMULATION.h2,
        show_default=True,
        help="Share of the variance of expression that is genetic, exactly so in the sample.",
    ),
    *COHORT[-4:],
)


def with_options(*groups: Sequence[Callable[[Any], Any]]) -> Callable[[Command], Command]:
    """Add groups of options to a command, in order, and `--config` behind them."""
    config = click.option(
        "--config",
        type=_FILE,
        is_eager=True,
        expose_value=False,
        callback=_read_config,
        help="TOML file with any of these options by the same names; the command line goes first.",
    )

    def decorate(command: Command) -> Command:
        for option in reversed([*(option for group in groups for option in group), config]):
            command = option(command)
        return command

    return decorate


def _read_config(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Make the file's values the defaults of the command's options."""
    if path is None:
        return
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"--config {path}: cannot be read: {error}") from None
    names = {parameter.name for parameter in context.command.params}
    settings = {name.replace("-", "_"): value for name, value in values.items()}
    unknown = sorted(set(settings) - names)
    if unknown:
        raise InputError(
            f"--config {path}: no option {unknown[0]!r} of haploscribe {context.info_name}; see --help"
        )
    repeated = {
        parameter.name for parameter in context.command.params if getattr(parameter, "multiple", False)
    }
    context.default_map = {
        name: ",".join(map(str, value)) if isinstance(value, list) and name not in repeated else value
        for name, value in settings.items()
    }


def cohort_options(values: dict[str, Any]) -> CohortOptions:
    """Take the cohort's options out of a command's values."""
    return CohortOptions(**{name: values.pop(name) for name in CohortOptions.__dataclass_fields__})


def prediction_options(values: dict[str, Any]) -> PredictionOptions:
    """Take the options of a prediction out of a command's values."""
    return PredictionOptions(**{name: values.pop(name) for name in PredictionOptions.__dataclass_fields__})


def explanation_options(values: dict[str, Any]) -> ExplanationOptions:
    """Take the options of an explanation out of a command's values."""
    taken = {name: values.pop(name) for name in ExplanationOptions.__dataclass_fields__}
    taken["models"] = None if taken["models"] is None else _listed(taken["models"])
    return ExplanationOptions(**taken)


def backbone_options(values: dict[str, Any]) -> BackboneOptions:
    """Take the backbone's options out of a command's values."""
    return BackboneOptions(**{name: values.pop(name) for name in BackboneOptions.__dataclass_fields__})


def evaluation_options(values: dict[str, Any]) -> EvaluationOptions:
    """Take the evaluation's options out of a command's values."""
    taken = {name: values.pop(name) for name in EvaluationOptions.__dataclass_fields__}
    taken["models"] = _listed(taken["models"])
    check_names(taken["models"], unseen_genes=taken["gene_split"] is not None)
    return EvaluationOptions(**taken)


def worker_options(values: dict[str, Any]) -> WorkerOptions:
    """Take the workers' options out of a command's values."""
    return WorkerOptions(**{name: values.pop(name) for name in WorkerOptions.__dataclass_fields__})


def zero_shot_options(values: dict[str, Any]) -> ZeroShotOptions:
    """Take the zero-shot models' options out of a command's values."""
    taken = {name: values.pop(name) for name in ZeroShotOptions.__dataclass_fields__}
    taken |= {name: _listed(taken[name]) for name in ("enformer_tracks", "borzoi_tracks")}
    try:
        taken["shifts"] = tuple(map(int, _listed(str(taken["shifts"]))))
    except ValueError:
        raise InputError(
            f"--shifts {taken['shifts']}: give whole base pairs, joined by commas, such as -1,0,1"
        ) from None
    return ZeroShotOptions(**taken)


def _listed(text: str) -> tuple[str, ...]:
    """Split what commas join."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
