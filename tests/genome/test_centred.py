"""Sequences around one base against bcftools consensus and the chain file it writes beside it."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.genome.centred import CentredHaplotypes, CentredWindow, centred_haplotypes
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from tests.fixtures.variants import (
    SAMPLES,
    DrawnContig,
    Record,
    consensus,
    contigs,
    write_fasta,
    write_vcf,
    write_vcf_lines,
)

_TO_COMPLEMENT = str.maketrans("ACGTNacgtn", "TGCANtgcan")


def _anchored(fasta: Path, vcf: Path, anchors: list[CentredWindow]) -> list[CentredHaplotypes]:
    with open_variants(vcf, max_missing=1) as reader, Reference.open(fasta, fasta.parent) as reference:
        genotypes = Genotypes(reference, reader, SAMPLES)
        return [centred_haplotypes(genotypes, anchor) for anchor in anchors]


def _carried(found: CentredHaplotypes, sample: int, haplotype: int) -> str:
    row = int(found.index[sample, haplotype])
    return found.sequences[row].decode()


def _complement(sequence: str) -> str:
    return sequence.translate(_TO_COMPLEMENT)


def _consensus_and_place(
    fasta: Path, vcf: Path, sample: str, haplotype: int, position: int
) -> tuple[str, int, bool]:
    """A haplotype of contig `c`, where a reference base lies on it, and whether it is there at all.

    A chain file (UCSC) lists blocks without gaps: size, then the gap behind it on the reference and on the
    haplotype.
    """
    chain = fasta.parent / f"{sample}_{haplotype}.chain"
    text = str(
        pysam.bcftools.consensus(
            "-s", sample, "-H", str(haplotype + 1), "-c", str(chain), "-f", str(fasta), str(vcf)
        )
    )
    sequence = "".join(text.split("\n")[1:])
    here = there = 0
    for line in chain.read_text().splitlines()[1:]:
        size, *gaps = [int(word) for word in line.split()] or [0]
        if position < here + size:
            return sequence, there + position - here, True
        here, there = here + size, there + size
        if gaps:
            if position < here + gaps[0]:
                return sequence, there, False
            here, there = here + gaps[0], there + gaps[1]
    return sequence, position, True  # no variant, no chain


def _cut(sequence: str, place: int, present: bool, anchor: CentredWindow) -> str:
    """The extent around a base of a haplotype, by coordinates on the haplotype."""
    if anchor.reverse:
        first = place - anchor.downstream + present
        last = place + anchor.upstream + present
    else:
        first, last = place - anchor.upstream, place + anchor.downstream
    cut = "".join(sequence[i] if 0 <= i < len(sequence) else "N" for i in range(first, last))
    return _complement(cut)[::-1] if anchor.reverse else cut


@st.composite
def _contigs_with_indels(draw: st.DrawFn, leftmost: bool = False) -> DrawnContig:
    """SNVs, insertions and deletions that do not touch each other: a chain file is exact for these.

    No indel that is `leftmost` can be written farther left.
    """
    sequence = draw(st.text("ACGT", min_size=30, max_size=60))
    records, at = [], draw(st.integers(0, 4))
    while at < len(sequence) - 6:
        kind = draw(st.sampled_from(("snv", "insertion", "deletion")))
        reference = sequence[at : at + (draw(st.integers(2, 5)) if kind == "deletion" else 1)]
        if leftmost and kind == "deletion" and reference[-1] == reference[0]:
            kind, reference = "snv", reference[:1]
        other = _complement(sequence[at])
        inserted = draw(st.text("ACGT", min_size=1, max_size=4))
        alternate = {
            "snv": other,
            "insertion": sequence[at] + inserted + (other if leftmost else ""),
            "deletion": sequence[at],
        }[kind]
        calls = tuple(draw(st.sampled_from(("0|0", "1|0", "0|1", "1|1"))) for _ in SAMPLES)
        records.append(Record(at, reference, (alternate,), calls))
        at += len(reference) + draw(st.integers(1, 8))
    return DrawnContig(sequence, tuple(records))


@st.composite
def _anchors(draw: st.DrawFn, length: int) -> CentredWindow:
    extents = draw(st.integers(0, 40)), draw(st.integers(1, 40))
    return CentredWindow("c", draw(st.integers(0, length - 1)), draw(st.booleans()), *extents)


@settings(max_examples=30, deadline=None)
@given(contig=_contigs_with_indels(), data=st.data())
def test_extent_around_a_base_is_cut_from_what_bcftools_consensus_writes(
    contig: DrawnContig, data: st.DataObject
) -> None:
    anchors = data.draw(st.lists(_anchors(len(contig.sequence)), min_size=3, max_size=3))
    with TemporaryDirectory() as name:
        folder = Path(name)
        fasta, vcf = (
            write_fasta(folder / "r.fa", {"c": contig.sequence}),
            write_vcf(folder / "v.vcf.gz", {"c": contig}),
        )
        for anchor, found in zip(anchors, _anchored(fasta, vcf, anchors), strict=True):
            for sample, sample_id in enumerate(SAMPLES):
                for haplotype in (0, 1):
                    placed = _consensus_and_place(fasta, vcf, sample_id, haplotype, anchor.position)
                    assert _carried(found, sample, haplotype) == _cut(*placed, anchor)


@settings(max_examples=30, deadline=None)
@given(contig=contigs(), data=st.data())
def test_whole_extent_is_what_bcftools_consensus_writes_whatever_overlaps(
    contig: DrawnContig, data: st.DataObject
) -> None:
    anchor = replace(data.draw(_anchors(len(contig.sequence))), upstream=200, downstream=200)
    with TemporaryDirectory() as name:
        folder = Path(name)
        fasta = write_fasta(folder / "r.fa", {"c": contig.sequence})
        vcf = write_vcf(folder / "v.vcf.gz", {"c": contig})
        (found,) = _anchored(fasta, vcf, [anchor])
        for sample, sample_id in enumerate(SAMPLES):
            for haplotype in (0, 1):
                expected = consensus(fasta, vcf, sample_id, haplotype)["c"]
                if anchor.reverse:
                    expected = _complement(expected)[::-1]
                assert _carried(found, sample, haplotype).strip("N") == expected


@settings(max_examples=20, deadline=None)
@given(contig=_contigs_with_indels(leftmost=True), data=st.data())
def test_soft_masked_spans_move_with_indels_as_bcftools_consensus_moves_them(
    contig: DrawnContig, data: st.DataObject
) -> None:
    anchor = replace(data.draw(_anchors(len(contig.sequence))), upstream=200, downstream=200)
    bounds = sorted(data.draw(st.sets(st.integers(0, len(contig.sequence)), max_size=6)))
    spans = tuple(zip(bounds[::2], bounds[1::2], strict=False))
    with TemporaryDirectory() as name:
        folder = Path(name)
        fasta = write_fasta(folder / "r.fa", {"c": contig.sequence})
        vcf = write_vcf(folder / "v.vcf.gz", {"c": contig})
        bed = folder / "spans.bed"
        bed.write_text("".join(f"c\t{start}\t{end}\n" for start, end in spans) or "other\t0\t1\n")
        (found,) = _anchored(fasta, vcf, [replace(anchor, soft_masked=spans)])
        for sample, sample_id in enumerate(SAMPLES):
            for haplotype in (0, 1):
                expected = consensus(fasta, vcf, sample_id, haplotype, bed)["c"]
                if anchor.reverse:
                    expected = _complement(expected)[::-1]
                assert _carried(found, sample, haplotype).strip("N") == expected


@settings(max_examples=20, deadline=None)
@given(contig=contigs(), data=st.data())
def test_sequences_are_unique_of_the_asked_length_and_the_reference_comes_first(
    contig: DrawnContig, data: st.DataObject
) -> None:
    anchor = data.draw(_anchors(len(contig.sequence)))
    with TemporaryDirectory() as name:
        folder = Path(name)
        fasta = write_fasta(folder / "r.fa", {"c": contig.sequence})
        (found,) = _anchored(fasta, write_vcf(folder / "v.vcf.gz", {"c": contig}), [anchor])
    assert found.sequences[0].decode() == _cut(contig.sequence, anchor.position, True, anchor)
    assert {len(sequence) for sequence in found.sequences} == {anchor.upstream + anchor.downstream}
    assert len(set(found.sequences)) == len(found.sequences)
    assert set(found.index.ravel().tolist()) | {0} == set(range(len(found.sequences)))


_CONTIG = "ACGTACGTAACCGGTTACGTACGT"  # the base is the second C of AACC, position 11


@pytest.mark.parametrize(
    ("reverse", "record", "expected"),
    [
        (False, "11 C G", "TAACGGGT"),
        (False, "11 C CTTT", "TAACCTTT"),
        (False, "10 C CTTT", "CTTTCGGT"),
        (False, "10 CC C", "TAACGGTT"),
        (False, "7 TAAC T", "ACGTCGGT"),
        (True, "11 C G", "AACCCGTT"),
        (True, "11 C CTTT", "CAAAGGTT"),
        (True, "10 C CTTT", "AACCGAAA"),
        (True, "10 CC C", "AACCGTTA"),
        (True, "11 CGGT C", "CGTAGGTT"),
    ],
)
def test_base_keeps_its_place_whatever_happens_beside_it(
    tmp_path: Path, reverse: bool, record: str, expected: str
) -> None:
    position, reference, alternate = record.split()
    line = f"c\t{int(position) + 1}\t.\t{reference}\t{alternate}\t.\t.\t.\tGT\t1|0\t0|0"
    vcf = write_vcf_lines(tmp_path / "v.vcf.gz", {"c": len(_CONTIG)}, [line])
    fasta = write_fasta(tmp_path / "r.fa", {"c": _CONTIG})
    (found,) = _anchored(fasta, vcf, [CentredWindow("c", 11, reverse, 4, 4)])
    assert _carried(found, 0, 0) == expected


def test_a_base_outside_the_contig_is_refused(tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "r.fa", {"c": _CONTIG})
    vcf = write_vcf_lines(tmp_path / "v.vcf.gz", {"c": len(_CONTIG)}, [])
    with pytest.raises(ValueError, match="outside c"):
        _anchored(fasta, vcf, [CentredWindow("c", len(_CONTIG), False, 4, 4)])


@pytest.mark.shared
@pytest.mark.parametrize("reverse", [False, True])
def test_real_people_are_cut_from_what_bcftools_consensus_writes(
    shared_cohort: Path, tmp_path: Path, reverse: bool
) -> None:
    anchor = CentredWindow("chr22", 37_100_000, reverse, 7000, 3500)
    start, end = 37_080_000, 37_120_000
    vcf = shared_cohort / "genotypes.vcf.gz"
    with (
        open_variants(vcf) as reader,
        Reference.open(shared_cohort / "reference.fa.gz", tmp_path) as reference,
    ):
        samples = reader.sample_ids[::60]
        found = centred_haplotypes(Genotypes(reference, reader, samples), anchor)
        text = reference.fetch("chr22", start, end).decode()
    part = write_fasta(tmp_path / "part.fa", {f"chr22:{start + 1}-{end}": text})
    assert len(found.sequences) > 3
    for sample, sample_id in enumerate(samples):
        for haplotype in (0, 1):
            # All variants of these people are SNVs, so a base's place is that of the reference.
            written = consensus(part, vcf, sample_id, haplotype)["chr22"]
            assert _carried(found, sample, haplotype) == _cut(written, 37_100_000 - start, True, anchor)
