"""Regions as samtools reads them."""

from pathlib import Path

import pysam
import pytest

from haploscribe.errors import InputError
from haploscribe.workflows.haplotypes import haplotype_records
from tests.fixtures.variants import SAMPLES, write_fasta, write_vcf_lines


def test_a_region_is_the_one_of_samtools_with_or_without_commas_and_an_index(tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "r.fa", {"c": "ACGTTGCATTAGC" * 100})
    vcf = write_vcf_lines(tmp_path / "v.vcf.gz", {"c": 1300}, ["c\t1003\t.\tC\tCTT\t.\t.\t.\tGT\t0|0\t0|0"])
    Path(f"{fasta}.fai").unlink(missing_ok=True)
    found = dict(haplotype_records(vcf, fasta, " c:1,001-1,010 ", SAMPLES))
    expected = pysam.FastaFile(str(fasta)).fetch(region="c:1001-1010")
    assert found == {f"{sample}_{copy}": expected.encode() for sample in SAMPLES for copy in (0, 1)}


def test_a_region_ends_with_its_contig(tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "r.fa", {"c": "ACGT"})
    vcf = write_vcf_lines(tmp_path / "v.vcf.gz", {"c": 4}, [])
    assert dict(haplotype_records(vcf, fasta, "c:2-4", ["a"])) == {"a_0": b"CGT", "a_1": b"CGT"}
    with pytest.raises(InputError, match="--region c:2-5: c has 4 bp in "):
        list(haplotype_records(vcf, fasta, "c:2-5", ["a"]))
