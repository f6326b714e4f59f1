"""Options of `score`: which alleles are scored, for which genes, with which models."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

from haploscribe.config.fields import Group, Option, Options
from haploscribe.config.options import DEFAULT_WINDOW, GENES, AssumePhased, Device, Reference, Window
from haploscribe.utils.file_lists import Files


@dataclass(frozen=True, slots=True)
class ScoringOptions(Options):
    """Alleles, genes and models."""

    group: ClassVar[Group] = "Genes and variants"

    models: Annotated[
        tuple[str, ...],
        Option(
            "Sequence models to score with, of {names}.",
            metavar="A,B",
            names="haploscribe.zero_shot.registry.ZERO_SHOT_NAMES",
            group="Models",
        ),
    ]
    variants: Annotated[
        Path | Files,
        Option(
            "Variants whose alleles are scored: VCF, VCF.gz, BCF or PGEN, with samples or, without --sample, "
            "sites only. For several files, repeat the option, name the folder, or write {contig} in the "
            "file name.",
            metavar="FILE|FOLDER",
            group="Inputs",
        ),
    ]
    reference: Reference
    gtf: Annotated[
        Path,
        Option(
            "Genes: a GTF, or a BED with the gene in column 4 and its strand in column 6; plain or gzipped. "
            "The first base along the strand is the TSS.",
            group="Inputs",
        ),
    ]
    genes: Annotated[str | tuple[str, ...] | None, replace(GENES, unset="all")] = None
    window: Window = DEFAULT_WINDOW
    snps: Annotated[
        Path | None,
        Option(
            "Score only these variants: one name per line, or a PLINK .bim, plain or gzipped. A name is that "
            "in the ID column of --variants, or CHR:POS:REF:ALT.",
            unset="all variants",
        ),
    ] = None
    sample: Annotated[
        str | None,
        Option(
            "Also score one and two copies of each allele against none on the haplotypes of this sample.",
            metavar="ID",
            unset="on the reference only",
        ),
    ] = None
    assume_phased: AssumePhased = False
    device: Device = "auto"
