"""FASTA output."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from haploscribe.utils.files import atomic_write

LINE_WIDTH = 60


def write_fasta(records: Iterable[tuple[str, bytes]], path: Path | None) -> None:
    """Write records of name and sequence, 60 letters a line.

    Parameters
    ----------
    records
        Names and sequences.
    path
        The file, which appears whole or not at all; None for standard output.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    if path is None:
        _write(records, sys.stdout.buffer)
        return
    with atomic_write(path) as aside, aside.open("wb") as file:
        _write(records, file)


def _write(records: Iterable[tuple[str, bytes]], file: BinaryIO) -> None:
    for name, sequence in records:
        lines = [sequence[i : i + LINE_WIDTH] for i in range(0, len(sequence), LINE_WIDTH)]
        file.write(b"\n".join([f">{name}".encode(), *lines, b""]))
