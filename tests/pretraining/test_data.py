"""Intervals without N, held-out regions and window starts, against plain loops over bases."""

from pathlib import Path

import numpy as np
import pysam
import pysam.bcftools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haploscribe.errors import InputError
from haploscribe.genome.reference import Reference
from haploscribe.pretraining.data import (
    GenomeScan,
    GenomeSequences,
    Segment,
    WindowSampler,
    intersect_regions,
    resolve_region,
    scan_genome,
    subtract_regions,
)
from tests.fixtures.genomes import random_bases, reverse_complement, write_genome, write_variants

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), max_size=5)


def as_segments(spans: list[tuple[int, int]]) -> list[Segment]:
    return [Segment("c", start, start + length) for start, length in spans]


def covered(segments: tuple[Segment, ...] | list[Segment]) -> set[int]:
    return {base for segment in segments for base in range(segment.start, segment.end)}


def scanned(folder: Path, bases_at_once: int = 1_000, **contigs: bytes) -> GenomeScan:
    with Reference.open(write_genome(folder / "genome.fa", **contigs), folder) as reference:
        return scan_genome(reference, lambda _: None, bases_at_once=bases_at_once)


@given(SPANS, SPANS)
def test_subtracting_leaves_the_bases_outside(
    segments: list[tuple[int, int]], held: list[tuple[int, int]]
) -> None:
    left = subtract_regions(as_segments(segments), as_segments(held))
    assert covered(left) == covered(as_segments(segments)) - covered(as_segments(held))
    assert all(segment.start < segment.end for segment in left)


@given(SPANS, SPANS)
def test_intersecting_keeps_the_bases_inside(
    segments: list[tuple[int, int]], held: list[tuple[int, int]]
) -> None:
    kept = intersect_regions(as_segments(segments), as_segments(held))
    assert covered(kept) == covered(as_segments(segments)) & covered(as_segments(held))


def test_segments_are_the_intervals_without_n(tmp_path: Path) -> None:
    scan = scanned(tmp_path, x=b"NNACGTNNNacgR", y=b"NNN", z=b"TT")
    assert scan.segments == (Segment("x", 2, 6), Segment("x", 9, 12), Segment("z", 0, 2))
    assert scan.n_bases == 9


def test_a_segment_read_in_parts_is_one(tmp_path: Path) -> None:
    whole = scanned(tmp_path, x=b"NACGTACGTN", y=b"ACG")
    assert scanned(tmp_path, 3, x=b"NACGTACGTN", y=b"ACG") == whole


def test_the_digest_is_of_the_sequence_not_of_its_case(tmp_path: Path) -> None:
    assert scanned(tmp_path, x=b"ACGT").digest == scanned(tmp_path, x=b"acgt").digest
    assert scanned(tmp_path, x=b"ACGT").digest != scanned(tmp_path, x=b"ACGA").digest


@given(SPANS, st.integers(1, 8))
def test_every_start_that_fits_is_drawn_and_no_other(spans: list[tuple[int, int]], window: int) -> None:
    segments = [Segment(str(i), start, start + length) for i, (start, length) in enumerate(spans)]
    starts = WindowSampler(segments, window)
    possible = {
        Segment(segment.contig, start, start + window)
        for segment in segments
        for start in range(segment.start, segment.end - window + 1)
    }
    assert starts.n_starts == len(possible)
    if possible:  # 60 possible at most: each is missed with chance e^-50
        assert set(starts.draw(np.random.default_rng(0), 3_000)) == possible


def test_a_region_outside_its_contig_is_refused(tmp_path: Path) -> None:
    path = write_genome(tmp_path / "genome.fa", x=b"ACGT")
    with (
        Reference.open(path, tmp_path) as reference,
        pytest.raises(InputError, match="--hold-out x:2-5 ends after the end of x"),
    ):
        resolve_region("x:2-5", reference, "--hold-out")


RECORDS = [
    (101, "{ref}", "{snv}", "0|1\t1|0"),
    (150, "{ref}", "{ref}ACGTACG", "1|0\t0|0"),
    (200, "{deletion}", "{ref}", "0|1\t0|1"),
    (260, "{ref}", "{snv}", "0|0\t1|1"),
]


def test_haplotypes_are_those_of_bcftools_consensus(tmp_path: Path) -> None:
    genome = random_bases(600)
    reference = write_genome(tmp_path / "genome.fa", c=genome)
    records = []
    for at, ref, alt, calls in RECORDS:
        base = chr(genome[at - 1])
        words = {
            "ref": base,
            "snv": "ACGT"["ACGT".index(base) - 1],
            "deletion": genome[at - 1 : at + 4].decode(),
        }
        records.append((at, ref.format(**words), alt.format(**words), calls))
    variants = write_variants(tmp_path / "variants.vcf", "c", 600, records)
    packed = tmp_path / "packed.vcf.gz"
    pysam.tabix_compress(str(variants), str(packed))
    pysam.tabix_index(str(packed), preset="vcf")
    expected = set()
    for sample in "ab":
        for haplotype in "12":
            arguments = ("-f", str(reference), "-s", sample, "-H", haplotype, str(packed))
            text: str = pysam.bcftools.consensus(*arguments)
            expected.add("".join(text.split("\n")[1:]).encode())
    with GenomeSequences.open(reference, variants) as sequences:
        generator = np.random.default_rng(0)
        found = {sequences.haplotype_sequence(Segment("c", 0, 600), generator) for _ in range(60)}
        half = [sequences.training_sequence(Segment("c", 0, 600), generator) for _ in range(200)]
    assert found == expected
    assert len(expected) == 4
    of_reference = [genome in (sequence, reverse_complement(sequence)) for sequence in half]
    assert np.mean(of_reference) == pytest.approx(0.5, abs=0.15)
