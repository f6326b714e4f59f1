"""Scores of alleles against the network asked for sequences that are spelled by hand or by bcftools."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from haploscribe.expression.genes import Gene, Strand
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.variants import AltAllele, Variants, alt_alleles
from haploscribe.utils.types import Float64Array
from haploscribe.zero_shot.allele_scores import AlleleScorer, AlleleScores
from haploscribe.zero_shot.base import one_hot
from haploscribe.zero_shot.configuration import Track
from haploscribe.zero_shot.enformer.model import Enformer, read_network
from haploscribe.zero_shot.predictions import TestTimeAugmentation
from tests.fixtures.genomes import random_bases, reverse_complement, write_genome
from tests.fixtures.variants import consensus, write_vcf_lines

SMALL = Path(__file__).parent / "enformer" / "small"
LENGTH, TSS, WINDOW, BIN = 1_000, 500, 272, 16
FIRST_BIN = 4  # of 17, the first of the nine in the middle
SEQUENCE = random_bases(LENGTH)
TRACKS = (2, 6)
pytestmark = pytest.mark.usefixtures("one_thread")

# SNVs at, near and far from the TSS, beyond what is output and beyond the input; both sides; indels.
SITES = {
    500: "snv",
    497: "snv",
    530: "snv",
    460: "snv",
    480: "deletion",
    520: "deletion",
    470: "insertion",
    535: "insertion",
    380: "snv",
    625: "snv",
    300: "snv",
    700: "snv",
}


def model() -> Enformer:
    tracks = [Track(index, name=f"track {index}") for index in TRACKS]
    return Enformer(read_network(SMALL), tracks, WINDOW)


def record(position: int) -> tuple[str, str]:
    """REF and ALT at a position."""
    base = SEQUENCE[position : position + 1].decode()
    if SITES[position] == "deletion":
        return SEQUENCE[position : position + 5].decode(), base
    if SITES[position] == "insertion":
        return base, f"{base}TTGA"
    return base, "ACGT"["ACGT".index(base) - 1]


def read(folder: Path, calls: dict[int, str]) -> Variants:
    """Records with the calls of one sample, homozygous for REF where none is given."""
    lines = []
    for position in sorted(SITES):
        ref, alt = record(position)
        lines.append(f"c\t{position + 1}\t.\t{ref}\t{alt}\t.\t.\t.\tGT\t{calls.get(position, '0|0')}")
    with open_variants(write_vcf_lines(folder / "v.vcf.gz", {"c": LENGTH}, lines, ("s",))) as reader:
        return reader.read("c", 0, LENGTH, ("s",))


def scored(
    folder: Path,
    strand: Strand,
    augmentation: TestTimeAugmentation | None = None,
    calls: dict[int, str] | None = None,
) -> tuple[AlleleScores, list[AltAllele], AlleleScorer]:
    variants = read(folder, calls or {})
    with Reference.open(write_genome(folder / "r.fa", c=SEQUENCE), folder) as reference:
        background = None if calls is None else variants.genotypes[:, 0]
        scorer = AlleleScorer(
            model(),
            reference,
            Gene("g", "c", TSS, strand),
            variants,
            augmentation or TestTimeAugmentation(),
            background,
        )
        alleles = alt_alleles(variants)
        return scorer.score(np.arange(len(alleles))), alleles, scorer


def input_of(haplotype: bytes, tss: int, strand: Strand, shift: int = 0) -> bytes:
    """What the model reads of a haplotype whose base `tss` is the TSS."""
    if strand == "-":
        haplotype, tss = reverse_complement(haplotype), len(haplotype) - 1 - tss
    first = tss + shift - WINDOW // 2
    return haplotype[first : first + WINDOW]


def tracks_of(sequence: bytes) -> Float64Array:
    """All output bins, from the whole network: `(n_bins, n_tracks)`."""
    with torch.inference_mode():
        found = read_network(SMALL)(torch.from_numpy(one_hot(sequence))[None])[0][:, list(TRACKS)]
    return np.asarray(found.double())


def at_tss(signal: Float64Array) -> Float64Array:
    return np.asarray(signal[3:6].sum(axis=0))


def with_allele(allele: AltAllele) -> tuple[bytes, int]:
    """The reference with an allele, and where its TSS is."""
    position, ref, alt = allele[:3]
    moved = len(alt) - len(ref) if position < TSS else 0
    return SEQUENCE[:position] + alt + SEQUENCE[position + len(ref) :], TSS + moved


@pytest.mark.parametrize("strand", ["+", "-"])
def test_folds_are_those_of_the_haplotypes_spelled_out(tmp_path: Path, strand: Strand) -> None:
    scores, alleles, _ = scored(tmp_path, strand)
    reference = at_tss(tracks_of(input_of(SEQUENCE, TSS, strand)))
    expected = [
        np.log2(at_tss(tracks_of(input_of(*with_allele(allele), strand))) + 1) - np.log2(reference + 1)
        for allele in alleles
    ]
    np.testing.assert_allclose(scores.fold, expected, atol=1e-5)
    inside = [300 < allele.position < 700 for allele in alleles]
    assert (scores.fold[inside] != 0.0).any(axis=1).all()
    assert not scores.fold[~np.array(inside)].any()


@pytest.mark.parametrize("strand", ["+", "-"])
def test_the_change_is_that_of_the_bins_around_the_allele(tmp_path: Path, strand: Strand) -> None:
    scores, alleles, _ = scored(tmp_path, strand)
    before = np.log2(tracks_of(input_of(SEQUENCE, TSS, strand)) + 1)
    for allele, found in zip(alleles, scores.change, strict=True):
        nearest = min(max(TSS, allele.position), allele.position + len(allele.reference) - 1)
        place = WINDOW // 2 + (nearest - TSS) * (1 if strand == "+" else -1)
        middle = place // BIN - FIRST_BIN
        if not 1 <= middle <= len(before) - 2:
            assert np.isnan(found).all()
            continue
        after = np.log2(tracks_of(input_of(*with_allele(allele), strand)) + 1)
        around = slice(middle - 1, middle + 2)
        expected = np.sqrt(np.square(after[around] - before[around]).sum(axis=0))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)
    assert 0 < np.isnan(scores.change[:, 0]).sum() < len(alleles)


def test_swapped_alleles_have_the_opposite_fold(tmp_path: Path) -> None:
    scores, alleles, _ = scored(tmp_path, "+")
    for i, allele in enumerate(alleles):
        if SITES[allele.position] != "snv":
            continue
        changed, _ = with_allele(allele)
        variants = read(tmp_path, {})
        row = variants.take(variants.positions == allele.position)
        swapped = replace(row, alleles=(row.alleles[0][::-1],))
        with Reference.open(write_genome(tmp_path / f"{i}.fa", c=changed), tmp_path) as reference:
            scorer = AlleleScorer(
                model(), reference, Gene("g", "c", TSS, "+"), swapped, TestTimeAugmentation()
            )
            back = scorer.score(np.array([0]))
        np.testing.assert_allclose(back.fold[0], -scores.fold[i], atol=1e-9)
        np.testing.assert_allclose(back.change[0], scores.change[i], atol=1e-9)


def test_shifts_and_strands_are_averaged_before_the_logarithm(tmp_path: Path) -> None:
    shifts = (-16, 5)
    scores, alleles, scorer = scored(tmp_path, "-", TestTimeAugmentation(shifts, reverse_complement=True))

    def expression(haplotype: bytes, tss: int) -> Float64Array:
        signals = []
        for shift in shifts:
            sequence = input_of(haplotype, tss, "-", shift)
            signals.append(at_tss(tracks_of(sequence)))
            signals.append(at_tss(tracks_of(reverse_complement(sequence))[::-1]))
        return np.asarray(np.mean(signals, axis=0))

    before = np.log2(expression(SEQUENCE, TSS) + 1)
    expected = [np.log2(expression(*with_allele(allele)) + 1) - before for allele in alleles]
    np.testing.assert_allclose(scores.fold, expected, atol=1e-5)
    n_read = 1 + np.count_nonzero(scores.fold.any(axis=1))
    assert scorer.forward_passes == n_read * len(shifts) * 2


def test_a_samples_copies_are_those_that_bcftools_writes(tmp_path: Path) -> None:
    # SNVs only, so that the TSS is where it is on the reference.
    calls = {497: "1|0", 530: "1|1", 460: "0|1", 380: "1|1"}
    scores, alleles, _ = scored(tmp_path, "+", calls=calls)
    assert scores.own_folds is not None
    for i, allele in enumerate(alleles):
        if SITES[allele.position] != "snv":
            continue
        own = calls.get(allele.position, "0|0")
        ones = [own] if own in ("1|0", "0|1") else ["1|0", "0|1"]

        def expression(call: str, position: int = allele.position) -> Float64Array:
            read(tmp_path, calls | {position: call})
            of_haplotypes = [
                at_tss(
                    tracks_of(
                        input_of(
                            consensus(tmp_path / "r.fa", tmp_path / "v.vcf.gz", "s", haplotype)["c"].encode(),
                            TSS,
                            "+",
                        )
                    )
                )
                for haplotype in (0, 1)
            ]
            return np.asarray(np.mean(of_haplotypes, axis=0))

        none = np.log2(expression("0|0") + 1)
        one = np.log2(np.mean([expression(call) for call in ones], axis=0) + 1)
        two = np.log2(expression("1|1") + 1)
        np.testing.assert_allclose(
            scores.own_folds[i], np.stack([one - none, two - none], axis=-1), atol=1e-5
        )


@pytest.mark.parametrize("strand", ["+", "-"])
def test_what_is_read_over_exons_moves_with_indels(tmp_path: Path, strand: Strand) -> None:
    exons = ((466, 483), (525, 545), (690, 710))  # the last one is beyond the input
    masked = bytearray(SEQUENCE)
    for start, end in exons:
        masked[start:end] = masked[start:end].lower()

    def expression(haplotype: bytes, tss: int) -> float:
        if strand == "-":
            haplotype, tss = haplotype.translate(bytes.maketrans(b"ACGTacgt", b"TGCAtgca"))[::-1], -1 - tss
            tss += len(haplotype)
        sequence = haplotype[tss - WINDOW // 2 : tss + WINDOW // 2]
        places = [place for place, letter in enumerate(sequence) if chr(letter).islower()]
        bins = sorted({place // BIN - FIRST_BIN for place in places} & set(range(9)))
        return float(tracks_of(sequence.upper())[bins, 0].mean())

    variants = read(tmp_path, {})
    rna = Enformer(read_network(SMALL), [Track(TRACKS[0], over_exons=True, name="rna")], WINDOW)
    with Reference.open(write_genome(tmp_path / "r.fa", c=SEQUENCE), tmp_path) as reference:
        gene = Gene("g", "c", TSS, strand, exons=exons)
        alleles = alt_alleles(variants)
        scorer = AlleleScorer(rna, reference, gene, variants, TestTimeAugmentation())
        found = scorer.score(np.arange(len(alleles))).fold[:, 0]
    before = np.log2(expression(bytes(masked), TSS) + 0.001)
    for allele, fold in zip(alleles, found, strict=True):
        position, ref, alt = allele[:3]
        cased = alt.lower() if masked[position : position + 1].islower() else alt
        haplotype = masked[:position] + cased + masked[position + len(ref) :]
        moved = len(alt) - len(ref) if position < TSS else 0
        expected = np.log2(expression(bytes(haplotype), TSS + moved) + 0.001) - before
        assert fold == pytest.approx(expected, abs=1e-5), SITES[position]
    assert np.count_nonzero(found) >= 8
