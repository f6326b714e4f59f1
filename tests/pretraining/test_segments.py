"""Where a genome may be read: N, held-out regions and window starts, against plain loops over bases."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haploscribe.errors import InputError
from haploscribe.genome.reference import Reference
from haploscribe.pretraining import segments as segments_module
from haploscribe.pretraining.segments import (
    GenomeScan,
    Segment,
    WindowStarts,
    place_region,
    scan_genome,
    within,
    without,
)
from tests.fixtures.genomes import write_genome

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), max_size=5)


def as_segments(spans: list[tuple[int, int]]) -> list[Segment]:
    return [Segment("c", start, start + length) for start, length in spans]


def covered(segments: tuple[Segment, ...] | list[Segment]) -> set[int]:
    return {base for segment in segments for base in range(segment.start, segment.end)}


def scanned(folder: Path, **contigs: bytes) -> GenomeScan:
    with Reference.open(write_genome(folder / "genome.fa", **contigs), folder) as reference:
        return scan_genome(reference, lambda _: None)


@given(SPANS, SPANS)
def test_without_leaves_the_bases_outside(
    segments: list[tuple[int, int]], held: list[tuple[int, int]]
) -> None:
    left = without(as_segments(segments), as_segments(held))
    assert covered(left) == covered(as_segments(segments)) - covered(as_segments(held))
    assert all(segment.start < segment.end for segment in left)


@given(SPANS, SPANS)
def test_within_keeps_the_bases_inside(segments: list[tuple[int, int]], held: list[tuple[int, int]]) -> None:
    kept = within(as_segments(segments), as_segments(held))
    assert covered(kept) == covered(as_segments(segments)) & covered(as_segments(held))


def test_segments_are_the_stretches_without_n(tmp_path: Path) -> None:
    scan = scanned(tmp_path, x=b"NNACGTNNNacgR", y=b"NNN", z=b"TT")
    assert scan.segments == (Segment("x", 2, 6), Segment("x", 9, 12), Segment("z", 0, 2))
    assert scan.n_bases == 9


def test_a_stretch_over_the_border_of_two_readings_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scanned(tmp_path, x=b"NACGTACGTN", y=b"ACG")
    monkeypatch.setattr(segments_module, "_PIECE", 3)
    assert scanned(tmp_path, x=b"NACGTACGTN", y=b"ACG") == whole


def test_the_digest_is_of_the_sequence_not_of_its_case(tmp_path: Path) -> None:
    assert scanned(tmp_path, x=b"ACGT").digest == scanned(tmp_path, x=b"acgt").digest
    assert scanned(tmp_path, x=b"ACGT").digest != scanned(tmp_path, x=b"ACGA").digest


@given(SPANS, st.integers(1, 8))
def test_every_start_that_fits_is_drawn_and_no_other(spans: list[tuple[int, int]], window: int) -> None:
    segments = [Segment(str(i), start, start + length) for i, (start, length) in enumerate(spans)]
    starts = WindowStarts(segments, window)
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
        pytest.raises(InputError, match="--hold-out x:2-5 ends behind x"),
    ):
        place_region("x:2-5", reference, "--hold-out")
