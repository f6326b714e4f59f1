"""Times of this program beside those of another in the same run, as the speed benchmarks hand them on."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from haploscribe.utils.files import atomic_write

PLAIN_LOOP = "a plain loop: `transformers`, each haplotype of each sample"
CONSENSUS = "`bcftools consensus`"
"""Peers that README.md names."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One comparison.

    Attributes
    ----------
    peer
        The other program, and what it does.
    on
        The data.
    clock
        `wall` or `processor`.
    theirs, ours
        Seconds.
    """

    peer: str
    on: str
    clock: str
    theirs: float
    ours: float


def write_ratios(path: Path | None, ratios: Sequence[Ratio]) -> None:
    """Write comparisons as JSON; without a path, do nothing."""
    if path is not None:
        with atomic_write(path) as aside:
            aside.write_text(json.dumps([asdict(ratio) for ratio in ratios]), encoding="utf-8")


def read_ratios(path: Path) -> list[Ratio]:
    """Read what `write_ratios` wrote."""
    return [Ratio(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
