"""What a user can set, in one place: the inputs of a cohort and the options of a run."""

import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

DEFAULT_WINDOW = 196_608
DEFAULT_TILE = 5_994
Architecture = Literal["sparse", "polygenic", "epistatic"]
Normalisation = Literal["inverse-normal", "log2p1", "none"]
NORMALISATIONS: tuple[Normalisation, ...] = get_args(Normalisation)
DEFAULT_MODELS = ("elastic-net", "blup", "blup-delta", "transformer", "ensemble")
DEFAULT_ENFORMER_TRACKS = ("CAGE:GM12878",)
DEFAULT_BORZOI_TRACKS = ("RNA:GM12878",)


@dataclass(frozen=True, slots=True)
class CohortOptions:
    """The inputs and how to read them.

    Attributes
    ----------
    variants, reference, expression, covariates
        Input files.
    hidden_factors
        Factors of expression in the covariates' layout (PEER factors, principal components), taken out only
        of what models that use other genes learn from.
    genes
        A file of gene IDs, or IDs joined by commas; a tuple of IDs, which may hold commas; None for all.
    window
        Width of the cis window in base pairs.
    tile
        Size of the tile grid in base pairs.
    maf
        Variants with a rarer minor allele among the samples of the run are left out everywhere.
    assume_phased
        Read unphased heterozygotes as if phased.
    """

    variants: Path
    reference: Path
    expression: Path
    covariates: Path | None = None
    hidden_factors: Path | None = None
    genes: str | tuple[str, ...] | None = None
    window: int = DEFAULT_WINDOW
    tile: int = DEFAULT_TILE
    maf: float = 0.01
    assume_phased: bool = False

    def absolute(self) -> "CohortOptions":
        """Name every file by its absolute path, for processes that work in other folders."""
        return _absolute(self)


