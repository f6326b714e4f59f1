"""How `--annotations` is written."""

import re
from collections.abc import Iterable
from pathlib import Path

SUFFIXES = {
    "signal": (".bw", ".bigwig"),
    "intervals": (".bed", ".bed.gz"),
    "scores": (".tsv", ".tsv.gz", ".parquet"),
}
"""Ends of the names of files, in lower case, by what they hold."""

BACKBONE, ZERO_SHOT = "backbone", "zero-shot:"
"""What models of the run know: the size of an allele's delta, and what a zero-shot model predicts of it."""

ADVICE = (
    "write NAME=FILE, each name once, with a FILE that ends in .bw, .bigwig, .bed, .bed.gz, .tsv, .tsv.gz or "
    ".parquet; or backbone, or zero-shot:MODEL"
)

_WRITTEN = re.compile(r"(?P<name>[\w.+ -]{1,60})=(?P<path>.+)", re.DOTALL)


def parse_annotation(text: str) -> tuple[str, Path | None]:
    """Return the name and the file of `NAME=FILE`; the text and None for what a model of the run knows.

    Raises
    ------
    ValueError
        When it is neither.
    """
    if text == BACKBONE or text.startswith(ZERO_SHOT):
        return text, None
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return found["name"], Path(found["path"])


def annotation_files(given: Iterable[str]) -> dict[str, Path]:
    """Return the files of annotations by name, without what models of the run know."""
    parsed = (parse_annotation(text) for text in given)
    return {name: path for name, path in parsed if path is not None}


def absolute_annotation(text: str) -> str:
    """Return `NAME=FILE` with the file's absolute path, anything else as it is."""
    name, path = parse_annotation(text)
    return text if path is None else f"{name}={path.absolute()}"


def kind_of(path: Path) -> str | None:
    """Return what a file holds, a key of `SUFFIXES`, by its name."""
    name = path.name.lower()
    return next((kind for kind, suffixes in SUFFIXES.items() if name.endswith(suffixes)), None)


def written_well(given: tuple[str, ...]) -> bool:
    """Return whether all are written as `ADVICE` says."""
    try:
        parsed = [parse_annotation(text) for text in given]
    except ValueError:
        return False
    readable = all(path is None or kind_of(path) for _, path in parsed)
    return readable and len({name for name, _ in parsed}) == len(parsed)
