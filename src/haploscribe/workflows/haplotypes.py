"""Write the haplotypes of samples over a region as FASTA: the subcommand `haplotypes`."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from haploscribe.errors import InputError
from haploscribe.genome.contigs import parse_region
from haploscribe.genome.haplotypes import read_for_tiles, region_haplotypes
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference, write_fasta
from haploscribe.genome.tiles import Tile
from haploscribe.genome.variants import check_reference
from haploscribe.utils.file_lists import Files
from haploscribe.utils.files import temporary_prefix


def write_haplotypes(
    variants: Path | Files,
    reference: Path,
    region: str,
    samples: Sequence[str],
    out: Path | None,
    *,
    assume_phased: bool = False,
) -> None:
    """Write both haplotypes of samples over a region; `out` is None for standard output.

    See `haplotype_records`.
    """
    write_fasta(haplotype_records(variants, reference, region, samples, assume_phased=assume_phased), out)


def haplotype_records(
    variants: Path | Files,
    reference: Path,
    region: str,
    samples: Sequence[str],
    *,
    assume_phased: bool = False,
) -> Iterator[tuple[str, bytes]]:
    """Yield both haplotypes of samples over a region, as sequences.

    Parameters
    ----------
    variants, reference
        Input files.
    region
        `contig:start-end`: see `parse_region`.
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
        If an input is invalid, or the region lies outside the reference.
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
