"""Regions as samtools reads them."""

from pathlib import Path

import pysam
import pytest

from haploscribe.errors import InputError
from haploscribe.genome.region import haplotype_records, parse_region
from tests.fixtures.variants import SAMPLES, write_fasta, write_vcf_lines


def test_a_region_is_the_one_of_samtools_with_or_without_commas_and_an_index(tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "r.fa", {"c": "ACGTTGCATTAGC" * 100})
    vcf = write_vcf_lines(tmp_path / "v.vcf.gz", {"c": 1300}, ["c\t1003\t.\tC\tCTT\t.\t.\t.\tGT\t0|0\t0|0"])
    Path(f"{fasta}.fai").unlink(missing_ok=True)
    found = dict(haplotype_records(vcf, fasta, " c:1,001-1,010 ", SAMPLES))
    expected = pysam.FastaFile(str(fasta)).fetch(region="c:1001-1010")
    assert found == {f"{sample}_{copy}": expected.encode() for sample in SAMPLES for copy in (0, 1)}


def test_a_contig_may_hold_colons() -> None:
    assert parse_region("HLA*01:02:1-1") == ("HLA*01:02", 0, 1)


@pytest.mark.parametrize("text", ["c:0-5", "c:6-5"])
def test_a_region_that_counts_from_0_or_backwards_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=f"--region {text}: start and end count from 1"):
        parse_region(text)


@pytest.mark.parametrize("text", ["c", "c:5", "c:a-5", ":1-5"])
def test_what_is_no_region_is_refused_by_the_options_name(text: str) -> None:
    with pytest.raises(InputError, match=f"--where {text}: write it as contig:start-end"):
        parse_region(text, "--where")


def test_a_region_ends_with_its_contig(tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "r.fa", {"c": "ACGT"})
    vcf = write_vcf_lines(tmp_path / "v.vcf.gz", {"c": 4}, [])
    assert dict(haplotype_records(vcf, fasta, "c:2-4", ["a"])) == {"a_0": b"CGT", "a_1": b"CGT"}
    with pytest.raises(InputError, match="--region c:2-5: c has 4 bp in "):
        list(haplotype_records(vcf, fasta, "c:2-5", ["a"]))
