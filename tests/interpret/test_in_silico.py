"""Made-up people carry exactly the DNA that `bcftools consensus` writes for their alleles."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from haploscribe.genome.alleles import trim_allele
from haploscribe.genome.haplotypes import region_haplotypes
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.tiles import Tile, overlapping_tiles
from haploscribe.genome.variants import AltAllele, Variants
from haploscribe.interpret.in_silico import Allele, OwnSamples, in_silico_samples, with_alleles
from tests.fixtures.variants import SAMPLES, DrawnContig, Record, consensus, contigs, write_fasta, write_vcf

TILE = 13
CALLS = ("0|0", "1|0", "0|1", "1|1")


def read_all(drawn: DrawnContig, folder: Path) -> Variants:
    with open_variants(write_vcf(folder / "people.vcf.gz", {"c": drawn}), max_missing=1) as reader:
        return reader.read("c", 0, len(drawn.sequence), SAMPLES)


def tiles_of(length: int) -> tuple[Tile, ...]:
    return overlapping_tiles("c", 0, length, TILE, length)


def plain(drawn: DrawnContig) -> DrawnContig:
    """Leave out symbols, which bcftools writes otherwise; and what is no change."""
    kept = (
        record for record in drawn.records if not {"*", "<DUP>", record.reference} & set(record.alternates)
    )
    return replace(drawn, records=tuple(kept))


@st.composite
def questions(draw: st.DrawFn) -> tuple[DrawnContig, int, int]:
    """A crowded contig, a record of it, and the number of an allele."""
    drawn = draw(contigs().map(plain).filter(lambda contig: contig.records))
    row = draw(st.integers(0, len(drawn.records) - 1))
    return drawn, row, draw(st.integers(1, len(drawn.records[row].alternates)))


def overlap(one: Record, other: Record) -> bool:
    return one.position < other.end and other.position < one.end


def by_bcftools(drawn: DrawnContig, calls: dict[int, int], fasta: Path, folder: Path) -> str:
    """What bcftools writes for a person whose first haplotype has some alleles, by record."""
    records = tuple(
        replace(drawn.records[row], calls=(f"{number}|0", "0|0")) for row, number in sorted(calls.items())
    )
    vcf = write_vcf(folder / "made-up.vcf.gz", {"c": replace(drawn, records=records)})
    return consensus(fasta, vcf, SAMPLES[0], 0)["c"]


@settings(deadline=None, max_examples=30)
@given(question=questions())
def test_their_sequences_are_those_of_bcftools(question: tuple[DrawnContig, int, int]) -> None:
    """The allele alone, and its background without it and with it."""
    drawn, row, number = question
    length, asked = len(drawn.sequence), drawn.records[row]
    with TemporaryDirectory() as name:
        folder = Path(name)
        variants = read_all(drawn, folder)
        fasta = write_fasta(folder / "r.fa", {"c": drawn.sequence})
        people = in_silico_samples(variants, [Allele(row, number)], tiles_of(length)).variants
        found = region_haplotypes(drawn.sequence.encode(), people, "c", 0, length)
        assert not people.genotypes[:, :, 1].any()
        spelled = [found.sequences[carried].decode() for carried in found.index[:, 0].tolist()]
        reference, alone, with_it, without = spelled
        background = {
            other: int(carried) for other, carried in enumerate(people.genotypes[:, 3, 0].tolist()) if carried
        }
        assert not any(overlap(asked, drawn.records[other]) for other in background)
        assert reference == drawn.sequence
        assert alone == by_bcftools(drawn, {row: number}, fasta, folder)
        assert without == by_bcftools(drawn, background, fasta, folder)
        assert with_it == by_bcftools(drawn, {**background, row: number}, fasta, folder)
        assert with_it != without


@settings(deadline=None, max_examples=30)
@given(question=questions(), sample=st.integers(0, len(SAMPLES) - 1))
def test_a_samples_own_haplotypes_are_those_of_bcftools(
    question: tuple[DrawnContig, int, int], sample: int
) -> None:
    """Without the allele, with it on either haplotype, and on both."""
    drawn, row, number = question
    with TemporaryDirectory() as name:
        folder = Path(name)
        variants = read_all(drawn, folder)
        fasta = write_fasta(folder / "r.fa", {"c": drawn.sequence})
        background = variants.genotypes[:, sample]
        own = OwnSamples.of(variants, [Allele(row, number)], background)
        found = region_haplotypes(drawn.sequence.encode(), own.variants, "c", 0, len(drawn.sequence))
        spelled = [[found.sequences[i].decode() for i in carried] for carried in found.index.tolist()]
        expected = []
        for haplotype in (0, 1):
            others = {
                other: int(carried)
                for other, carried in enumerate(background[:, haplotype].tolist())
                if carried and not overlap(drawn.records[row], drawn.records[other])
            }
            expected.append(
                [
                    by_bcftools(drawn, others, fasta, folder),
                    by_bcftools(drawn, {**others, row: number}, fasta, folder),
                ]
            )
    (without_0, with_0), (without_1, with_1) = expected
    assert spelled == [[without_0, without_1], [with_0, without_1], [without_0, with_1], [with_0, with_1]]


def test_one_copy_is_on_the_haplotype_that_carries_it_or_on_either(tmp_path: Path) -> None:
    records = tuple(Record(place, "A", ("G",), (call, "0|0")) for place, call in enumerate(CALLS))
    variants = read_all(DrawnContig("AAAAAAAA", records), tmp_path)
    alleles = [Allele(row, 1) for row in range(len(CALLS))]
    own = OwnSamples.of(variants, alleles, variants.genotypes[:, 0])
    predicted = np.repeat([1.0, 2.0, 5.0, 7.0], len(CALLS))
    assert own.effects(predicted).tolist() == [[2.5, 6.0], [1.0, 6.0], [4.0, 6.0], [2.5, 6.0]]


@settings(deadline=None, max_examples=60)
@given(question=questions())
def test_the_background_is_the_most_frequent_one(question: tuple[DrawnContig, int, int]) -> None:
    """Counted over the calls as the VCF has them; where nobody carries the allele, over everyone's."""
    drawn, row, number = question
    asked, tiles = drawn.records[row], tiles_of(len(drawn.sequence))
    with TemporaryDirectory() as name:
        variants = read_all(drawn, Path(name))
    tile = tiles[asked.position // TILE]
    near = [
        r for r, record in enumerate(drawn.records) if record.position < tile.end and record.end > tile.start
    ]
    haplotypes = []
    for sample in range(len(SAMPLES)):
        calls = [record.calls[sample].replace(".", "0").split("|") for record in drawn.records]
        haplotypes += [
            [int((call * 1)[copy]) if copy < len(call) else 0 for call in calls] for copy in (0, 1)
        ]
    carriers = [haplotype for haplotype in haplotypes if haplotype[row] == number] or haplotypes
    counts = Counter(tuple(haplotype[r] for r in near) for haplotype in carriers)
    most = [pattern for pattern, count in counts.items() if count == max(counts.values())]
    kept = [not overlap(asked, drawn.records[r]) for r in near]
    expected = {tuple(np.where(kept, pattern, 0).tolist()) for pattern in most}
    people = in_silico_samples(variants, [Allele(row, number)], tiles).variants
    without = people.genotypes[:, 3, 0]
    assert tuple(without[near].tolist()) in expected
    assert not np.delete(without, near).any()


def test_without_backgrounds_an_allele_is_asked_on_the_reference_alone(tmp_path: Path) -> None:
    records = (Record(2, "G", ("A",), ("1|1", "1|1")), Record(4, "A", ("G",), ("0|1", "0|0")))
    variants = read_all(DrawnContig("ACGTACGTACGT", records), tmp_path)
    people = in_silico_samples(variants, [Allele(1, 1)], tiles_of(12), backgrounds=False)
    assert people.variants.genotypes[:, :, 0].T.tolist() == [[0, 0], [0, 1], [0, 1], [0, 0]]
    assert people.effects(np.array([1.0, 3.0, 3.0, 1.0])).tolist() == [2.0]


def test_an_effect_is_the_mean_over_both_backgrounds(tmp_path: Path) -> None:
    records = (Record(2, "G", ("A",), ("1|1", "1|1")), Record(4, "A", ("G",), ("0|1", "0|0")))
    variants = read_all(DrawnContig("ACGTACGTACGT", records), tmp_path)
    people = in_silico_samples(variants, [Allele(0, 1), Allele(1, 1)], tiles_of(12))
    predicted = np.array([10.0, 11.0, 15.0, 12.0, 20.0, 40.0, 25.0])
    assert people.effects(predicted).tolist() == [2.0, 12.5]


SEQUENCE = "ACGTACGTACGTACGTACGT"
KNOWN = (
    Record(4, "A", ("G", "T"), ("0|1", "2|1")),
    Record(9, "CGT", ("C",), ("1|0", "0|0")),
    Record(12, "A", ("AC",), ("0|0", "0|1")),
)


@pytest.mark.parametrize(
    ("wanted", "row", "number"),
    [
        ((4, b"A", b"T"), 0, 2),
        ((3, b"TA", b"TG"), 0, 1),
        ((4, b"ACG", b"GCG"), 0, 1),
        ((8, b"ACGTA", b"ACA"), 1, 1),
        ((12, b"AC", b"ACC"), 2, 1),
    ],
)
def test_however_it_is_spelled_a_known_allele_is_found(
    wanted: tuple[int, bytes, bytes], row: int, number: int, tmp_path: Path
) -> None:
    variants = read_all(DrawnContig(SEQUENCE, KNOWN), tmp_path)
    joined, alleles, known = with_alleles(variants, [AltAllele(*wanted)])
    assert (alleles, known.tolist()) == ([Allele(row, number)], [True] * 4)
    assert joined.alleles == variants.alleles


def test_alleles_that_are_not_there_are_added_in_order_and_carried_by_nobody(tmp_path: Path) -> None:
    variants = read_all(DrawnContig(SEQUENCE, KNOWN), tmp_path)
    wanted = [(12, b"A", b"T"), (4, b"A", b"C"), (0, b"A", b"G"), (12, b"A", b"T"), (4, b"A", b"G")]
    joined, alleles, known = with_alleles(variants, [AltAllele(*allele) for allele in wanted])
    assert joined.positions.tolist() == [0, 4, 4, 9, 12, 12]
    assert alleles == [Allele(5, 1), Allele(2, 1), Allele(0, 1), Allele(5, 1), Allele(1, 1)]
    assert known.tolist() == [False, True, True, False, True, True, False]
    assert not joined.genotypes[[0, 2, 5]].any()
    np.testing.assert_array_equal(joined.genotypes[[1, 3, 4]], variants.genotypes)


@settings(deadline=None, max_examples=30)
@given(question=questions())
def test_every_record_is_found_where_it_is(question: tuple[DrawnContig, int, int]) -> None:
    drawn, row, number = question
    asked = drawn.records[row]
    with TemporaryDirectory() as name:
        variants = read_all(drawn, Path(name))
    wanted = AltAllele(asked.position, asked.reference.encode(), asked.alternates[number - 1].encode())
    joined, (found,), known = with_alleles(variants, [wanted])
    assume(known.size)
    assert known.all()
    record = joined.alleles[found.row]
    spelled = trim_allele(int(joined.positions[found.row]), record[0], record[found.index])
    assert spelled == trim_allele(wanted.position, wanted.reference, wanted.alternate)
