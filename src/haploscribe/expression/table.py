"""Read expression tables: values of genes in samples, and the TSS of each gene."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from haploscribe.config.options import Position
from haploscribe.errors import InputError
from haploscribe.expression.gene_annotation import GeneAnnotation, match_genes
from haploscribe.expression.genes import STRANDS, Gene, Strand, require_printable_genes, without_version
from haploscribe.expression.text_tables import finite_numbers, listed, read_text_table, refuse_duplicates
from haploscribe.utils.files import is_file
from haploscribe.utils.names import require_printable
from haploscribe.utils.reading import read_bytes
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


def read_expression(
    path: Path, position: Position | None = None, annotation: GeneAnnotation | None = None
) -> ExpressionTable:
    """Read a table of gene expression: BED (plain, gzip or bgzip) or Parquet, in one of three dialects.

    tensorQTL's columns are `#chr start end gene_id`, QTLtools' `#chr start end pid gid strand`, fastQTL's
    `#Chr start end ID` (or `TargetID`), each followed by one per sample; any may have a `strand`. One row is
    one phenotype, so `pid`, not the group `gid`, is the gene's ID. Rows may come in any order. Parquet takes
    the same columns, `chr` for `#chr` if need be, in any order (pandas puts an index last).

    Parameters
    ----------
    path
        The table.
    position
        Which base of a row is the gene's position, for rows of several: its first (`start`), last (`end`) or
        middle one, or the first along the strand (`tss`). None where all rows are of one base, or the
        annotation says it.
    annotation
        Gives its genes a symbol, a biotype and bounds, a strand where the table has none, and a TSS where a
        row spans several bases and no position is given.

    Raises
    ------
    InputError
        When the file cannot be read or is truncated, the header is of no dialect, there are no or
        duplicate genes or samples, a position or strand is invalid, a cell is missing or not a finite
        number, the position of a row of several bases cannot be told, or the annotation does not fit.
    """
    is_parquet = read_bytes(path, len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    read = _read_parquet if is_parquet else _read_bed
    header, cells, at_line = read(path)
    return _interpret(header, cells, path, position, annotation, at_line)


def select_genes(table: ExpressionTable, spec: str | Sequence[str]) -> ExpressionTable:
    """Return the table of the genes that `--genes` names, in the table's order.

    Parameters
    ----------
    table
        All genes.
    spec
        A file with one gene ID per line (its first column; blank lines and `#` comments are skipped), or
        comma-separated IDs; or a sequence of IDs, which may contain commas. An ID that is not in the table
        matches without its version suffix (`ENSG00000100030` and `ENSG00000100030.14`), and what is no ID
        may be a symbol, if that leaves one gene.

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
    indices_of = gene_finder(genes)
    if isinstance(spec, str) and any(gene.gene_id == spec for gene in genes):  # an ID may contain commas
        return indices_of(spec)
    wanted = _named_genes(spec) if isinstance(spec, str) else list(dict.fromkeys(spec))
    if not wanted:
        raise InputError(f"--genes {spec!r} names no gene; give ids with commas between, or a file of ids")
    chosen: set[int] = set()
    unknown: list[str] = []
    for name in wanted:
        matches = indices_of(name)
        if len(matches) > 1:
            meant = listed([genes[i].gene_id for i in matches])
            raise InputError(f"--genes: {name} may be any of {meant}; write the id wanted")
        chosen.update(matches)
        if not matches:
            unknown.append(name)
    if unknown:
        raise InputError(
            f"--genes: {len(unknown)} of {len(wanted)} ids are not in {where} "
            f"({listed(unknown)}); its ids look like {genes[0].gene_id}"
        )
    return sorted(chosen)


def gene_finder(genes: Sequence[Gene]) -> Callable[[str], list[int]]:
    """Return a function that gives the indices of the genes that a name may mean.

    A name is an ID; else an ID with another version or without one; else a symbol.
    """
    by_id = {gene.gene_id: [i] for i, gene in enumerate(genes)}
    by_stem: dict[str, list[int]] = {}
    by_symbol: dict[str, list[int]] = {}
    for i, gene in enumerate(genes):
        by_stem.setdefault(without_version(gene.gene_id), []).append(i)
        if gene.symbol is not None:
            by_symbol.setdefault(gene.symbol, []).append(i)

    def indices_of(name: str) -> list[int]:
        return by_id.get(name) or by_stem.get(without_version(name)) or by_symbol.get(name, [])

    return indices_of


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


