"""Shares of k-mers are those that plain sets of strings give."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.accuracy import shared_sequence
from benchmarks.accuracy.shared_sequence import index_kmers, pair_shares, shared_shares
from haploscribe.expression.genes import GeneSplit

K = 3
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def both(kmer: str) -> str:
    return min(kmer, kmer.translate(COMPLEMENT)[::-1])


def kmers(sequence: str, span: tuple[int, int]) -> list[str]:
    part = sequence[slice(*span)]
    found = [part[i : i + K] for i in range(len(part) - K + 1)]
    return [both(kmer) for kmer in found if "N" not in kmer]


spans = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted), min_size=1, max_size=3)


@settings(max_examples=60)
@given(st.text("ACGTN", min_size=30, max_size=40), spans, spans, st.sampled_from([None, 1, 2]))
def test_shares_are_those_of_sets_of_strings(
    sequence: str, tested: list[tuple[int, int]], trained: list[tuple[int, int]], most_copies: int | None
) -> None:
    everywhere = kmers(sequence, (0, len(sequence)))
    elsewhere = {kmer for span in trained for kmer in kmers(sequence, span)}
    expected = []
    for span in tested:
        mine = [one for one in kmers(sequence, span) if everywhere.count(one) <= (most_copies or 99)]
        expected.append(sum(kmer in elsewhere for kmer in mine) / max(1, len(mine)))
    index = index_kmers(sequence.encode(), K)
    np.testing.assert_allclose(
        shared_shares(index, np.array(tested), np.array(trained), most_copies), expected
    )


def test_a_copy_on_the_other_strand_is_found_in_its_pair_alone() -> None:
    rng = np.random.default_rng(2)
    first, second, third = ("".join(rng.choice(list("ACGT"), 200)) for _ in range(3))
    copy = first[:100].translate(COMPLEMENT)[::-1]
    index = index_kmers((first + second + copy + third).encode(), 31)
    genes = np.array([(0, 200), (200, 400), (400, 600)])
    split = GeneSplit(1, np.array([1, 2]), np.array([0]))
    shares = pair_shares(index, genes, [split], most_copies=10)
    assert shares[0, 2] == pytest.approx((100 - 30) / (200 - 30))
    assert np.count_nonzero(shares) == 1


@pytest.mark.slow
@pytest.mark.shared
def test_the_page_is_written(shared_cohort: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.md"
    shared_sequence.main(f"--source {shared_cohort} --every 30 --table {table}".split())
    text = table.read_text()
    assert "10 genes of one chromosome" in text
    assert "| ±98,304 bp, 31-mers, all |" in text
