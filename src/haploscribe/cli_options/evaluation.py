"""Options of the verb `run` alone: what is fitted, how it is judged, and zero-shot models."""

from typing import Any

import click

from haploscribe.cli_options.common import FILE, listed
from haploscribe.errors import InputError
from haploscribe.estimators.registry import ESTIMATOR_NAMES, check_names
from haploscribe.options import DEFAULT_MODELS, NORMALISATIONS, EvaluationOptions, ZeroShotOptions
from haploscribe.zero_shot.borzoi.configuration import BORZOI_HUB_NAMES, FLASHZOI_HUB_NAMES
from haploscribe.zero_shot.enformer.configuration import HUB_NAMES as ENFORMER_HUB_NAMES
from haploscribe.zero_shot.enformer.configuration import TRACKS as ENFORMER_TRACKS

_FOLDER = "a folder of config.json and model.safetensors, or a name on the Hugging Face hub."
_ZERO_SHOT = ZeroShotOptions()

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
        type=FILE,
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
        type=click.Choice(NORMALISATIONS),
        default="inverse-normal",
        show_default=True,
        help="Normalisation of expression, fitted on training samples.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of folds and models."),
)

ZERO_SHOT = (
    click.option(
        "--xpresso", type=FILE, help="Weights of the model xpresso: the published Keras file (.h5)."
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


def evaluation_options(values: dict[str, Any]) -> EvaluationOptions:
    """Take the evaluation's options out of a command's values."""
    taken = {name: values.pop(name) for name in EvaluationOptions.__dataclass_fields__}
    taken["models"] = listed(taken["models"])
    check_names(taken["models"], unseen_genes=taken["gene_split"] is not None)
    return EvaluationOptions(**taken)


def zero_shot_options(values: dict[str, Any]) -> ZeroShotOptions:
    """Take the zero-shot models' options out of a command's values."""
    taken = {name: values.pop(name) for name in ZeroShotOptions.__dataclass_fields__}
    taken |= {name: listed(taken[name]) for name in ("enformer_tracks", "borzoi_tracks")}
    try:
        taken["shifts"] = tuple(map(int, listed(str(taken["shifts"]))))
    except ValueError:
        raise InputError(
            f"--shifts {taken['shifts']}: give whole base pairs, joined by commas, such as -1,0,1"
        ) from None
    return ZeroShotOptions(**taken)
