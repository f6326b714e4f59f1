"""Options of the verbs that use what a finished run has left."""

from pathlib import Path
from typing import Any

import click

from haploscribe.cli_options.common import BACKBONE, COHORT, FILE, OUT_FILE, listed
from haploscribe.options import ExplanationOptions, ExportOptions, PredictionOptions, ZeroShotOptions
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES

PREDICTION = (
    click.option(
        "--models", type=FILE, required=True, help="Folder of kept models: `models` of a finished run."
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
    click.option("--store", type=FILE, help="Embedding store to use and add to. [default: one of its own]"),
    *(
        click.option(
            f"--{name}",
            type=FILE if name == "xpresso" else None,
            metavar="FILE" if name == "xpresso" else "FOLDER|NAME",
            help=f"Weights of {name}, if the run had it. [default: leave it out]",
        )
        for name in ZERO_SHOT_NAMES
    ),
    BACKBONE[-1],
    COHORT[-1],
)

_RESULTS = click.option("--results", type=FILE, required=True, help="Results folder of a finished run.")

EXPLANATION = (
    _RESULTS,
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

_EXPORT = ExportOptions(results=Path(), build="")

EXPORT = (
    _RESULTS,
    click.option(
        "--build",
        metavar="NAME",
        required=True,
        help="The assembly of the genotypes, which names of variants end in, such as b38.",
    ),
    click.option(
        "--min-r",
        type=click.FloatRange(0.0, 1.0),
        default=_EXPORT.min_r,
        show_default=True,
        help="Export genes that a model predicts with this held-out Pearson r or more; 0 for all.",
    ),
    click.option(
        "--max-p",
        type=click.FloatRange(0.0, 1.0),
        default=_EXPORT.max_p,
        show_default=True,
        help="Export genes that it predicts with this p or less; 1 for all.",
    ),
)

PREDICTDB = (
    click.option(
        "--model", metavar="NAME", default="elastic-net", show_default=True, help="The model whose weights."
    ),
    click.option(
        "--snp-key",
        type=click.Choice(["rsid", "varID"]),
        default="rsid",
        show_default=True,
        help="Names that the covariances go by; S-PrediXcan's --model_db_snp_key must say the same.",
    ),
    click.option(
        "--out",
        type=OUT_FILE,
        required=True,
        help="Database, .db; its covariances are written beside it as NAME.txt.gz.",
    ),
)

FUSION = (
    click.option(
        "--models",
        metavar="A,B,C",
        help="Models whose weights. [default: all that are linear in the dosages of the cis window]",
    ),
    click.option(
        "--panel",
        metavar="NAME",
        default="haploscribe",
        show_default=True,
        help="Name of the set of weights, of the table NAME.pos and of the folder NAME.",
    ),
    click.option("--out", type=FILE, required=True, help="Folder of tables and weights; made when missing."),
)


def prediction_options(values: dict[str, Any]) -> PredictionOptions:
    """Take the options of a prediction out of a command's values."""
    weights = ZeroShotOptions(**{name: values.pop(name) for name in ZERO_SHOT_NAMES})
    names = [name for name in PredictionOptions.__dataclass_fields__ if name != "zero_shot"]
    return PredictionOptions(**{name: values.pop(name) for name in names}, zero_shot=weights)


def explanation_options(values: dict[str, Any]) -> ExplanationOptions:
    """Take the options of an explanation out of a command's values."""
    taken = {name: values.pop(name) for name in ExplanationOptions.__dataclass_fields__}
    taken["models"] = None if taken["models"] is None else listed(taken["models"])
    return ExplanationOptions(**taken)


def export_options(values: dict[str, Any]) -> ExportOptions:
    """Take the options of an export out of a command's values; `model`, one name, stands for `models`."""
    models = values.pop("models") if "models" in values else values.pop("model")
    taken = {name: values.pop(name) for name in ExportOptions.__dataclass_fields__ if name != "models"}
    return ExportOptions(**taken, models=None if models is None else listed(models))
