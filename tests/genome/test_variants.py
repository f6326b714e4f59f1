"""What a region's variants hold, whichever kind of VCF they come from, and what is refused."""

import gzip
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pysam
import pysam.bcftools
import pytest
from hypothesis import given, settings

from haploscribe.errors import InputError
from haploscribe.genome.dosages import dosages, minor_allele_frequencies
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.variants import AltAllele, Variants, alt_alleles, check_reference
from tests.fixtures.variants import (
    SAMPLES,
    DrawnContig,
    contigs,
    vcf_text,
    write_fasta,
    write_vcf,
    write_vcf_lines,
)

LENGTHS = {"chr1": 1000, "chr2": 1000}
LINES = [
    "chr1\t10\tone\tA\tG\t.\t.\t.\tGT\t0|1\t1|0",
    "chr1\t20\t.\tACGT\tA\t.\t.\t.\tGT\t1|1\t0|0",
    "chr1\t30\tmulti\tA\tG,T\t.\t.\t.\tGT\t1|2\t0|2",
    "chr1\t40\t.\tA\tG,*,<DEL>,T\t.\t.\t.\tGT\t4|2\t3|1",
    "chr1\t50\t.\tA\t<DUP>\t.\t.\t.\tGT\t0|1\t1|1",
    "chr1\t60\t.\tA\t.\t.\t.\t.\tGT\t0|0\t0|0",
    "chr1\t70\t.\tA\tG\t.\t.\t.\tGT\t1\t0",
]


@pytest.fixture
def vcf(tmp_path: Path) -> Path:
    folder = tmp_path / "user"
    folder.mkdir()
    return write_vcf_lines(folder / "v.vcf.gz", LENGTHS, LINES)


def _read(path: Path, **options: bool | float) -> Variants:
    with open_variants(path, **options) as reader:  # type: ignore[arg-type]
        return reader.read("chr1", 0, 1000, SAMPLES)


def test_positions_alleles_and_identifiers_are_those_of_the_file(vcf: Path) -> None:
    found = _read(vcf)
    assert found.positions.tolist() == [9, 19, 29, 39, 69]
    assert found.alleles == (
        (b"A", b"G"),
        (b"ACGT", b"A"),
        (b"A", b"G", b"T"),
        (b"A", b"G", b"T"),
        (b"A", b"G"),
    )
    assert found.identifiers == ("one", ".", "multi", ".", ".")


def test_alleles_that_are_no_sequence_and_absent_copies_count_as_reference(vcf: Path) -> None:
    expected = [[[0, 1], [1, 0]], [[1, 1], [0, 0]], [[1, 2], [0, 2]], [[2, 0], [0, 1]], [[1, 0], [0, 0]]]
    np.testing.assert_array_equal(_read(vcf).genotypes, expected)


def test_what_is_skipped_is_counted(vcf: Path) -> None:
    counts = _read(vcf).counts
    assert (counts.n_records, counts.n_symbolic, counts.n_monomorphic) == (7, 3, 1)
    assert (counts.n_haploid_calls, counts.n_missing_calls, counts.n_calls) == (2, 0, 10)


@pytest.mark.parametrize("kind", ["plain", "gzip", "bgzip without index", "bcf", "bcf without index"])
def test_every_kind_of_file_gives_the_same_variants(vcf: Path, kind: str) -> None:
    path = vcf.with_name("other.bcf" if "bcf" in kind else "other.vcf" if kind == "plain" else "other.vcf.gz")
    if "bcf" in kind:
        pysam.bcftools.view("-Ob", "-o", str(path), str(vcf), catch_stdout=False)
        if kind == "bcf":
            pysam.bcftools.index(str(path), catch_stdout=False)
    elif kind == "bgzip without index":
        shutil.copy(vcf, path)
    else:
        text = vcf_text(LENGTHS, LINES).encode()
        path.write_bytes(gzip.compress(text) if kind == "gzip" else text)
    before = sorted(vcf.parent.iterdir())
    found, expected = _read(path), _read(vcf)
    np.testing.assert_array_equal(found.positions, expected.positions)
    np.testing.assert_array_equal(found.genotypes, expected.genotypes)
    assert (found.alleles, found.counts) == (expected.alleles, expected.counts)
    assert sorted(vcf.parent.iterdir()) == before, "nothing is written beside the user's file"


