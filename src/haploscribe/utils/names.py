"""Check names from the data, print them, and derive file names from them."""

import unicodedata
from collections.abc import Iterable

from haploscribe.errors import InputError

LONGEST_NAME = 200
"""Bytes of the longest name used for a folder, and kept in a file name.

Most file systems allow 255, and names of temporary files are longer than those of the finished ones.
"""


def printable(text: str) -> str:
    r"""Escape characters that a terminal would interpret or not show, such as `\x1b`.

    These are line ends, control characters, marks of text direction, and bytes that are not UTF-8.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def require_printable(names: Iterable[str], what: str, where: object) -> None:
    """Check that names have printable characters only: others could forge lines of a table or a terminal.

    Parameters
    ----------
    names
        The names.
    what
        What they name, such as `gene`.
    where
        The file they are from.

    Raises
    ------
    InputError
        When a name has a tab, a line end, an escape or another character that is not printable.
    """
    for name in names:
        if not name.isprintable():
            raise InputError(
                f"{where}: the {what} {name!r} has unprintable characters; rename it with signs only"
            )


def folder_name(name: str, what: str) -> str:
    """Return a name from the data unchanged, after checking that it can name a folder.

    Raises
    ------
    InputError
        When it is empty or too long, leads to another folder, or has characters that are not printable.
    """
    leads_away = name in {"", ".", ".."} or "/" in name or "\\" in name
    if leads_away or not name.isprintable() or len(name.encode()) > LONGEST_NAME:
        raise InputError(
            f"{what} {name[:LONGEST_NAME]!r} cannot name a folder: it is empty, longer than {LONGEST_NAME} "
            "bytes, or has slashes or unprintable characters; rename it in all files"
        )
    return name


class FileNames:
    """Choose short file names for one folder, distinct even if case or the form of accents is lost."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, name: str) -> str:
        """Return a file name, less its suffix, for a name without slashes; cut or numbered if needed."""
        short = name.encode()[:LONGEST_NAME].decode(errors="ignore")
        chosen, number = short, 1
        while _alike(chosen) in self._taken:
            number += 1
            chosen = f"{short}-{number}"
        self._taken.add(_alike(chosen))
        return chosen


def _alike(name: str) -> str:
    """Return a form that is the same for file names that some file systems do not distinguish."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
