"""Options of the zero-shot sequence models."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from haploscribe.config.fields import Check, Group, Option, Options

DEFAULT_ENFORMER_TRACKS = ("CAGE:GM12878",)
DEFAULT_BORZOI_TRACKS = ("RNA:GM12878",)
DEFAULT_ALPHAGENOME_TRACKS = ("CAGE:GM12878",)
DEFAULT_ALPHAGENOME_WINDOW = 131_072


def _weights(model: str, package: str, names: str, unset: str = "the first of {names}") -> Option:
    """Return the option for weights of a model, whose names on the hub `package` lists."""
    return Option(
        f"Weights of the model {model}: a folder of config.json and model.safetensors, or a name on the "
        "Hugging Face hub.",
        metavar="FOLDER|NAME",
        unset=unset,
        names=f"haploscribe.zero_shot.{package}.configuration.{names}",
    )


def weights_option(model: str) -> str:
    """Return the name of the attribute of `ZeroShotWeights` that has a model's weights."""
    return model.replace("-", "_")


@dataclass(frozen=True, slots=True)
class ZeroShotWeights(Options):
    """Weights of the zero-shot sequence models; None for the published ones."""

    group: ClassVar[Group] = "Zero-shot models"

    xpresso: Annotated[
        Path | None, Option("Weights of the model xpresso: the published Keras file (.h5).")
    ] = None
    enformer: Annotated[str | None, _weights("enformer", "enformer", "HUB_NAMES", unset="{names}")] = None
    borzoi: Annotated[str | None, _weights("borzoi", "borzoi", "BORZOI_HUB_NAMES")] = None
    flashzoi: Annotated[str | None, _weights("flashzoi", "borzoi", "FLASHZOI_HUB_NAMES")] = None
    borzoi_prime: Annotated[str | None, _weights("borzoi-prime", "borzoi", "PRIME_HUB_NAMES")] = None

    alphagenome: Annotated[
        str | None,
        Option(
            "Weights of the model alphagenome: a safetensors file, its folder, or a name on the Hugging Face "
            "hub. They are for non-commercial use.",
            metavar="FILE|FOLDER|NAME",
            unset="{names}",
            names="haploscribe.zero_shot.alphagenome.configuration.HUB_NAMES",
        ),
    ] = None

    clipnet: Annotated[
        Path | None,
        Option(
            "Weights of the model clipnet: the folder of the published Keras files, fold_1.h5 to fold_9.h5, "
            "of which the mean is taken, or one of them.",
            metavar="FOLDER|FILE",
        ),
    ] = None

    def weights_of(self, model: str) -> Path | str | None:
        """Return the weights that are given for a zero-shot model."""
        found: Path | str | None = getattr(self, weights_option(model))
        return found


@dataclass(frozen=True, slots=True)
class ZeroShotOptions(ZeroShotWeights):
    """The zero-shot sequence models, and what their predictions are averaged over."""

    enformer_tracks: Annotated[
        tuple[str, ...],
        Option(
            "Tracks that enformer is read in, averaged: {names} or, from 0, their index in the human head.",
            metavar="A,B",
            names="haploscribe.zero_shot.enformer.configuration.TRACKS",
        ),
    ] = DEFAULT_ENFORMER_TRACKS
    borzoi_tracks: Annotated[
        tuple[str, ...],
        Option(
            "Tracks that borzoi, flashzoi and borzoi-prime are read in, averaged: RNA:GM12878, CAGE:GM12878 "
            "or RNA:TISSUE of GTEx, such as RNA:blood.",
            metavar="A,B",
        ),
    ] = DEFAULT_BORZOI_TRACKS
    alphagenome_tracks: Annotated[
        tuple[str, ...],
        Option(
            "Tracks that alphagenome is read in, averaged: {names}, or the term of a biosample, such as "
            "CAGE:EFO:0002067, PROCAP:EFO:0002067, RNA:total:EFO:0002067 or RNA:gtex:Whole_Blood. RNA is "
            "read over the exons of --gtf.",
            metavar="A,B",
            names="haploscribe.zero_shot.alphagenome.configuration.TRACKS",
        ),
    ] = DEFAULT_ALPHAGENOME_TRACKS
    alphagenome_window: Annotated[
        int,
        Option(
            "Base pairs that alphagenome reads, the TSS in the middle: a multiple of 2048, 1048576 at most.",
            metavar="BP",
            unit="bp",
            check=Check(
                lambda value: 0 < value <= 1_048_576 and value % 2_048 == 0,
                "give a multiple of 2048, such as 131072, and 1048576 at most",
            ),
        ),
    ] = DEFAULT_ALPHAGENOME_WINDOW
    shifts: Annotated[
        tuple[int, ...],
        Option(
            "Zero-shot models: average over windows moved downstream by so many base pairs, such as -1,0,1.",
            metavar="BP,BP",
            unit="bp",
            check=Check(
                lambda value: 0 < len(value) == len(set(value)), "give at least one, each once, such as 0"
            ),
        ),
    ] = (0,)
    reverse_complement: Annotated[
        bool,
        Option(
            "Zero-shot models: average over each sequence and its reverse complement; not xpresso, which "
            "reads the gene's own strand."
        ),
    ] = False

    @classmethod
    def of(cls, weights: ZeroShotWeights) -> "ZeroShotOptions":
        """Return the options that have these weights and all else by default."""
        return cls(**asdict(weights))
