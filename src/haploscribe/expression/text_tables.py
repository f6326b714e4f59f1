"""Read delimited text with one header line, such as BED and covariate files."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from haploscribe.errors import InputError
from haploscribe.utils.reading import read_decompressed
from haploscribe.utils.types import Float64Array

MISSING_WORDS = ("", "na", "n/a", "nan", "<na>", "null", "none", ".", "-")
"""Cells that mean "no value" in the tables of R, pandas and bcftools, in lower case."""

_EXAMPLES_SHOWN = 3
_LARGEST = 1e100  # its square, and sums of squares, are numbers too


@dataclass(frozen=True, slots=True)
class TextTable:
    """A delimited table as text.

    Attributes
    ----------
    header
        The column names, as in the file.
    cells
        String columns, named by their index (`"0"`, `"1"`, …).
    first_line
        1-based line number of the first row of `cells`.
    """

    header: tuple[str, ...]
    cells: pl.DataFrame
    first_line: int


def read_text_table(path: Path) -> TextTable:
    """Read tab- or space-delimited text, plain or compressed (gzip or bgzip, detected by content).

    Lines that start with `##` before the header are skipped. Every row must have as many cells as the
    header; without a tab in the header, runs of blanks delimit.

    Raises
    ------
    InputError
        When the file cannot be read, is truncated, not text or empty, or has a row of another length.
    """
    lines = b"".join(read_decompressed(path)).replace(b"\r\n", b"\n").split(b"\n")
    while lines and not lines[-1].strip():
        lines.pop()
    n_comments = next((i for i, line in enumerate(lines) if not line.startswith(b"##")), len(lines))
    if n_comments == len(lines):
        raise InputError(f"{path} is empty; it needs a header line and one line per row")
    rows = lines[n_comments:]
    if b"\t" not in rows[0]:
        rows = [b"\t".join(line.split()) for line in rows]
    n_columns = rows[0].count(b"\t") + 1
    for line_number, line in enumerate(rows, start=n_comments + 1):
        n_cells = line.count(b"\t") + 1
        if n_cells != n_columns:
            raise InputError(
                f"{path} line {line_number} has {n_cells} columns, the header has {n_columns}; fix that line"
            )
    return TextTable(
        header=_decode_header(rows[0], path),
        cells=_parse(b"\n".join(rows[1:]), n_columns, path),
        first_line=n_comments + 2,
    )


def finite_numbers(
    columns: pl.DataFrame, path: Path, describe_cell: Callable[[int, int], str], advice: str
) -> Float64Array:
    """Convert columns to numbers; reject cells that are missing, not numeric or not finite.

    Parameters
    ----------
    columns
        Text or numeric columns.
    path
        The file they come from, for the message.
    describe_cell
        Describes the location of the cell at (row, column).
    advice
        How to fix a cell, for the message.

    Returns
    -------
    float64 `(n_rows, n_columns)`.
    """
    by_index = columns.rename({name: str(i) for i, name in enumerate(columns.columns)})
    stripped = by_index.with_columns(pl.col(pl.String).str.strip_chars())
    try:
        numbers = stripped.with_columns(pl.all().cast(pl.Float64, strict=False))
    except pl.exceptions.PolarsError:
        raise InputError(f"{path}: columns are not numeric; {advice}") from None
    # Almost every file is clean: search only the columns that have an invalid cell.
    suspect = [name for name in numbers.columns if not _usable(numbers[name]).all()]
    if suspect:
        _refuse_first_cell(stripped.select(suspect), numbers.select(suspect), path, describe_cell, advice)
    values: Float64Array = numbers.to_numpy(order="c")
    return values


def refuse_duplicates(names: Sequence[str], what: str, path: Path) -> None:
    """Raise InputError if names are duplicated, listing them."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(
            f"{path}: {len(repeated)} {what} appear more than once ({listed(repeated)}); keep each once"
        )


def listed(names: Sequence[str]) -> str:
    """Return the first few names joined by commas, and the number of the others."""
    shown = ", ".join(names[:_EXAMPLES_SHOWN])
    return f"{shown}, … {len(names) - _EXAMPLES_SHOWN} more" if len(names) > _EXAMPLES_SHOWN else shown


def _decode_header(line: bytes, path: Path) -> tuple[str, ...]:
    try:
        return tuple(name.strip() for name in line.decode("utf-8-sig").split("\t"))
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; give a delimited text file") from None


def _parse(body: bytes, n_columns: int, path: Path) -> pl.DataFrame:
    schema = dict.fromkeys((str(i) for i in range(n_columns)), pl.String)
    if not body:
        return pl.DataFrame(schema=schema)
    try:
        return pl.read_csv(
            body,
            has_header=False,
            schema=schema,
            separator="\t",
            quote_char=None,
        )
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not readable as text ({reason}); give a delimited UTF-8 file") from None


def _refuse_first_cell(
    texts: pl.DataFrame,
    numbers: pl.DataFrame,
    path: Path,
    describe_cell: Callable[[int, int], str],
    advice: str,
) -> None:
    """Raise InputError for the first cell that is not a finite number."""
    bad = [
        (row, int(name), texts[name][row])
        for name in numbers.columns
        for row in (~_usable(numbers[name])).arg_true()
    ]
    missing = sorted((row, column) for row, column, text in bad if _is_missing(text))
    unreadable = sorted((row, column) for row, column, text in bad if not _is_missing(text))
    if unreadable:
        row, column = unreadable[0]
        text = texts[str(column)][row]
        raise InputError(
            f"{path}: {describe_cell(row, column)}: {text!r} is not a finite number of at most {_LARGEST:g}; "
            f"{advice}"
        )
    count = "1 cell is" if len(missing) == 1 else f"{len(missing)} cells are"
    cells = listed([describe_cell(row, column) for row, column in missing])
    raise InputError(f"{path}: {count} missing: {cells}; {advice}")


def _usable(numbers: pl.Series) -> pl.Series:
    """Return which cells of a Float64 column are finite and not too large to square."""
    return (numbers.is_finite() & (numbers.abs() <= _LARGEST)).fill_null(value=False)


def _is_missing(cell: object) -> bool:
    return cell is None or str(cell).lower() in MISSING_WORDS
