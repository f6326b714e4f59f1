"""Read expression tables: values of genes in samples, and the TSS of each gene."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from haploscribe.config.options import Position
from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene, Strand
from haploscribe.expression.text_tables import (
    finite_numbers,
    listed,
    read_bytes,
    read_text_table,
    refuse_duplicates,
)
from haploscribe.utils.files import is_file
from haploscribe.utils.names import require_printable
from haploscribe.utils.types import Float64Array, Int64Array

_PARQUET_MAGIC = b"PAR1"
_CONTIG_NAMES = ("#chr", "chr", "#chrom", "chrom")
_ID_NAMES = ("gene_id", "phenotype_id", "pid", "id", "targetid")
_HEADER_ADVICE = (
    "the header must begin '#chr start end gene_id' (tensorQTL), '#chr start end pid gid strand' (QTLtools) "
    "or '#Chr start end ID' (fastQTL)"
)
_CELL_ADVICE = "write a number there, or leave that gene or sample out"


@dataclass(frozen=True, slots=True)
class ExpressionTable:
    """Expression of genes in samples.

    Attributes
    ----------
    genes
        `n_genes` genes, in the order of the file.
    sample_ids
        `n_samples` names, in the order of the file.
    values
        float64 `(n_genes, n_samples)`; finite, in the unit of the file.
    """

    genes: tuple[Gene, ...]
    sample_ids: tuple[str, ...]
    values: Float64Array

    def take_genes(self, genes: Int64Array) -> Self:
        """Return the table of some genes, int64 `(n_kept,)` indices on the gene axis, in their order."""
        return replace(self, genes=tuple(self.genes[i] for i in genes), values=self.values[genes])

    def take_samples(self, sample_ids: Sequence[str]) -> Self:
        """Return the table of the given samples, in their order; each must be in the table."""
        column = {sample_id: i for i, sample_id in enumerate(self.sample_ids)}
        columns = np.array([column[sample_id] for sample_id in sample_ids], dtype=np.int64)
        return replace(self, sample_ids=tuple(sample_ids), values=self.values[:, columns])


def read_expression(path: Path, position: Position | None = None) -> ExpressionTable:
    """Read a table of gene expression: BED (plain, gzip or bgzip) or Parquet, in one of three dialects.

    tensorQTL's columns are `#chr start end gene_id`, QTLtools' `#chr start end pid gid strand`, fastQTL's
    `#Chr start end ID` (or `TargetID`), each followed by one per sample; any may have a `strand`. One row is
    one phenotype, so `pid`, not the group `gid`, is the gene's ID. A strand of `.`, or none, is read as `+`.
    Rows may come in any order. Parquet takes the same columns, `chr` for `#chr` if need be, in any order
    (pandas puts an index last).

    Parameters
    ----------
    path
        The table.
    position
        Which base of a row is the gene's position, for rows of several: its first (`start`), last (`end`) or
        middle one, or the first along the strand (`tss`). None where all rows are of one base.

    Raises
    ------
    InputError
        When the file cannot be read or is truncated, the header is of no dialect, there are no or
        duplicate genes or samples, a position or strand is invalid, a cell is missing or not a finite
        number, rows span several bases and no position is given, or `tss` is asked for without strands.
    """
    is_parquet = read_bytes(path, len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    return _read_parquet(path, position) if is_parquet else _read_bed(path, position)


def select_genes(table: ExpressionTable, spec: str | Sequence[str]) -> ExpressionTable:
    """Return the table of the genes that `--genes` names, in the table's order.

    Parameters
    ----------
    table
        All genes.
    spec
        A file with one gene ID per line (its first column; blank lines and `#` comments are skipped), or
        comma-separated IDs; or a sequence of IDs, which may contain commas. An ID that is not in the table
        matches without its version suffix (`ENSG00000100030` and `ENSG00000100030.14`) if that leaves one
        gene.

    Raises
    ------
    InputError
        When no gene is named, or an ID matches no gene or several.
    """
    indices = find_genes(table.genes, spec, "the expression table")
    return table.take_genes(np.array(indices, dtype=np.int64))


def find_genes(genes: Sequence[Gene], spec: str | Sequence[str], where: str) -> list[int]:
    """Return the indices of the genes that `--genes` names, ascending.

    Parameters
    ----------
    genes
        All genes.
    spec
        As in `select_genes`.
    where
        Where the genes were looked up, for messages.

    Raises
    ------
    InputError
        When no gene is named, or an ID matches no gene or several.
    """
    index_of = {gene.gene_id: i for i, gene in enumerate(genes)}
    if isinstance(spec, str) and spec in index_of:  # an ID may contain commas
        return [index_of[spec]]
    wanted = _named_genes(spec) if isinstance(spec, str) else list(dict.fromkeys(spec))
    if not wanted:
        raise InputError(f"--genes {spec!r} names no gene; give ids with commas between, or a file of ids")
    by_stem: dict[str, list[int]] = {}
    for gene_id, i in index_of.items():
        by_stem.setdefault(_without_version(gene_id), []).append(i)
    chosen: set[int] = set()
    unknown: list[str] = []
    for gene_id in wanted:
        matches = [index_of[gene_id]] if gene_id in index_of else by_stem.get(_without_version(gene_id), [])
        if len(matches) > 1:
            versions = listed([genes[i].gene_id for i in matches])
            raise InputError(f"--genes: {gene_id} may be any of {versions}; write the version wanted")
        if matches:
            chosen.add(matches[0])
        else:
            unknown.append(gene_id)
    if unknown:
        raise InputError(
            f"--genes: {len(unknown)} of {len(wanted)} ids are not in {where} "
            f"({listed(unknown)}); its ids look like {genes[0].gene_id}"
        )
    return sorted(chosen)


def _named_genes(spec: str) -> list[str]:
    """Return the IDs that a `--genes` value names, without duplicates."""
    path = Path(spec)
    if is_file(path):
        text = read_bytes(path).decode("utf-8-sig", errors="replace")
        lines = (line.split("#")[0].split() for line in text.splitlines())
        return list(dict.fromkeys(fields[0] for fields in lines if fields))
    if "/" in spec:
        raise InputError(f"--genes: there is no file {spec}; give ids with commas between, or a file of ids")
    return list(dict.fromkeys(name for part in spec.split(",") if (name := part.strip())))


def _without_version(gene_id: str) -> str:
    return re.sub(r"\.\d+$", "", gene_id)


def _read_bed(path: Path, position: Position | None) -> ExpressionTable:
    text = read_text_table(path)
    first_line = text.first_line
    return _interpret(text.header, text.cells, path, position, lambda row: f" (line {row + first_line})")


def _read_parquet(path: Path, position: Position | None) -> ExpressionTable:
    try:
        frame = pl.read_parquet(BytesIO(read_bytes(path)))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = str(error).splitlines()[0][:100]
        raise InputError(f"{path} is not a readable Parquet file ({reason}); write it again") from None
    header = tuple(frame.columns)
    frame.columns = [str(i) for i in range(frame.width)]
    return _interpret(header, frame, path, position, lambda _row: "")


def _interpret(
    header: tuple[str, ...],
    cells: pl.DataFrame,
    path: Path,
    position: Position | None,
    at_line: Callable[[int], str],
) -> ExpressionTable:
    """Parse a table: split its columns into those of genes and those of samples, and check both."""
    described = _gene_columns(header, path)
    samples = [i for i in range(len(header)) if i not in described.values()]
    sample_ids = tuple(header[i] for i in samples)
    if not sample_ids:
        raise InputError(f"{path} has no samples: {_HEADER_ADVICE}, then one column per sample")
    if not cells.height:
        raise InputError(f"{path} has no genes: it ends after the header; give one line per gene")
    require_printable(sample_ids, "sample id", path)
    refuse_duplicates(sample_ids, "sample ids", path)
    columns = {name: cells[str(i)] for name, i in described.items()}
    genes = _read_genes(columns, path, position, at_line)
    require_printable((gene.gene_id for gene in genes), "gene id", path)
    refuse_duplicates([gene.gene_id for gene in genes], "gene ids", path)
    values = finite_numbers(
        cells.select(str(i) for i in samples),
        path,
        lambda row, column: f"gene {genes[row].gene_id}, sample {sample_ids[column]}{at_line(row)}",
        _CELL_ADVICE,
    )
    return ExpressionTable(genes, sample_ids, values)


def _gene_columns(header: tuple[str, ...], path: Path) -> dict[str, int]:
    """Return the indices of the columns that describe the gene; every other column is a sample."""
    index_of = {name.lower(): i for i, name in reversed(list(enumerate(header)))}

    def find(names: tuple[str, ...]) -> int | None:
        return next((index_of[name] for name in names if name in index_of), None)

    found = {"contig": find(_CONTIG_NAMES), "start": find(("start",)), "end": find(("end",))}
    found["id"] = find(_ID_NAMES)
    if None in found.values():
        begins = " ".join(header[:4])
        raise InputError(f"{path}: the header begins {begins!r}; {_HEADER_ADVICE}")
    found["strand"] = find(("strand",))
    if found["id"] == index_of.get("pid"):
        found["group"] = find(("gid",))
    return {name: i for name, i in found.items() if i is not None}


def _read_genes(
    columns: dict[str, pl.Series], path: Path, position: Position | None, at_line: Callable[[int], str]
) -> tuple[Gene, ...]:
    ids, contigs = (_texts(columns[name]) for name in ("id", "contig"))
    strands = _texts(columns["strand"]) if "strand" in columns else ["."] * len(ids)
    starts, ends = (columns[name].cast(pl.Int64, strict=False).to_list() for name in ("start", "end"))
    genes = []
    for row, (gene_id, contig, start, end, strand) in enumerate(
        zip(ids, contigs, starts, ends, strands, strict=True)
    ):
        where = f"{path}: gene {gene_id or '(no id)'}{at_line(row)}"
        if not gene_id or not contig:
            raise InputError(f"{where} lacks an id or a contig; write both")
        if start is None or end is None or not 0 <= start <= end or end == 0:
            raise InputError(
                f"{where} has start {columns['start'][row]}, end {columns['end'][row]}; "
                "they must be whole numbers, 0 <= start <= end"
            )
        if strand not in ("+", "-", "."):
            raise InputError(f"{where} has strand {strand!r}; write +, - or .")
        spans_several = end - start > 1
        if spans_several and position is None:
            raise InputError(
                f"{where} spans {end - start:,} bp, and which of them is its position is not said; give "
                "--position tss, start, end or middle"
            )
        if spans_several and position == "tss" and strand == ".":
            raise InputError(f"{where} has no strand, so --position tss is unknown; add a column strand")
        genes.append(Gene(gene_id, contig, _position(start, end, strand, position), _STRANDS[strand]))
    return tuple(genes)


_STRANDS: Mapping[str, Strand] = {"+": "+", "-": "-", ".": "+"}


def _position(start: int, end: int, strand: str, position: Position | None) -> int:
    """Return the 0-based position of a gene with these bounds, 0-based half-open."""
    last = end - 1
    first = min(start, last)
    if position == "middle":
        return (first + last) // 2
    return first if position == "start" or (position == "tss" and strand == "+") else last


def _texts(column: pl.Series) -> list[str]:
    return column.cast(pl.String).fill_null("").str.strip_chars().to_list()
