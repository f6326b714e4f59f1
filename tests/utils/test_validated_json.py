"""Damaged or hand-written JSON is refused in one line, and never read as another type."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from haploscribe.errors import InputError
from haploscribe.utils.validated_json import parse_json, validate_as


@dataclass(frozen=True)
class Window:
    """Options as a file has them."""

    genes: tuple[str, ...]
    reference: Path
    width: int = 500_000


def test_lists_become_tuples_strings_paths_and_unknown_names_are_ignored() -> None:
    values = {"genes": ["a", "b"], "reference": "x.fa", "width": 1, "later": None}
    assert validate_as(Window, values, Path("f")) == Window(("a", "b"), Path("x.fa"), 1)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([1], r"it is \[1\]"),
        ({"genes": [], "width": 1}, "it lacks 'reference'"),
        ({"genes": [], "reference": "x.fa"}, "it lacks 'width'"),
        ({"genes": ["a", 2], "reference": "x.fa", "width": 1}, "'genes', 1 is 2"),
        ({"genes": [], "reference": "x.fa", "width": "1"}, "'width' is '1'"),
        ({"genes": [], "reference": "x.fa", "width": ["a" * 100]}, "'width' is .{40}…"),
    ],
)
def test_the_first_problem_is_named(values: object, problem: str) -> None:
    with pytest.raises(InputError, match=f"^f is damaged: {problem}; copy it again, or run again$"):
        validate_as(Window, values, Path("f"))


@pytest.mark.parametrize("text", ['{"x": NaN}', "[Infinity]", "[" * 100_000, "9" * 10_000, ""])
def test_json_that_the_standard_does_not_have(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


@pytest.mark.parametrize("value", [True, "1", 2**63, float("inf"), None, [], "\ud800"])
def test_a_value_that_is_no_whole_number(value: object) -> None:
    with pytest.raises((InputError, ValueError), match=r"f is damaged|too large|not a finite number"):
        validate_as(int, parse_json(json.dumps(value)), Path("f"))


@pytest.mark.parametrize("value", [[0], [["a"]], {"b": 1}, {"b": []}])
def test_a_value_that_is_none_of_a_union(value: object) -> None:
    with pytest.raises(InputError, match=r"f is damaged: 'a'.* is "):
        validate_as(dict[str, str | list[str] | dict[str, str] | None], {"a": value}, Path("f"))


@pytest.mark.parametrize("text", ['"a\\u0000b"', "1e400", "-9223372036854775809"])
def test_json_that_no_file_name_or_array_can_hold(text: str) -> None:
    with pytest.raises(ValueError, match=r"NUL|finite|too large"):
        parse_json(text)
