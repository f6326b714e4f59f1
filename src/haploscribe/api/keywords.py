"""Options of the command line as keywords of Python functions."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from haploscribe.errors import InputError
from haploscribe.options import NORMALISATIONS


def option_groups(kinds: Sequence[type[Any]], keywords: Mapping[str, Any]) -> list[Any]:
    """Make options, of classes as in `haploscribe.options`, of keywords; what is not given has its default.

    Text is taken for a path where that is what the option is, and any sequence for a tuple.

    Raises
    ------
    InputError
        For a keyword that is an option of none, or a normalisation that does not exist.
    """
    known = {field.name: field for kind in kinds for field in fields(kind)}
    unknown = sorted(set(keywords) - set(known))
    if unknown:
        raise InputError(f"no option {unknown[0]!r}; there are {', '.join(sorted(known))}")
    if "normalize" in keywords:
        check_normalize(keywords["normalize"])
    values = {name: _of_type(known[name].type, value) for name, value in keywords.items()}
    return [
        kind(**{field.name: values[field.name] for field in fields(kind) if field.name in values})
        for kind in kinds
    ]


def check_normalize(method: str) -> None:
    """Raise InputError for a normalisation that does not exist."""
    if method not in NORMALISATIONS:
        raise InputError(f"normalize={method!r}: give one of {', '.join(NORMALISATIONS)}")


def _of_type(kind: Any, value: Any) -> Any:
    """Turn what a notebook gives into what a dataclass holds."""
    if isinstance(value, str) and (kind is Path or Path in get_args(kind)):
        return Path(value)
    return tuple(value) if isinstance(value, list) else value
