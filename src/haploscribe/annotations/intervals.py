"""Read intervals of the genome, such as peaks, from BED files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from haploscribe.annotations.base import AnnotatedAlleles
from haploscribe.errors import InputError
from haploscribe.genome.contigs import match_contig
from haploscribe.utils.types import Float64Array, Int64Array

_FARTHEST = 100_000.0  # base pairs: farther is as far
_SKIPPED = r"^(#|track|browser|\s*$)"
_FIELDS = r"^(?<contig>\S+)\s+(?<start>\d+)\s+(?<end>\d+)(?:\s|$)"
_ADVICE = "give contig, start and end in each line, 0-based, with start below end"


class Intervals:
    """Whether a variant's REF overlaps an interval, and how far the nearest is.

    Parameters
    ----------
    path
        BED, plain or gzipped: contig, start and end, 0-based half-open; further columns are not read.
    lengths
        Length of each contig of the reference, by name.

    Attributes
    ----------
    columns
        `in`, 1 or 0; and `distance` in base pairs, 0 inside, at most 100 kb.

    Raises
    ------
    InputError
        When the file cannot be read as BED, has no interval on any of the contigs, or one that ends beyond
        its contig.
    """

    columns = ("in", "distance")

    def __init__(self, path: Path, lengths: Mapping[str, int]) -> None:
        table = _read_bed(path)
        self._edges: dict[str, tuple[Int64Array, Int64Array]] = {}
        named = table["contig"].unique().to_list()
        for name, length in lengths.items():
            found = match_contig(name, named, str(path))
            if found is None:
                continue
            own = table.filter(pl.col("contig") == found).sort("start", "end")
            starts, ends = own["start"].to_numpy(), own["end"].to_numpy()
            if ends.max() > length:
                raise InputError(
                    f"{path} is of another genome build: it has an interval that ends at {found}:"
                    f"{ends.max():,} of {length:,} bp; give a file of the reference's build"
                )
            self._edges[name] = _merged(starts, ends)
        if not self._edges:
            raise InputError(
                f"{path} has no interval on the genes' contigs ({', '.join(lengths)}); it has "
                f"{', '.join(sorted(named)[:3])}; give a file of the reference's build and naming"
            )

    def read(self, alleles: AnnotatedAlleles) -> Float64Array:
        """Return overlap and distance of each allele: see `AnnotationReader.read`."""
        if alleles.contig not in self._edges:
            return np.full((alleles.positions.size, 2), np.nan)
        starts, ends = self._edges[alleles.contig]
        first = alleles.positions
        last = first + np.array([len(reference) for reference in alleles.references], dtype=np.int64) - 1
        following = np.searchsorted(ends, first, side="right")  # the first interval that ends behind it
        ahead = np.where(following < len(starts), starts[np.minimum(following, len(starts) - 1)], np.inf)
        behind = np.where(following > 0, ends[np.maximum(following - 1, 0)], -np.inf)
        distance = np.maximum(0.0, np.minimum(ahead - last, first - behind + 1))
        return np.stack([distance == 0.0, np.minimum(distance, _FARTHEST)], axis=1).astype(np.float64)


def _read_bed(path: Path) -> pl.DataFrame:
    try:
        lines = pl.read_csv(
            path,
            separator="\x1f",
            has_header=False,
            new_columns=["line"],
            quote_char=None,
            infer_schema=False,
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path} cannot be read as BED ({str(error).splitlines()[0]}); {_ADVICE}") from None
    lines = lines.filter(~pl.col("line").str.contains(_SKIPPED))
    table = lines.select(pl.col("line").str.extract_groups(_FIELDS)).unnest("line")
    table = table.with_columns(pl.col("start", "end").cast(pl.Int64, strict=False))
    wrong = lines["line"].filter(table.select(pl.any_horizontal(pl.all().is_null())).to_series())
    if len(wrong):
        raise InputError(f"{path} has a line {wrong[0][:40]!r}; {_ADVICE}")
    empty = table.filter(pl.col("end") <= pl.col("start"))
    if len(empty):
        contig, start, end = empty.row(0)
        raise InputError(f"{path} has an interval {contig} {start} {end}, which is empty; {_ADVICE}")
    return table


def _merged(starts: Int64Array, ends: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Merge overlapping and adjoining intervals, sorted by start."""
    reach = np.maximum.accumulate(ends)
    new = np.concatenate(([True], starts[1:] > reach[:-1]))
    return starts[new], reach[np.concatenate((np.flatnonzero(new)[1:] - 1, [len(ends) - 1]))]