def test_a_vcf_of_diploid_calls_is_read_as_its_bcf_is(tmp_path: Path) -> None:
    lines = [
        "chr1\t10\tone\tA\tG\t.\t.\t.\tGT\t0|1\t1/1",
        "chr1\t20\t.\tACGT\tA,*,<DEL>,AC\t.\t.\tEND=90\tGT:DP\t4|2:3\t.|3:.",
        "chr1\t30\t.\tA\t.\t.\t.\t.\tGT\t0|0\t./.",
        "chr1\t40\t.\ta\tt\t.\t.\t.\tGT:DP\t1|0\t0|.",
    ]
    vcf, bcf = write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, lines), tmp_path / "v.bcf"
    pysam.bcftools.view("-Ob", "-o", str(bcf), str(vcf), catch_stdout=False)
    found, expected = _read(vcf, max_missing=1), _read(bcf, max_missing=1)
    np.testing.assert_array_equal(found.genotypes, expected.genotypes)
    assert found.positions.tolist() == expected.positions.tolist() == [9, 19, 39]
    assert (found.identifiers, found.alleles) == (expected.identifiers, expected.alleles)
    assert found.counts == expected.counts


@pytest.mark.parametrize("suffix", [".vcf.gz", ".bcf"])
def test_a_region_holds_the_records_that_overlap_it(vcf: Path, suffix: str) -> None:
    path = vcf.with_name(f"v{suffix}")
    if suffix == ".bcf":
        pysam.bcftools.view("-Ob", "-o", str(path), str(vcf), catch_stdout=False)
    with open_variants(path) as reader:
        assert reader.read("chr1", 22, 29, SAMPLES).positions.tolist() == [19]
        assert reader.read("chr1", 23, 30, SAMPLES).positions.tolist() == [29]
        assert reader.read("chr1", 10, 19, SAMPLES).positions.tolist() == []


@pytest.mark.parametrize("call", ["0|1", "0"], ids=["diploid", "haploid"])
def test_a_record_reaches_as_far_as_its_ref_whatever_end_says(tmp_path: Path, call: str) -> None:
    lines = [f"chr1\t{at}\t.\tA\tG\t.\t.\tEND=60\tGT\t{call}\t1|0" for at in (10, 30, 31, 50)]
    with open_variants(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, lines)) as reader:
        assert reader.read("chr1", 30, 40, SAMPLES).positions.tolist() == [30]


def test_a_contig_of_the_header_without_records_is_empty(vcf: Path) -> None:
    with open_variants(vcf) as reader:
        assert reader.read("chr2", 0, 1000, SAMPLES).genotypes.shape == (0, 2, 2)


def test_a_contig_is_matched_and_keeps_the_callers_name(vcf: Path) -> None:
    with open_variants(vcf) as reader:
        found = reader.read("1", 0, 1000, SAMPLES)
    assert (found.contig, len(found.positions)) == ("1", 5)


def test_samples_come_in_the_order_asked_for(vcf: Path) -> None:
    with open_variants(vcf) as reader:
        both = reader.read("chr1", 0, 1000, ("a", "b")).genotypes
        np.testing.assert_array_equal(reader.read("chr1", 0, 1000, ("b", "a")).genotypes, both[:, ::-1])
        np.testing.assert_array_equal(reader.read("chr1", 0, 1000, ("b",)).genotypes, both[:, 1:])


def test_a_header_without_contig_lines_is_read(tmp_path: Path) -> None:
    text = "".join(
        line for line in vcf_text(LENGTHS, LINES).splitlines(keepends=True) if "##contig" not in line
    )
    (tmp_path / "v.vcf").write_text(text)
    assert len(_read(tmp_path / "v.vcf").positions) == 5


