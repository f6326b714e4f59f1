"""Regions as samtools writes them."""

import pytest

from haploscribe.errors import InputError
from haploscribe.genome.contigs import parse_region


def test_a_contig_may_hold_colons() -> None:
    assert parse_region("HLA*01:02:1-1") == ("HLA*01:02", 0, 1)


@pytest.mark.parametrize("text", ["c:0-5", "c:6-5"])
def test_a_region_that_counts_from_0_or_backwards_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=f"--region {text}: start must be at least 1"):
        parse_region(text)


@pytest.mark.parametrize("text", ["c", "c:5", "c:a-5", ":1-5"])
def test_what_is_no_region_is_refused_by_the_options_name(text: str) -> None:
    with pytest.raises(InputError, match=f"--where {text}: write it as contig:start-end"):
        parse_region(text, "--where")
