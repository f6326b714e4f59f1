"""Predictions of haplotypes against the model asked one bcftools haplotype at a time."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.expression.genes import Gene, Strand
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.haplotypes import reverse_complement as turned
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.utils.types import Float64Array
from haploscribe.zero_shot.base import SequenceModel
from haploscribe.zero_shot.predictions import (
    GenePredictions,
    TestTimeAugmentation,
    predict_gene,
)
from tests.fixtures.variants import SAMPLES, DrawnContig, Record, consensus, write_fasta, write_vcf

_TO_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


class Weighted:
    """A `SequenceModel` in which each base at each place has its own weight; it keeps what it was asked."""

    name, reading, logarithmic, reads_exons = "weighted", "", False, False

    def __init__(self, upstream: int, downstream: int, strand_specific: bool = False) -> None:
        self.upstream, self.downstream, self.strand_specific = upstream, downstream, strand_specific
        self._weights = np.random.default_rng(0).normal(size=(upstream + downstream, 256))
        self.asked: list[tuple[bytes, bool]] = []

    def predict(self, sequences: Sequence[bytes], *, reverse_complement: bool = False) -> Float64Array:
        self.asked += [(sequence, reverse_complement) for sequence in sequences]
        read = [turned(sequence) if reverse_complement else sequence for sequence in sequences]
        return np.array([self.of(sequence.decode()) for sequence in read])

    def of(self, sequence: str) -> float:
        places = np.arange(self.upstream + self.downstream)
        return float(self._weights[places, list(sequence.encode())].sum())


@st.composite
def _contigs_with_snvs(draw: st.DrawFn) -> DrawnContig:
    """SNVs only, so that a base's place on a haplotype is that on the reference."""
    sequence = draw(st.text("ACGT", min_size=20, max_size=50))
    places = draw(st.sets(st.integers(0, len(sequence) - 1), max_size=10))
    call = st.sampled_from(("0|0", "1|0", "0|1", "1|1"))
    records = [
        Record(
            place,
            sequence[place],
            (sequence[place].translate(_TO_COMPLEMENT),),
            tuple(draw(call) for _ in SAMPLES),
        )
        for place in sorted(places)
    ]
    return DrawnContig(sequence, tuple(records))


def _predicted(
    fasta: Path, vcf: Path, model: SequenceModel, gene: Gene, augmentation: TestTimeAugmentation
) -> GenePredictions:
    with open_variants(vcf) as reader, Reference.open(fasta, fasta.parent) as reference:
        return predict_gene(model, Genotypes(reference, reader, SAMPLES), gene, augmentation)


def _one_by_one(model: Weighted, haplotype: str, gene: Gene, augmentation: TestTimeAugmentation) -> float:
    """Turn the haplotype around first, then cut; the mean over shifts and strands."""
    tss = gene.tss
    if gene.strand == "-":
        haplotype, tss = haplotype.translate(_TO_COMPLEMENT)[::-1], len(haplotype) - 1 - tss
    padded = "N" * 100 + haplotype + "N" * 100
    values = []
    for shift in augmentation.shifts:
        first = 100 + tss + shift - model.upstream
        cut = padded[first : first + model.upstream + model.downstream]
        values.append(model.of(cut))
        if augmentation.reverse_complement:
            values.append(model.of(cut.translate(_TO_COMPLEMENT)[::-1]))
    return float(np.mean(values))


@settings(max_examples=40, deadline=None)
@given(
    contig=_contigs_with_snvs(),
    strand=st.sampled_from(("+", "-")),
    shifts=st.sets(st.integers(-6, 6), min_size=1, max_size=3),
    reverse_complement=st.booleans(),
    data=st.data(),
)
def test_each_haplotype_is_predicted_as_if_alone(
    contig: DrawnContig, strand: Strand, shifts: set[int], reverse_complement: bool, data: st.DataObject
) -> None:
    model = Weighted(data.draw(st.integers(0, 20)), data.draw(st.integers(1, 20)))
    gene = Gene("g", "c", data.draw(st.integers(0, len(contig.sequence) - 1)), strand)
    augmentation = TestTimeAugmentation(tuple(shifts), reverse_complement)
    with TemporaryDirectory() as name:
        fasta = write_fasta(Path(name) / "r.fa", {"c": contig.sequence})
        vcf = write_vcf(Path(name) / "v.vcf.gz", {"c": contig})
        found = _predicted(fasta, vcf, model, gene, augmentation)
        expected = [
            [
                _one_by_one(model, consensus(fasta, vcf, sample, haplotype)["c"], gene, augmentation)
                for haplotype in (0, 1)
            ]
            for sample in SAMPLES
        ]
    np.testing.assert_allclose(found.haplotypes, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.samples, np.mean(expected, axis=1), rtol=1e-12, atol=1e-12)
    reference = _one_by_one(model, contig.sequence, gene, augmentation)
    np.testing.assert_allclose(found.reference, reference, rtol=1e-12, atol=1e-12)
    assert len(model.asked) == len(set(model.asked)) == found.forward_passes


@pytest.fixture
def cohort(tmp_path: Path) -> tuple[Path, Path]:
    """Both samples carry an SNV at place 10: one copy and two."""
    contig = DrawnContig("TTGACCATGCGATAAGCTCC", (Record(10, "G", ("T",), ("0|1", "1|1")),))
    return write_fasta(tmp_path / "r.fa", {"c": contig.sequence}), write_vcf(
        tmp_path / "v.vcf.gz", {"c": contig}
    )


@pytest.mark.parametrize(
    ("augmentation", "haplotypes", "passes"),
    [
        (TestTimeAugmentation(), 2, 2),
        (TestTimeAugmentation((-1, 0, 1)), 2, 6),
        (TestTimeAugmentation((0,), True), 2, 4),
        # 8 bases behind the variant: only the window that is moved back to it sees it.
        (TestTimeAugmentation((0, -8)), 2, 3),
    ],
)
def test_only_different_sequences_are_given_to_the_model(
    cohort: tuple[Path, Path], augmentation: TestTimeAugmentation, haplotypes: int, passes: int
) -> None:
    tss = 17 if augmentation.shifts == (0, -8) else 10
    found = _predicted(*cohort, Weighted(3, 3), Gene("g", "c", tss), augmentation)
    assert (found.unique_haplotypes, found.forward_passes) == (haplotypes, passes)


def test_a_strand_specific_model_does_without_reverse_complements(cohort: tuple[Path, Path]) -> None:
    model, gene = Weighted(3, 3, strand_specific=True), Gene("g", "c", 10)
    found = _predicted(*cohort, model, gene, TestTimeAugmentation(reverse_complement=True))
    assert found.forward_passes == 2
    assert not any(reverse for _, reverse in model.asked)
