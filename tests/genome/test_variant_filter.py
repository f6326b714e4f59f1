"""Which variants are used, against what bcftools and plink2 choose, and by brute force."""

import gzip
import pickle
import subprocess
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pysam.bcftools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haploscribe.errors import InputError
from haploscribe.genome.alleles import is_ambiguous
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.variant_filter import VariantFilter, Verdict
from haploscribe.genome.variants import Variants
from tests.fixtures.genomes import reverse_complement
from tests.fixtures.peers import require_program
from tests.fixtures.variants import SAMPLES, write_vcf_lines

LENGTHS = {"22": 1000}
RECORDS = (
    ("rs1", "A", "G"),
    ("rs2", "A", "T"),
    ("rs3;rs33", "C", "G"),
    (".", "G", "C"),
    (".", "T", "C"),
    ("rs6", "A", "C,T"),
    ("rs7", "A", "C,G"),
    ("rs8", "AT", "A"),
    (".", "CAG", "C,CA"),
    (".", "G", "T,<DEL>"),
    ("rs11", "G", "C,<DEL>"),
    ("rs12", "AC", "GT"),
)
"""ID, REF and ALT; the first is at position 10, others at every tenth."""
AMBIGUOUS = ["rs2", "rs3;rs33", "22:40:G:C", "rs6", "rs11"]


def name_of(number: int) -> str:
    identifier, reference, alternate = RECORDS[number]
    return f"22:{10 * number + 10}:{reference}:{alternate}" if identifier == "." else identifier


@pytest.fixture(scope="module")
def vcf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = [
        f"22\t{10 * i + 10}\t{name}\t{ref}\t{alt}\t.\t.\t.\tGT\t0|1\t1|0"
        for i, (name, ref, alt) in enumerate(RECORDS)
    ]
    return write_vcf_lines(tmp_path_factory.mktemp("vcf") / "v.vcf.gz", LENGTHS, lines)


@pytest.fixture(scope="module")
def variants(vcf: Path) -> Variants:
    with open_variants(vcf) as reader:
        return reader.read("chr22", 0, 1000, SAMPLES)


