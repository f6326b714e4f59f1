"""States of fitted estimators in safetensors files: arrays as they are, and JSON that says what each is."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from haploscribe.errors import InputError
from haploscribe.estimators.base import State
from haploscribe.utils.files import atomic_write
from haploscribe.utils.hashing import json_checksum

_TREE = "state"
"""The one entry of the file's metadata: numbers by name, arrays by name and number in the file, and parts.

There is one only, as safetensors writes several in any order.
"""

_CHECKSUM = "checksum"
"""In that entry: of all else in it and of all arrays, so that no flipped byte is taken for a model."""


def write_state(path: Path, state: State) -> None:
    """Write a state; the same state gives the same bytes.

    Arrays are numbered, not named, in the file, so that names from the data, such as a gene's, may be of any
    kind; equal ones are written once, as models share what they are made of.

    Raises
    ------
    InputError
        When the place cannot be written to.
    """
    arrays: dict[_Content, npt.NDArray[Any]] = {}
    tree = _numbered(state, arrays)
    named = {str(number): array for number, array in enumerate(arrays.values())}
    text = json.dumps({_CHECKSUM: _checksum(tree, named), **tree}, allow_nan=False)
    with atomic_write(path) as aside:
        # The library's own writing to a file takes no account of who may read it.
        aside.write_bytes(save(named, metadata={_TREE: text}))


def read_state(path: Path) -> State:
    """Read what `write_state` wrote.

    Raises
    ------
    InputError
        When the file is missing, damaged, or something else.
    """
    try:
        with read_as_kept(path), safe_open(path, framework="numpy") as file:
            tree = json.loads(file.metadata()[_TREE])
            named = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if tree.pop(_CHECKSUM) != _checksum(tree, named):
                raise ValueError("its content has another checksum than was written")
            return _named(tree, named)
    except FileNotFoundError:
        raise InputError(f"{path} is missing; copy the whole folder of models, or run again") from None


@contextmanager
def read_as_kept(path: Path) -> Iterator[None]:
    """Within the block, a file that lacks something, or holds something else, is an InputError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (
        SafetensorError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        OSError,
        RuntimeError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path} is damaged or not a saved model ({reason}); copy or make it again"
        ) from None


_Content = tuple[str, tuple[int, ...], bytes]


def _content(array: npt.NDArray[Any]) -> _Content:
    """Tell arrays apart."""
    return array.dtype.str, array.shape, hashlib.blake2b(array.tobytes(), digest_size=16).digest()


def _checksum(tree: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    return json_checksum([tree, [(name, repr(_content(arrays[name]))) for name in sorted(arrays)]])


def _numbered(state: State, arrays: dict[_Content, npt.NDArray[Any]]) -> dict[str, Any]:
    """Describe a state in what JSON has, and put its arrays, each content once, into `arrays`."""
    places = {}
    for name, array in state.arrays.items():
        content = _content(array)
        arrays.setdefault(content, np.ascontiguousarray(array).reshape(array.shape))
        places[name] = str(list(arrays).index(content))
    return {
        "numbers": {name: float(number) for name, number in state.numbers.items()},
        "arrays": places,
        "parts": {name: _numbered(part, arrays) for name, part in state.parts.items()},
    }


def _named(tree: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> State:
    return State(
        dict(tree["numbers"]),
        {name: arrays[place] for name, place in tree["arrays"].items()},
        {name: _named(part, arrays) for name, part in tree["parts"].items()},
    )
