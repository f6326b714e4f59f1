"""Read the positions of genes from a BED."""

from pathlib import Path

from haploscribe.errors import InputError
from haploscribe.expression.genes import STRANDS, Gene, require_printable_genes
from haploscribe.utils.reading import read_decompressed

_SKIPPED = ("#", "track", "browser")
_ADVICE = "give contig, start (0-based), end and gene, and the strand in column 6, separated by tabs"


def read_gene_positions(path: Path) -> tuple[Gene, ...]:
    """Read the genes of a BED, plain or compressed (gzip or bgzip), in the order of the file.

    The gene is in column 4 and, if there is a column 6, its strand in that. The TSS is the first base along
    the strand; that of a row without a strand, the first base.

    Raises
    ------
    InputError
        When the file cannot be read or is truncated, has no row, or one of them lacks a gene or has bounds or
        a strand that cannot be.
    """
    try:
        lines = b"".join(read_decompressed(path)).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text; {_ADVICE}") from None
    genes = [
        _parse(line, f"{path} line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith(_SKIPPED)
    ]
    if not genes:
        raise InputError(f"{path} has no gene; {_ADVICE}")
    require_printable_genes(genes, path)
    return tuple(genes)


def _parse(line: str, where: str) -> Gene:
    contig, start, end, gene_id, _, sign, *_ = *line.split("\t"), *[""] * 6
    if not (start.isdecimal() and end.isdecimal() and gene_id.strip() and int(start) < int(end)):
        raise InputError(f"{where} is no gene; {_ADVICE}")
    if sign and sign not in STRANDS:
        raise InputError(f"{where}: gene {gene_id} has strand {sign!r} in column 6; write +, - or .")
    strand = STRANDS[sign or "."]
    first, last = int(start), int(end) - 1
    return Gene(gene_id.strip(), contig, tss=last if strand == "-" else first, strand=strand)
