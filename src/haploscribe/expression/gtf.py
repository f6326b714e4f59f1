"""Read the genes of a GTF: symbol, biotype, strand, bounds and exons."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from haploscribe.errors import InputError
from haploscribe.expression.genes import STRANDS, Gene, Strand, require_printable_genes, without_version
from haploscribe.utils.reading import read_decompressed

_N_COLUMNS = 9
_GENE_ID = re.compile(r'\bgene_id\s+"([^"]*)"')
_ATTRIBUTE = re.compile(r'\b(gene_name|gene_type|gene_biotype)\s+"([^"]*)"')
_NUMBER = re.compile(r"[0-9]{1,12}")
_GFF3_ADVICE = "give the GTF of the same release, which GENCODE, Ensembl and RefSeq have beside it"


def read_gtf(path: Path, *, exons: bool = False) -> tuple[Gene, ...]:
    """Read the `gene` records of a GTF, plain or compressed (gzip or bgzip), in the order of the file.

    The attributes read are `gene_id`, `gene_name`, and `gene_type` (GENCODE) or `gene_biotype` (Ensembl). The
    TSS is the first base along the strand. An ID may come more than once.

    Parameters
    ----------
    path
        The GTF.
    exons
        Read the `exon` records too: their union over a gene's transcripts.

    Raises
    ------
    InputError
        When the file cannot be read or is truncated, is a GFF3, has no `gene` record, or a record that is
        read has no ID, or bounds or a strand that cannot be.
    """
    genes = [_gene(record) for record in _records(path, "gene")]
    if not genes:
        raise InputError(
            f"{path} has no line with `gene` in column 3; give a GTF that has, such as GENCODE's or Ensembl's"
        )
    require_printable_genes(genes, path)
    if exons:
        spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for record in _records(path, "exon"):
            spans.setdefault((record.contig, record.gene_id), []).append((record.start, record.end))
        genes = [replace(gene, exons=_union(spans.get((gene.contig, gene.gene_id), []))) for gene in genes]
    return tuple(genes)


class _Record(NamedTuple):
    """A line of a GTF; bounds are 0-based half-open."""

    gene_id: str
    contig: str
    start: int
    end: int
    strand: Strand
    attributes: str


def _records(path: Path, feature: str) -> Iterator[_Record]:
    """Yield the records of a feature."""
    for number, line in _lines(path, feature):
        record = _parse(line, feature, f"{path} line {number}")
        if record is not None:
            yield record


def _union(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Join spans that overlap or touch."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return tuple(joined)


def _lines(path: Path, feature: str) -> Iterator[tuple[int, str]]:
    """Yield the lines with a column of a feature's name and their 1-based numbers.

    An annotation has 60 times as many lines as genes: they are passed over by searches in large pieces of
    text.
    """
    column = b"\t%s\t" % feature.encode()
    rest, number = b"", 1
    for piece in read_decompressed(path):
        if number == 1 and not rest and piece.startswith(b"##gff-version"):
            raise InputError(f"{path} is a GFF3, not a GTF; {_GFF3_ADVICE}")
        text = rest + piece
        end = text.rfind(b"\n") + 1
        yield from _lines_in(text[:end], number, column)
        number += text.count(b"\n", 0, end)
        rest = text[end:]
    yield from _lines_in(rest + b"\n", number, column)


def _lines_in(text: bytes, number: int, column: bytes) -> Iterator[tuple[int, str]]:
    """Yield the lines of `_lines` in whole lines of text, the first of which has this number."""
    counted, at = 0, text.find(column)
    while at >= 0:
        start, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
        number += text.count(b"\n", counted, start)
        counted = start
        yield number, text[start:end].decode("utf-8", errors="replace").rstrip("\r")
        at = text.find(column, end)


def _parse(line: str, feature: str, where: str) -> _Record | None:
    """Parse a line; None where it is a comment, or the feature stands in another column than the third."""
    cells = line.split("\t")
    if line.startswith("#") or len(cells) < 3 or cells[2] != feature:
        return None
    if len(cells) != _N_COLUMNS:
        raise InputError(f"{where} has {len(cells)} columns; a GTF has {_N_COLUMNS}, with tabs between")
    found = _GENE_ID.search(cells[8])
    if found is None or not found[1]:
        is_gff3 = re.search(r"\bID=", cells[8]) is not None
        advice = f"it is a GFF3, not a GTF; {_GFF3_ADVICE}" if is_gff3 else 'write gene_id "…" in column 9'
        raise InputError(f"{where}: the {feature} has no gene_id; {advice}")
    gene_id, contig, first, last, sign = found[1], cells[0], cells[3], cells[4], cells[6]
    if not (_NUMBER.fullmatch(first) and _NUMBER.fullmatch(last) and 1 <= int(first) <= int(last)):
        raise InputError(f"{where}: gene {gene_id} is at {first} to {last}; give whole numbers, 1 or more")
    if sign not in STRANDS:
        raise InputError(f"{where}: gene {gene_id} has strand {sign!r}; write +, - or .")
    return _Record(gene_id, contig, int(first) - 1, int(last), STRANDS[sign], cells[8])


def _gene(record: _Record) -> Gene:
    gene_id, attributes = record.gene_id, dict(_ATTRIBUTE.findall(record.attributes))
    symbol = attributes.get("gene_name")
    return Gene(
        gene_id,
        record.contig,
        tss=record.end - 1 if record.strand == "-" else record.start,
        strand=record.strand,
        # GENCODE repeats the ID of a gene that has no name.
        symbol=None if not symbol or symbol in (gene_id, without_version(gene_id)) else symbol,
        biotype=attributes.get("gene_type") or attributes.get("gene_biotype") or None,
        start=record.start,
        end=record.end,
    )
