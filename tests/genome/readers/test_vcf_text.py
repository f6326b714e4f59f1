"""Calls decoded from the text of a VCF, against bcftools."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pysam.bcftools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.genome.readers.calls import ABSENT, MISSING
from haploscribe.genome.readers.vcf_text import MalformedRecordError, decode_records
from tests.fixtures.variants import write_vcf_lines

NAMES = ("a", "b", "c")


@st.composite
def _lines(draw: st.DrawFn) -> str:
    """A record of haploid and diploid calls; those of one file differ in their keys."""
    n_alternates = draw(st.sampled_from((0, 1, 1, 1, 3, 9, 12)))
    allele = st.integers(0, n_alternates).map(str) | st.just(".")
    keys = draw(st.sampled_from(("GT", "GT", "GT:DP", "DP:GT", "DP")))
    haploid = draw(st.sampled_from((False, False, True)))
    calls = []
    for _ in NAMES:
        call = draw(allele) + draw(st.sampled_from("|/")) + draw(allele)
        values = {
            "GT": draw(allele) if haploid and draw(st.booleans()) else call,
            "DP": draw(st.sampled_from((".", "7", "12345"))),
        }
        calls.append(":".join(values[key] for key in keys.split(":")))
    alternates = ",".join("ACGT" * number + "A" for number in range(1, n_alternates + 1)) or "."
    identifier = draw(st.sampled_from((".", "rs1", "é")))
    return "\t".join(("c", "{}", identifier, "C", alternates, ".", ".", ".", keys, *calls))


def _call(text: str) -> tuple[list[int], bool]:
    """Read a call that bcftools has written."""
    numbers = [MISSING if allele == "." else int(allele) for allele in text.replace("|", "/").split("/")]
    return [*numbers, ABSENT][:2], "/" not in text


@settings(max_examples=60, deadline=None)
@given(drawn=st.lists(_lines(), min_size=1, max_size=6), characters=st.sampled_from((1, 20, 1 << 20)))
def test_calls_are_those_of_bcftools(drawn: list[str], characters: int) -> None:
    lines = [line.format(10 * number) for number, line in enumerate(drawn, start=1)]
    with TemporaryDirectory() as folder:
        path = write_vcf_lines(Path(folder) / "v.vcf", {"c": 100}, lines, NAMES)
        found = decode_records(lines, 0, 100, len(NAMES), chunk_characters=characters)
        query = "%POS\t%ID\t%REF\t%ALT[\t%GT]\n"
        expected = [
            line.split("\t") for line in str(pysam.bcftools.query("-f", query, str(path))).splitlines()
        ]
    assert [position + 1 for position in found.positions] == [int(record[0]) for record in expected]
    assert list(found.identifiers) == [record[1] for record in expected]
    for row, (_, _, reference, alternates, *calls) in enumerate(expected):
        assert found.alleles[row] == (reference, *(alternates.split(",") if alternates != "." else ()))
        for sample, call in enumerate(calls):
            numbers, phased = _call(call)
            if call == ".":  # bcftools does not tell a haploid call from one that is left out
                assert found.numbers[row, sample, 0] == MISSING
            else:
                assert found.numbers[row, sample].tolist() == numbers
                assert found.phased[row, sample] == phased


def _line(calls: str, keys: str = "GT", position: str = "5", reference: str = "ACG") -> str:
    return f"c\t{position}\t.\t{reference}\tA\t.\t.\t.\t{keys}\t{calls}"


def test_wanted_samples_come_in_their_order() -> None:
    found = decode_records([_line("0|1\t1/1\t0|0")], 0, 100, 3, np.array([2, 0]))
    assert (found.numbers.tolist(), found.phased.tolist()) == ([[[0, 0], [0, 1]]], [[True, True]])


@pytest.mark.parametrize(("start", "end", "n_found"), [(0, 4, 0), (0, 5, 1), (6, 9, 1), (7, 9, 0)])
def test_only_records_with_a_ref_base_in_the_region_are_kept(start: int, end: int, n_found: int) -> None:
    assert decode_records([_line("0|1")], start, end, 1).numbers.shape == (n_found, 1, 2)


def test_a_phase_in_front_of_a_call_is_read() -> None:
    found = decode_records([_line("/0|1\t|1")], 0, 100, 2)
    assert (found.numbers.tolist(), found.phased.tolist()) == ([[[0, 1], [1, ABSENT]]], [[True, True]])


def test_a_file_without_samples_has_records_without_calls() -> None:
    assert decode_records(["c\t5\t.\tA\tG\t.\t.\t."], 0, 100, 0).numbers.shape == (1, 0, 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (_line("x|1\t0|1"), "has a call at c:5 that is not a genotype"),
        (_line("{}|1\t0|1"), "has a call at c:5 that is not a genotype"),
        (_line("/|1\t0|1"), "has a call at c:5 that is not a genotype"),
        (_line("0|1\té|0"), "has a call at c:5 that is not a genotype"),
        (_line("0-1\t0|1"), "has a call at c:5 that is not a genotype"),
        (_line("0|1\t0|"), "has a call at c:5 that is not a genotype"),
        (_line("0|1\t00000|1"), "has a call at c:5 that is not a genotype"),
        (_line("0|1:5\t0|1"), "has a call of more values than FORMAT names at c:5"),
        (_line("5:0|1:5\t5:0|1", keys="DP:GT"), "has a call of more values than FORMAT names at c:5"),
        (_line("0|1|1\t0|1"), "has calls of more than two alleles at c:5"),
        (_line("0|1"), "has 10 columns at c:5, the header has 11"),
        (_line("0|1\t0|1\t0|1"), "has 12 columns at c:5, the header has 11"),
        (_line("3:0|1", keys="DP:GT"), "has 10 columns at c:5, the header has 11"),
        (_line("0|1\t0|1", position="x"), "is not a record"),
        ("c\t5\t.\tA\tG\t.\t.\t.", "has 9 columns at c:5, the header has 11"),
    ],
)
def test_a_malformed_record_is_refused(line: str, message: str) -> None:
    with pytest.raises(MalformedRecordError) as caught:
        decode_records([_line("0|1\t1|1"), line], 0, 100, 2)
    assert message in str(caught.value)


def test_samples_missing_in_one_record_are_not_made_up_by_the_next() -> None:
    with pytest.raises(MalformedRecordError, match="has 10 columns"):
        decode_records([_line("0|1", "GT:DP"), _line("0|1\t0|1\t1|1", "GT:DP")], 0, 100, 2)


def test_a_second_key_that_looks_like_a_call_is_not_taken_for_one() -> None:
    with pytest.raises(MalformedRecordError, match="has 10 columns"):
        decode_records([_line("0|0:0|0", keys="GT:PG")], 0, 100, 2)
