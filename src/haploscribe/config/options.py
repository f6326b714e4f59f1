"""Options of a run: inputs, backbone, evaluation and workers; and options that other commands share."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

from haploscribe.config.annotations import ADVICE, written_well
from haploscribe.config.fields import Alternative, Check, Group, Option, Options, at_least
from haploscribe.utils.file_lists import Files

DEFAULT_WINDOW = 196_608
DEFAULT_TILE = 5_994
DEFAULT_BACKBONE = "nano"
DEFAULT_MODELS = ("elastic-net", "blup", "blup-delta", "transformer", "ensemble")
MODELS_NAME = "models"
"""The folder of fitted models, in the results of a run."""

Normalisation = Literal["inverse-normal", "log2p1", "none"]
NORMALISATIONS: tuple[Normalisation, ...] = get_args(Normalisation)
Position = Literal["tss", "start", "end", "middle"]
Precision = Literal["float32", "mixed"]
Strands = Literal["forward", "both"]

# Options that several classes have.
Genotypes = Annotated[
    Path | Files,
    Option(
        "Phased genotypes: VCF, VCF.gz, BCF or PGEN. For several files of the same samples, repeat the "
        "option, name the folder, or write {contig} in the file name.",
        metavar="FILE|FOLDER",
        group="Inputs",
    ),
]
Reference = Annotated[Path, Option("Reference FASTA, plain or bgzipped.", group="Inputs")]
Window = Annotated[
    int,
    Option(
        "Width of the cis window in base pairs, both sides together: variants at most half of it from the "
        "TSS are read.",
        metavar="BP",
        unit="bp",
        alternative=Alternative(
            "cis",
            "Instead of --window: base pairs to either side of the TSS, half of it.",
            lambda half: 2 * half,
        ),
        group="Genes and variants",
        check=at_least(1, "give a width in base pairs, such as 196608"),
    ),
]
_TILE = Option(
    "Size of the tiles that are embedded, in base pairs.",
    metavar="BP",
    unit="bp",
    check=at_least(1, "give a size in base pairs, such as 5994"),
)
Tile = Annotated[int, _TILE]
GenePosition = Annotated[
    Position | None,
    Option(
        "Position of a gene whose row in --expression spans more than 1 bp: the first base along its strand, "
        "or the row's first, last or middle one.",
        unset="the TSS in --gtf; without it, rows must be of 1 bp",
        group="Inputs",
    ),
]
Gtf = Annotated[
    Path | None,
    Option(
        "Annotation of the genes, plain or gzipped: symbols, biotypes, bounds, strands that --expression "
        "lacks, and the TSS where a row spans more than 1 bp and --position is not given.",
        unset="none",
        group="Inputs",
    ),
]
Maf = Annotated[
    float,
    Option(
        "Leave out variants with a lower minor allele frequency among the samples of the run.",
        check=Check(lambda value: 0 <= value < 0.5, "give a frequency from 0 to below 0.5"),
        group="Genes and variants",
    ),
]
AssumePhased = Annotated[bool, Option("Read unphased heterozygotes as if phased.", group="Inputs")]
DEVICE = Option(
    "Where backbone and zero-shot models run; auto takes a GPU where there is one.",
    metavar="auto|cpu|cuda|cuda:N",
)
Device = Annotated[str, DEVICE]
REVISION = Option(
    "Of a backbone on the Hugging Face hub: a commit, branch or tag, or refs/pr/N for a pull request.",
    metavar="REF",
    check=Check(
        lambda value: re.fullmatch(r"\w[\w.+/-]*", value, re.ASCII) is not None and ".." not in value,
        "give a commit, a branch or a tag, such as main or refs/pr/1",
    ),
    unset="the one that `haploscribe backbones` shows, or main",
    group="Backbone",
)
COVARIATES = Option("Covariates: one row per covariate, one column per sample.", unset="none")
GENES = Option(
    "Only these genes, by ID, or by symbol where a GTF was given.",
    metavar="FILE|ID,ID",
    unset="all of the table",
    group="Genes and variants",
)
SEED = Check(lambda value: 0 <= value < 1 << 63, "give a whole number from 0 to below 2^63")


@dataclass(frozen=True, slots=True)
class CohortOptions(Options):
    """The input files of a cohort, and how they are read."""

    group: ClassVar[Group] = "Inputs"

    variants: Genotypes
    reference: Reference
    expression: Annotated[
        Path, Option("Expression: BED, BED.gz or Parquet, columns as tensorQTL, QTLtools or fastQTL.")
    ]
    covariates: Annotated[Path | None, COVARIATES] = None
    hidden_factors: Annotated[
        Path | None,
        Option(
            "Factors of expression (PEER, PCs), laid out as covariates: regressed out only of what models "
            "that use other genes learn from.",
            unset="none",
        ),
    ] = None
    genes: Annotated[str | tuple[str, ...] | None, GENES] = None
    contig: Annotated[
        str | None,
        Option(
            "Only the genes of this contig; 22 and chr22 are the same. `combine` joins the runs of several.",
            metavar="NAME",
            unset="all contigs",
            group="Genes and variants",
        ),
    ] = None
    gtf: Gtf = None
    position: GenePosition = None
    window: Window = DEFAULT_WINDOW
    tile: Annotated[
        int | None, replace(_TILE, unset="the backbone's own, 1998 for nano", group="Backbone")
    ] = None
    maf: Maf = 0.01
    no_ambiguous: Annotated[
        bool,
        Option(
            "Leave out variants whose alleles are each other's complement (A/T, C/G), which TWAS tools drop.",
            group="Genes and variants",
        ),
    ] = False
    snps: Annotated[
        Path | None,
        Option(
            "Only these variants: one name per line, or a PLINK .bim, plain or gzipped. A name is that in "
            "the ID column of --variants, or CHR:POS:REF:ALT.",
            unset="all variants",
            group="Genes and variants",
        ),
    ] = None
    assume_phased: AssumePhased = False

    @property
    def tile_size(self) -> int:
        """Size of the tiles; 5,994 bp where none was asked for and no backbone is known."""
        return DEFAULT_TILE if self.tile is None else self.tile


@dataclass(frozen=True, slots=True)
class BackboneOptions(Options):
    """The frozen model that embeds the tiles, and what is taken from it."""

    group: ClassVar[Group] = "Backbone"

    backbone: Annotated[
        str,
        Option(
            "Frozen model that embeds the tiles: a name (see `haploscribe backbones`), a folder of a "
            "checkpoint, hf:OWNER/NAME for another one of the Hugging Face hub, or your own as module:Name.",
            metavar="NAME|PATH",
        ),
    ] = DEFAULT_BACKBONE
    revision: Annotated[str | None, REVISION] = None
    layer: Annotated[
        int,
        Option(
            "Hidden state to take: 0 is the first (the token embedding, except in NTv3), negative counts "
            "from the last."
        ),
    ] = -1
    pooling: Annotated[
        str,
        Option("Mean over the tile's tokens, or over each of K equal stretches.", metavar="mean|bins-K"),
    ] = "mean"
    precision: Annotated[
        Precision,
        Option(
            "Of the backbone. mixed, for GPUs: float16 products, all else float32; refused where deltas "
            "of real haplotypes do not survive it.",
        ),
    ] = "float32"
    strands: Annotated[
        Strands,
        Option(
            "Strands that the backbone reads: both averages a haplotype's vectors with those of its reverse "
            "complement, for twice the passes."
        ),
    ] = "forward"
    device: Device = "auto"


@dataclass(frozen=True, slots=True)
class EvaluationOptions(Options):
    """Which models are fitted, and how they are evaluated."""

    group: ClassVar[Group] = "Evaluation"

    models: Annotated[
        tuple[str, ...],
        Option(
            "Models to compare, of {names}; or your own as module:Name.",
            metavar="A,B,C",
            names="haploscribe.estimators.registry.ESTIMATOR_NAMES",
            group="Models",
        ),
    ] = DEFAULT_MODELS
    folds: Annotated[
        int,
        Option(
            "Folds of cross-validation.",
            metavar="K",
            check=at_least(2, "at least 2 are needed, one to train on and one to test"),
        ),
    ] = 5
    split: Annotated[
        Path | None,
        Option("Instead of folds: a TSV with columns sample_id and set (train, validation or test)."),
    ] = None
    gene_split: Annotated[
        int | None,
        Option(
            "Predict unseen genes: K blocks of genes along the genome are held out in turn, in held-out "
            "samples.",
            metavar="K",
            check=at_least(2, "give 2 splits or more, and no more than genes"),
            unset="learn from every gene",
        ),
    ] = None
    normalize: Annotated[
        Normalisation, Option("Normalisation of expression, fitted on training samples.")
    ] = "inverse-normal"
    seed: Annotated[int, Option("Seed of folds and models.", check=SEED)] = 0
    annotations: Annotated[
        tuple[str, ...],
        Option(
            "What is known of variants, for the effect-size prior: a bigWig, a BED of intervals, or a TSV or "
            "Parquet table of scores of alleles; or of what the run's own models know of each allele on the "
            "reference, backbone (the size of its delta) or zero-shot:MODEL. May be repeated.",
            metavar="NAME=FILE|backbone|zero-shot:MODEL",
            flag="annotations",
            check=Check(written_well, ADVICE),
            group="Models",
        ),
    ] = ()
    cross_gene: Annotated[
        Path | None,
        Option(
            "Results of a run of other genes in the same samples and folds: models that learn across genes "
            "take what it learned, genes within 1 Mb left out, in place of what the run's own genes show.",
            metavar="RESULTS",
            unset="learn from the run's own genes",
            group="Models",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class WorkerOptions(Options):
    """Where the work is done; the results do not depend on it."""

    group: ClassVar[Group] = "Workers"

    jobs: Annotated[int, Option("Processes that work side by side on this machine.", check=at_least(1))] = 1
    dask: Annotated[
        str | None,
        Option(
            "Work on a Dask cluster instead: the scheduler's address, such as tcp://host:8786, or local:N "
            "for one of N processes here. Needs the extra [cluster].",
            metavar="ADDRESS|local:N",
            unset="none",
        ),
    ] = None
