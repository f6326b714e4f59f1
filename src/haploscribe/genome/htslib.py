"""Prepare files for htslib: detect compression, check indexes, locate format errors, silence messages."""

import gzip
import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pysam

from haploscribe.errors import InputError

Compression = Literal["plain", "gzip", "bgzf"]

# The empty block that ends every complete BGZF file (SAM specification, section 4.1.2).
_END_OF_FILE = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_TABIX_HEADER = 28
"""Bytes of the seven numbers before the contig names; the last one is the length of the names."""


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress htslib's own messages within the block; errors are reported as InputError."""
    before = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(before)


def compression(path: Path) -> Compression:
    """Return the compression of a file, by its content: plain, gzip or BGZF ("bgzipped").

    Raises
    ------
    InputError
        If the file cannot be read, or is BGZF but truncated.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
            if head[:2] != b"\x1f\x8b":
                return "plain"
            # BGZF is gzip whose extra field (flag 4) holds the subfield "BC".
            if not (head[3] & 4 and head[12:14] == b"BC"):
                return "gzip"
            file.seek(0, 2)
            file.seek(max(file.tell() - len(_END_OF_FILE), 0))
            if file.read() != _END_OF_FILE:
                raise InputError(f"{path} is cut short (its end-of-file block is missing); copy it again")
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}; check the path and its permissions"
        ) from None
    return "bgzf"


def is_fresh(path: Path, *indexes: Path) -> bool:
    """Return whether all indexes exist and none is older than the file."""
    changed = path.stat().st_mtime
    return all(index.is_file() and index.stat().st_mtime >= changed for index in indexes)


def derived_name(path: Path) -> str:
    """Return a name for files derived from `path` that changes whenever its size or time does."""
    state = path.stat()
    key = hashlib.sha256(f"{path.resolve()} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()[:12]
    return f"{key}.{path.name}"


def index_variants(path: Path, index: Path, *, csi: bool) -> None:
    """Write the index of a bgzipped VCF or BCF.

    Unlike pysam's commands it leaves no temporary files when the process is killed.

    Parameters
    ----------
    path
        The variants, sorted.
    index
        Where to write.
    csi
        Whether to write a CSI index, not a tabix one.

    Raises
    ------
    OSError, ValueError
        If the file cannot be indexed, or is neither VCF nor BCF.
    """
    with quiet(), pysam.BGZFile(str(path)) as file:
        head = file.read(16)
        if not head.startswith((b"##fileformat=VCF", b"BCF")):
            raise ValueError(f"{path} is neither VCF nor BCF")
        preset = "bcf" if head.startswith(b"BCF") else "vcf"
        pysam.tabix_index(str(path), preset=preset, csi=csi, index=str(index), force=True, keep_original=True)


def is_sound_index(index: Path, path: Path) -> bool:
    """Return whether a `.tbi` or `.csi` is well formed and ends where its file ends.

    htslib trusts the counts of an index and crashes if they are wrong; with the index of a shorter file it
    silently loses records. Layouts: the tabix and CSI version 1 specifications (samtools/hts-specs).

    Parameters
    ----------
    index
        A `.tbi` or `.csi` file.
    path
        The bgzipped file that it should belong to.
    """
    try:
        with gzip.open(index) as file:
            end = _end_of_index(file.read())
        with quiet(), pysam.BGZFile(str(path)) as records:
            records.seek(end)
            # The index of a file without records has no end.
            return not end or (end >> 16 < path.stat().st_size and not records.read(1))
    except (OSError, EOFError, OverflowError, ValueError, zlib.error, struct.error):
        return False


class _Fields:
    """Unpack the fields of an index in order; struct.error past the end, or for a negative count."""

    def __init__(self, data: bytes) -> None:
        self.data, self.offset = data, 0

    def read(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{layout}", self.data, self.offset)
        self.offset += struct.calcsize(f"<{layout}")
        return values


def _end_of_index(data: bytes) -> int:
    """Read a whole index; return the largest virtual offset (BGZF) in it."""
    fields, end = _Fields(data), 0
    is_csi, depth, n_contigs = _read_header(fields)
    metadata = ((1 << 3 * (depth + 1)) - 1) // 7 + 1  # number of the bin behind the last one
    for _ in range(n_contigs):
        for _ in range(*fields.read("i")):
            number, n_chunks = fields.read("I8xi" if is_csi else "Ii")
            chunks = fields.read(f"{2 * n_chunks}Q")
            if number > metadata or (number == metadata and n_chunks != 2):
                raise ValueError("wrong bin")
            if number != metadata:
                end = max(end, *chunks, 0)
        if not is_csi:
            fields.read(f"{8 * fields.read('i')[0]}x")
    if len(data) - fields.offset not in (0, 8):  # the number of records without a position may follow
        raise ValueError("too long")
    return end


def _read_header(fields: _Fields) -> tuple[bool, int, int]:
    """Return whether it is a CSI, the depth of its bins, and the number of its contigs."""
    (magic,) = fields.read("4s")
    shift, depth = 14, 5
    if magic == b"CSI\1":
        shift, depth, n_bytes = fields.read("3i")
        (header,) = fields.read(f"{n_bytes}s")
        (n_contigs,) = fields.read("i")
    elif magic == b"TBI\1":
        (n_contigs,) = fields.read("i")
        (n_bytes,) = struct.unpack_from("<i", fields.data, fields.offset + _TABIX_HEADER - 4)
        (header,) = fields.read(f"{_TABIX_HEADER + n_bytes}s")
    else:
        raise ValueError("neither TBI nor CSI")
    if not (shift > 0 and 0 <= depth <= 20 and shift + 3 * depth <= 62):  # positions are signed, 64 bits
        raise ValueError("wrong bin sizes")
    if header:  # of a BCF there are no names: its contigs are those of its header
        *names, rest = header[_TABIX_HEADER:].split(b"\0")
        n_named = struct.unpack_from("<i", header, _TABIX_HEADER - 4)[0]
        if rest or n_named != len(header) - _TABIX_HEADER or not len(names) == len(set(names)) == n_contigs:
            raise ValueError("wrong contig names")
    return magic == b"CSI\1", depth, n_contigs


def vcf_fault(lines: Iterable[bytes], name: str) -> str:
    """Describe the first format error of a VCF that cannot be indexed, and how to fix it.

    htslib prints such errors, without a line number, but does not return them.

    Parameters
    ----------
    lines
        Of the file, decompressed.
    name
        Of the file, for a command that fixes it.
    """
    seen: set[bytes] = set()
    contig, position, has_header = b"", 0, False
    for number, line in enumerate(lines, start=1):
        if line.startswith(b"BCF"):
            return "it is a damaged BCF; copy or make it again"
        if line.startswith(b"#"):
            has_header = has_header or line.startswith(b"#CHROM\t")
            continue
        if not has_header:
            return f"line {number} comes before any header line of #CHROM, POS, …; check that it is a VCF"
        cells = line.split(b"\t", 5)
        if len(cells) < 6 or not cells[1].isdigit():
            return f"line {number} is not a tab-separated record of CHROM, POS, …; make it again"
        here = int(cells[1])
        if (here < position) if cells[0] == contig else (cells[0] in seen):
            site = f"{cells[0].decode('utf-8', 'replace')}:{here}"
            return f"line {number}, {site}, is not sorted; run bcftools sort -Oz {name}"
        contig, position = cells[0], here
        seen.add(contig)
    if not has_header:
        return "it has no header line of #CHROM, POS, …; check that it is a VCF"
    return "bcftools index refuses it; make it again with bcftools view"


def fasta_fault(lines: Iterable[bytes]) -> str:
    """Describe the first format error of a FASTA that cannot be indexed, and how to fix it.

    Parameters
    ----------
    lines
        Of the file, decompressed.
    """
    fix = "wrap all sequences at one line length, for example with seqtk seq -l 60"
    width, ended = -1, False  # bases in a sequence's lines; -1 before any sequence, 0 right after its name
    number = 0
    for number, line in enumerate(lines, start=1):
        text = line.rstrip(b"\r\n")
        if text.startswith(b">"):
            if width == 0:
                break
            width, ended = 0, False
        elif width < 0 and text:
            return f"line {number} comes before any line that begins with '>'; check that it is a FASTA file"
        elif text and (ended or len(text) > width > 0):
            return f"line {number} follows a shorter line of its sequence; {fix}"
        elif text and not text.isalpha():
            return f"line {number} has characters that are not bases; {fix}"
        else:
            ended = len(text) < width
            width = width or len(text)
    if width == 0:
        return f"a sequence before line {number} has no bases, or the last has none; make it again"
    return "samtools faidx refuses it; make it again"