@dataclass(frozen=True, slots=True)
class BackboneOptions:
    """Which frozen model embeds the tiles, and what is taken from it.

    Attributes
    ----------
    backbone
        A short name or the folder of a checkpoint.
    layer
        Index of the hidden state: 0 is the token embedding, negative counts from the last layer.
    pooling
        `mean` over the tile's tokens, or `bins-K` for the means of K equal stretches.
    precision
        `float32`, or `mixed`: float16 products, for GPUs.
    device
        `auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`.
    """

    backbone: str = "nano"
    layer: int = -1
    pooling: str = "mean"
    precision: str = "float32"
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What is fitted and how it is judged.

    Attributes
    ----------
    models
        Estimator names, in the order of every table.
    folds
        Number of folds, where there is no split file.
    split
        A file that says who trains, validates and tests.
    gene_split
        Blocks of genes along the genome, each held out in turn from the models that learn, for the question
        of unseen genes; None where every gene is learned from.
    normalize
        `inverse-normal`, `log2p1` or `none`.
    seed
        Seed of folds and estimators.
    """

    models: tuple[str, ...] = DEFAULT_MODELS
    folds: int = 5
    split: Path | None = None
    gene_split: int | None = None
    normalize: Normalisation = "inverse-normal"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ZeroShotOptions:
    """The zero-shot sequence models among a run's models, and what their predictions are averaged over.

    Attributes
    ----------
    xpresso
        The published Keras file; None where it is not among the models.
    enformer, borzoi, flashzoi
        Folder or hub name of the weights; None for the published ones, from the hub.
    enformer_tracks
        Names of `zero_shot.enformer.configuration.TRACKS`, or indices in the human head, from 0.
    borzoi_tracks
        Names of `zero_shot.borzoi.configuration.TRACKS`; Flashzoi's too.
    shifts
        Where the window lies, in base pairs downstream of its place.
    reverse_complement
        Also read each sequence's reverse complement, where the model can.
    """

    xpresso: Path | None = None
    enformer: str | None = None
    borzoi: str | None = None
    flashzoi: str | None = None
    enformer_tracks: tuple[str, ...] = DEFAULT_ENFORMER_TRACKS
    borzoi_tracks: tuple[str, ...] = DEFAULT_BORZOI_TRACKS
    shifts: tuple[int, ...] = (0,)
    reverse_complement: bool = False


@dataclass(frozen=True, slots=True)
class PredictionOptions:
    """New people, and the models that predict them.

    Attributes
    ----------
    models
        Folder of kept models.
    variants, reference
        The new people's genotypes, and the FASTA that they were called on.
    genes
        As `CohortOptions.genes`; None for all genes of the models.
    min_coverage
        A gene is predicted only where the file has this share of the variants that its models know.
    absent_is_reference
        Read a known variant that the file lacks as the reference in everyone, and count it as found: for
        files of whole genomes that list only sites where someone differs from the reference.
    backbone
        Where the backbone that the models were trained on is now; None for the name or folder that they have.
    store
        An embedding store to use and to add to, such as that of the training; None for one of this job's own.
    device
        As `BackboneOptions.device`.
    zero_shot
        Weights of zero-shot models of the run, which are asked if they are given; all else of it is as in
        the run.
    assume_phased
        Read unphased heterozygotes as if phased.
    """

    models: Path
    variants: Path
    reference: Path
    genes: str | None = None
    min_coverage: float = 0.8
    absent_is_reference: bool = False
    backbone: str | None = None
    store: Path | None = None
    device: str = "auto"
    zero_shot: ZeroShotOptions = field(default_factory=ZeroShotOptions)
    assume_phased: bool = False

    def absolute(self) -> "PredictionOptions":
        """Name every file by its absolute path: see `CohortOptions.absolute`."""
        return _absolute(self)


@dataclass(frozen=True, slots=True)
class ExplanationOptions:
    """What is to be explained.

    Attributes
    ----------
    results
        Folder of a finished run.
    gene
        Its ID; the version may be left out.
    models
        Names of the models to ask; None for all that were trained.
    variants
        Further ALT alleles to ask about, `chr:pos:ref:alt`, seen in training or not; 1-based.
    saturate
        A stretch of the window, `chr:start-end`, of which every base is substituted; None for none.
    """

    results: Path
    gene: str
    models: tuple[str, ...] | None = None
    variants: tuple[str, ...] = ()
    saturate: str | None = None


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Which weights are exported.

    Attributes
    ----------
    results
        Folder of a finished run.
    build
        The assembly that names of variants end in, such as `b38`.
    models
        Names of models; None for all that are linear in the dosages of the cis window.
    min_r, max_p
        A gene is exported where a model's held-out Pearson r, taken as 0 where it is negative, and its p are
        at least and at most these.
    """

    results: Path
    build: str
    models: tuple[str, ...] | None = None
    min_r: float = 0.1
    max_p: float = 0.05


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Where the work is done; the results do not depend on it.

    Attributes
    ----------
    jobs
        Processes on this machine that work side by side.
    dask
        In their place: `local:N`, N processes of a Dask cluster of this machine's own, or the address of a
        Dask scheduler, such as `tcp://host:8786`.
    """

    jobs: int = 1
    dask: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationOptions:
    """A cohort whose causal variants are known.

    Attributes
    ----------
    samples
        Number of samples; None for all of `variants`.
    genes
        Number of genes; None for all of `expression`.
    seed
        Seed of everything random.
    variants, reference
        Phased genotypes of real samples and their reference; None for both to simulate these too.
    expression
        A table whose genes are used, not their values; None to place genes where there are variants.
    architecture
        `sparse`, `polygenic` or `epistatic`.
    causal
        Number of causal alleles of a sparse gene, or of pairs of an epistatic one.
    main_effects
        Add an effect of each allele of an epistatic pair alone.
    h2
        Heritability: the genetic share of the variance of expression, 0 to 1.
    window, tile, maf
        As in `CohortOptions`; a run with the same values sees the causal alleles.
    assume_phased
        Read unphased heterozygotes as if phased.
    """

    samples: int | None = None
    genes: int | None = None
    seed: int = 0
    variants: Path | None = None
    reference: Path | None = None
    expression: Path | None = None
    architecture: Architecture = "sparse"
    causal: int = 2
    main_effects: bool = False
    h2: float = 0.2
    window: int = DEFAULT_WINDOW
    tile: int = DEFAULT_TILE
    maf: float = 0.01
    assume_phased: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainingOptions:
    """A pretraining run; the defaults are those of `nano`.

    Attributes
    ----------
    reference
        Genome as FASTA.
    variants
        Phased genotypes, whose haplotypes are training data too; None for the reference alone.
    hold_out
        Regions excluded from training, whose loss is reported: `contig:start-end`, 1-based, both ends
        included.
    assume_phased
        Read unphased heterozygotes as if phased.
    window
        Length of a training sequence in base pairs, a multiple of 6; the longest tile of the backbone.
    hidden_size, layers, heads, feed_forward
        Dimensions of the model.
    batch
        Sequences per step.
    steps
        Number of steps.
    learning_rate
        Peak learning rate.
    checkpoint_every
        Steps between checkpoints; the training loss is averaged over them.
    seed
        Seed of the initial weights and of every batch.
    device
        `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`.
    """

    reference: Path
    variants: Path | None = None
    hold_out: tuple[str, ...] = ()
    assume_phased: bool = False
    window: int = 5_994
    hidden_size: int = 128
    layers: int = 4
    heads: int = 4
    feed_forward: int = 256
    batch: int = 4
    steps: int = 3_200
    learning_rate: float = 2e-3
    checkpoint_every: int = 100
    seed: int = 0
    device: str = "auto"


_WithFiles = TypeVar("_WithFiles", CohortOptions, PredictionOptions)


def _absolute(options: _WithFiles) -> _WithFiles:
    found: dict[str, Any] = {}
    for name in (option.name for option in fields(options)):
        value = getattr(options, name)
        if isinstance(value, Path):
            found[name] = value.absolute()
    if isinstance(options.genes, str) and os.path.isfile(options.genes):  # noqa: PTH113 - false for what is too long
        found["genes"] = str(Path(options.genes).absolute())
    return replace(options, **found)
