"""Read training sequences: intervals of a genome without N, random windows, and samples' haplotypes."""

import hashlib
import re
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from haploscribe.errors import InputError
from haploscribe.genome.contigs import match_contig, parse_region
from haploscribe.genome.haplotypes import read_for_tiles, region_haplotypes, reverse_complement
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import Tile
from haploscribe.genome.variants import VariantReader, check_reference
from haploscribe.utils.file_lists import Files
from haploscribe.utils.files import temporary_prefix
from haploscribe.utils.progress import Advance
from haploscribe.utils.types import Int64Array

HAPLOTYPE_SHARE = 0.5
"""With genotypes, the share of windows read from a sample's haplotype rather than from the reference."""

BASES_AT_ONCE = 1 << 24
"""Base pairs of the reference held in memory at once."""

_BASES = re.compile(rb"[ACGT]+")


class Segment(NamedTuple):
    """An interval of the reference, 0-based half-open."""

    contig: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class GenomeScan:
    """Result of reading a FASTA once.

    Attributes
    ----------
    segments
        Maximal intervals without N, in file order.
    digest
        `blake2b-256:…` of contig names and sequences (A, C, G, T and N), independent of compression.
    n_bases
        Number of bases other than N.
    """

    segments: tuple[Segment, ...]
    digest: str
    n_bases: int


def scan_genome(
    reference: Reference,
    advance: Advance,
    contigs: Sequence[str] | None = None,
    *,
    bases_at_once: int = BASES_AT_ONCE,
) -> GenomeScan:
    """Read contigs once, and find their intervals without N.

    Parameters
    ----------
    reference
        The genome.
    advance
        Called with the number of base pairs read.
    contigs
        Names as in the FASTA; None for all.
    bases_at_once
        Base pairs held in memory at once.
    """
    digest = hashlib.blake2b(digest_size=32)
    segments: list[Segment] = []
    for contig in reference.contigs if contigs is None else contigs:
        length = reference.contigs[contig]
        digest.update(f">{contig} {length}\n".encode())
        for start in range(0, length, bases_at_once):
            sequence = reference.fetch(contig, start, min(start + bases_at_once, length))
            digest.update(sequence)
            advance(len(sequence))
            for match in _BASES.finditer(sequence):
                _append(segments, Segment(contig, start + match.start(), start + match.end()))
    n_bases = sum(segment.end - segment.start for segment in segments)
    return GenomeScan(tuple(segments), f"blake2b-256:{digest.hexdigest()}", n_bases)


def resolve_region(text: str, reference: Reference, option: str) -> Segment:
    """Parse a region `contig:start-end` (1-based, both ends included), and find it on the reference.

    Raises
    ------
    InputError
        When it is not a region, or lies outside the reference.
    """
    contig, start, end = parse_region(text, option)
    name = reference.resolve(contig)
    if end > reference.contigs[name]:
        raise InputError(
            f"{option} {text} ends after the end of {name} of {reference.path}, which has "
            f"{reference.contigs[name]:,} bp; give a region within it"
        )
    return Segment(name, start, end)


def subtract_regions(segments: Sequence[Segment], regions: Sequence[Segment]) -> tuple[Segment, ...]:
    """Return the parts of segments outside all regions."""
    left = list(segments)
    for region in regions:
        left = [part for segment in left for part in _outside(segment, region) if part.start < part.end]
    return tuple(left)


def intersect_regions(segments: Sequence[Segment], regions: Sequence[Segment]) -> tuple[Segment, ...]:
    """Return the parts of segments inside one of the regions."""
    parts = [
        Segment(segment.contig, max(segment.start, region.start), min(segment.end, region.end))
        for region in regions
        for segment in segments
        if segment.contig == region.contig
    ]
    return tuple(part for part in parts if part.start < part.end)


