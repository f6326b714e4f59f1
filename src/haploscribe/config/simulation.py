"""The options of a simulated cohort."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from haploscribe.config.fields import Group, Option, Options, at_least, share
from haploscribe.config.options import (
    DEFAULT_TILE,
    DEFAULT_WINDOW,
    SEED,
    AssumePhased,
    GenePosition,
    Gtf,
    Maf,
    Tile,
    Window,
)
from haploscribe.utils.file_lists import Files

Architecture = Literal["sparse", "polygenic", "epistatic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationOptions(Options):
    """A cohort with known causal variants; these are among those that a run with its options sees."""

    group: ClassVar[Group] = "Simulation"

    samples: Annotated[
        int | None,
        Option("Number of samples.", metavar="N", check=at_least(2), unset="all of --variants, if given"),
    ] = None
    genes: Annotated[
        int | None,
        Option("Number of genes.", metavar="G", check=at_least(1), unset="all of --expression, if given"),
    ] = None
    seed: Annotated[int, Option("Seed of all that is drawn.", check=SEED)] = 0
    variants: Annotated[
        Path | Files | None,
        Option(
            "Phased genotypes of real samples, given as for `run`.",
            metavar="FILE|FOLDER",
            unset="genotypes are simulated; needs the extra [simulate]",
            group="Inputs",
        ),
    ] = None
    reference: Annotated[
        Path | None, Option("Reference FASTA of --variants, plain or bgzipped.", group="Inputs")
    ] = None
    expression: Annotated[
        Path | None,
        Option(
            "Table whose genes are taken, not their values.",
            unset="genes lie where there are variants",
            group="Inputs",
        ),
    ] = None
    gtf: Gtf = None
    position: GenePosition = None
    architecture: Annotated[
        Architecture,
        Option("A few causal alleles; all of them; or pairs in a tile that act when on the same haplotype."),
    ] = "sparse"
    causal: Annotated[
        int,
        Option("Causal alleles of a sparse gene, pairs of an epistatic one.", metavar="K", check=at_least(1)),
    ] = 2
    main_effects: Annotated[
        bool, Option("Epistatic: each allele of a pair also has an effect of its own.")
    ] = False
    h2: Annotated[
        float,
        Option(
            "Share of the variance of expression that is genetic, exactly so in the sample.",
            metavar="X",
            check=share("give a share from 0 to 1"),
        ),
    ] = 0.2
    window: Window = DEFAULT_WINDOW
    tile: Tile = DEFAULT_TILE
    maf: Maf = 0.01
    assume_phased: AssumePhased = False

    def conflict(self) -> str | None:
        """Return the first of the options that do not go together, as one line."""
        real = self.variants is not None
        conflicts = (
            (
                real != (self.reference is not None),
                "--variants and --reference go together: give both, or neither to simulate genotypes",
            ),
            (
                self.expression is not None and not real,
                "--expression names real genes: give real genotypes too, with --variants and --reference",
            ),
            (
                self.gtf is not None and self.expression is None,
                "--gtf annotates the genes of --expression: give that too, or leave --gtf out",
            ),
            (
                self.samples is None and not real,
                "--samples is missing: say how many samples to simulate, such as 500",
            ),
            (
                self.genes is None and self.expression is None,
                "--genes is missing: say how many genes to simulate, such as 20",
            ),
            (
                self.main_effects and self.architecture != "epistatic",
                f"--main-effects is for --architecture epistatic, not {self.architecture}",
            ),
        )
        return next((line for conflicting, line in conflicts if conflicting), None)
