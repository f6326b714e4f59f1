"""New people's alleles at known variants: the same people, however their file is written, match "
"themselves."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pysam.bcftools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.errors import InputError
from haploscribe.genome.alleles import trim_allele
from haploscribe.genome.dosages import dosages, mean_dosages, minor_allele_frequencies
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.variants import Variants
from haploscribe.results.known_variants import KnownVariants
from haploscribe.workflows.predict.matching import MatchedVariants, match_variants
from tests.fixtures.variants import SAMPLES, DrawnContig, Record, contigs, write_fasta, write_vcf


def read_all(path: Path, length: int) -> Variants:
    with open_variants(path, max_missing=1) as reader:
        return reader.read("c", 0, length, SAMPLES)


def split(path: Path) -> Path:
    """Records of one ALT each, as bcftools writes them."""
    done = path.with_name(f"split-{path.name}")
    pysam.bcftools.norm("-m", "-any", "-Oz", "-o", str(done), str(path), catch_stdout=False)
    return done


def plain(contig: DrawnContig) -> DrawnContig:
    """Leave out what splitting changes the meaning of: overlapping ALTs, twice the same record, symbols."""
    kept: dict[tuple[int, str], Record] = {}
    for record in contig.records:
        alternates = tuple(dict.fromkeys(record.alternates))
        if alternates == record.alternates and not {"*", "<DUP>"} & set(alternates):
            kept.setdefault((record.position, record.reference[0]), record)
    return replace(contig, records=tuple(kept.values()))


@settings(deadline=None, max_examples=40)
@given(drawn=contigs().map(plain))
def test_records_split_by_bcftools_match_those_of_several_alleles(drawn: DrawnContig) -> None:
    length = len(drawn.sequence)
    with TemporaryDirectory() as name:
        folder = Path(name)
        vcf = write_vcf(folder / "v.vcf.gz", {"c": drawn})
        fasta = write_fasta(folder / "r.fa", {"c": drawn.sequence})
        whole, parts = read_all(vcf, length), read_all(split(vcf), length)
        with Reference.open(fasta, folder) as reference:
            matched = match_variants(KnownVariants.of(whole), parts, reference, absent_is_reference=False)
    carried = np.array([(row > 0).any() for row in whole.genotypes], dtype=bool)
    np.testing.assert_array_equal(matched.variants.genotypes[carried], whole.genotypes[carried])
    assert matched.found[carried].all()
    assert not matched.swapped.any()
    assert not matched.extra.size


SEQUENCE = "ACGTACGTACGTACGTACGT"


def matched_of(
    known: tuple[Record, ...], new: tuple[Record, ...], folder: Path, *, absent_is_reference: bool = False
) -> MatchedVariants:
    fasta = write_fasta(folder / "r.fa", {"c": SEQUENCE})
    training = read_all(write_vcf(folder / "k.vcf.gz", {"c": DrawnContig(SEQUENCE, known)}), 20)
    people = read_all(write_vcf(folder / "n.vcf.gz", {"c": DrawnContig(SEQUENCE, new)}), 20)
    with Reference.open(fasta, folder) as reference:
        return match_variants(
            KnownVariants.of(training), people, reference, absent_is_reference=absent_is_reference
        )


SNV = Record(4, "A", ("G",), ("0|1", "1|1"))


def test_swapped_alleles_are_read_the_right_way_round(tmp_path: Path) -> None:
    swapped = Record(4, "G", ("A",), ("1|0", "0|0"))
    matched = matched_of((SNV,), (swapped,), tmp_path)
    assert matched.variants.alleles == ((b"A", b"G"),)
    assert matched.variants.genotypes.tolist() == [[[0, 1], [1, 1]]]
    assert (matched.found.tolist(), matched.swapped.tolist()) == ([True], [True])


@pytest.mark.parametrize(
    ("calls", "expected"),
    [(("0", "1"), [[1, 0], [0, 0]]), ((".|0", "1|."), [[0, 1], [0, 0]]), (("0|2", "2|1"), [[1, 0], [0, 0]])],
)
def test_what_is_no_allele_is_reference_in_a_swapped_record_too(
    calls: tuple[str, str], expected: list[list[int]], tmp_path: Path
) -> None:
    """The second copy of a haploid call, a missing allele, one that is skipped."""
    matched = matched_of((SNV,), (Record(4, "G", ("A", "*"), calls),), tmp_path)
    assert matched.variants.genotypes.tolist() == [expected]
    assert matched.swapped.tolist() == [True]


def test_another_allele_at_the_place_is_not_the_known_one(tmp_path: Path) -> None:
    other = Record(4, "A", ("T",), ("0|1", "0|0"))
    matched = matched_of((SNV,), (other,), tmp_path)
    assert not matched.found.any()
    assert matched.extra.tolist() == [4]


@pytest.mark.parametrize(("absent_is_reference", "allele"), [(False, 1), (True, 0)])
def test_an_absent_variant_is_what_most_training_people_carry(
    absent_is_reference: bool, allele: int, tmp_path: Path
) -> None:
    """Three of four training haplotypes carry G."""
    elsewhere = Record(9, "C", ("T",), ("0|1", "0|0"))
    matched = matched_of((SNV,), (elsewhere,), tmp_path, absent_is_reference=absent_is_reference)
    assert not matched.found.any()
    assert matched.variants.genotypes.tolist() == [[[allele, allele], [allele, allele]]]


def test_extra_alleles_that_nobody_carries_are_not_counted(tmp_path: Path) -> None:
    nobody = Record(9, "C", ("T",), ("0|0", "0|0"))
    assert not matched_of((SNV,), (SNV, nobody), tmp_path).extra.size


def test_ref_that_is_neither_allele_stops(tmp_path: Path) -> None:
    wrong = Record(4, "C", ("T",), ("0|1", "0|0"))
    with pytest.raises(InputError, match="REF differs"):
        matched_of((SNV,), (wrong,), tmp_path)


@settings(deadline=None, max_examples=40)
@given(drawn=contigs())
def test_counts_of_training_give_its_mean_dosages_and_commonest_alleles(drawn: DrawnContig) -> None:
    with TemporaryDirectory() as name:
        variants = read_all(write_vcf(Path(name) / "v.vcf.gz", {"c": drawn}), len(drawn.sequence))
    known = KnownVariants.of(variants)
    np.testing.assert_allclose(known.mean_dosages(), mean_dosages(dosages(variants)[1]))
    again = KnownVariants.from_arrays(known.arrays(), "c")
    np.testing.assert_array_equal(again.counts, known.counts)
    assert again.sites.alleles == variants.alleles
    carried = variants.genotypes.reshape(len(variants.genotypes), 4) == known.major_alleles()[:, None]
    np.testing.assert_allclose(1 - carried.mean(axis=1), minor_allele_frequencies(variants))


@given(
    before=st.text("ACGT", max_size=4),
    alleles=st.tuples(st.text("ACGT", min_size=1, max_size=5), st.text("ACGT", min_size=1, max_size=5)),
    behind=st.text("ACGT", max_size=4),
)
def test_trimmed_alleles_are_the_shortest_that_spell_the_same(
    before: str, alleles: tuple[str, str], behind: str
) -> None:
    """Of all ways to cut equal ends off and leave each a base: the most behind, then the most before."""
    reference, alternate = (before + allele + behind for allele in alleles)
    shortest = min(len(reference), len(alternate))
    cuts = [
        (last, first)
        for last in range(shortest)
        for first in range(shortest - last)
        if reference[len(reference) - last :] == alternate[len(alternate) - last :]
        and reference[:first] == alternate[:first]
    ]
    last, first = max(cuts)
    expected = tuple(allele[first : len(allele) - last].encode() for allele in (reference, alternate))
    assert trim_allele(100, reference.encode(), alternate.encode()) == (100 + first, *expected)
