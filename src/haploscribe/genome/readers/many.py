"""Read several genotype files as one: a file per chromosome, or the chunks of an imputation server."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol, Self

from haploscribe.errors import InputError
from haploscribe.genome.contigs import match_contig, require_contig
from haploscribe.genome.variants import VariantReader, Variants, concatenate
from haploscribe.utils.file_lists import Files


class SpanReader(VariantReader, Protocol):
    """A genotype file that knows where its records lie."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    def span(self, contig: str) -> tuple[int, int]:
        """Return the 0-based positions of the first and the last record of a contig of `contigs`."""
        ...


class ManyReader:
    """Several genotype files of the same samples as one `VariantReader`.

    Files may share a contig where their positions do not overlap.

    Parameters
    ----------
    readers
        The open files, two or more; closed with this reader.

    Raises
    ------
    InputError
        When files have other samples, or overlap.
    """

    def __init__(self, readers: Sequence[SpanReader]) -> None:
        first = readers[0]
        self.path = Files(reader.path for reader in readers)
        self.sample_ids = first.sample_ids
        for reader in readers[1:]:
            _require_same_samples(first, reader)
        self._readers = readers
        by_contig: dict[str, list[SpanReader]] = {}
        for reader in readers:
            for name in reader.contigs:
                known = match_contig(name, by_contig, str(self.path))
                by_contig.setdefault(known or name, []).append(reader)
        self.contigs = tuple(by_contig)
        self._parts = {name: _in_order(name, found) for name, found in by_contig.items()}

    def read(self, contig: str, start: int, end: int, samples: Sequence[str]) -> Variants:
        """Read the records that overlap a region: see `VariantReader.read`."""
        name = require_contig(contig, self.contigs, str(self.path))
        parts = self._parts[name]
        wanted = [reader for first, reader in parts if first < end] or [parts[0][1]]
        return concatenate([reader.read(contig, start, end, samples) for reader in wanted])

    def close(self) -> None:
        """Close all files."""
        for reader in self._readers:
            reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _require_same_samples(first: VariantReader, other: VariantReader) -> None:
    for one, lacking in ((first, other), (other, first)):
        missing = sorted(set(one.sample_ids) - set(lacking.sample_ids))
        if missing:
            raise InputError(
                f"{lacking.path} lacks {len(missing)} of the {len(one.sample_ids)} samples of {one.path}, "
                f"first {missing[0]}; give files of the same samples"
            )


def _in_order(contig: str, readers: Sequence[SpanReader]) -> list[tuple[int, SpanReader]]:
    """Return the readers of a contig with their first position, in genome order."""
    if len(readers) == 1:
        return [(0, readers[0])]
    spans = []
    for reader in readers:
        name = match_contig(contig, reader.contigs, str(reader.path))
        assert name is not None
        spans.append((*reader.span(name), reader))
    spans.sort(key=lambda span: span[:2])
    for (_, last, one), (first, _, other) in pairwise(spans):
        if first <= last:
            raise InputError(
                f"{one.path} reaches {contig}:{last + 1:,} and {other.path} begins at {first + 1:,}; give "
                "files that do not overlap, or join them: bcftools concat --allow-overlaps --rm-dups all"
            )
    return [(first, reader) for first, _, reader in spans]
