"""Options of the commands that use a finished run: predict, explain and export."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar

from haploscribe.config.fields import Alternative, Group, Option, Options, share
from haploscribe.config.options import (
    COVARIATES,
    DEVICE,
    GENES,
    MODELS_NAME,
    REVISION,
    AssumePhased,
    Genotypes,
    Reference,
)
from haploscribe.config.zero_shot import ZeroShotOptions
from haploscribe.utils.file_lists import Files

_RESULTS = "Results folder of a finished run."
_Results = Annotated[Path, Option(_RESULTS, group="Inputs")]


@dataclass(frozen=True, slots=True)
class PredictionOptions(Options):
    """New samples, and the fitted models that predict them.

    `zero_shot` has the weights of the run's zero-shot models; those without are left out, and all else of
    them is as in the run.
    """

    group: ClassVar[Group] = "Genes and variants"

    models: Annotated[
        Path,
        Option(
            f"Instead of --results: its folder `{MODELS_NAME}`, wherever that is now.",
            alternative=Alternative("results", _RESULTS, lambda results: results / MODELS_NAME),
            group="Inputs",
        ),
    ]
    variants: Genotypes
    reference: Reference
    expression: Annotated[
        Path | None,
        Option(
            "Validate the models: expression of the new samples, in a layout of a run's, which predictions "
            "are compared with.",
            unset="predict only",
            group="Inputs",
        ),
    ] = None
    covariates: Annotated[
        Path | None,
        replace(
            COVARIATES,
            help="Covariates of the new samples, regressed out of --expression: one row per covariate, one "
            "column per sample.",
            group="Inputs",
        ),
    ] = None
    genes: Annotated[str | None, GENES] = None
    min_coverage: Annotated[
        float,
        Option(
            "Predict a gene only where the file has this share of the variants that its models know.",
            check=share("give a share from 0 to 1"),
        ),
    ] = 0.8
    absent_is_reference: Annotated[
        bool,
        Option(
            "Read known variants that the file lacks as reference: for whole genomes that list only sites "
            "where some sample differs. Without it every sample gets the mean of the training samples."
        ),
    ] = False
    backbone: Annotated[
        str | None,
        Option(
            "Where the backbone of the training is now.",
            metavar="NAME|PATH",
            unset="as the models say",
            group="Backbone",
        ),
    ] = None
    revision: Annotated[str | None, replace(REVISION, unset="as the models say")] = None
    store: Annotated[
        Path | None, Option("Embedding store to use and add to.", unset="one of its own", group="Backbone")
    ] = None
    device: Annotated[str, replace(DEVICE, group="Backbone")] = "auto"
    zero_shot: ZeroShotOptions = field(default_factory=ZeroShotOptions)
    assume_phased: AssumePhased = False

    def conflict(self) -> str | None:
        """Return what is wrong with covariates of no expression."""
        if self.covariates is None or self.expression is not None:
            return None
        return (
            f"--covariates {self.covariates}: there is no expression to regress them out of; give "
            "--expression too, or leave them out"
        )


@dataclass(frozen=True, slots=True)
class ExplanationOptions(Options):
    """What is to be explained."""

    group: ClassVar[Group] = "Genes and variants"

    results: _Results
    gene: Annotated[
        str, Option("The gene: its ID, of which the version may be left out, or its symbol.", metavar="ID")
    ]
    models: Annotated[
        tuple[str, ...] | None,
        Option("Explain these models.", metavar="A,B,C", unset="all that were trained", group="Models"),
    ] = None
    variants: Annotated[
        tuple[str, ...],
        Option(
            "Also predict the effect of this variant, seen in training or not; POS is 1-based. May be "
            "repeated.",
            metavar="CHR:POS:REF:ALT",
            flag="variant",
        ),
    ] = ()
    sample: Annotated[
        str | None,
        Option(
            "Also compute what one and two copies of each variant do on the haplotypes of this sample of the "
            "run.",
            metavar="ID",
            unset="none",
        ),
    ] = None
    saturate: Annotated[
        str | None,
        Option(
            "Also substitute every base of this stretch: three passes of the backbone per base.",
            metavar="C:S-E",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class ExportOptions(Options):
    """Which weights are exported."""

    group: ClassVar[Group] = "Weights"

    results: _Results
    build: Annotated[
        str,
        Option(
            "The assembly of the genotypes, which names of variants end in, such as b38.",
            metavar="NAME",
            group="Inputs",
        ),
    ]
    models: Annotated[
        tuple[str, ...] | None,
        Option(
            "Models whose weights are exported.",
            metavar="A,B,C",
            unset="all that are linear in the dosages of the cis window",
            group="Models",
        ),
    ] = None
    min_r: Annotated[
        float,
        Option(
            "Export genes that a model predicts with this held-out Pearson r or more; 0 for all.",
            check=share(),
        ),
    ] = 0.1
    max_p: Annotated[
        float, Option("Export genes that it predicts with this p or less; 1 for all.", check=share())
    ] = 0.05
    keep_r2: Annotated[
        float | None,
        Option(
            "Export the fewest variants whose weights, refitted to what the model predicts for its training "
            "samples, keep this squared correlation with it; 1 for all variants.",
            check=share(),
            unset=".999 for models with a weight at every variant, 1 for others",
        ),
    ] = None
    max_lost: Annotated[
        float,
        Option(
            "Leave out genes where a model that reads sequence loses more than this by being made linear: "
            "1 - r² over its training samples; 1 to keep all.",
            check=share(),
        ),
    ] = 0.1


@dataclass(frozen=True, slots=True)
class CovarianceOptions(Options):
    """Which exported weights are used with which genotypes."""

    group: ClassVar[Group] = "Inputs"

    weights: Annotated[
        Path | Files,
        Option(
            "Exported weights. For several, repeat the option, name the folder, or write {contig} in "
            "the file name.",
            metavar="FILE|FOLDER",
        ),
    ]
    variants: Annotated[
        Path | Files,
        Option(
            "Genotypes of the samples that covariances are of: VCF, VCF.gz, BCF or PGEN, one file or "
            "several; phase does not matter.",
            metavar="FILE|FOLDER",
        ),
    ]
    samples: Annotated[
        Path | None,
        Option(
            "Only these samples: their names, one per line.", metavar="FILE", unset="all of the genotypes"
        ),
    ] = None
