"""The format of a results folder, and the refusal of folders that a newer version wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from haploscribe._version import __version__
from haploscribe.errors import InputError

RESULTS_FORMAT = 1
"""`format_version` of `run.json`. It grows when an older version could misread a file of the folder."""


def refuse_newer_format(path: Path, content: Mapping[str, Any], supported: int, what: str) -> None:
    """Raise an error where a record is of a newer format than this version reads.

    Parameters
    ----------
    path
        The record, for the message.
    content
        What it says: `format_version`, and in `haploscribe` the version that wrote it.
    supported
        The newest format that is read.
    what
        What the record is of, for the message.

    Raises
    ------
    InputError
        Naming both versions, and the upgrade that reads the format.
    """
    version = content.get("format_version")
    if isinstance(version, int) and version > supported:
        raise InputError(
            f"{path} has {what} of format {version}, made by Haploscribe {content.get('haploscribe')}; "
            f"this is Haploscribe {__version__}, which reads format {supported}: "
            "upgrade it (pip install --upgrade haploscribe)"
        )