def test_missing_calls_are_reference_and_counted(tmp_path: Path) -> None:
    lines = [
        "chr1\t10\t.\tA\tG\t.\t.\t.\tGT\t./.\t1|0",
        "chr1\t20\t.\tA\tG\t.\t.\t.\tGT\t.|1\t1|0",
        "chr1\t30\t.\tA\tG\t.\t.\t.\tDP\t3\t4",
    ]
    found = _read(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, lines), max_missing=1)
    np.testing.assert_array_equal(found.genotypes, [[[0, 0], [1, 0]], [[0, 1], [1, 0]], [[0, 0], [0, 0]]])
    assert found.counts.n_missing_calls == 4


@pytest.mark.shared
@pytest.mark.parametrize("suffix", [".vcf.gz", ".bcf"])
def test_real_genotypes_are_those_of_htslib(shared_cohort: Path, tmp_path: Path, suffix: str) -> None:
    source, path = shared_cohort / "genotypes.vcf.gz", tmp_path / f"v{suffix}"
    region, kind = "chr22:30000001-30050000", "-Ob" if suffix == ".bcf" else "-Oz"
    pysam.bcftools.view(kind, "-r", region, "-o", str(path), str(source), catch_stdout=False)
    with open_variants(path) as reader:
        found = reader.read("22", 30_000_000, 30_050_000, reader.sample_ids)
    with pysam.VariantFile(str(source)) as file:
        records = list(file.fetch(region=region))
    assert found.positions.tolist() == [record.start for record in records]
    expected = [[call.allele_indices for call in record.samples.values()] for record in records]
    np.testing.assert_array_equal(found.genotypes, expected)


@pytest.mark.shared
def test_real_ref_alleles_match_the_fasta(shared_cohort: Path, tmp_path: Path) -> None:
    with (
        open_variants(shared_cohort / "genotypes.vcf.gz") as reader,
        Reference.open(shared_cohort / "reference.fa.gz", tmp_path) as reference,
    ):
        check_reference(reader.read("22", 30_000_000, 30_400_000, reader.sample_ids), reference)


@pytest.mark.parametrize(
    ("start", "end", "kept"), [(9, 39, [9, 19, 29]), (10, 40, [19, 29, 39]), (20, 29, [])]
)
def test_starting_in_selects_what_starts_there(vcf: Path, start: int, end: int, kept: list[int]) -> None:
    found = _read(vcf)
    rows = [found.positions.tolist().index(position) for position in kept]
    inside = found.starting_in(start, end)
    assert inside.positions.tolist() == kept
    assert inside.alleles == tuple(found.alleles[row] for row in rows)
    assert inside.identifiers == tuple(found.identifiers[row] for row in rows)
    np.testing.assert_array_equal(inside.genotypes, found.genotypes[rows])
    assert found.imputed_mask is not None
    assert inside.imputed_mask is not None
    np.testing.assert_array_equal(inside.imputed_mask, found.imputed_mask[rows])


def test_nobody_has_no_minor_allele(vcf: Path) -> None:
    with open_variants(vcf) as reader:
        nobody = reader.read("chr1", 0, 1000, ())
    assert minor_allele_frequencies(nobody).tolist() == [0.0] * 5


def test_dosages_have_a_column_for_each_alt_allele(vcf: Path) -> None:
    positions, copies = dosages(_read(vcf))
    assert positions.tolist() == [9, 19, 29, 29, 39, 39, 69]
    np.testing.assert_array_equal(copies, [[1, 2, 1, 1, 0, 1, 1], [1, 0, 0, 1, 1, 0, 0]])
    assert copies.dtype == np.float32


def test_minor_allele_frequency_is_one_minus_that_of_the_most_common_allele(vcf: Path) -> None:
    np.testing.assert_allclose(minor_allele_frequencies(_read(vcf)), [0.5, 0.5, 0.5, 0.5, 0.25])


# What is refused, each with its one line.


def _refused(path: Path, **options: bool | float) -> str:
    with pytest.raises(InputError) as error:
        _read(path, **options)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(str(path)) or f" {path}" in message
    return message


def test_unphased_heterozygotes_are_refused(tmp_path: Path) -> None:
    lines = [*LINES[:1], "chr1\t15\t.\tA\tG\t.\t.\t.\tGT\t1/1\t0/1"]
    message = _refused(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, lines))
    assert "has 1 unphased heterozygous calls" in message
    assert "first sample b at chr1:15" in message
    assert "--assume-phased" in message