class WindowSampler:
    """Draw windows of one length uniformly from segments.

    A window may start at any base, so the reading frame of the 6-mers is random too.

    Parameters
    ----------
    segments
        Intervals without N.
    window
        Length of a window in base pairs; shorter segments are ignored.

    Attributes
    ----------
    n_starts
        Number of possible windows; 0 if all segments are too short.
    """

    def __init__(self, segments: Sequence[Segment], window: int) -> None:
        self._segments = [segment for segment in segments if segment.end - segment.start >= window]
        self._window = window
        counts = [segment.end - segment.start - window + 1 for segment in self._segments]
        self._cumulative = np.cumsum(np.array(counts, dtype=np.int64))
        self.n_starts = int(self._cumulative[-1]) if counts else 0

    def draw(self, generator: np.random.Generator, n: int) -> list[Segment]:
        """Draw `n` windows with replacement."""
        indices: Int64Array = generator.integers(self.n_starts, size=n)
        rows = np.searchsorted(self._cumulative, indices, side="right")
        windows = []
        for index, row in zip(indices.tolist(), rows.tolist(), strict=True):
            segment = self._segments[row]
            start = segment.end - self._window - (int(self._cumulative[row]) - 1 - index)
            windows.append(Segment(segment.contig, start, start + self._window))
        return windows


class GenomeSequences:
    """Read windows of a reference and of the samples' haplotypes; a context manager from `open`.

    Attributes
    ----------
    reference
        The FASTA.
    reader
        The genotypes, or None.
    """

    def __init__(self, reference: Reference, reader: VariantReader | None, stack: ExitStack) -> None:
        self.reference = reference
        self.reader = reader
        self._stack = stack

    @classmethod
    def open(cls, reference: Path, variants: Path | Files | None, *, assume_phased: bool = False) -> Self:
        """Open the files.

        Raises
        ------
        InputError
            When a file cannot be read, has no samples, or they have no contig in common.
        """
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=temporary_prefix()))
            fasta = stack.enter_context(Reference.open(reference, Path(folder)))
            reader = None
            if variants is not None:
                # Missing calls are read as the reference: one bad window must not end a long run.
                reader = stack.enter_context(
                    open_variants(variants, assume_phased=assume_phased, max_missing=1.0)
                )
                _require_usable(reader, fasta)
            return cls(fasta, reader, stack.pop_all())

    def reference_sequence(self, window: Segment) -> bytes:
        """Return a window of the reference."""
        return self.reference.fetch(window.contig, window.start, window.end)

    def haplotype_sequence(self, window: Segment, generator: np.random.Generator) -> bytes:
        """Return a window of a random haplotype; of the reference if its contig has no genotypes.

        Its insertions and deletions make the sequence longer or shorter than the window.

        Raises
        ------
        InputError
            When REF differs from the FASTA, or a heterozygote is unphased.
        """
        reference = self.reference_sequence(window)
        if self.reader is None or match_contig(window.contig, self.reader.contigs) is None:
            return reference
        samples = self.reader.sample_ids
        sample, haplotype = divmod(int(generator.integers(2 * len(samples))), 2)
        tile = Tile(window.contig, 0, window.start, window.end)
        variants = read_for_tiles(self.reader, [tile], samples)
        check_reference(variants, self.reference)
        one = variants.take_samples(np.array([sample], dtype=np.int64))
        haplotypes = region_haplotypes(reference, one, window.contig, window.start, window.end)
        return haplotypes.sequences[int(haplotypes.index[0, haplotype])]

    def training_sequence(self, window: Segment, generator: np.random.Generator) -> bytes:
        """Return a window of the reference or a haplotype, on a random strand, cut to the window's length."""
        from_haplotype = self.reader is not None and generator.random() < HAPLOTYPE_SHARE
        if from_haplotype:
            sequence = self.haplotype_sequence(window, generator)[: window.end - window.start]
        else:
            sequence = self.reference_sequence(window)
        return reverse_complement(sequence) if generator.random() < 0.5 else sequence

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _append(segments: list[Segment], found: Segment) -> None:
    """Append a segment, or extend the last one that a boundary between reads has cut."""
    if segments and segments[-1].contig == found.contig and segments[-1].end == found.start:
        segments[-1] = segments[-1]._replace(end=found.end)
    else:
        segments.append(found)


def _outside(segment: Segment, region: Segment) -> tuple[Segment, ...]:
    if segment.contig != region.contig:
        return (segment,)
    return (
        segment._replace(end=min(segment.end, region.start)),
        segment._replace(start=max(segment.start, region.end)),
    )


def _require_usable(reader: VariantReader, reference: Reference) -> None:
    if not reader.sample_ids:
        raise InputError(f"{reader.path} has no samples; give genotypes, or leave --variants out")
    if all(match_contig(name, reader.contigs) is None for name in reference.contigs):
        raise InputError(
            f"{reader.path} has none of the contigs of {reference.path} (it has {_some(reader.contigs)}; the "
            f"reference has {_some(tuple(reference.contigs))}); give genotypes of the same genome"
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
