"""Open the annotations that `--annotations` names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from haploscribe.annotations.base import AnnotatedAlleles, AnnotationReader
from haploscribe.annotations.intervals import Intervals
from haploscribe.annotations.scores import Scores
from haploscribe.annotations.signals import Signal
from haploscribe.config.annotations import annotation_files, kind_of
from haploscribe.utils.files import require_readable
from haploscribe.utils.types import Float64Array

_READERS: Mapping[str, Callable[[Path, Mapping[str, int]], AnnotationReader]] = {
    "signal": Signal,
    "intervals": Intervals,
    "scores": Scores,
}


@dataclass(frozen=True, slots=True)
class Annotations:
    """The files of annotations of a run, open.

    Attributes
    ----------
    readers
        By name.
    """

    readers: Mapping[str, AnnotationReader]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all raw columns, in order."""
        return tuple(
            name if len(reader.columns) == 1 else f"{name} {column}"
            for name, reader in self.readers.items()
            for column in reader.columns
        )

    def read(self, alleles: AnnotatedAlleles) -> Float64Array:
        """Return what is known of alleles, float64 `(n_alleles, n_columns)`, NaN where nothing is."""
        found = [np.zeros((alleles.positions.size, 0))]
        return np.concatenate([*found, *(reader.read(alleles) for reader in self.readers.values())], axis=1)


def open_annotations(given: Sequence[str], lengths: Mapping[str, int]) -> Annotations:
    """Open the files of annotations.

    Parameters
    ----------
    given
        As `EvaluationOptions.annotations`; what models of the run know is left out.
    lengths
        Length of each contig that has genes, by its name in the reference.

    Raises
    ------
    InputError
        When a file cannot be read, or is of another build.
    """
    readers: dict[str, AnnotationReader] = {}
    for name, path in annotation_files(given).items():
        kind = kind_of(path)
        assert kind is not None, path
        require_readable(path)
        readers[name] = _READERS[kind](path, lengths)
    return Annotations(readers)
