"""What must hold of whatever a reader has accepted, and what other software reads from the same file."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from haploscribe.expression.table import ExpressionTable
from haploscribe.genome.reference import as_acgtn
from haploscribe.genome.variants import VariantReader, Variants
from tests.fixtures.peers import find_program
from tests.fixtures.variants import only_file

END = 20_000
"""Behind the last base of every contig of the bases."""
_BCFTOOLS_SECONDS = 10.0


def require_finite(*arrays: npt.ArrayLike) -> None:
    """Raise AssertionError unless all numbers are finite."""
    for array in arrays:
        values = np.asarray(array)
        assert values.dtype.kind in "biuf", values.dtype
        assert np.isfinite(values).all(), "numbers that are not finite were accepted"


def require_sound_variants(variants: Variants, samples: Sequence[str]) -> None:
    """Hold variants against the contract of `Variants`."""
    n_variants = len(variants.positions)
    assert variants.genotypes.shape == (n_variants, len(samples), 2)
    assert variants.genotypes.dtype == np.int8
    assert len(variants.alleles) == len(variants.identifiers) == n_variants
    assert (np.diff(variants.positions) >= 0).all()
    assert (variants.positions >= 0).all()
    assert (variants.genotypes >= 0).all()
    for alleles, row in zip(variants.alleles, variants.genotypes, strict=True):
        assert len(alleles) >= 2
        assert row.max(initial=0) < len(alleles)
        assert all(allele and set(allele) <= set(b"ACGTN") for allele in alleles)


def require_sound_expression(table: ExpressionTable) -> None:
    """Hold a table against the contract of `ExpressionTable`."""
    assert table.values.shape == (len(table.genes), len(table.sample_ids))
    assert table.values.dtype == np.float64
    require_finite(table.values)
    assert len(set(table.sample_ids)) == len(table.sample_ids)
    assert len({gene.gene_id for gene in table.genes}) == len(table.genes)
    assert all(gene.tss >= 0 and gene.strand in "+-." for gene in table.genes)


Row = tuple[int, tuple[tuple[bytes, bytes], ...]]
"""0-based position, and for each sample the alleles of both haplotypes."""


def rows_of(variants: Variants) -> list[Row]:
    """List what each sample carries, spelled out."""
    return [
        (position, tuple((alleles[first], alleles[second]) for first, second in row.tolist()))
        for position, alleles, row in zip(
            variants.positions.tolist(), variants.alleles, variants.genotypes, strict=True
        )
    ]


def rows_of_bcftools(path: Path) -> dict[str, list[Row]] | None:
    """List the same as `bcftools query` reads it, by contig; None where it is absent or refuses the file."""
    program = find_program("bcftools")
    if program is None:
        return None
    command = (program, "query", "-f", "%CHROM\t%POS\t%REF\t%ALT[\t%GT]\n", str(path))
    try:
        done = subprocess.run(command, capture_output=True, timeout=_BCFTOOLS_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode or b"[E::" in done.stderr:  # it skips a record that it cannot read, and goes on
        return None
    found: dict[str, list[Row]] = {}
    for line in done.stdout.splitlines():
        fields = line.split(b"\t")
        row = row_of(fields)
        if row is not None:
            found.setdefault(fields[0].decode(errors="replace"), []).append(row)
    return found


def row_of(fields: list[bytes]) -> Row | None:
    """Read one line of `bcftools query`; None where no ALT is plain sequence."""
    reference, alternates = as_acgtn(fields[2]), fields[3].split(b",")
    alleles = [reference, *(as_acgtn(a) if a.isalpha() else None for a in alternates)]
    if not any(alleles[1:]):
        return None
    carried = []
    for call in fields[4:]:
        numbers = [int(number) if number.isdigit() else 0 for number in re.split(rb"[|/]", call)]
        first, second = (*numbers, 0)[:2]
        carried.append((alleles[first] or reference, alleles[second] or reference))
    return int(fields[1]) - 1, tuple(carried)


def require_as_bcftools(reader: VariantReader, read: dict[str, Variants]) -> None:
    """Raise AssertionError where bcftools reads the file too, and reads other alleles."""
    theirs = rows_of_bcftools(only_file(reader.path))
    if theirs is None:
        return
    for contig, variants in read.items():
        expected = [row for row in theirs.get(contig, []) if row[0] < END]
        assert rows_of(variants) == expected, f"bcftools reads other alleles on {contig}"
