"""Read a reference FASTA (plain or bgzipped, indexed or not), and write FASTA."""

import gzip
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, BinaryIO, Self, cast

import pysam

from haploscribe.errors import InputError
from haploscribe.genome.contigs import require_contig
from haploscribe.genome.htslib import compression, derived_name, fasta_fault, is_fresh, quiet
from haploscribe.utils.files import atomic_write
from haploscribe.utils.names import folder_name

_TO_ACGTN = bytes(
    ord(chr(code).upper()) if chr(code).upper() in {"A", "C", "G", "T"} else ord("N") for code in range(256)
)

_LINE_WIDTH = 60


def as_acgtn(sequence: bytes) -> bytes:
    """Return the sequence in upper case, with every letter other than A, C, G and T as N."""
    return sequence.translate(_TO_ACGTN)


class Reference:
    """A reference genome with random access; open it with `Reference.open`, as a context manager.

    Attributes
    ----------
    path
        The FASTA file.
    contigs
        Length in base pairs of each contig, in file order.
    """

    def __init__(self, path: Path, fasta: pysam.FastaFile) -> None:
        self.path = path
        self.contigs: Mapping[str, int] = dict(zip(fasta.references, fasta.lengths, strict=True))
        self._fasta = fasta

    @classmethod
    def open(cls, path: Path, index_folder: Path) -> Self:
        """Open a FASTA file.

        Parameters
        ----------
        path
            Plain or bgzipped FASTA. The `.fai` (and `.gzi`) beside it are used unless older.
        index_folder
            Where to write an index if there is none; nothing is written beside the user's file.

        Raises
        ------
        InputError
            If the file cannot be read, is not FASTA, is compressed but not with bgzip, or is truncated.
        """
        kind = compression(path)
        if kind == "gzip":
            raise InputError(
                f"{path} is compressed with gzip, which does not allow random access; "
                f"run: gunzip -c {path.name} | bgzip > new.fa.gz"
            )
        beside = (Path(f"{path}.fai"), Path(f"{path}.gzi"))
        used = beside if is_fresh(path, *beside[: 1 + (kind == "bgzf")]) else _own_index(path, index_folder)
        try:
            with quiet():
                fasta = pysam.FastaFile(
                    str(path),
                    filepath_index=str(used[0]),
                    filepath_index_compressed=str(used[1]) if kind == "bgzf" else None,
                )
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {path} with {used[0]}: {error}; delete that index") from None
        if min(fasta.lengths, default=-1) < 0:
            raise InputError(f"{used[0]} is damaged: it lists no contigs, or lengths below 0; delete it")
        return cls(path, fasta)

    def resolve(self, contig: str) -> str:
        """Return the FASTA's own name of a contig: `22` and `chr22`, `MT` and `chrM` match.

        Raises
        ------
        InputError
            If there is no such contig, or more than one, or its name cannot name a folder.
        """
        found = require_contig(contig, self.contigs, str(self.path))
        return folder_name(found, f"{self.path}: contig")

    def fetch(self, contig: str, start: int, end: int) -> bytes:
        """Read an interval of a contig, in upper case, every letter other than A, C, G and T as N.

        Parameters
        ----------
        contig
            Name as in the FASTA, or one that `resolve` matches.
        start, end
            0-based half-open.

        Returns
        -------
        bytes of length `end - start`

        Raises
        ------
        InputError
            If the interval is not inside the contig, or the file is damaged there.
        """
        name = self.resolve(contig)
        if not 0 <= start <= end <= self.contigs[name]:
            raise InputError(
                f"region {name}:{start + 1}-{end} is not inside {name} of {self.path}, "
                f"which has {self.contigs[name]} bases; name a region inside it"
            )
        if start == end:
            return b""
        try:
            with quiet():
                sequence = self._fasta.fetch(name, start, end).encode("latin-1")
        except (OSError, ValueError):
            sequence = b""
        if len(sequence) != end - start or b">" in sequence:
            raise InputError(
                f"{self.path} is damaged or does not fit its index at {name}:{start + 1}-{end}; "
                "make the file again and delete its .fai and .gzi"
            )
        return as_acgtn(sequence)

    def close(self) -> None:
        """Close the file."""
        self._fasta.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_fasta(records: Iterable[tuple[str, bytes]], path: Path | None) -> None:
    """Write records of name and sequence as FASTA, 60 letters per line.

    Parameters
    ----------
    records
        Names and sequences.
    path
        The file, written atomically; None for standard output.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    if path is None:
        _write_records(records, sys.stdout.buffer)
        return
    with atomic_write(path) as aside, aside.open("wb") as file:
        _write_records(records, file)


def _own_index(path: Path, folder: Path) -> tuple[Path, Path]:
    """Index the FASTA in `folder`; return its `.fai` and `.gzi`."""
    fai, gzi = folder / f"{derived_name(path)}.fai", folder / f"{derived_name(path)}.gzi"
    if not fai.is_file():
        _require_fasta(path)
        with atomic_write(gzi) as new_gzi, atomic_write(fai) as new_fai:
            try:
                _write_index(path, new_fai, new_gzi)
            except (OSError, ValueError):
                with _lines(path) as lines:
                    raise InputError(f"{path} cannot be indexed as FASTA: {fasta_fault(lines)}") from None
    return fai, gzi


def _write_index(path: Path, fai: Path, gzi: Path) -> None:
    """Index a FASTA by its link: htslib indexes a file that it opens beside its name."""
    link = fai.with_suffix("")
    link.symlink_to(path.absolute())
    try:
        with quiet():
            pysam.FastaFile(str(link)).close()
        gzi.touch()
        if (written := Path(f"{link}.gzi")).is_file():  # of bgzipped files only
            written.replace(gzi)
    finally:
        link.unlink()


def _lines(path: Path) -> IO[bytes]:
    return path.open("rb") if compression(path) == "plain" else cast("IO[bytes]", gzip.open(path))


def _require_fasta(path: Path) -> None:
    try:
        with quiet(), pysam.FastxFile(str(path)) as file:
            if next(iter(file), None) is not None:
                return
    except UnicodeDecodeError:
        raise InputError(
            f"{path} is not a FASTA file: the name of its first sequence is not UTF-8; check the path"
        ) from None
    except (OSError, ValueError):  # no text, or damaged
        raise InputError(f"{path} cannot be read as FASTA; copy or make it again") from None
    raise InputError(f"{path} is not a FASTA file: it has no line that begins with '>'; check the path")


def _write_records(records: Iterable[tuple[str, bytes]], file: BinaryIO) -> None:
    for name, sequence in records:
        lines = [sequence[i : i + _LINE_WIDTH] for i in range(0, len(sequence), _LINE_WIDTH)]
        file.write(b"\n".join([f">{name}".encode(), *lines, b""]))
