"""Several genotype files as one, against the one file that bcftools and plink2 cut them from."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from haploscribe.errors import InputError
from haploscribe.genome.readers.open import open_variants, variant_files
from haploscribe.genome.variants import Variants
from haploscribe.utils.file_lists import Files
from haploscribe.utils.types import BoolArray
from tests.fixtures.peers import require_program
from tests.fixtures.variants import SAMPLES, write_vcf_lines

LENGTHS = {"chr1": 1000, "chr2": 1000, "chr3": 1000}
LINES = [
    "chr1\t10\tone\tA\tG\t.\t.\t.\tGT\t0|1\t1|0",
    "chr1\t20\ttwo\tACGTACGTACGTACGTACGTACGTACGTACGT\tA\t.\t.\t.\tGT\t1|1\t0|1",
    "chr1\t40\tthree\tA\tG,T\t.\t.\t.\tGT\t2|0\t.|.",
    "chr1\t50\tfour\tA\t<DUP>\t.\t.\t.\tGT\t0|1\t1|1",
    "chr2\t10\tfive\tA\tG\t.\t.\t.\tGT\t1|0\t1|0",
]
REGIONS = (("chr1", 0, 1000), ("1", 25, 45), ("chr1", 45, 60), ("chr1", 100, 200), ("chr2", 0, 1000))


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return write_vcf_lines(tmp_path / "whole.vcf.gz", LENGTHS, LINES)


def run(program: str, *arguments: object) -> None:
    subprocess.run([require_program(program), *map(str, arguments)], check=True, capture_output=True)


def cut(whole: Path, region: str, name: str) -> Path:
    """Cut the records that start in a region out of a file."""
    out = whole.parent / "parts" / name
    out.parent.mkdir(exist_ok=True)
    run("bcftools", "view", "--targets", region, "--targets-overlap", "pos", "-o", out, whole)
    return out


def as_pgen(vcf: Path) -> Path:
    """Convert a VCF with plink2."""
    run("plink2", "--vcf", vcf, "--make-pgen", "--output-chr", "chrM", "--out", vcf)
    return vcf.with_name(f"{vcf.name}.pgen")


def read_all(variants: Path | Files, samples: Sequence[str] = SAMPLES[::-1]) -> list[Variants]:
    with open_variants(variants, max_missing=1) as reader:
        return [reader.read(*region, samples) for region in REGIONS]


def require_same(found: Variants, expected: Variants) -> None:
    np.testing.assert_array_equal(found.positions, expected.positions)
    np.testing.assert_array_equal(found.genotypes, expected.genotypes)
    assert (found.alleles, found.identifiers) == (expected.alleles, expected.identifiers)
    assert (found.counts, found.sample_ids) == (expected.counts, expected.sample_ids)
    np.testing.assert_array_equal(imputed(found), imputed(expected))


def imputed(variants: Variants) -> BoolArray:
    mask = variants.imputed_mask
    return np.zeros(variants.genotypes.shape, np.bool_) if mask is None else mask


@pytest.fixture
def parts(whole: Path) -> list[Path]:
    """Two chunks of chr1, in another order, and chr2: VCF, BCF and PGEN."""
    return [
        cut(whole, "chr1:30-1000", "late.bcf"),
        as_pgen(cut(whole, "chr2", "other.vcf")),
        cut(whole, "chr1:1-29", "early.vcf.gz"),
    ]


def test_parts_give_the_variants_of_the_whole(whole: Path, parts: list[Path]) -> None:
    for found, expected in zip(read_all(Files(parts)), read_all(whole), strict=True):
        require_same(found, expected)


def test_contigs_of_all_parts_are_there(parts: list[Path]) -> None:
    with open_variants(Files(parts), max_missing=1) as reader:
        assert sorted(reader.contigs) == ["chr1", "chr2"]
        with pytest.raises(InputError, match=r"contig chr3 is not in .* and 2 more"):
            reader.read("chr3", 0, 10, SAMPLES)


def test_a_folder_and_a_pattern_stand_for_their_files(whole: Path, tmp_path: Path) -> None:
    one, two = cut(whole, "chr1", "chr1.vcf.gz"), cut(whole, "chr2", "chr2.vcf.gz")
    (one.parent / "chr1.vcf.gz.tbi").touch()
    (one.parent / "chr1.notes.vcf.gz").touch()
    assert variant_files(one.parent / "chr{contig}.vcf.gz") == (one, two)
    (one.parent / "chr1.notes.vcf.gz").unlink()
    assert variant_files(one.parent) == (one, two)
    assert variant_files(Files([one, two])) == (one, two)


def test_parts_that_overlap_are_refused(whole: Path) -> None:
    overlapping = Files([cut(whole, "chr1:1-40", "a.bcf"), as_pgen(cut(whole, "chr1:40-1000", "b.vcf"))])
    with pytest.raises(InputError, match=r"a\.bcf reaches chr1:40 and .*b.vcf.pgen begins at 40; give files"):
        open_variants(overlapping)


def test_parts_of_other_samples_are_refused(whole: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.vcf.gz"
    run("bcftools", "view", "--samples", SAMPLES[0], "-o", other, whole)
    with pytest.raises(InputError, match=r"other.vcf.gz lacks 1 of the 2 samples of .*early.*, first b"):
        open_variants(Files([cut(whole, "chr1:1-29", "early.vcf.gz"), other]))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "nothing has no file whose name ends in"),
        ("nothing/chr{contig}.vcf.gz", "no file is named as .* says"),
        ("missing/chr{contig}.vcf.gz", "cannot read .*missing: No such file"),
        ("people.bed", "people.bed is PLINK 1, which stores no phase"),
        ("people.bgen", "people.bgen is BGEN; convert it"),
    ],
)
def test_what_is_no_genotype_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match=message):
        open_variants(tmp_path / name)
