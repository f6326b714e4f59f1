"""Read files whole or piece by piece, compressed or not; what cannot be read is an InputError."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from haploscribe.errors import InputError

_GZIP_MAGIC = b"\x1f\x8b"
_BGZF_SUBFIELD = b"BC\x02\x00"
# The empty block that ends every complete BGZF file (SAM specification, section 4.1.2).
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def read_bytes(path: Path, n_bytes: int = -1) -> bytes:
    """Read a file, or its first bytes; raise InputError if that fails."""
    try:
        with path.open("rb") as stream:
            return stream.read(n_bytes)
    except OSError as error:
        raise _unreadable(path, error) from None


def read_decompressed(path: Path, chunk: int = 1 << 24) -> Iterator[bytes]:
    """Read a file piece by piece, decompressed if it is compressed (gzip or bgzip, detected by content).

    Parameters
    ----------
    path
        The file.
    chunk
        Bytes of a piece, at most.

    Raises
    ------
    InputError
        When it cannot be read, or is truncated.
    """
    try:
        with path.open("rb") as stream:
            head = stream.peek(len(_BGZF_END))
            if not head.startswith(_GZIP_MAGIC):
                yield from iter(lambda: stream.read(chunk), b"")
                return
            if head[12:16] == _BGZF_SUBFIELD and not _ends_in_bgzf_block(path):
                raise InputError(f"{path} is truncated (no end-of-file block); copy or compress it again")
            with gzip.GzipFile(fileobj=stream) as decompressed:
                yield from iter(lambda: decompressed.read(chunk), b"")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path} is truncated or damaged gzip ({error}); copy or compress it again"
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _ends_in_bgzf_block(path: Path) -> bool:
    if not path.is_file():  # a pipe cannot be read from its end
        return True
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - len(_BGZF_END)))
        return stream.read() == _BGZF_END


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot read {path}: {error.strerror}; check the path and its permissions")
