"""Variants in memory, read as from a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from haploscribe.genome.variants import Variants


class InMemoryVariants:
    """Variants of one contig as a `VariantReader`.

    Parameters
    ----------
    variants
        All records of the contig that will be asked for.
    """

    def __init__(self, variants: Variants) -> None:
        self.path = Path("(in memory)")
        self.sample_ids = variants.sample_ids
        self.contigs: tuple[str, ...] = (variants.contig,)
        self._variants = variants

    def read(self, contig: str, start: int, end: int, samples: Sequence[str]) -> Variants:
        """Give the records that overlap a region: see `VariantReader.read`."""
        assert (contig, tuple(samples)) == (self._variants.contig, self.sample_ids)
        variants = self._variants
        return variants.take((variants.positions < end) & (variants.ends > start))

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
