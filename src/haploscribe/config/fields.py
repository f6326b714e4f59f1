"""How an option is written: a field of a dataclass whose annotation holds help, unit and check."""

import math
import operator
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeVar, get_args, get_origin, get_type_hints

from haploscribe.config.annotations import absolute_annotation
from haploscribe.errors import InputError
from haploscribe.utils.file_lists import Files

_LENGTH = re.compile(r"(?P<number>[+-]?\d+(?:\.\d+)?) ?(?P<unit>kb|mb)?", re.IGNORECASE | re.ASCII)
_BASE_PAIRS = {"kb": 1_000, "mb": 1_000_000}


Group = Literal[
    "Inputs",
    "Genes and variants",
    "Models",
    "Evaluation",
    "Backbone",
    "Zero-shot models",
    "Weights",
    "Simulation",
    "Network",
    "Training",
    "Workers",
    "Output",
    "General",
]
"""Heading under which the command line's help lists an option, in the order of the help."""


class OptionError(InputError):
    """The value of an option is at fault; the message names the option as the command line does.

    Parameters
    ----------
    name
        Name of the field.
    value
        What was given.
    advice
        What to give instead.
    """

    def __init__(self, name: str, value: object, advice: str) -> None:
        super().__init__(f"--{name.replace('_', '-')} {_written(value)}: {advice}")
        self.name, self.value, self.advice = name, value, advice

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.value, self.advice)


