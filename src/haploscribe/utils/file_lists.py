"""Several files that make one input, such as one per chromosome."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from haploscribe.errors import InputError

CONTIG = "{contig}"
"""Stands for the name of a contig in a pattern of file names."""


class Files(tuple[Path, ...]):
    """The paths of several files that make one input; written as `FIRST and N more`."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{self[0]} and {len(self) - 1} more"

    @classmethod
    def __get_pydantic_core_schema__(cls, _: object, handler: Any) -> Any:
        """Read them from JSON as a list of paths."""
        from pydantic_core import core_schema  # noqa: PLC0415 - slow, and most commands read no JSON

        return core_schema.no_info_after_validator_function(cls, handler.generate_schema(tuple[Path, ...]))


def listed_files(given: Path | Files, suffixes: Iterable[str]) -> tuple[Path, ...]:
    """Return the files that paths stand for.

    Parameters
    ----------
    given
        Files; folders, which stand for the files in them; and patterns such as `chr{contig}.vcf.gz`, which
        stand for the files whose names have anything but a dot in the place of `{contig}`.
    suffixes
        Ends of the names of files that a folder stands for.

    Raises
    ------
    InputError
        When a folder or a pattern stands for none.
    """
    return tuple(file for path in _paths(given) for file in _files(path, tuple(suffixes)))


def _paths(given: Path | Files) -> Iterable[Path]:
    return given if isinstance(given, Files) else (given,)


def _files(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    if CONTIG in path.name:
        pattern = re.escape(path.name).replace(re.escape(CONTIG), "[^.]+")
        found = [file for file in _entries(path.parent) if re.fullmatch(pattern, file.name)]
        if not found:
            raise InputError(f"no file is named as {path} says; check the folder and the pattern")
        return found
    if not path.is_dir():
        return [path]
    found = [file for file in _entries(path) if file.name.endswith(suffixes)]
    if not found:
        raise InputError(f"{path} has no file whose name ends in {', '.join(suffixes)}; name another folder")
    return found


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror}; check the path") from None
