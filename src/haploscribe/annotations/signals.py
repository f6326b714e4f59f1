"""Read signals along the genome from bigWig files."""

from collections.abc import Mapping
from os import SEEK_END
from pathlib import Path

import numpy as np

from haploscribe.annotations.base import AnnotatedAlleles
from haploscribe.errors import InputError
from haploscribe.genome.contigs import match_contig
from haploscribe.utils.types import Float64Array

HALF_WIDTHS = (25, 250)
"""Base pairs on either side of a variant over which a signal is averaged."""

_LEAST_BYTES = 64  # of a header
_MAGIC = (b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26")


class Signal:
    """The mean of a bigWig signal around each variant; bases without a value count as 0.

    Parameters
    ----------
    path
        The file.
    lengths
        Length of each contig of the reference, by name.

    Attributes
    ----------
    columns
        Name of each feature.

    Raises
    ------
    InputError
        When the extra is not installed; when the file is no bigWig, is damaged, has none of the contigs, or
        is of another genome build.
    """

    columns = tuple(f"±{half} bp" for half in HALF_WIDTHS)

    def __init__(self, path: Path, lengths: Mapping[str, int]) -> None:
        try:
            import pybigtools  # noqa: PLC0415 - an extra
        except ImportError:
            raise InputError(
                f"{path} is a bigWig, which needs the extra: pip install 'haploscribe[annotations]'"
            ) from None
        self.path = path
        self._damaged = InputError(f"{path} is no bigWig, or is truncated; copy or make it again")
        if not _is_whole(path):
            raise self._damaged
        self._errors = (pybigtools.BBIReadError, ValueError, OSError)
        try:
            self._file = pybigtools.open(str(path))
            contigs = self._file.chroms()
        except self._errors:
            raise self._damaged from None
        self._contigs: dict[str, str] = {}
        for name, length in lengths.items():
            found = match_contig(name, contigs, str(path))
            if found is None:
                continue
            if contigs[found] != length:
                raise InputError(
                    f"{path} is of another genome build: {found} has {contigs[found]:,} bp there and "
                    f"{length:,} in the reference; give a file of the reference's build"
                )
            self._contigs[name] = found
        if not self._contigs:
            raise InputError(
                f"{path} has no contig of the genes ({', '.join(lengths)}); it has "
                f"{', '.join(sorted(contigs)[:3])}; give a file of the reference's build and naming"
            )

    def read(self, alleles: AnnotatedAlleles) -> Float64Array:
        """Return the mean signal around each allele: see `AnnotationReader.read`."""
        name = self._contigs.get(alleles.contig)
        if name is None or not alleles.positions.size:
            return np.full((alleles.positions.size, len(self.columns)), np.nan)
        widest = max(HALF_WIDTHS)
        start, end = int(alleles.positions.min()) - widest, int(alleles.positions.max()) + widest + 1
        try:
            values = self._file.values(name, start, end, fillna=0.0)
        except self._errors:
            raise self._damaged from None
        sums = np.concatenate(([0.0], np.cumsum(np.nan_to_num(values))))
        middle = alleles.positions - start
        return np.stack(
            [(sums[middle + half + 1] - sums[middle - half]) / (2 * half + 1) for half in HALF_WIDTHS],
            axis=1,
        )


def _is_whole(path: Path) -> bool:
    """Return whether a file begins and ends as a bigWig does."""
    with path.open("rb") as file:
        first = file.read(4)
        if path.stat().st_size < _LEAST_BYTES:
            return False
        file.seek(-4, SEEK_END)
        return first in _MAGIC and file.read(4) == first
