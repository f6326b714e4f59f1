"""Sequences of a genome to train and to score on: the reference's and real people's."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from haploscribe.errors import InputError
from haploscribe.genome.contigs import match_contig
from haploscribe.genome.haplotypes import read_for_tiles, region_haplotypes
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.tiles import Tile
from haploscribe.genome.variants import VariantReader, check_reference
from haploscribe.leftovers import temporary_prefix
from haploscribe.pretraining.segments import Segment

HAPLOTYPE_SHARE = 0.5
"""With genotypes, the share of windows that are read from a haplotype instead of the reference."""

_COMPLEMENT = bytes.maketrans(b"ACGT", b"TGCA")


class GenomeSequences:
    """A reference, and the haplotypes of people on it, to read windows from.

    Made by `GenomeSequences.open`; a context manager.

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
    def open(cls, reference: Path, variants: Path | None, *, assume_phased: bool = False) -> Self:
        """Open the files.

        Raises
        ------
        InputError
            When a file cannot be read, has no samples, or both share no contig.
        """
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=temporary_prefix()))
            fasta = stack.enter_context(Reference.open(reference, Path(folder)))
            reader = None
            if variants is not None:
                # Missing calls are the reference's; a rare bad window must not end a long run.
                reader = stack.enter_context(
                    open_variants(variants, assume_phased=assume_phased, max_missing=1.0)
                )
                _require_usable(reader, fasta)
            return cls(fasta, reader, stack.pop_all())

    def reference_sequence(self, window: Segment) -> bytes:
        """Read a window of the reference."""
        return self.reference.fetch(window.contig, window.start, window.end)

    def haplotype_sequence(self, window: Segment, generator: np.random.Generator) -> bytes:
        """Read a window of one haplotype of one sample, both drawn; the reference's where none is known.

        The sequence may be longer or shorter than the window, by the haplotype's insertions and deletions.

        Raises
        ------
        InputError
            When REF differs from the FASTA, or a heterozygote is unphased.
        """
        reference = self.reference_sequence(window)
        if self.reader is None or match_contig(window.contig, self.reader.contigs) is None:
            return reference
        samples = self.reader.sample_ids
        drawn, copy = divmod(int(generator.integers(2 * len(samples))), 2)
        tile = Tile(window.contig, 0, window.start, window.end)
        variants = read_for_tiles(self.reader, [tile], samples)
        check_reference(variants, self.reference)
        one = replace(variants, genotypes=variants.genotypes[:, drawn : drawn + 1])
        haplotypes = region_haplotypes(reference, one, window.contig, window.start, window.end)
        return haplotypes.sequences[int(haplotypes.index[0, copy])]

    def drawn_sequence(self, window: Segment, generator: np.random.Generator) -> bytes:
        """Read a window as training does: of reference or haplotype, on either strand, no longer than it."""
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


def reverse_complement(sequence: bytes) -> bytes:
    """Read the other strand; N stays N."""
    return sequence.translate(_COMPLEMENT)[::-1]


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
