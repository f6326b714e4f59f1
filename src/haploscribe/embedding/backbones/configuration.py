"""Check values of a checkpoint's `config.json`; without torch, for the command line."""

from collections.abc import Mapping
from typing import Any

from haploscribe.errors import InputError


def positive_integer(value: object, name: str, source: str, *, or_zero: bool = False) -> int:
    """Return a size in a configuration, checked.

    Raises
    ------
    InputError
        When it is not a positive integer (nor 0, where `or_zero` allows it).
    """
    if type(value) is not int or value < (not or_zero):  # True is an int too
        allowed = "0 or a positive integer" if or_zero else "a positive integer"
        raise InputError(f"{source} has no usable {name!r} ({value!r}); it must be {allowed}")
    return value


def layer_norm_epsilon(content: Mapping[str, Any], source: str, default: float | None = None) -> float:
    """Return `layer_norm_eps`, checked.

    Raises
    ------
    InputError
        When it is not a number from 0 to below 1, or is missing and there is no default.
    """
    value = content.get("layer_norm_eps", default)
    if isinstance(value, bool) or not isinstance(value, float | int) or not 0 <= value < 1:
        raise InputError(f"{source} has no usable 'layer_norm_eps' ({value!r}); it must be from 0 to 1")
    return float(value)
