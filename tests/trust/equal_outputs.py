"""Whether two folders of outputs are the same, byte for byte; what cannot be equal is named here alone.

For results of `run`, and for what `embed`, `predict`, `explain`, `export`, `simulate` and `pretrain` leave.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import zarr

_DURATION = r"(?:\d+\.\d s|\d+ min \d+ s|\d+ h \d+ min)"


@dataclass(frozen=True)
class Exceptions:
    """What two equal folders may still differ in.

    Attributes
    ----------
    json
        By file name, the fields: their names from the outermost on, joined by dots, `*` for any.
    html
        Patterns of what is cut out of a page.
    files
        Patterns of paths of whole files.
    """

    json: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    html: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __or__(self, other: "Exceptions") -> "Exceptions":
        names = {**self.json, **other.json}
        fields = {name: self.json.get(name, ()) + other.json.get(name, ()) for name in names}
        return Exceptions(fields, self.html + other.html, self.files + other.files)


CLOCK = Exceptions(
    json={"summary.json": ("wall_seconds", "stages.*", "embedding.seconds", "zero_shot.*.seconds")},
    # Times of sequence models and of stages, the bars that draw them, and the time of the whole run.
    html=(
        rf"(?<=<td>){_DURATION}(?=</td>)",
        r'(?<=<td class="bar"><span style="width:)[\d.]+(?=%")',
        rf"(?<=The whole run took ){_DURATION}",
    ),
)
"""What the clock says: always allowed."""
RESUMED = Exceptions(
    json={"summary.json": ("embedding.forward_passes", "zero_shot.*.forward_passes")},
    # What a sequence model read: forward passes, the naive number, and their ratio.
    html=(r'<tr><th scope="row">[^<]*</th><td>[\d,]+</td><td>[\d,]+</td><td>[^<]*</td><td></td></tr>',),
)
"""A run that goes on where it was counts only the forward passes that it did itself."""
OTHER_FILES = Exceptions(
    json={"run.json": ("inputs.*.path", "inputs.*.digest", *(f"options.{name}" for name in (
        "variants", "reference", "expression", "covariates", "hidden_factors", "split"
    )))},
    html=(
        r'<tr><th scope="row">(?:variants|reference|expression|covariates|hidden_factors|split)</th>.*?</tr>',
    ),
    # Indexes of inputs that lack one, named by the inputs' paths.
    files=("index/*",),
)  # fmt: skip
"""The same data, in other files."""


def assert_same_results(
    one: Path, other: Path, *, resumed: bool = False, other_files: bool = False, ignored: tuple[str, ...] = ()
) -> None:
    """Compare all files of two folders.

    Parameters
    ----------
    one, other
        Folders of outputs.
    resumed
        Whether one of them was stopped and gone on with.
    other_files
        Whether the inputs were other files of the same content, or in another order.
    ignored
        Patterns of paths in the folders, left out.

    Raises
    ------
    AssertionError
        Naming every file that differs, and of JSON files the fields.
    """
    found = differences(one, other, resumed=resumed, other_files=other_files, ignored=ignored)
    assert not found, f"{one} and {other} differ:\n" + "\n".join(found)


def differences(
    one: Path, other: Path, *, resumed: bool = False, other_files: bool = False, ignored: tuple[str, ...] = ()
) -> list[str]:
    """List what differs: see `assert_same_results`."""
    exceptions = (
        CLOCK | (RESUMED if resumed else Exceptions()) | (OTHER_FILES if other_files else Exceptions())
    )
    exceptions |= Exceptions(files=ignored)
    left, right = (contents(folder, exceptions) for folder in (one, other))
    return [
        f"{name}: only in {one if name in left else other}" if name not in left or name not in right else name
        for name in differing(left, right)
    ]


def differing(found: Mapping[str, object], wanted: Mapping[str, object]) -> list[str]:
    """Name what is missing, too much, or other, of two folders' `contents`."""
    return sorted(
        name
        for name in found.keys() | wanted.keys()
        if name not in found or name not in wanted or found[name] != wanted[name]
    )


def contents(folder: Path, exceptions: Exceptions) -> dict[str, object]:
    """Read all that a folder holds but the exceptions, by path and, of JSON and of stores, what it is of.

    A folder that holds nothing, and what was built aside in a store and left there, are content too.
    """
    found: dict[str, object] = {}
    for name, path in _pieces(folder, exceptions).items():
        if _is_store(path):
            found |= {f"{name}: {key}": value for key, value in store_contents(path).items()}
        elif path.suffix == ".json":
            allowed = exceptions.json.get(path.name, ())
            for key, value in _fields(json.loads(path.read_text())):
                if not any(fnmatchcase(key, pattern) for pattern in allowed):
                    found[f"{name}: {key}"] = value
        elif path.suffix == ".html":
            found[name] = _without(path.read_text(), exceptions.html)
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


def _is_store(folder: Path) -> bool:
    record = folder / "zarr.json"
    return record.is_file() and "format" in json.loads(record.read_text()).get("attributes", {})


def _pieces(folder: Path, exceptions: Exceptions) -> dict[str, Path]:
    """Find files, empty folders, and embedding stores as a whole, by their path in a folder."""
    if _is_store(folder):
        return {".": folder}
    stores = {path.parent for path in folder.rglob("zarr.json") if _is_store(path.parent)}
    here = (path for path in folder.rglob("*") if not stores & set(path.parents))
    named = {
        path.relative_to(folder).as_posix(): path
        for path in here
        if path.is_file() or path in stores or not any(path.iterdir())
    }
    return {
        name: path
        for name, path in named.items()
        if not any(fnmatchcase(name, pattern) for pattern in exceptions.files)
    }


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from _fields(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for place, part in enumerate(value):
            yield from _fields(part, f"{path}.{place}")
    else:
        yield path, repr(value)


def _without(page: str, patterns: tuple[str, ...]) -> str:
    for pattern in patterns:
        page = re.sub(pattern, "", page, flags=re.DOTALL)
    return page


def store_contents(path: Path) -> dict[str, object]:
    """Read all of an embedding store: each vector by backbone, block and digest, and who carries what.

    Which vectors were written together, a part, is no content: a run that was stopped has other parts.
    """
    found: dict[str, object] = {
        f"left behind, {name}": None
        for name in (place.relative_to(path).as_posix() for place in path.rglob(".*"))
    }
    for folder in sorted(path.rglob("zarr.json")):
        group, name = folder.parent, folder.parent.relative_to(path).as_posix()
        if json.loads(folder.read_text())["node_type"] == "array":
            continue
        opened = zarr.open_group(group, mode="r")
        arrays: dict[str, np.ndarray[Any, Any]] = {
            key: np.asarray(opened[key][...]) for key in opened.array_keys()
        }
        if "embedding" in arrays:
            block = group.parent.relative_to(path).as_posix()
            for digest, vector in zip(arrays["digest"], arrays["embedding"], strict=True):
                found[f"{block}/{digest.tobytes().hex()}"] = (
                    vector.dtype.str,
                    vector.shape,
                    vector.tobytes(),
                )
        else:
            found[name] = repr(sorted(dict(opened.attrs).items()))
            for key, array in arrays.items():
                found[f"{name}/{key}"] = (array.dtype.str, array.shape, array.tobytes())
    return found
