"""Read the genes of a GTF: symbol, biotype, strand and bounds."""

import re
from collections.abc import Iterator
from pathlib import Path

from haploscribe.errors import InputError
from haploscribe.expression.genes import STRANDS, Gene, require_printable_genes, without_version
from haploscribe.utils.reading import read_decompressed

_GENE = b"\tgene\t"
_N_COLUMNS = 9
_ATTRIBUTE = re.compile(r'\b(gene_id|gene_name|gene_type|gene_biotype)\s+"([^"]*)"')
_NUMBER = re.compile(r"[0-9]{1,12}")
_GFF3_ADVICE = "give the GTF of the same release, which GENCODE, Ensembl and RefSeq have beside it"


def read_gtf(path: Path) -> tuple[Gene, ...]:
    """Read the `gene` records of a GTF, plain or compressed (gzip or bgzip), in the order of the file.

    The attributes read are `gene_id`, `gene_name`, and `gene_type` (GENCODE) or `gene_biotype` (Ensembl). The
    TSS is the first base along the strand. An ID may come more than once.

    Raises
    ------
    InputError
        When the file cannot be read or is truncated, is a GFF3, has no `gene` record, or one of them has
        no ID, or bounds or a strand that cannot be.
    """
    genes = [gene for number, line in _gene_lines(path) if (gene := _parse(line, f"{path} line {number}"))]
    if not genes:
        raise InputError(
            f"{path} has no line with `gene` in column 3; give a GTF that has, such as GENCODE's or Ensembl's"
        )
    require_printable_genes(genes, path)
    return tuple(genes)


def _gene_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines with a `gene` column and their 1-based numbers.

    An annotation has 60 times as many other lines: they are passed over by searches in large pieces of text.
    """
    rest, number = b"", 1
    for piece in read_decompressed(path):
        if number == 1 and not rest and piece.startswith(b"##gff-version"):
            raise InputError(f"{path} is a GFF3, not a GTF; {_GFF3_ADVICE}")
        text = rest + piece
        end = text.rfind(b"\n") + 1
        yield from _lines_in(text[:end], number)
        number += text.count(b"\n", 0, end)
        rest = text[end:]
    yield from _lines_in(rest + b"\n", number)


def _lines_in(text: bytes, number: int) -> Iterator[tuple[int, str]]:
    """Yield the lines of `_gene_lines` in whole lines of text, the first of which has this number."""
    counted, at = 0, text.find(_GENE)
    while at >= 0:
        start, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
        number += text.count(b"\n", counted, start)
        counted = start
        yield number, text[start:end].decode("utf-8", errors="replace").rstrip("\r")
        at = text.find(_GENE, end)


def _parse(line: str, where: str) -> Gene | None:
    """Parse a line; None where it is a comment, or `gene` stands in another column than the third."""
    cells = line.split("\t")
    if line.startswith("#") or len(cells) < 3 or cells[2] != "gene":
        return None
    if len(cells) != _N_COLUMNS:
        raise InputError(f"{where} has {len(cells)} columns; a GTF has {_N_COLUMNS}, with tabs between")
    attributes = dict(_ATTRIBUTE.findall(cells[8]))
    gene_id = attributes.get("gene_id")
    if not gene_id:
        is_gff3 = re.search(r"\bID=", cells[8]) is not None
        advice = f"it is a GFF3, not a GTF; {_GFF3_ADVICE}" if is_gff3 else 'write gene_id "…" in column 9'
        raise InputError(f"{where}: the gene has no gene_id; {advice}")
    contig, first, last, sign = cells[0], cells[3], cells[4], cells[6]
    if not (_NUMBER.fullmatch(first) and _NUMBER.fullmatch(last) and 1 <= int(first) <= int(last)):
        raise InputError(f"{where}: gene {gene_id} is at {first} to {last}; give whole numbers, 1 or more")
    if sign not in STRANDS:
        raise InputError(f"{where}: gene {gene_id} has strand {sign!r}; write +, - or .")
    start, end, strand = int(first) - 1, int(last), STRANDS[sign]
    symbol = attributes.get("gene_name")
    return Gene(
        gene_id,
        contig,
        tss=end - 1 if strand == "-" else start,
        strand=strand,
        # GENCODE repeats the ID of a gene that has no name.
        symbol=None if not symbol or symbol in (gene_id, without_version(gene_id)) else symbol,
        biotype=attributes.get("gene_type") or attributes.get("gene_biotype") or None,
        start=start,
        end=end,
    )
