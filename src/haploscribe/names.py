"""Names from the data: which are refused, how they are printed, and what files are called after them."""

import unicodedata
from collections.abc import Iterable

from haploscribe.errors import InputError

LONGEST_NAME = 200
"""Bytes of a name that a folder is called by, and of what a file's name keeps of a name.

Most file systems take 255, and names of what is made aside are longer than those it is made for.
"""


def printable(text: str) -> str:
    r"""Write what a terminal would act on, or not show, as an escape: `\x1b` for the character that it is.

    Line ends, controls, marks that turn the direction of text, and bytes that are no UTF-8.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def require_printable(names: Iterable[str], what: str, where: object) -> None:
    """Refuse names with characters that are not shown: they would forge lines of a table or of the terminal.

    Parameters
    ----------
    names
        As in the data.
    what
        What they name, such as `gene`.
    where
        The file that has them.

    Raises
    ------
    InputError
        When a name has a tab, a line end, an escape or another character that is not shown.
    """
    for name in names:
        if not name.isprintable():
            raise InputError(
                f"{where}: the {what} {name!r} has characters that are not shown; rename it with letters, "
                "digits and signs alone"
            )


def folder_name(name: str, what: str) -> str:
    """Return a name from the data that a folder is to be called by, unchanged, if it is fit for that.

    Raises
    ------
    InputError
        When it is empty or too long, leads elsewhere, or has characters that are not shown.
    """
    elsewhere = name in {"", ".", ".."} or "/" in name or "\\" in name
    if elsewhere or not name.isprintable() or len(name.encode()) > LONGEST_NAME:
        raise InputError(
            f"{what} {name[:LONGEST_NAME]!r} cannot name a folder: it is empty, longer than {LONGEST_NAME} "
            "bytes, or has slashes or characters that are not shown; rename it in all files"
        )
    return name


class FileNames:
    """Names of a folder's files: short, and distinct also where case or the form of accents is lost."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, name: str) -> str:
        """Give the file of a name without slashes that name, less the suffix, cut or numbered if need be."""
        short = name.encode()[:LONGEST_NAME].decode(errors="ignore")
        chosen, number = short, 1
        while _alike(chosen) in self._taken:
            number += 1
            chosen = f"{short}-{number}"
        self._taken.add(_alike(chosen))
        return chosen


def _alike(name: str) -> str:
    """Give what names of files share that some file systems take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