def used(variants: Variants, chosen: VariantFilter) -> list[str]:
    """Names of the records that are used."""
    kept = np.flatnonzero(chosen.judge(variants) == Verdict.USED)
    return [name_of(int(position) // 10) for position in variants.positions[kept]]


def with_names(folder: Path, *names: str, suffix: str = "txt") -> VariantFilter:
    path = folder / f"names.{suffix}"
    path.write_text("".join(f"{name}\n" for name in names))
    return VariantFilter(snps=path)


def test_ambiguous_alleles_are_those_that_the_other_strand_spells_alike() -> None:
    alleles = ["".join(bases).encode() for n in (1, 2) for bases in product("ACGTN", repeat=n)]
    for reference, alternate in product(alleles, repeat=2):
        tells_no_strand = {*map(reverse_complement, (reference, alternate))} == {reference, alternate}
        single = len(reference) == len(alternate) == 1 and reference != alternate
        assert is_ambiguous(reference, alternate) == (tells_no_strand and single)


def test_a_record_with_an_ambiguous_allele_is_left_out_as_bcftools_does(
    vcf: Path, variants: Variants
) -> None:
    pairs = [f'(REF="{one}" & ALT="{other}")' for one, other in ("AT", "TA", "CG", "GC")]
    listed = str(pysam.bcftools.query("-e", " | ".join(pairs), "-f", "%POS\n", str(vcf)))
    found = used(variants, VariantFilter(no_ambiguous=True))
    assert found == [name_of(int(position) // 10 - 1) for position in listed.split()]
    assert found == [name_of(i) for i in range(len(RECORDS)) if name_of(i) not in AMBIGUOUS]


def test_names_choose_as_in_bcftools_and_plink2(vcf: Path, variants: Variants, tmp_path: Path) -> None:
    names = ("rs1", "rs7", "rs12", "rs8", "nothing")
    chosen = with_names(tmp_path, *names)
    by_bcftools = str(pysam.bcftools.query("-i", f"ID=@{chosen.snps}", "-f", "%ID\n", str(vcf)))
    command = [require_program("plink2"), "--vcf", vcf, "--extract", chosen.snps, "--write-snplist"]
    subprocess.run([*map(str, command), "--out", str(tmp_path / "x")], check=True, capture_output=True)
    by_plink = (tmp_path / "x.snplist").read_text()
    assert used(variants, chosen) == by_bcftools.split() == by_plink.split() == ["rs1", "rs7", "rs8", "rs12"]


def test_names_by_place_are_those_that_plink2_gives(vcf: Path, variants: Variants, tmp_path: Path) -> None:
    """plink2 takes several ALT alleles for one name, and ours is one of each."""
    command = [require_program("plink2"), "--vcf", vcf, "--set-all-var-ids", "chr@:#:$r:$a"]
    command += ["--new-id-max-allele-len", "9", "--max-alleles", "2", "--write-snplist"]
    subprocess.run([*map(str, command), "--out", str(tmp_path / "x")], check=True, capture_output=True)
    names = (tmp_path / "x.snplist").read_text().split()
    plain = [i for i, (_, _, alternate) in enumerate(RECORDS) if "," not in alternate]
    assert len(names) == len(plain)
    # An allele that is skipped, such as <DEL>, need not be named.
    expected = [name_of(i) for i in sorted({*plain, 9})]
    assert used(variants, with_names(tmp_path, *names, "22:100:g:t")) == expected


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("rs33",), ["rs3;rs33"]),
        (("rs3;rs33",), ["rs3;rs33"]),
        (("rs",), []),
        ((".", "rs1"), ["rs1"]),
        (("22:60:A:C",), []),
        (("22:60:A:C", "22:60:A:T"), ["rs6"]),
        (("22:60:A:C", "chr22:60:A:G"), []),
        (("22:90:CAG:C", "22:90:CAG:CA"), ["22:90:CAG:C,CA"]),
        (("22:90:CAG:C", "22:91:AG:A"), ["22:90:CAG:C,CA"]),
        (("22:50:C:T", "21:50:T:C", "22:51:T:C"), []),
        (("chr22:50:t:c",), ["22:50:T:C"]),
        (("# a comment", "", "rs1\r"), ["rs1"]),
    ],
)
def test_an_id_names_a_record_and_places_name_every_allele(
    variants: Variants, tmp_path: Path, names: Sequence[str], found: list[str]
) -> None:
    assert used(variants, with_names(tmp_path, *names, "elsewhere")) == found


def test_a_bim_is_read_by_its_second_column(variants: Variants, tmp_path: Path) -> None:
    lines = ("22\trs1\t0.5\t10\tG\tA", "22 . 0 20 T A", "22\trs7\t0\t70\tC\tA")
    plain = with_names(tmp_path, *lines, suffix="bim")
    assert plain.snps is not None
    zipped = tmp_path / "names.bim.gz"
    zipped.write_bytes(gzip.compress(b"\xef\xbb\xbf" + plain.snps.read_bytes()))
    for chosen in (plain, VariantFilter(snps=zipped)):
        assert used(variants, chosen) == ["rs1", "rs7"]


def test_several_filters_leave_out_what_any_does_and_count_it_once(
    variants: Variants, tmp_path: Path
) -> None:
    """All have a frequency of one half, but the two that nobody carries."""
    rare = variants.genotypes.copy()
    rare[:2] = 0
    names = with_names(tmp_path, *(name_of(i) for i in range(0, len(RECORDS), 2))).snps
    changed = variants.with_genotypes(rare, variants.sample_ids)
    verdicts = VariantFilter(0.3, no_ambiguous=True, snps=names).judge(changed)
    for i, verdict in enumerate(verdicts.tolist()):
        name = name_of(i)
        wanted = Verdict.UNLISTED if i % 2 or "," in name else Verdict.USED
        wanted = Verdict.AMBIGUOUS if name in AMBIGUOUS else wanted
        assert verdict == (Verdict.RARE if i < 2 else wanted), name


def allele_names(number: int, contig: str = "22") -> set[str]:
    """Name each ALT allele of a record by its place."""
    _, reference, alternates = RECORDS[number]
    plain = [alternate for alternate in alternates.split(",") if alternate != "<DEL>"]
    return {f"{contig}:{10 * number + 10}:{reference}:{alternate}" for alternate in plain}


EVERY_NAME = sorted(
    {part for identifier, _, _ in RECORDS for part in (identifier, *identifier.split(";"))}
    | {name for i in range(len(RECORDS)) for name in allele_names(i)}
)


@given(st.sets(st.sampled_from(EVERY_NAME)), st.booleans())
def test_any_names_choose_the_records_that_they_spell(
    variants: Variants, tmp_path_factory: pytest.TempPathFactory, names: set[str], with_chr: bool
) -> None:
    written = [f"chr{name}" if with_chr and name.startswith("22:") else name for name in names]
    found = used(variants, with_names(tmp_path_factory.mktemp("names"), "elsewhere", *written))
    expected = [
        name_of(i)
        for i, (identifier, _, _) in enumerate(RECORDS)
        if allele_names(i) <= names or (identifier != "." and {identifier, *identifier.split(";")} & names)
    ]
    assert found == expected


def test_a_filter_travels_without_its_names(variants: Variants, tmp_path: Path) -> None:
    chosen = with_names(tmp_path, "rs1", *(f"other{i}" for i in range(10_000))).read()
    pickled = pickle.dumps(chosen)
    assert len(pickled) < 1000
    other = pickle.loads(pickled)
    assert (other, hash(other)) == (chosen, hash(chosen))
    assert used(variants, other) == ["rs1"]


def test_a_list_is_read_once(variants: Variants, tmp_path: Path) -> None:
    chosen = with_names(tmp_path, "rs1").read()
    assert chosen.snps is not None
    chosen.snps.unlink()
    assert used(variants, chosen) == ["rs1"]
    with pytest.raises(InputError, match=r"cannot read .*names.txt"):
        VariantFilter(snps=chosen.snps).read()
