"""Write and read states of fitted estimators: safetensors files with a JSON index of their arrays."""

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
"""Key of the only entry of the file's metadata: numbers by name, array indices by name, and parts.

A single entry, because safetensors does not fix the order of several.
"""

_CHECKSUM = "checksum"
"""Key, in that entry, of the checksum of the rest of it and of all arrays."""


def write_state(path: Path, state: State) -> None:
    """Write a state; the same state gives the same bytes.

    Arrays are indexed, not named, in the file, so that names from the data, such as gene IDs, are
    unrestricted; equal arrays, which models share, are written once.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    arrays: dict[_Content, npt.NDArray[Any]] = {}
    tree = _index_arrays(state, arrays)
    named = {str(index): array for index, array in enumerate(arrays.values())}
    text = json.dumps({_CHECKSUM: _checksum(tree, named), **tree}, allow_nan=False)
    with atomic_write(path) as aside:
        # safetensors' save_file ignores the umask, which write_bytes respects.
        aside.write_bytes(save(named, metadata={_TREE: text}))


def read_state(path: Path) -> State:
    """Read a state that `write_state` wrote.

    Raises
    ------
    InputError
        When the file is missing, damaged, or not a state.
    """
    try:
        with damage_as_input_error(path), safe_open(path, framework="numpy") as file:
            tree = json.loads(file.metadata()[_TREE])
            named = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if tree.pop(_CHECKSUM) != _checksum(tree, named):
                raise ValueError("its checksum differs from that written")
            return _with_arrays(tree, named)
    except FileNotFoundError:
        raise InputError(f"{path} is missing; copy the whole folder of models, or run again") from None


@contextmanager
def damage_as_input_error(path: Path) -> Iterator[None]:
    """Convert the errors of reading a damaged file within the block to InputError."""
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
    """Return what identifies an array: type, shape and digest of its bytes."""
    return array.dtype.str, array.shape, hashlib.blake2b(array.tobytes(), digest_size=16).digest()


def _checksum(tree: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    return json_checksum([tree, [(name, repr(_content(arrays[name]))) for name in sorted(arrays)]])


def _index_arrays(state: State, arrays: dict[_Content, npt.NDArray[Any]]) -> dict[str, Any]:
    """Return a state as JSON values, and add its arrays, each content once, to `arrays`."""
    indices = {}
    for name, array in state.arrays.items():
        content = _content(array)
        arrays.setdefault(content, np.ascontiguousarray(array).reshape(array.shape))
        indices[name] = str(list(arrays).index(content))
    return {
        "numbers": {name: float(number) for name, number in state.numbers.items()},
        "arrays": indices,
        "parts": {name: _index_arrays(part, arrays) for name, part in state.parts.items()},
    }


def _with_arrays(tree: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> State:
    return State(
        dict(tree["numbers"]),
        {name: arrays[index] for name, index in tree["arrays"].items()},
        {name: _with_arrays(part, arrays) for name, part in tree["parts"].items()},
    )