def _read_bed(path: Path) -> tuple[tuple[str, ...], pl.DataFrame, Callable[[int], str]]:
    """Return the header, the cells as text, and where a row stands, for messages."""
    text = read_text_table(path)
    first_line = text.first_line
    return text.header, text.cells, lambda row: f" (line {row + first_line})"


def _read_parquet(path: Path) -> tuple[tuple[str, ...], pl.DataFrame, Callable[[int], str]]:
    """Return what `_read_bed` does; rows of Parquet have no lines."""
    try:
        frame = pl.read_parquet(BytesIO(read_bytes(path)))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = str(error).splitlines()[0][:100]
        raise InputError(f"{path} is not a readable Parquet file ({reason}); write it again") from None
    header = tuple(frame.columns)
    frame.columns = [str(i) for i in range(frame.width)]
    return header, frame, lambda _row: ""


def _interpret(
    header: tuple[str, ...],
    cells: pl.DataFrame,
    path: Path,
    position: Position | None,
    annotation: GeneAnnotation | None,
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
    rows = _read_rows(columns, path, at_line)
    require_printable_genes(rows, path)
    refuse_duplicates([row.gene_id for row in rows], "gene ids", path)
    known = [None] * len(rows) if annotation is None else match_genes(rows, annotation, path)
    genes = [
        _placed(row, own, position, annotation, f"{path}: gene {row.gene_id}{at_line(number)}")
        for number, (row, own) in enumerate(zip(rows, known, strict=True))
    ]
    values = finite_numbers(
        cells.select(str(i) for i in samples),
        path,
        lambda row, column: f"gene {rows[row].gene_id}, sample {sample_ids[column]}{at_line(row)}",
        _CELL_ADVICE,
    )
    placed = np.array([gene is not None for gene in genes], dtype=np.bool_)
    return ExpressionTable(tuple(gene for gene in genes if gene is not None), sample_ids, values[placed])


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


def _read_rows(columns: dict[str, pl.Series], path: Path, at_line: Callable[[int], str]) -> list[Gene]:
    """Return the rows as genes: bounds are those of the row, the TSS its last base."""
    ids, contigs = (_texts(columns[name]) for name in ("id", "contig"))
    strands = _texts(columns["strand"]) if "strand" in columns else ["."] * len(ids)
    starts, ends = (columns[name].cast(pl.Int64, strict=False).to_list() for name in ("start", "end"))
    rows = []
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
        if strand not in STRANDS:
            raise InputError(f"{where} has strand {strand!r}; write +, - or .")
        rows.append(Gene(gene_id, contig, end - 1, STRANDS[strand], start=min(start, end - 1), end=end))
    return rows


def _placed(
    row: Gene, known: Gene | None, position: Position | None, annotation: GeneAnnotation | None, where: str
) -> Gene | None:
    """Return the gene of a row, with what is known of it; None where the models of a run lack its place."""
    strand = known.strand if known is not None and row.strand == "." else row.strand
    (start, end), tss = row.bounds, row.tss
    if end - start > 1:
        if position is None and known is None:
            if annotation is not None and annotation.is_partial:
                return None
            where += f" spans {end - start:,} bp, and"
            if annotation is not None:
                raise InputError(
                    f"{where} {annotation.source} has no such gene there; give --position, or leave it out"
                )
            raise InputError(
                f"{where} which of them is its position is not said; give --position tss, start, end or "
                "middle, or --gtf"
            )
        if position in (None, "tss") and strand == ".":
            raise InputError(
                f"{where} has no strand, so --position tss is unknown; add a column strand, or give --gtf"
            )
        tss = _position(*(row if position or known is None else known).bounds, strand, position or "tss")
    if known is None:
        return replace(row, tss=tss, start=None, end=None)
    return replace(known, gene_id=row.gene_id, contig=row.contig, tss=tss, strand=strand)


def _position(start: int, end: int, strand: Strand, position: Position) -> int:
    """Return the 0-based position of a gene with these bounds, 0-based half-open."""
    if position == "middle":
        return (start + end - 1) // 2
    return start if position == "start" or (position == "tss" and strand == "+") else end - 1


def _texts(column: pl.Series) -> list[str]:
    return column.cast(pl.String).fill_null("").str.strip_chars().to_list()
