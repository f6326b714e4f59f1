"""What the first and last bytes of a file say about its compression."""

from pathlib import Path
from typing import Literal

from haploscribe.errors import InputError

Compression = Literal["plain", "gzip", "bgzf"]

# The empty block that ends every complete BGZF file (SAM specification, section 4.1.2).
_END_OF_FILE = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def compression(path: Path) -> Compression:
    """Tell plain, gzip and BGZF ("bgzipped") files apart by content.

    Raises
    ------
    InputError
        When the file cannot be read, or is BGZF but cut short.
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
