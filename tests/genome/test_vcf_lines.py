"""Calls read straight from the lines of a VCF, against cyvcf2."""

from pathlib import Path
from tempfile import TemporaryDirectory

import cyvcf2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.genome import vcf_lines
from haploscribe.genome.vcf_lines import IrregularLineError, calls_of_lines
from tests.fixtures.variants import write_vcf_lines

NAMES = ("a", "b", "c")


@st.composite
def _lines(draw: st.DrawFn) -> str:
    """A diploid record; those of one file differ in their keys."""
    n_alternates = draw(st.integers(0, 9))
    allele = st.integers(0, n_alternates).map(str) | st.just(".")
    keys = draw(st.sampled_from(("GT", "GT", "GT:DP")))
    calls = []
    for _ in NAMES:
        call = draw(allele) + draw(st.sampled_from("|/")) + draw(allele)
        depth = draw(st.sampled_from(("", ":.", ":7", ":12345"))) if ":" in keys else ""
        calls.append(call + depth)
    alternates = ",".join("ACGT" * number + "A" for number in range(1, n_alternates + 1)) or "."
    identifier = draw(st.sampled_from((".", "rs1", "é")))
    return "\t".join(("c", "{}", identifier, "C", alternates, ".", ".", ".", keys, *calls))


@settings(max_examples=40, deadline=None)
@given(drawn=st.lists(_lines(), min_size=1, max_size=6), characters=st.sampled_from((1, 20, 1 << 20)))
def test_calls_are_those_of_cyvcf2(drawn: list[str], characters: int) -> None:
    lines = [line.format(10 * number) for number, line in enumerate(drawn, start=1)]
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patched:
        path = write_vcf_lines(Path(name) / "v.vcf", {"c": 100}, lines, NAMES)
        file = cyvcf2.VCF(str(path))
        records = list(file)
        file.close()
        patched.setattr(vcf_lines, "_CHUNK_CHARACTERS", characters)
        found = calls_of_lines(lines, 0, 100, len(NAMES))
    expected = np.stack([record.genotype.array() for record in records])
    np.testing.assert_array_equal(found.numbers, expected[..., :2])
    np.testing.assert_array_equal(found.phased, expected[..., 2] != 0)
    assert found.positions.tolist() == [record.start for record in records]
    assert found.alleles == tuple((record.REF, *record.ALT) for record in records)
    assert found.identifiers == tuple(record.ID or "." for record in records)


def _line(calls: str, keys: str = "GT", position: str = "5", reference: str = "ACG") -> str:
    return f"c\t{position}\t.\t{reference}\tA\t.\t.\t.\t{keys}\t{calls}"


def test_wanted_samples_come_in_their_order() -> None:
    found = calls_of_lines([_line("0|1\t1/1\t0|0")], 0, 100, 3, np.array([2, 0]))
    assert (found.numbers.tolist(), found.phased.tolist()) == ([[[0, 0], [0, 1]]], [[True, True]])


@pytest.mark.parametrize(("start", "end", "n_found"), [(0, 4, 0), (0, 5, 1), (6, 9, 1), (7, 9, 0)])
def test_only_records_with_a_ref_base_in_the_region_are_kept(start: int, end: int, n_found: int) -> None:
    assert calls_of_lines([_line("0|1")], start, end, 1).numbers.shape == (n_found, 1, 2)


@pytest.mark.parametrize(
    "line",
    [
        _line("0\t1|0"),
        _line("0|1\t."),
        _line("0|1|1\t0|1"),
        _line("0|10\t0|1"),
        _line("x|1\t0|1"),
        _line("/|1\t0|1"),
        _line("0|1\té|0"),
        _line("0-1\t0|1"),
        _line("0|1"),
        _line("0|1\t0|1\t0|1"),
        _line("0|1\t0|"),
        _line("3:0|1\t3:0|1", keys="DP:GT"),
        _line("3\t4", keys="DP"),
        _line("0|1\t0|1", position="x"),
        "c\t5\t.\tA\tG\t.\t.\t.",
    ],
)
def test_a_line_that_only_a_parser_should_judge_is_left_to_it(line: str) -> None:
    with pytest.raises(IrregularLineError):
        calls_of_lines([_line("0|1\t1|1"), line], 0, 100, 2)


def test_samples_missing_in_one_record_are_not_made_up_by_the_next() -> None:
    with pytest.raises(IrregularLineError):
        calls_of_lines([_line("0|1", "GT:DP"), _line("0|1\t0|1\t1|1", "GT:DP")], 0, 100, 2)


def test_a_second_key_that_looks_like_a_call_is_not_taken_for_one() -> None:
    with pytest.raises(IrregularLineError):
        calls_of_lines([_line("0|0:0|0", keys="GT:PG")], 0, 100, 2)
