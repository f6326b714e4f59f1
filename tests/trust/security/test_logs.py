"""What is printed, and the records beside the results, hold nobody's genotypes.

The rule: a message may name a sample and a site, never the alleles that the sample carries.
"""

import re
from pathlib import Path

import pytest

from tests.fixtures.every_verb import Done, commands, run_verb, write_cohort
from tests.fixtures.small_cohort import PEOPLE
from tests.fixtures.variants import only_file

CALL = re.compile(r"(?<![\w.])(?:\d+|\.)[|/](?:\d+|\.)(?![\w/.])")
PROGRESS = re.compile(r"[━╸╺ ]{5,}\d+/\d+.*")


def without_progress(text: str) -> str:
    """Take out the counts of progress bars, `17/17`, which look like calls."""
    return PROGRESS.sub("", text)


@pytest.mark.parametrize("text", ["0|1", "call 1/1 of", "at chr2:31: .|0", "haploid/diploid 2|0"])
def test_calls_are_known_when_seen(text: str) -> None:
    assert CALL.search(text)


def test_no_verb_prints_who_carries_what(done: Done) -> None:
    assert done.ended.returncode == 0
    for verb, text in done.printed().items():
        shown = without_progress(text)
        named = [sample for sample in PEOPLE if sample in shown]
        # The two haplotypes go to a file, and `better / worse` counts genes.
        calls = [found[0] for found in CALL.finditer(shown.replace("0 / 2", ""))]
        assert (verb, named, calls) == (verb, [], [])


def test_records_of_a_run_name_nobody(done: Done) -> None:
    found = [path for path in (done.folder / "out").rglob("*.json") if "zarr" not in path.name]
    assert {"run.json", "summary.json", "models.json"} <= {path.name for path in found}
    for path in found:
        text = path.read_text()
        assert [sample for sample in PEOPLE if sample in text] == [], path
        assert CALL.findall(text) == [], path


def test_the_page_names_nobody(done: Done) -> None:
    for path in (done.folder / "out").rglob("*.html"):
        text = path.read_text()
        assert [sample for sample in PEOPLE if sample in text] == []


CANARY = "ACGTACCATTGACCA"
"""An allele that one person alone carries."""


def spoilt(vcf: str, call: str, *, alleles: tuple[str, str] | None = None) -> str:
    """Give the third record's second person this call, and the record these alleles."""
    lines = vcf.splitlines()
    records = [number for number, line in enumerate(lines) if not line.startswith("#")]
    fields = lines[records[2]].split("\t")
    if alleles is not None:
        fields[3:5] = alleles
    fields[4] = f"{fields[4]},{fields[3]}{CANARY}"
    fields[10] = call
    lines[records[2]] = "\t".join(fields)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("0/2", "unphased heterozygous"),
        ("2|7", "calls allele 7"),
        ("2|2|1", "more than two alleles"),
        ("2|x", "chr2"),
        ("2|-3", "chr2"),
    ],
)
def test_a_bad_call_is_told_without_what_it_is(tmp_path: Path, call: str, words: str) -> None:
    cohort = write_cohort(tmp_path / "cohort")
    only_file(cohort.variants).write_text(spoilt(only_file(cohort.variants).read_text(), call))
    code, printed = run_verb(commands(cohort, tmp_path, 1, None)["check"])
    assert code == 2
    assert words in printed
    said = without_progress(printed)
    assert CANARY not in said
    assert call not in said
    assert CALL.findall(said) == []


def test_too_many_missing_calls_are_told_by_counts(tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "cohort")
    lines = only_file(cohort.variants).read_text().splitlines()
    header = [line for line in lines if line.startswith("#")]
    records = [line.split("\t") for line in lines if not line.startswith("#")]
    emptied = ["\t".join([*fields[:9], *[".|."] * len(fields[9:])]) for fields in records]
    only_file(cohort.variants).write_text("\n".join([*header, *emptied]) + "\n")
    code, printed = run_verb(commands(cohort, tmp_path, 1, None)["check"])
    assert code == 2
    assert "5,719 calls are missing" in printed
    assert CALL.findall(without_progress(printed)) == []
