"""Reading JSON that may have been damaged or written by hand: every value is what its type hint says."""

import json
import math
import types
from collections.abc import Mapping
from pathlib import Path
from typing import (
    Any,
    Literal,
    NotRequired,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from haploscribe.errors import InputError

_Made = TypeVar("_Made")


def parse_json(text: str | bytes) -> Any:
    """Parse JSON as the standard has it: no NaN and no infinity.

    Raises
    ------
    ValueError
        When the text is something else, also where it is nested too deeply or holds a number of thousands of
        digits.
    """
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return content


def require_shape(value: Any, hint: Any, path: Path, what: str = "it") -> None:
    """Hold a parsed value against a type hint.

    Parameters
    ----------
    value
        What `parse_json` gave.
    hint
        `str`, `int`, `float` (finite, or whole), `bool`, `None`, `Any`, `Literal`, a union, `list[T]`,
        `tuple[T, ...]` (a list in JSON), `dict[str, T]`, `Path` (a string in JSON), or a `TypedDict`.
    path
        The file, for the message.
    what
        What the value is called, for the message.

    Raises
    ------
    InputError
        Naming the first value that is something else.
    """
    place = _misfit(value, hint, what)
    if place is not None:
        raise InputError(f"{path} is damaged: {place}; copy it again, or run again")


def made_from(
    kind: type[_Made], values: Any, path: Path, what: str, names: Mapping[str, Any] | None = None
) -> _Made:
    """Make a dataclass of what `dataclasses.asdict` gave to JSON; other names than its fields' are not read.

    Parameters
    ----------
    kind
        The dataclass.
    values
        The parsed object.
    path, what
        As for `require_shape`.
    names
        Meanings of names that the dataclass's module imports for type checkers only.

    Raises
    ------
    InputError
        When a field is missing or is not what its hint says.
    """
    require_shape(values, dict[str, Any], path, what)
    fields: dict[str, Any] = {}
    for name, hint in get_type_hints(kind, dict(names or {})).items():
        if name not in values:
            raise InputError(
                f"{path} is damaged: {what} lacks {name!r}; copy it again, or run again with this version"
            )
        require_shape(values[name], hint, path, repr(name))
        fields[name] = _restored(values[name], hint)
    return kind(**fields)


def _restored(value: Any, hint: Any) -> Any:
    """Turn a string back into a path, and a list into a tuple, where the hint says so."""
    if isinstance(value, str) and Path in (hint, *get_args(hint)):
        return Path(value)
    return tuple(value) if isinstance(value, list) else value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _misfit(value: Any, hint: Any, what: str) -> str | None:
    """Say what does not fit, and where; None where all does."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is NotRequired:
        return _misfit(value, inner[0], what)
    if is_typeddict(hint):
        return _misfit_of_record(value, hint, what)
    if origin in {list, tuple}:
        return _first_misfit(value, list, lambda: ((item, inner[0], what) for item in value), what)
    if origin in {dict, Mapping}:
        return _first_misfit(
            value, dict, lambda: ((item, inner[1], f"{what}, {key!r}") for key, item in value.items()), what
        )
    if origin in {Union, types.UnionType}:
        fits = any(_misfit(value, one, what) is None for one in inner)
    else:
        fits = hint is Any or (value in inner if origin is Literal else _is_plain(value, hint))
    return None if fits else _said(value, what)


def _first_misfit(value: Any, kind: type, items: Any, what: str) -> str | None:
    if not isinstance(value, kind):
        return _said(value, what)
    return next((place for item in items() if (place := _misfit(*item)) is not None), None)


def _misfit_of_record(value: Any, hint: Any, what: str) -> str | None:
    if not isinstance(value, dict):
        return _said(value, what)
    hints = get_type_hints(hint, include_extras=True)
    missing = sorted(hint.__required_keys__ - value.keys())
    if missing:
        return f"{what} lacks {missing[0]!r}"
    found = (_misfit(value[name], kind, f"{name!r}") for name, kind in hints.items() if name in value)
    return next((place for place in found if place is not None), None)


def _is_plain(value: Any, hint: Any) -> bool:
    """Whether a single value is what the hint says; a truth value is no number."""
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    if hint is float:
        return isinstance(value, int | float) and abs(value) < math.inf and _fits_float(value)
    if hint in {str, Path}:
        return isinstance(value, str) and _is_text(value)
    if hint is int:
        return isinstance(value, int) and -(2**63) <= value < 2**63
    return hint in {None, type(None)} and value is None


def _fits_float(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _is_text(value: str) -> bool:
    """Whether it can be written to a file or be a file's name."""
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _said(value: Any, what: str) -> str:
    text = repr(value)
    return f"{what} is {text[:40]}{'…' if len(text) > 40 else ''}"