def test_unphased_heterozygotes_are_taken_as_written_where_phase_is_assumed(tmp_path: Path) -> None:
    path = write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, ["chr1\t15\t.\tA\tG\t.\t.\t.\tGT\t1/0\t0/1"])
    found = _read(path, assume_phased=True)
    assert (found.genotypes.tolist(), found.counts.n_unphased_heterozygous) == ([[[1, 0], [0, 1]]], 2)


def test_too_many_missing_calls_are_refused(tmp_path: Path) -> None:
    lines = [*LINES[:2], "chr1\t25\t.\tA\tG\t.\t.\t.\tGT\t0|0\t.|."]
    message = _refused(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, lines))
    assert "has 17% missing calls at chr1:10-25 (limit 10%; most in sample b: 1 of 3)" in message


def test_an_unsorted_file_is_refused(tmp_path: Path) -> None:
    message = _refused(write_vcf_lines(tmp_path / "v.vcf", LENGTHS, LINES[::-1]))
    assert "unsorted" in message
    assert "bcftools sort" in message


def test_a_sample_named_twice_is_refused(tmp_path: Path) -> None:
    path = write_vcf_lines(tmp_path / "v.vcf", LENGTHS, LINES, samples=("a", "a"))
    assert "names 1 samples twice, first a" in _refused(path)


def test_calls_of_more_than_two_alleles_are_refused(tmp_path: Path) -> None:
    lines = ["chr1\t15\t.\tA\tG\t.\t.\t.\tGT\t1|0|1\t0|1"]
    message = _refused(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, lines))
    assert "more than two alleles at chr1:15" in message


def test_diploid_calls_in_room_for_three_alleles_are_read(tmp_path: Path) -> None:
    """As left behind where the only person with such calls is taken out of a BCF."""
    calls = ("1|0\t1|0", "0/1\t0|1")
    lines = [f"chr1\t{15 + i}\t.\tA\tG\t.\t.\t.\tGT\t{two}\t1|1|1" for i, two in enumerate(calls)]
    vcf = write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, lines, samples=("a", "b", "c"))
    path = tmp_path / "v.bcf"
    pysam.bcftools.view("-s", "a,b", "-Ob", "-o", str(path), str(vcf), catch_stdout=False)
    found = _read(path, assume_phased=True)
    assert found.genotypes.tolist() == [[[1, 0], [1, 0]], [[0, 1], [0, 1]]]
    assert found.counts.n_unphased_heterozygous == 1


def test_an_allele_that_the_record_does_not_list_is_refused(tmp_path: Path) -> None:
    lines = ["chr1\t15\t.\tA\tG\t.\t.\t.\tGT\t0|2\t0|1"]
    message = _refused(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, lines))
    assert "calls allele 2 at chr1:15, which lists 2" in message


def test_an_index_that_cannot_be_read_is_not_used(vcf: Path) -> None:
    Path(f"{vcf}.tbi").write_bytes(b"no index")
    assert len(_read(vcf).positions) == 5
    assert Path(f"{vcf}.tbi").read_bytes() == b"no index"


def test_genotypes_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    _refused(write_vcf_lines(tmp_path / "v.vcf", LENGTHS, ["chr1\t15\t.\tA\tG\t.\t.\t.\tGT\tx|1\t0|1"]))


def test_nothing_is_printed_where_a_file_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _refused(write_vcf_lines(tmp_path / "v.vcf", LENGTHS, LINES[::-1]))
    path = write_vcf_lines(tmp_path / "w.vcf", LENGTHS, LINES, samples=("a", "a"))
    _refused(path)
    assert capfd.readouterr().err == ""


def test_an_unknown_sample_is_refused(vcf: Path) -> None:
    with open_variants(vcf) as reader, pytest.raises(InputError, match="lacks 1 of 2 samples, first z"):
        reader.read("chr1", 0, 1000, ("a", "z"))


def test_an_unknown_contig_is_refused(vcf: Path) -> None:
    with open_variants(vcf) as reader, pytest.raises(InputError, match=r"contig chr7 is not in .*chr1, chr2"):
        reader.read("chr7", 0, 1000, SAMPLES)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "No such file" in _refused(tmp_path / "none.vcf.gz")


