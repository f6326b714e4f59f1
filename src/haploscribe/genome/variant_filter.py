"""Choose the variants that every model sees: by frequency, by alleles, and by name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from haploscribe.errors import InputError
from haploscribe.genome.alleles import AlleleKey, is_ambiguous, trim_allele
from haploscribe.genome.contigs import canonical_contig
from haploscribe.genome.dosages import minor_allele_frequencies
from haploscribe.genome.variants import Variants, parse_allele
from haploscribe.utils.reading import read_decompressed
from haploscribe.utils.types import Int8Array

_BIM_COLUMNS = 6
_NO_NAME = "."


class Verdict(IntEnum):
    """Why a variant is left out; of several reasons the first, so that each variant is counted once."""

    USED = 0
    RARE = 1
    AMBIGUOUS = 2
    UNLISTED = 3


@dataclass(frozen=True)
class VariantFilter:
    """Which variants are used, as the options of a cohort say; by default all.

    It is small and hashable, and travels to other processes without the list, which each reads when it first
    needs it.

    Attributes
    ----------
    maf
        Variants with a lower minor allele frequency in the samples are left out.
    no_ambiguous
        Leave out A/T and C/G variants.
    snps
        File of the names of the variants to use; None for all.
    """

    maf: float = 0.0
    no_ambiguous: bool = False
    snps: Path | None = None

    @cached_property
    def listed(self) -> "VariantList | None":
        """The variants that `snps` names."""
        return None if self.snps is None else VariantList.read(self.snps)

    def read(self) -> Self:
        """Return the filter with its list read.

        Raises
        ------
        InputError
            As `VariantList.read`.
        """
        _ = self.listed
        return self

    def judge(self, variants: Variants) -> Int8Array:
        """Return the `Verdict` on each record, int8 `(n_variants,)`.

        A record is used or left out whole. One with several ALT alleles is rare if all but its most common
        allele are so together, and ambiguous if any of its ALT alleles is; it is listed by its ID, or by
        `chr:pos:ref:alt` of each ALT allele. So no model sees an allele that is ambiguous or that the list
        does not name.

        Raises
        ------
        InputError
            When the list cannot be read.
        """
        verdicts = np.full(len(variants.positions), Verdict.USED, dtype=np.int8)
        if self.maf > 0:
            verdicts[minor_allele_frequencies(variants) < self.maf] = Verdict.RARE
        if not self.no_ambiguous and self.listed is None:
            return verdicts
        for row in np.flatnonzero(verdicts == Verdict.USED).tolist():
            reference, *alternates = variants.alleles[row]
            if self.no_ambiguous and any(is_ambiguous(reference, alternate) for alternate in alternates):
                verdicts[row] = Verdict.AMBIGUOUS
            elif self.listed is not None and not self.listed.names(variants, row):
                verdicts[row] = Verdict.UNLISTED
        return verdicts

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


ALL_VARIANTS = VariantFilter()


@dataclass(frozen=True, slots=True)
class VariantList:
    """Variants that a file names, as for `plink --extract`.

    Attributes
    ----------
    example
        The first name.
    identifiers
        All names.
    alleles
        Those of them that are of the form `chr:pos:ref:alt`, by `canonical_contig`.
    """

    example: str
    identifiers: frozenset[str]
    alleles: Mapping[str, frozenset[AlleleKey]]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read one name per line, or the second column of a PLINK .bim; plain or compressed.

        Blank lines, lines that begin with `#`, and the name `.`, which stands for none, are skipped.

        Raises
        ------
        InputError
            When the file cannot be read, is no text, has a line that is neither, or names no variant.
        """
        named = dict.fromkeys(_names(path))
        if not named:
            raise InputError(f"--snps {path} names no variant; give one name per line, or a PLINK .bim")
        alleles: dict[str, set[AlleleKey]] = {}
        for contig, allele in filter(None, map(parse_allele, named)):
            alleles.setdefault(canonical_contig(contig), set()).add(trim_allele(*allele[:3]))
        frozen = {contig: frozenset(found) for contig, found in alleles.items()}
        return cls(next(iter(named)), frozenset(named), frozen)

    def names(self, variants: Variants, row: int) -> bool:
        """Return whether a record is named: by its ID or a part of it, or by every ALT allele."""
        identifier = variants.identifiers[row]
        if identifier in self.identifiers or not self.identifiers.isdisjoint(identifier.split(";")):
            return True
        listed = self.alleles.get(canonical_contig(variants.contig))
        if listed is None:
            return False
        position, (reference, *alternates) = int(variants.positions[row]), variants.alleles[row]
        return listed.issuperset(trim_allele(position, reference, alternate) for alternate in alternates)


def _names(path: Path) -> Iterator[str]:
    """Yield the names of a list, line by line."""
    try:
        text = b"".join(read_decompressed(path)).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"--snps {path} is not text; give one name per line, or a PLINK .bim") from None
    for number, line in enumerate(text.split("\n"), start=1):
        cells = line.split()
        if not cells or line.startswith("#"):
            continue
        is_bim = len(cells) == _BIM_COLUMNS and cells[3].isdecimal()
        if len(cells) > 1 and not is_bim:
            raise InputError(
                f"--snps {path} line {number} has {len(cells)} columns; give one name per line, or a PLINK "
                ".bim, which has 6, the name in the second"
            )
        name = cells[1] if is_bim else cells[0]
        if not name.isprintable():
            raise InputError(f"--snps {path} line {number} is not text; give one name per line")
        if name != _NO_NAME:
            yield name
