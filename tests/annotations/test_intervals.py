"""Intervals of BED files: overlap and distance, held against every interval in turn."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haploscribe.annotations.base import AnnotatedAlleles
from haploscribe.annotations.intervals import Intervals
from haploscribe.errors import InputError

LENGTH = 400
SPANS = st.lists(
    st.tuples(st.integers(0, LENGTH - 1), st.integers(1, 30)).map(
        lambda drawn: (drawn[0], min(drawn[0] + drawn[1], LENGTH))
    ),
    min_size=1,
    max_size=8,
)
ALLELES = st.lists(st.tuples(st.integers(0, LENGTH - 9), st.integers(1, 9)), min_size=1, max_size=6)


def one_distance(start: int, end: int, spans: list[tuple[int, int]]) -> int:
    """The least number of bases from `[start, end)` to a span; 0 where they overlap, 1 where they adjoin."""
    return min(max(0, first - end + 1, start - last + 1) for first, last in spans)


@given(spans=SPANS, alleles=ALLELES.map(sorted))
def test_overlap_and_distance_are_those_of_the_nearest(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[int, int]], alleles: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "spans.bed"
    path.write_text("track name=x\n" + "".join(f"2\t{start}\t{end}\tpeak\n" for start, end in spans))
    found = Intervals(path, {"chr2": LENGTH}).read(
        AnnotatedAlleles(
            "chr2",
            np.array([start for start, _ in alleles], dtype=np.int64),
            tuple("A" * length for _, length in alleles),
            ("C",) * len(alleles),
        )
    )
    distances = [one_distance(start, start + length, spans) for start, length in alleles]
    np.testing.assert_array_equal(found[:, 1], distances)
    np.testing.assert_array_equal(found[:, 0], np.array(distances) == 0)


def test_a_gzipped_file_is_read_and_far_is_far(tmp_path: Path) -> None:
    path = tmp_path / "a.bed.gz"
    path.write_bytes(gzip.compress(b"# peaks\nchr2\t10\t20\t.\t3\n"))
    alleles = AnnotatedAlleles("chr2", np.array([12, 900_000], dtype=np.int64), ("A", "A"), ("C", "C"))
    found = Intervals(path, {"chr2": 1_000_000}).read(alleles)
    np.testing.assert_array_equal(found, [[1.0, 0.0], [0.0, 100_000.0]])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read as BED"),
        ("chr2\t10\n", r"has a line 'chr2\\t10'; give contig, start and end"),
        ("chr2\tten\t20\n", "has a line"),
        ("chr2\t-1\t20\n", "has a line"),
        ("chr2\t20\t20\n", "has an interval chr2 20 20, which is empty"),
        ("chr3\t10\t20\n", r"has no interval on the genes' contigs \(chr2\); it has chr3"),
        ("chr2\t10\t401\n", "another genome build: it has an interval that ends at chr2:401 of 400 bp"),
    ],
)
def test_files_at_fault_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.bed"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        Intervals(path, {"chr2": LENGTH})
