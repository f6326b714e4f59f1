"""PGEN made by plink2 against the VCF it was made from."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from haploscribe.errors import InputError
from haploscribe.genome.readers.open import open_variants
from tests.fixtures.peers import require_program
from tests.fixtures.variants import SAMPLES, write_vcf_lines

LENGTHS = {"chr1": 1000, "chr2": 1000}
LINES = [
    "chr1\t10\tone\tA\tG\t.\t.\t.\tGT\t0|1\t1|0",
    "chr1\t20\ttwo\tACGT\tA\t.\t.\t.\tGT\t1|1\t0|1",
    "chr1\t30\tthree\tA\tG,T,C\t.\t.\t.\tGT\t1|2\t3|1",
    "chr1\t40\tfour\tA\tG,T\t.\t.\t.\tGT\t2|0\t./.",
    "chr1\t50\tfive\tA\t<DUP>\t.\t.\t.\tGT\t0|1\t1|1",
    "chr2\t10\tsix\tA\tG\t.\t.\t.\tGT\t1|0\t1|0",
]


def _pgen(vcf: Path, *options: str) -> Path:
    out = vcf.with_name("p")
    command = [require_program("plink2"), "--vcf", str(vcf), "--out", str(out), "--output-chr", "chrM"]
    subprocess.run([*command, "--make-pgen", *options], check=True, capture_output=True)
    return out.with_suffix(".pgen")


@pytest.mark.parametrize("options", [(), ("vzs",)])
def test_pgen_gives_the_variants_of_the_vcf(tmp_path: Path, options: tuple[str, ...]) -> None:
    vcf = write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, LINES)
    with (
        open_variants(vcf, max_missing=1) as one,
        open_variants(_pgen(vcf, *options), max_missing=1) as other,
    ):
        assert (one.sample_ids, one.contigs) == (other.sample_ids, other.contigs)
        for contig, start, end in (("1", 0, 1000), ("chr1", 21, 30), ("chr2", 0, 1000)):
            expected = one.read(contig, start, end, SAMPLES[::-1])
            found = other.read(contig, start, end, SAMPLES[::-1])
            np.testing.assert_array_equal(found.positions, expected.positions)
            np.testing.assert_array_equal(found.genotypes, expected.genotypes)
            assert (found.alleles, found.identifiers) == (expected.alleles, expected.identifiers)
            assert found.counts == expected.counts


@pytest.mark.shared
def test_pgen_of_real_people_gives_the_variants_of_the_vcf(shared_cohort: Path, tmp_path: Path) -> None:
    vcf = tmp_path / "v.vcf"
    vcf.symlink_to(shared_cohort / "genotypes.vcf.gz")
    pgen = _pgen(vcf, "--chr", "22", "--from-bp", "30000000", "--to-bp", "30200000")
    with open_variants(shared_cohort / "genotypes.vcf.gz") as one, open_variants(pgen) as other:
        expected = one.read("22", 30_000_000, 30_200_000, one.sample_ids)
        found = other.read("22", 30_000_000, 30_200_000, one.sample_ids)
    np.testing.assert_array_equal(found.positions, expected.positions)
    np.testing.assert_array_equal(found.genotypes, expected.genotypes)


def test_a_haploid_call_is_homozygous_in_pgen(tmp_path: Path) -> None:
    line = "chr1\t10\t.\tA\tG\t.\t.\t.\tGT\t1\t0|1"
    pgen = _pgen(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, [line]))
    with open_variants(pgen) as reader:
        assert reader.read("1", 0, 100, SAMPLES).genotypes.tolist() == [[[1, 1], [0, 1]]]


def test_unphased_heterozygotes_are_refused(tmp_path: Path) -> None:
    line = "chr1\t10\t.\tA\tG\t.\t.\t.\tGT\t1/1\t0/1"
    pgen = _pgen(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, [line]))
    with (
        open_variants(pgen) as reader,
        pytest.raises(InputError, match=r"first sample b at 1:10; .*--assume-phased"),
    ):
        reader.read("1", 0, 100, SAMPLES)


@pytest.mark.parametrize("suffix", [".psam", ".pvar"])
def test_a_missing_file_beside_it_is_refused(tmp_path: Path, suffix: str) -> None:
    pgen = _pgen(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, LINES))
    pgen.with_suffix(suffix).unlink()
    with pytest.raises(InputError, match=f"p{suffix} is missing"):
        open_variants(pgen)


def test_a_pvar_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    pgen = _pgen(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, LINES))
    pvar = pgen.with_suffix(".pvar")
    pvar.write_text("".join(pvar.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match=r"cannot be read with its \.pvar and \.psam"):
        open_variants(pgen)


@pytest.mark.parametrize("samples", ["a\n", "a\nb\nc\n"])
def test_a_psam_of_other_samples_is_refused(tmp_path: Path, samples: str) -> None:
    pgen = _pgen(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, LINES))
    pgen.with_suffix(".psam").write_text(f"#IID\n{samples}")
    with pytest.raises(InputError, match=r"cannot be read with its \.pvar and \.psam"):
        open_variants(pgen)


@pytest.mark.parametrize(("start", "end"), [(500, 600), (5, 5)])
def test_a_region_without_records_is_empty(tmp_path: Path, start: int, end: int) -> None:
    with open_variants(_pgen(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, LINES))) as reader:
        assert reader.read("chr2", start, end, SAMPLES).genotypes.shape == (0, 2, 2)


def test_a_quote_in_an_identifier_is_a_letter_like_others(tmp_path: Path) -> None:
    pgen = _pgen(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, LINES))
    pvar = pgen.with_suffix(".pvar")
    pvar.write_text(pvar.read_text().replace("\tone\t", '\t"one\t'))
    with open_variants(pgen, max_missing=1) as reader:
        assert reader.read("chr1", 0, 20, SAMPLES).identifiers == ('"one', "two")


def test_contigs_that_are_numbers_and_columns_that_nobody_reads(tmp_path: Path) -> None:
    pgen = _pgen(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, LINES))
    pvar = pgen.with_suffix(".pvar")
    lines = [line.split("\t")[:5] for line in pvar.read_text().splitlines() if not line.startswith("##")]
    lines[1][1] = "1"
    rows = ["\t".join((*lines[0], "CM")), *("\t".join((*line, "")).removeprefix("chr") for line in lines[1:])]
    pvar.write_text("\n".join(rows) + "\n")
    with open_variants(pgen, max_missing=1) as reader:
        assert reader.contigs == ("1", "2")
        assert reader.read("chr1", 0, 20, SAMPLES).positions.tolist() == [0, 19]


@pytest.mark.parametrize("position", [0, -1, 2**31 - 1, ""])
def test_a_position_that_cannot_be_is_refused(tmp_path: Path, position: int | str) -> None:
    pgen = _pgen(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, LINES))
    pvar = pgen.with_suffix(".pvar")
    pvar.write_text(pvar.read_text().replace("\t20\ttwo", f"\t{position}\ttwo"))
    with pytest.raises(
        InputError, match=r"p\.pvar has no usable #CHROM POS ID REF ALT at variant 2; make it again"
    ):
        open_variants(pgen)


@pytest.mark.parametrize(
    "text",
    [
        "##made by hand\n#IID\tSEX\na\t1\nb\t2\n",
        "#FID\tIID\tSEX\nf\ta\t1\nf\tb\t2\n\n",
        "f\ta\t0\t0\t1\t-9\nf\tb\t0\t0\t2\t-9\n",
    ],
    ids=["comments", "families", "no header, as .fam"],
)
def test_every_kind_of_psam_names_the_samples(tmp_path: Path, text: str) -> None:
    pgen = _pgen(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, LINES))
    pgen.with_suffix(".psam").write_text(text)
    with open_variants(pgen) as reader:
        assert reader.sample_ids == SAMPLES


def test_a_file_that_is_no_pgen_is_refused(tmp_path: Path) -> None:
    pgen = _pgen(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, LINES))
    pgen.write_bytes(b"gene\tvalue\n")
    with pytest.raises(InputError, match=r"cannot be read with its \.pvar and \.psam"):
        open_variants(pgen)
