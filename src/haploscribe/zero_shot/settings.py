"""Sizes in the `config.json` of a sequence model."""

from haploscribe.errors import InputError


def positive_integer(value: object, name: str, source: str) -> int:
    """Take a size out of a configuration.

    Raises
    ------
    InputError
        When it is something else.
    """
    if type(value) is not int or value < 1:  # True is an int too
        raise InputError(f"{source} has no usable {name!r} ({value!r}); it must be a positive integer")
    return value
