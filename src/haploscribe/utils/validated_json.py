"""Parse JSON that may be damaged or edited by hand, and validate it against type hints."""

import json
import math
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from haploscribe.errors import InputError

_Kind = TypeVar("_Kind")


def parse_json(text: str) -> Any:
    """Parse standard JSON whose numbers fit int64 and float64 and whose strings can name files.

    Raises
    ------
    ValueError
        When the text is not JSON, has NaN, a larger number or a NUL character, or is nested too deeply.
    """
    if "\\u0000" in text:
        raise ValueError("it has a NUL character")
    try:
        return json.loads(text, parse_constant=_finite, parse_float=_finite, parse_int=_int64)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def validate_as(kind: type[_Kind], values: Any, path: Path, what: str = "it") -> _Kind:
    """Validate parsed JSON against a type hint, and return it as that type; unknown names are ignored.

    Types are strict: a number is not taken for a string nor a boolean for a number. A tuple is read from a
    list and a path from a string, as JSON has neither.

    Parameters
    ----------
    kind
        A dataclass, all fields of which must be present, a `TypedDict`, or any other type hint.
    values
        What `parse_json` returned.
    path
        The file, for the message.
    what
        What the values are called in the message.

    Raises
    ------
    InputError
        Naming the first value that is missing or of another type.
    """
    try:
        made = TypeAdapter(kind).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise _damaged(path, _first_problem(error, what)) from None
    # A default is for callers: an option missing from a file must not be read as today's default.
    missing = [field.name for field in fields(kind) if field.name not in values] if is_dataclass(kind) else []
    if missing:
        raise _damaged(path, f"{what} lacks {missing[0]!r}")
    return made


def _first_problem(error: ValidationError, what: str) -> str:
    """Describe the first problem that pydantic found: where, and what is missing or found there."""
    first = error.errors(include_url=False, include_context=False)[0]
    *parents, last = first["loc"] or [None]
    if first["type"] == "missing":
        return f"{', '.join(map(repr, parents)) or what} lacks {last!r}"
    where = ", ".join(map(repr, first["loc"])) or what
    value = repr(first["input"])
    return f"{where} is {value[:40]}{'…' if len(value) > 40 else ''}"


def _damaged(path: Path, problem: str) -> InputError:
    return InputError(f"{path} is damaged: {problem}; copy it again, or run again")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is not a finite number")
    return number


def _int64(digits: str) -> int:
    number = int(digits) if len(digits) <= 20 else 1 << 63
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError(f"{digits[:20]}… is too large a number")
    return number
