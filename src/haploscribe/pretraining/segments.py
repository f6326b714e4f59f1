"""Where a genome can be read: stretches without N, outside the regions held out."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from haploscribe.arrays import Int64Array
from haploscribe.errors import InputError
from haploscribe.genome.contigs import parse_region
from haploscribe.genome.reference import Reference
from haploscribe.progress import Advance

_PIECE = 1 << 24  # bases read at once
_BASES = re.compile(rb"[ACGT]+")


class Segment(NamedTuple):
    """A stretch of A, C, G and T, 0-based half-open."""

    contig: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class GenomeScan:
    """What one reading of a whole FASTA found.

    Attributes
    ----------
    segments
        Longest stretches without N, in file order.
    digest
        `blake2b-256:…` of contig names and sequences (A, C, G, T and N), however the file is compressed.
    n_bases
        Bases other than N.
    """

    segments: tuple[Segment, ...]
    digest: str
    n_bases: int


def scan_genome(reference: Reference, advance: Advance, contigs: Sequence[str] | None = None) -> GenomeScan:
    """Read contigs once and find the stretches without N.

    Parameters
    ----------
    reference
        The genome.
    advance
        Told of the base pairs read.
    contigs
        Names as in the FASTA; None for all.
    """
    digest = hashlib.blake2b(digest_size=32)
    segments: list[Segment] = []
    for contig in reference.contigs if contigs is None else contigs:
        length = reference.contigs[contig]
        digest.update(f">{contig} {length}\n".encode())
        for start in range(0, length, _PIECE):
            sequence = reference.fetch(contig, start, min(start + _PIECE, length))
            digest.update(sequence)
            advance(len(sequence))
            for match in _BASES.finditer(sequence):
                _append(segments, Segment(contig, start + match.start(), start + match.end()))
    n_bases = sum(segment.end - segment.start for segment in segments)
    return GenomeScan(tuple(segments), f"blake2b-256:{digest.hexdigest()}", n_bases)


def _append(segments: list[Segment], found: Segment) -> None:
    """Add a segment, joined to the one before where a piece's border cut it."""
    if segments and segments[-1].contig == found.contig and segments[-1].end == found.start:
        segments[-1] = segments[-1]._replace(end=found.end)
    else:
        segments.append(found)


def place_region(text: str, reference: Reference, option: str) -> Segment:
    """Read a region `contig:start-end` (1-based, both ends included) and find it on the reference.

    Raises
    ------
    InputError
        When it is no region, or lies outside the reference.
    """
    contig, start, end = parse_region(text, option)
    name = reference.resolve(contig)
    if end > reference.contigs[name]:
        raise InputError(
            f"{option} {text} ends behind {name} of {reference.path}, which has "
            f"{reference.contigs[name]:,} bp; name a region inside it"
        )
    return Segment(name, start, end)


def without(segments: Sequence[Segment], regions: Sequence[Segment]) -> tuple[Segment, ...]:
    """Take regions out of segments."""
    left = list(segments)
    for region in regions:
        left = [part for segment in left for part in _outside(segment, region) if part.start < part.end]
    return tuple(left)


def within(segments: Sequence[Segment], regions: Sequence[Segment]) -> tuple[Segment, ...]:
    """Keep the parts of segments that lie in one of the regions."""
    parts = [
        Segment(segment.contig, max(segment.start, region.start), min(segment.end, region.end))
        for region in regions
        for segment in segments
        if segment.contig == region.contig
    ]
    return tuple(part for part in parts if part.start < part.end)


def _outside(segment: Segment, region: Segment) -> tuple[Segment, ...]:
    if segment.contig != region.contig:
        return (segment,)
    return (
        segment._replace(end=min(segment.end, region.start)),
        segment._replace(start=max(segment.start, region.end)),
    )


class WindowStarts:
    """Draws windows of one length from segments, each possible start with the same chance.

    A start can be any base, so the frame in which 6-mers are read is random too.

    Parameters
    ----------
    segments
        Stretches without N.
    window
        Length of a window in base pairs; shorter segments are left out.

    Attributes
    ----------
    n_starts
        How many windows there are; 0 when all segments are too short.
    """

    def __init__(self, segments: Sequence[Segment], window: int) -> None:
        self._segments = [segment for segment in segments if segment.end - segment.start >= window]
        self._window = window
        counts = [segment.end - segment.start - window + 1 for segment in self._segments]
        self._upto = np.cumsum(np.array(counts, dtype=np.int64))
        self.n_starts = int(self._upto[-1]) if counts else 0

    def draw(self, generator: np.random.Generator, n: int) -> list[Segment]:
        """Draw `n` windows, with replacement."""
        places: Int64Array = generator.integers(self.n_starts, size=n)
        rows = np.searchsorted(self._upto, places, side="right")
        found = []
        for place, row in zip(places.tolist(), rows.tolist(), strict=True):
            segment = self._segments[row]
            start = segment.end - self._window - (int(self._upto[row]) - 1 - place)
            found.append(Segment(segment.contig, start, start + self._window))
        return found
