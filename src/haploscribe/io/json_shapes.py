"""Reading JSON that may have been damaged or written by hand: every value is what its type hint says."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from haploscribe.errors import InputError

_Made = TypeVar("_Made")
_NUL = re.compile(r"(?<!\\)(\\\\)*\\u0000")
"""Which no file's name can have, as JSON writes it."""
_INT64 = range(-(2**63), 2**63)


def parse_json(text: str) -> Any:
    """Parse JSON as the standard has it, of numbers that int64 and float64 hold, and of text without NUL.

    Raises
    ------
    ValueError
        When the text is something else, also where it is nested too deeply.
    """
    if _NUL.search(text):
        raise ValueError("it has a text with a NUL character")
    try:
        return json.loads(text, parse_constant=_refused, parse_int=_whole, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def made_from(kind: type[_Made], values: Any, path: Path, what: str = "it") -> _Made:
    """Make what a type hint says of what `parse_json` gave; names that the hint does not have are not read.

    A number is not taken for a text nor a truth value for a number, but a list for a tuple and a text for a
    path: that is how JSON has them.

    Parameters
    ----------
    kind
        A dataclass, every field of which must be there, a `TypedDict`, or any other hint that pydantic knows.
    values
        What was parsed.
    path
        The file, for the message.
    what
        What the values are called, for the message.

    Raises
    ------
    InputError
        Naming the first value that is missing or is something else.
    """
    try:
        made = TypeAdapter(kind).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise _damaged(path, _misfit(first["type"], first["loc"], values, what)) from None
    # A default is for whoever calls; a file says everything.
    lacking = [field.name for field in fields(kind) if field.name not in values] if is_dataclass(kind) else []
    if lacking:
        raise _damaged(path, f"{what} lacks {lacking[0]!r}")
    return made


def _misfit(error: str, place: Sequence[int | str], value: Any, what: str) -> str:
    """Say what does not fit, and where; pydantic's place ends in members of unions, which are not said."""
    known: list[str] = []
    for step in place:
        within = (
            step in value if isinstance(value, dict) else isinstance(value, list) and isinstance(step, int)
        )
        if not within:
            break
        value = value[step]
        known.append(repr(step))
    where = ", ".join(known) or what
    if error == "missing":
        return f"{where} lacks {place[-1]!r}"
    text = repr(value)
    return f"{where} is {text[:40]}{'…' if len(text) > 40 else ''}"


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path} is damaged: {what}; copy it again, or run again")


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _whole(digits: str) -> int:
    number = int(digits) if len(digits) < 20 else 2**63
    if number not in _INT64:
        raise ValueError(f"{digits[:20]}… is too large a number")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is too large a number")
    return number
