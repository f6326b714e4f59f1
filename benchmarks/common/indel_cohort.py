"""Put insertions and deletions in place of SNVs of a cohort, with the genotypes unchanged."""

import gzip
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysam

from haploscribe.genome.reference import Reference
from haploscribe.utils.files import atomic_write
from haploscribe.utils.types import Int64Array

MAX_LENGTH = 24
EXPONENT = 1.5
"""Lengths are drawn with probability proportional to length ** -EXPONENT: short indels prevail."""


class Indel(NamedTuple):
    """An insertion or deletion with its anchor base, as in a VCF.

    Attributes
    ----------
    reference, alternate
        Alleles; the first base of both is the anchor.
    """

    reference: bytes
    alternate: bytes


def draw_length(generator: np.random.Generator, longest: int = MAX_LENGTH) -> int:
    """Draw the length of an indel in base pairs."""
    weights = np.arange(1.0, longest + 1) ** -EXPONENT
    return int(generator.choice(longest, p=weights / weights.sum())) + 1


def make_indel(following: bytes, length: int, *, insertion: bool, generator: np.random.Generator) -> Indel:
    """Make an indel after an anchor base.

    Parameters
    ----------
    following
        The reference from the anchor base on, longer than `length`.
    length
        Bases inserted or deleted.
    insertion
        Insert random bases; otherwise delete those after the anchor.
    generator
        Draws the inserted bases.
    """
    anchor = following[:1]
    if insertion:
        return Indel(anchor, anchor + bytes(generator.choice(list(b"ACGT"), length).tolist()))
    return Indel(following[: length + 1], anchor)


def write_with_indels(
    variants: Path, reference: Reference, out: Path, chosen: Callable[[Int64Array], Iterable[int]], seed: int
) -> Path:
    """Write a VCF of one contig with indels in place of some SNVs; ALT carriers stay who they are.

    Half of them are deletions, except where another variant would stand among the deleted bases.

    Parameters
    ----------
    variants
        A VCF of biallelic SNVs, sorted.
    reference
        Its reference.
    out
        VCF.gz to write, with an index beside it; kept if it exists.
    chosen
        Returns the indices of the SNVs to replace, given the 0-based positions of all, int64 `(n_snvs,)`.
    seed
        Of the draws.
    """
    if out.with_name(out.name + ".tbi").exists():
        return out
    with gzip.open(variants, "rt") as stream:
        lines = stream.read().splitlines()
    header = [line for line in lines if line.startswith("#")]
    records = [line.split("\t", 5) for line in lines[len(header) :]]
    positions = np.array([int(record[1]) - 1 for record in records])
    generator = np.random.default_rng(seed)
    for index in sorted(set(chosen(positions))):
        contig, start, record = records[index][0], int(positions[index]), records[index]
        length = draw_length(generator)
        following = reference.fetch(contig, start, start + length + 1)
        next_start = positions[index + 1] if index + 1 < len(positions) else start + length + 1
        insertion = bool(generator.random() < 0.5) or next_start <= start + length or b"N" in following
        indel = make_indel(following, length, insertion=insertion, generator=generator)
        record[3], record[4] = indel.reference.decode(), indel.alternate.decode()
    text = "\n".join([*header, *("\t".join(record) for record in records)]) + "\n"
    with atomic_write(out) as aside, pysam.BGZFile(str(aside), "w") as compressed:
        compressed.write(text.encode())
    pysam.tabix_index(str(out), preset="vcf", force=True)
    return out
