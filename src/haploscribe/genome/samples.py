"""Which samples of a genotype file are wanted, and in which order."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from haploscribe.errors import InputError
from haploscribe.utils.names import require_printable
from haploscribe.utils.types import Int64Array


def require_unique(sample_ids: Sequence[str], path: Path) -> tuple[str, ...]:
    """Return the names unchanged; a name that comes twice, or is not all shown, is an InputError."""
    require_printable(sample_ids, "sample name", path)
    twice = [name for name, n in Counter(sample_ids).items() if n > 1]
    if twice:
        raise InputError(
            f"{path} names {len(twice)} samples twice, first {twice[0]}; rename or remove one of them"
        )
    return tuple(sample_ids)


def places_of(samples: Sequence[str], sample_ids: Sequence[str], path: Path) -> Int64Array:
    """Find the places of the wanted samples among those of a file.

    Returns
    -------
    int64 `(n_wanted,)`

    Raises
    ------
    InputError
        When some are not in the file.
    """
    place = {name: number for number, name in enumerate(sample_ids)}
    unknown = [name for name in samples if name not in place]
    if unknown:
        raise InputError(
            f"{path} lacks {len(unknown)} of {len(samples)} samples, first {unknown[0]} "
            f"(it has {len(sample_ids)}: {', '.join(sample_ids[:3])}, …); give sample names as in that file"
        )
    return np.array([place[name] for name in samples], dtype=np.int64)
