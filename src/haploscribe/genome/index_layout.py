"""Whether a `.tbi` or `.csi` has the layout of one: htslib trusts its counts, and crashes where they lie.

Layouts: the tabix and the CSI version 1 specifications (samtools/hts-specs).
"""

import gzip
import struct
import zlib
from pathlib import Path

import pysam

from haploscribe.genome.quiet import quiet

_TABIX_HEADER = 28
"""Bytes of the seven numbers before the names of the contigs; the last is the length of these."""
_DEEPEST = 20
_HIGHEST_PLACE = 62
"""In bits: htslib counts places in signed 64-bit numbers."""


class _UnsoundError(ValueError):
    """The layout is not that of an index."""


class _Layout:
    """Reads numbers one after the other, and never behind the end.

    Attributes
    ----------
    end
        The furthest place in the file that was met, as BGZF counts them.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0
        self.end = 0

    @property
    def left(self) -> int:
        """Bytes that are still to be read."""
        return len(self._data) - self._place

    def take(self, n_bytes: int) -> bytes:
        if not 0 <= n_bytes <= self.left:
            raise _UnsoundError
        self._place += n_bytes
        return self._data[self._place - n_bytes : self._place]

    def count(self) -> int:
        """Read a count, int32, of things that take a byte each at least."""
        number: int = struct.unpack("<i", self.take(4))[0]
        if not 0 <= number <= self.left:
            raise _UnsoundError
        return number


def number_of_contigs(index: Path, path: Path) -> int | None:
    """Count the contigs of an index, and find out on the way whether it can be given to htslib.

    Parameters
    ----------
    index
        A `.tbi` or `.csi` file.
    path
        The file that it is of: it must end where the index ends.

    Returns
    -------
    int
        None where the index is damaged, something else, or of another file.
    """
    try:
        with gzip.open(index) as file:
            layout = _Layout(file.read())
        n_contigs = _walk(layout)
        with quiet(), pysam.BGZFile(str(path)) as records:
            records.seek(layout.end)
            # An index of no records has no end.
            if layout.end and (layout.end >> 16 >= path.stat().st_size or records.read(1)):
                return None
    except (OSError, EOFError, OverflowError, zlib.error, _UnsoundError):
        return None
    # The number of records without a place may stand at the end.
    return n_contigs if layout.left in (0, 8) else None


def _walk(layout: _Layout) -> int:
    """Read an index to its last contig, and count these."""
    magic = layout.take(4)
    if magic == b"CSI\1":
        shift, depth = struct.unpack("<2i", layout.take(8))
        if not (
            0 < shift <= _HIGHEST_PLACE and 0 <= depth <= _DEEPEST and shift + 3 * depth <= _HIGHEST_PLACE
        ):
            raise _UnsoundError
        n_names = _count_names(layout.take(layout.count()))
        n_contigs = layout.count()
    elif magic == b"TBI\1":
        n_contigs, depth = layout.count(), 5
        header = layout.take(_TABIX_HEADER)
        n_names = _count_names(header + layout.take(struct.unpack("<i", header[-4:])[0]))
    else:
        raise _UnsoundError
    if n_names is not None and n_names != n_contigs:
        raise _UnsoundError
    for _ in range(n_contigs):
        _walk_contig(layout, depth, is_csi=magic.startswith(b"CSI"))
    return n_contigs


def _count_names(extra: bytes) -> int | None:
    """Count the contigs that tabix names; None where there are no names, as in the index of a BCF."""
    if not extra:
        return None
    if len(extra) < _TABIX_HEADER or struct.unpack("<i", extra[_TABIX_HEADER - 4 : _TABIX_HEADER])[0] != len(
        extra[_TABIX_HEADER:]
    ):
        raise _UnsoundError
    names = extra[_TABIX_HEADER:]
    if names and not names.endswith(b"\0"):
        raise _UnsoundError
    found = names.split(b"\0")[:-1]
    if len(set(found)) != len(found):
        raise _UnsoundError
    return len(found)


def _walk_contig(layout: _Layout, depth: int, *, is_csi: bool) -> None:
    """Walk over the bins of a contig and, in a `.tbi`, its linear index."""
    described = (
        (1 << 3 * (depth + 1)) - 1
    ) // 7 + 1  # the one bin behind the last: how many records there are
    for _ in range(layout.count()):
        number = struct.unpack("<I", layout.take(4))[0]
        if is_csi:
            layout.take(8)
        n_chunks = layout.count()
        chunks = layout.take(16 * n_chunks)
        if number > described or (number == described and n_chunks != 2):
            raise _UnsoundError
        if number != described:
            layout.end = max(layout.end, *struct.unpack(f"<{2 * n_chunks}Q", chunks), 0)
    if not is_csi:
        layout.take(8 * layout.count())
