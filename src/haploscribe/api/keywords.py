"""Take options as keywords: names, defaults and docstrings of Python functions come from `config`."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap
from typing import Any, TypeVar

from haploscribe.config.fields import OptionError, OptionField, Options, from_values, option_fields
from haploscribe.errors import InputError

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def option_groups(kinds: Sequence[type[Options]], keywords: Mapping[str, Any]) -> list[Any]:
    """Return options of classes of `haploscribe.config` from keywords; the others have their defaults.

    Strings are read as paths or lengths (`500kb`) where an option is one, any sequence as a tuple.

    Raises
    ------
    InputError
        When a keyword is an option of none, a value is out of range, or options conflict.
    """
    known = {name for kind in kinds for name in option_fields(kind)}
    unknown = sorted(set(keywords) - known)
    if unknown:
        raise InputError(f"no option {unknown[0]!r}; there are {', '.join(sorted(known))}")
    try:
        return [from_values(kind, keywords) for kind in kinds]
    except OptionError as error:
        raise _as_keyword(error) from None


def check_option(kind: type[Options], name: str, value: Any) -> None:
    """Raise InputError for a value that an option does not take."""
    try:
        option_fields(kind)[name].check(value)
    except OptionError as error:
        raise _as_keyword(error) from None


def takes_options(*kinds: type[Options], without: Sequence[str] = ()) -> Callable[[FunctionT], FunctionT]:
    """Return a decorator that adds options to the signature and docstring of a function with `**options`.

    They are listed at the line `{options}` of its docstring.

    Parameters
    ----------
    kinds
        Classes whose options it takes.
    without
        Names of options to leave out, besides those that are parameters of the function.
    """

    def decorate(function: FunctionT) -> FunctionT:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        named = {one.name for one in own} | set(without)
        added = [field for kind in kinds for field in option_fields(kind).values() if field.name not in named]
        parameters = [
            inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
            for field in added
        ]
        function.__signature__ = signature.replace(parameters=[*own, *parameters])  # type: ignore[attr-defined]
        if function.__doc__ is not None:  # as it is under `python -OO`
            function.__doc__ = re.sub(
                r"^( *)\{options\}$",
                lambda found: "\n".join(_described(field, found[1]) for field in added),
                function.__doc__,
                flags=re.MULTILINE,
            )
        return function

    return decorate


def _described(field: OptionField, indent: str) -> str:
    """Format an option as a parameter of a NumPy docstring."""
    default = field.unset if field.default is None else repr(field.default)
    text = field.help if default is None else f"{field.help} Default: {default}."
    lines = wrap(text, 104 - len(indent), break_long_words=False, break_on_hyphens=False)
    return "\n".join([f"{indent}{field.name}", *(f"{indent}    {line}" for line in lines)])


def _as_keyword(error: OptionError) -> InputError:
    return InputError(f"{error.name}={error.value!r}: {error.advice}")