class Check(NamedTuple):
    """A property that every value of an option has, and what to say where one has not."""

    holds: Callable[[Any], bool]
    advice: str


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another option of the command line that may be given in place of one.

    Attributes
    ----------
    name
        Its name.
    help
        As of an `Option`.
    value
        Computes the value of the option that it stands for.
    """

    name: str
    help: str
    value: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Option:
    """What is said of an option beside its name, type and default.

    Attributes
    ----------
    help
        One or two sentences; `{names}` stands for the values of `names`.
    metavar
        How the value is written in the help of the command line; None to derive it from the type.
    unit
        `bp` where values are lengths in base pairs, which may be written as `500kb` or `1Mb`.
    check
        What holds of every value that is not None.
    unset
        What None, the default, stands for.
    flag
        Name on the command line where it differs from the field's; given once for each value of a tuple.
    names
        Full name of a collection of the names that values may have, imported only for the help.
    alternative
        What the command line takes in place of it.
    group
        Heading in the command line's help; None for that of the class.
    """

    help: str
    metavar: str | None = None
    unit: Literal["bp"] | None = None
    check: Check | None = None
    unset: str | None = None
    flag: str | None = None
    names: str | None = None
    alternative: Alternative | None = None
    group: Group | None = None


@dataclass(frozen=True, slots=True)
class OptionField:
    """One option of a class of options.

    Attributes
    ----------
    name
        Name of the field.
    types
        Its types: those of a union, None left out; of a tuple, the tuple's.
    optional
        Whether it may be None.
    default
        Its default; `dataclasses.MISSING` where it must be given.
    option
        All else.
    group
        Heading in the command line's help.
    """

    name: str
    types: tuple[Any, ...]
    optional: bool
    default: Any
    option: Option
    group: Group

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is MISSING

    @property
    def is_list(self) -> bool:
        """Whether the value is a tuple and nothing else."""
        return len(self.types) == 1 and get_origin(self.types[0]) is tuple

    @property
    def repeated(self) -> bool:
        """Whether the command line takes it several times, once for each value."""
        return Files in self.types or (self.is_list and self.option.flag is not None)

    @property
    def choices(self) -> tuple[str, ...]:
        """All values of a `Literal`; empty for other types."""
        return get_args(self.types[0]) if get_origin(self.types[0]) is Literal else ()

    @property
    def help(self) -> str:
        """The help, names of possible values filled in."""
        return self._with_names(self.option.help)

    @property
    def unset(self) -> str | None:
        """What None stands for, names filled in; None where it is not said."""
        return None if self.option.unset is None else self._with_names(self.option.unset)

    def parse(self, value: Any) -> Any:
        """Convert what a command line, a TOML file or a notebook gives to the type of the field.

        Raises
        ------
        OptionError
            When it cannot be read as that.
        """
        if self.optional and (value is None or (Files in self.types and value == ())):
            return None
        if Files in self.types:
            return self._parse_files(value)
        if self.is_list:
            items = [value] if isinstance(value, int) else value
            if isinstance(value, str):
                items = [value] if self.repeated else [part.strip() for part in value.split(",")]
                items = [item for item in items if item]
            if not isinstance(items, Sequence):
                raise OptionError(self.name, value, "give a list")
            (kind, *_) = get_args(self.types[0])
            return tuple(self._parse_one((kind,), item, value) for item in items)
        return self._parse_one(self.types, value, value)

    def check(self, value: Any) -> None:
        """Raise OptionError for a value out of range."""
        if value is None and self.optional:
            return
        if self.choices and value not in self.choices:
            raise OptionError(self.name, value, f"give one of {', '.join(self.choices)}")
        check = self.option.check
        if check is not None and not check.holds(value):
            raise OptionError(self.name, value, check.advice)

    def _with_names(self, text: str) -> str:
        if self.option.names is None:
            return text
        return text.format(names=", ".join(resolve_name(self.option.names)))

    def _parse_files(self, value: Any) -> Path | Files:
        """Return a path, or several."""
        given = [value] if isinstance(value, str | os.PathLike) else value
        if not isinstance(given, Sequence) or not given:
            raise OptionError(self.name, value, "give a path, or a list of paths")
        paths = Files(self._parse_one((Path,), path, value) for path in given)
        return paths if len(paths) > 1 else paths[0]

    def _parse_one(self, types: tuple[Any, ...], item: Any, whole: Any) -> Any:
        try:
            if self.option.unit == "bp":
                return parse_length(item)
            for kind, convert in _CONVERTERS.items():
                if kind in types:
                    return convert(item)
        except ValueError as error:
            raise OptionError(self.name, whole, str(error)) from None
        return item


class Options:
    """Base of the dataclasses of options: values are checked when one is made."""

    __slots__ = ()

    group: ClassVar[Group]
    """Heading of those of its options that have none of their own."""

    def __post_init__(self) -> None:
        """Raise OptionError for the first value out of range, InputError for options that conflict."""
        for field in option_fields(type(self)).values():
            field.check(getattr(self, field.name))
        conflict = self.conflict()
        if conflict is not None:
            raise InputError(conflict)

    def conflict(self) -> str | None:
        """Return what is wrong with options that do not go together; None where all do."""
        return None

    def absolute(self) -> Self:
        """Return the same options with every file named by its absolute path, for other processes."""
        found: dict[str, Any] = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, Path):
                found[field.name] = value.absolute()
            elif isinstance(value, Files):
                found[field.name] = Files(path.absolute() for path in value)
            # `os.path.isfile` is False for a text that is too long for a path.
            elif field.name == "genes" and isinstance(value, str) and os.path.isfile(value):  # noqa: PTH113
                found[field.name] = str(Path(value).absolute())
            elif field.name == "annotations":
                found[field.name] = tuple(absolute_annotation(text) for text in value)
        return replace(self, **found)  # type: ignore[type-var]


OptionsT = TypeVar("OptionsT", bound=Options)


def option_fields(kind: type) -> Mapping[str, OptionField]:
    """Return the options of a class by the names of their fields."""
    return _option_fields(kind)


@cache
def _option_fields(kind: type) -> Mapping[str, OptionField]:
    hints = get_type_hints(kind, include_extras=True)
    return MappingProxyType({field.name: field for field in _fields(kind, hints)})


def _fields(kind: type[Any], hints: Mapping[str, Any]) -> Iterator[OptionField]:
    for field in fields(kind):
        hint = hints[field.name]
        option = next((one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Option)), None)
        if option is not None:
            plain = hint.__origin__
            union = (plain,) if get_origin(plain) in (tuple, Literal) else get_args(plain) or (plain,)
            types = tuple(one for one in union if one is not type(None))
            group = option.group or kind.group
            yield OptionField(field.name, types, len(types) < len(union), field.default, option, group)


def from_values(kind: type[OptionsT], values: Mapping[str, Any]) -> OptionsT:
    """Make options of values as any face gives them; what is not given has its default.

    Raises
    ------
    OptionError
        When a value cannot be read or is out of range.
    InputError
        When options conflict.
    """
    known = option_fields(kind)
    return kind(**{name: known[name].parse(values[name]) for name in known if name in values})


def parse_length(value: Any) -> int:
    """Return a length in base pairs, from a whole number or a text such as `98304`, `500kb` or `1Mb`.

    Raises
    ------
    ValueError
        When it is no whole number of base pairs.
    """
    try:
        return operator.index(value)
    except TypeError:
        found = _LENGTH.fullmatch(str(value).strip())
    if found is not None and found["unit"] is None and "." not in found["number"]:
        return int(found["number"])
    if found is not None and found["unit"] is not None:
        length = float(found["number"]) * _BASE_PAIRS[found["unit"].lower()]
        if length.is_integer():
            return int(length)
    raise ValueError("give a whole number of base pairs, such as 196608, 500kb or 1Mb")


def _whole_number(value: Any) -> int:
    try:
        return int(value) if isinstance(value, str) else operator.index(value)
    except (TypeError, ValueError):
        raise ValueError("give a whole number") from None


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError("give a number") from None


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("give true or false")
    return value


def _path(value: Any) -> Path:
    if not isinstance(value, str | os.PathLike):
        raise ValueError("give a path")
    return Path(value)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    if not isinstance(value, str | os.PathLike):
        raise ValueError("give a text")
    return str(value)


_CONVERTERS: Mapping[type, Callable[[Any], Any]] = {
    bool: _switch,
    int: _whole_number,
    float: _number,
    Path: _path,
    str: _text,
}
"""How a value becomes that of a type; the first of an option's types decides."""


def at_least(least: int, advice: str | None = None) -> Check:
    """Check that a number is `least` or more."""
    return Check(lambda value: value >= least, advice or f"give {least} or more")


def share(advice: str = "give a number from 0 to 1") -> Check:
    """Check that a number is from 0 to 1."""
    return Check(lambda value: 0 <= value <= 1, advice)


def positive_and_finite(advice: str) -> Check:
    """Check that a number is above 0 and finite."""
    return Check(lambda value: 0 < value < math.inf, advice)


def _written(value: object) -> str:
    """Write a value as on the command line."""
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
