"""Writing phased genotypes as a bgzipped, indexed VCF."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pysam
import pysam.bcftools

from haploscribe.arrays import Int8Array
from haploscribe.genome.htslib import quiet
from haploscribe.genome.variants import Variants

_LONGEST_IN_TBI = 1 << 29  # what a .tbi can hold (SAM/BAM/VCF index specification)


@contextmanager
def written_vcf(
    path: Path, contigs: Mapping[str, int], sample_ids: Sequence[str]
) -> Iterator[Callable[[Variants], None]]:
    """Open a VCF.gz for writing; its index is made when the block succeeds.

    The same records give the same bytes: neither dates nor versions are written.

    Parameters
    ----------
    path
        The file, which must not be the user's own place yet: it is not written aside.
    contigs
        Length in base pairs of each contig, in the order of the file.
    sample_ids
        Names of the columns.

    Yields
    ------
    Callable
        Writes the records of one stretch; stretches come in the order of the file.
    """
    with quiet(), pysam.BGZFile(str(path), "w") as file:
        file.write(_header(contigs, sample_ids).encode())
        yield lambda variants: _write(file, variants)
    index = "--csi" if max(contigs.values()) > _LONGEST_IN_TBI else "--tbi"
    with quiet():
        pysam.bcftools.index(index, str(path), catch_stdout=False)


def _header(contigs: Mapping[str, int], sample_ids: Sequence[str]) -> str:
    lines = [
        "##fileformat=VCFv4.2",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        *(f"##contig=<ID={name},length={length}>" for name, length in contigs.items()),
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *sample_ids]),
    ]
    return "\n".join(lines) + "\n"


def _write(file: pysam.BGZFile, variants: Variants) -> None:
    for position, name, alleles, genotypes in zip(
        variants.positions.tolist(), variants.identifiers, variants.alleles, variants.genotypes, strict=True
    ):
        reference, *alternatives = (allele.decode() for allele in alleles)
        site = [variants.contig, str(position + 1), name, reference, ",".join(alternatives)]
        site += [".", "PASS", ".", "GT"]
        file.write("\t".join(site).encode() + _calls(genotypes) + b"\n")


def _calls(genotypes: Int8Array) -> bytes:
    """Write one record's calls, int8 `(n_samples, 2)`, a tab before each."""
    if genotypes.size and genotypes.max() > 9:
        return "".join(f"\t{first}|{second}" for first, second in genotypes.tolist()).encode()
    cells = np.empty((len(genotypes), 4), dtype=np.uint8)
    cells[:, 0], cells[:, 2] = ord("\t"), ord("|")
    cells[:, 1::2] = genotypes + ord("0")
    return cells.tobytes()