def test_a_file_that_is_no_vcf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.vcf"
    path.write_text("gene\tvalue\n")
    _refused(path)


def test_a_bgzipped_file_cut_short_is_refused(vcf: Path) -> None:
    vcf.write_bytes(vcf.read_bytes()[:-30])
    assert "is cut short" in _refused(vcf)


def test_a_gzipped_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.vcf.gz"
    path.write_bytes(gzip.compress(vcf_text(LENGTHS, LINES).encode())[:-20])
    _refused(path)


def test_a_plain_file_cut_short_within_a_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.vcf"
    path.write_text(vcf_text(LENGTHS, LINES)[:-5])
    _refused(path)


def test_an_index_made_for_one_reader_serves_the_next(tmp_path: Path) -> None:
    path = tmp_path / "v.vcf"
    path.write_text(vcf_text(LENGTHS, LINES))
    folder = tmp_path / "index"
    with open_variants(path, folder, max_missing=1) as reader:
        first = reader.read("chr1", 0, 1000, SAMPLES)
    made = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    with open_variants(path, folder, max_missing=1) as reader:
        second = reader.read("chr1", 0, 1000, SAMPLES)
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == made
    np.testing.assert_array_equal(first.genotypes, second.genotypes)


def test_an_index_older_than_the_file_is_not_used(tmp_path: Path) -> None:
    path = write_vcf_lines(tmp_path / "v.vcf.gz", {"chr1": 100}, ["chr1\t5\t.\tA\tG\t.\t.\t.\tGT\t0|1\t1|0"])
    index = next(tmp_path.glob("v.vcf.gz.*"))
    stale = index.read_bytes()
    lines = [f"chr1\t{at}\t.\tA\tG\t.\t.\t.\tGT\t0|1\t1|0" for at in (7, 20, 90)]
    write_vcf_lines(path, {"chr1": 100}, lines)
    index.write_bytes(stale)
    os.utime(index, (0, 0))
    with open_variants(path) as reader:
        assert reader.read("chr1", 0, 100, SAMPLES).positions.tolist() == [6, 19, 89]


@pytest.mark.parametrize(
    ("call", "suffix"),
    [("0|1", ".vcf.gz"), ("0", ".vcf.gz"), ("0|1", ".bcf")],
    ids=["diploid", "haploid", "BCF"],
)
def test_a_damaged_block_is_refused(tmp_path: Path, call: str, suffix: str) -> None:
    lines = [f"chr1\t{1 + number}\t.\tA\tG\t.\t.\t.\tGT\t{call}\t1|0" for number in range(20_000)]
    vcf = write_vcf_lines(tmp_path / "whole.vcf.gz", {"chr1": 30_000}, lines)
    path, kind = tmp_path / f"v{suffix}", "-Ob" if suffix == ".bcf" else "-Oz"
    pysam.bcftools.view(kind, "-o", str(path), str(vcf), catch_stdout=False)
    pysam.bcftools.index(str(path), catch_stdout=False)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 50] = bytes(byte ^ 255 for byte in content[middle : middle + 50])
    path.write_bytes(content)
    Path(f"{path}.csi").touch()  # or it would be older than the file, and made anew
    with open_variants(path) as reader, pytest.raises(InputError, match="damaged at chr1:1-30000"):
        reader.read("chr1", 0, 30_000, SAMPLES)


def _reference(folder: Path, sequence: str) -> Reference:
    return Reference.open(write_fasta(folder / "r.fa", {"chr1": sequence}), folder / "index")


@pytest.mark.parametrize(
    ("sequence", "cause"),
    [
        ("C" * 1000, "different genome builds"),
        ("C" * 70, "different genome builds"),  # the last variant's REF ends where the contig does
        ("A" * 20, "variants lie beyond the end of chr1 (20 bp)"),
        ("A" * 19 + "ACGT" + "A" * 46 + "C" + "A" * 30, "slightly different builds"),
        ("G" * 19 + "ACGT" + "G" * 900, "REF and ALT are swapped"),
    ],
)
def test_a_reference_that_differs_is_refused_with_sites_and_cause(
    vcf: Path, tmp_path: Path, sequence: str, cause: str
) -> None:
    variants = _read(vcf)
    with _reference(tmp_path, sequence) as reference, pytest.raises(InputError) as error:
        check_reference(variants, reference)
    message = str(error.value)
    assert cause in message
    assert "chr1:" in message
    assert "\n" not in message


