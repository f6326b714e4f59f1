"""Haplotypes of named samples over a region that a user writes as `chr22:1-5000`."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import read_for_tiles, region_haplotypes
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import Tile
from haploscribe.genome.variants import check_reference, open_variants
from haploscribe.utils.files import temporary_prefix

_REGION = re.compile(r"(?P<contig>.+):(?P<start>[\d,]+)-(?P<end>[\d,]+)")


def parse_region(text: str, option: str = "--region") -> tuple[str, int, int]:
    """Read a region as samtools writes it.

    Parameters
    ----------
    text
        `contig:start-end`, 1-based, both ends included; commas in numbers do not matter.
    option
        The option it was given by, for messages.

    Returns
    -------
    contig, start, end
        0-based half-open.

    Raises
    ------
    InputError
        When it is not such a region.
    """
    match = _REGION.fullmatch(text.strip())
    if match is None:
        raise InputError(f"{option} {text}: write it as contig:start-end, such as chr22:20000001-20005000")
    start, end = (int(match[name].replace(",", "")) for name in ("start", "end"))
    if not 1 <= start <= end:
        raise InputError(f"{option} {text}: start and end count from 1, and start is not behind end")
    return match["contig"], start - 1, end


def haplotype_records(
    variants: Path, reference: Path, region: str, samples: Sequence[str], *, assume_phased: bool = False
) -> Iterator[tuple[str, bytes]]:
    """Write out both haplotypes of samples over a region.

    Parameters
    ----------
    variants, reference
        Input files.
    region
        As `parse_region` reads it.
    samples
        Sample identifiers.
    assume_phased
        Read unphased heterozygotes as if phased.

    Yields
    ------
    name, sequence
        `ID_0` and `ID_1` of each sample, in the order given.

    Raises
    ------
    InputError
        When an input is at fault, or the region lies outside the reference.
    """
    contig, start, end = parse_region(region)
    with (
        tempfile.TemporaryDirectory(prefix=temporary_prefix()) as index_folder,
        Reference.open(reference, Path(index_folder)) as fasta,
        open_variants(variants, Path(index_folder), assume_phased=assume_phased) as reader,
    ):
        contig = fasta.resolve(contig)
        if end > fasta.contigs[contig]:
            raise InputError(f"--region {region}: {contig} has {fasta.contigs[contig]:,} bp in {reference}")
        found = read_for_tiles(reader, [Tile(contig, 0, start, end)], samples)
        check_reference(found, fasta)
        haplotypes = region_haplotypes(fasta.fetch(contig, start, end), found, contig, start, end)
    for sample, carried in zip(samples, haplotypes.index.tolist(), strict=True):
        for haplotype, row in enumerate(carried):
            yield f"{sample}_{haplotype}", haplotypes.sequences[row]