def test_sites_that_differ_are_named_as_in_the_file_and_long_alleles_cut(tmp_path: Path) -> None:
    reference = "ACGTACGTACGTA"
    lines = [f"chr1\t{10 * i}\t.\t{reference}\tA\t.\t.\t.\tGT\t0|1\t1|0" for i in (1, 3)]
    variants = _read(write_vcf_lines(tmp_path / "v.vcf.gz", LENGTHS, lines))
    with (
        _reference(tmp_path, "C" * 9 + "ACGTACGTACGTCC" + "T" * 20) as fasta,
        pytest.raises(InputError) as error,
    ):
        check_reference(variants, fasta)
    sites = (
        "chr1:10 REF ACGTACGTACGT… (13 bp) but FASTA ACGTACGTACGT… (13 bp); "
        "chr1:30 REF ACGTACGTACGT… (13 bp) but FASTA TTTTTTTTTTTT… (13 bp)"
    )
    assert f"at 2 of 2 variants ({sites})" in str(error.value)


def test_a_reference_that_agrees_passes(vcf: Path, tmp_path: Path) -> None:
    variants = _read(vcf)
    with _reference(tmp_path, "a" * 19 + "acgt" + "a" * 100) as reference:
        check_reference(variants, reference)


@settings(deadline=None, max_examples=20)
@given(drawn=contigs())
def test_alleles_and_their_names_are_those_of_bcftools(drawn: DrawnContig) -> None:
    with TemporaryDirectory() as folder:
        vcf = write_vcf(Path(folder) / "v.vcf.gz", {"c": drawn})
        with open_variants(vcf, max_missing=1) as reader:
            variants = reader.read("c", 0, len(drawn.sequence), SAMPLES)
        split = str(pysam.bcftools.norm("-m-any", str(vcf)))
    records = [line.split("\t")[:5] for line in split.splitlines() if not line.startswith("#")]
    expected = [
        (f"{contig}:{position}:{reference}:{alternate}", int(position) - 1)
        for contig, position, _, reference, alternate in records
        if alternate.isalpha()
    ]
    found = alt_alleles(variants)
    # bcftools sorts the alleles of one position anew.
    assert sorted((each.name("c"), each.position) for each in found) == sorted(expected)
    assert [each.position for each in found] == dosages(variants)[0].tolist()


def test_alleles_of_a_record_with_an_identifier_go_by_it(tmp_path: Path) -> None:
    line = "c\t5\trs7\tA\tC,AG\t.\t.\t.\tGT\t0|1\t2|0"
    with open_variants(write_vcf_lines(tmp_path / "v.vcf.gz", {"c": 20}, [line])) as reader:
        found = alt_alleles(reader.read("c", 0, 20, SAMPLES))
    assert [each.name("c") for each in found] == ["rs7", "rs7"]
    assert [(each.reference, each.alternate) for each in found] == [(b"A", b"C"), (b"A", b"AG")]


def test_an_allele_of_which_no_identifier_is_known_goes_by_its_place() -> None:
    assert AltAllele(4, b"A", b"AG").name("c") == "c:5:A:AG"


@pytest.mark.parametrize(
    ("identifier", "label"),
    [
        (".", "c:5:A:AG"),
        ("rs7", "c:5:A:AG (rs7)"),
        ("esv1;rs7", "c:5:A:AG (rs7)"),
        ("22:16050075:A:G", "c:5:A:AG"),
        ("rs7_hg19", "c:5:A:AG"),
    ],
    ids=["none", "rsID", "several", "of another build", "no rsID"],
)
def test_a_label_is_the_place_and_an_rsid_beside_it(identifier: str, label: str) -> None:
    assert AltAllele(4, b"A", b"AG", identifier).label("c") == label
