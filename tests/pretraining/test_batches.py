"""What training reads, decoded back to bases."""

from pathlib import Path

import numpy as np
import pysam
import pysam.bcftools
import pytest

from haploscribe.pretraining.batches import Batches
from haploscribe.pretraining.masking import MaskedBatch
from haploscribe.pretraining.segments import Segment, WindowStarts
from haploscribe.pretraining.vocabulary import VOCABULARY, six_mer_numbers
from haploscribe.pretraining.windows import GenomeSequences, reverse_complement
from tests.fixtures.backbones import V2_VOCABULARY
from tests.fixtures.genomes import random_bases, write_genome, write_variants

MASK, CLASS = VOCABULARY.index("<mask>"), VOCABULARY.index("<cls>")
WINDOW = 120
GENOME = random_bases(1_000) + b"N" * 50 + random_bases(1_000, seed=1)
SEGMENTS = (Segment("c", 0, 1_000), Segment("c", 1_050, 2_050))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[MaskedBatch]:
    """Batches of 40 steps, 8 windows each."""
    path = write_genome(tmp_path_factory.mktemp("genome") / "genome.fa", c=GENOME)
    with GenomeSequences.open(path, None) as sequences:
        starts = WindowStarts(SEGMENTS, WINDOW)
        batches = Batches(sequences, starts, WindowStarts((), WINDOW), batch=8, seed=3)
        return [batches.training(step) for step in range(40)]


def spelled(batch: MaskedBatch) -> list[bytes]:
    """The sequences of a batch, guessed tokens put back."""
    ids = batch.shown.copy()
    ids[batch.guessed] = batch.answers
    return ["".join(VOCABULARY[token] for token in row[1:]).encode() for row in ids.tolist()]


def test_the_vocabulary_is_the_published_order() -> None:
    assert list(VOCABULARY) == V2_VOCABULARY


def test_every_sequence_is_a_window_without_n_of_one_strand(drawn: list[MaskedBatch]) -> None:
    for sequence in (sequence for batch in drawn for sequence in spelled(batch)):
        assert len(sequence) == WINDOW
        assert sequence in GENOME or reverse_complement(sequence) in GENOME


def test_both_strands_are_read_as_often(drawn: list[MaskedBatch]) -> None:
    forward = [sequence in GENOME for batch in drawn for sequence in spelled(batch)]
    assert np.mean(forward) == pytest.approx(0.5, abs=4 * 0.5 / len(forward) ** 0.5)


def test_all_six_frames_are_read_as_often(drawn: list[MaskedBatch]) -> None:
    starts = [GENOME.find(sequence) for batch in drawn for sequence in spelled(batch)]
    frames = np.bincount([start % 6 for start in starts if start >= 0], minlength=6)
    expected = frames.sum() / 6
    assert ((frames - expected) ** 2 / expected).sum() < 20.5  # chi-square, 5 degrees: p = 0.001


def test_every_sequence_begins_with_the_class_token(drawn: list[MaskedBatch]) -> None:
    assert all((batch.shown[:, 0] == CLASS).all() for batch in drawn)


def test_fifteen_percent_is_guessed_and_shown_as_mask_random_or_itself(drawn: list[MaskedBatch]) -> None:
    answers = np.concatenate([batch.answers for batch in drawn])
    shown = np.concatenate([batch.shown[batch.guessed] for batch in drawn])
    n = len(answers)
    assert n / sum(batch.guessed[:, 1:].size for batch in drawn) == pytest.approx(0.15, abs=0.02)
    assert (shown == MASK).mean() == pytest.approx(0.8, abs=4 * 0.4 / n**0.5)
    assert (shown == answers).mean() == pytest.approx(0.1, abs=4 * 0.3 / n**0.5)
    assert np.isin(shown[shown != MASK], six_mer_numbers(VOCABULARY)).all()


def test_a_batch_depends_on_seed_and_step_alone(tmp_path: Path) -> None:
    path = write_genome(tmp_path / "genome.fa", c=GENOME)
    with GenomeSequences.open(path, None) as sequences:
        starts = WindowStarts(SEGMENTS, WINDOW)
        one, other = (Batches(sequences, starts, starts, batch=2, seed=5) for _ in range(2))
        for step in range(3):
            one.training(step)
        again, first = one.training(7), other.training(7)
        assert all(np.array_equal(a, b) for a, b in zip(again, first, strict=True))
        assert not np.array_equal(one.training(8).shown, first.shown)


def test_held_out_batches_are_of_the_forward_strand_all_masked(tmp_path: Path) -> None:
    path = write_genome(tmp_path / "genome.fa", c=GENOME)
    with GenomeSequences.open(path, None) as sequences:
        held_out = WindowStarts(SEGMENTS[1:], WINDOW)
        for batch in Batches(sequences, held_out, held_out, batch=8, seed=5).held_out(3):
            assert (batch.shown[batch.guessed] == MASK).all()
            assert all(sequence in GENOME[1_050:] for sequence in spelled(batch))


RECORDS = [
    (101, "{ref}", "{snv}", "0|1\t1|0"),
    (150, "{ref}", "{ref}ACGTACG", "1|0\t0|0"),
    (200, "{deletion}", "{ref}", "0|1\t0|1"),
    (260, "{ref}", "{snv}", "0|0\t1|1"),
]


def test_haplotypes_are_those_of_bcftools_consensus(tmp_path: Path) -> None:
    genome = random_bases(600)
    reference = write_genome(tmp_path / "genome.fa", c=genome)
    records = []
    for at, ref, alt, calls in RECORDS:
        base = chr(genome[at - 1])
        words = {
            "ref": base,
            "snv": "ACGT"["ACGT".index(base) - 1],
            "deletion": genome[at - 1 : at + 4].decode(),
        }
        records.append((at, ref.format(**words), alt.format(**words), calls))
    variants = write_variants(tmp_path / "variants.vcf", "c", 600, records)
    packed = tmp_path / "packed.vcf.gz"
    pysam.tabix_compress(str(variants), str(packed))
    pysam.tabix_index(str(packed), preset="vcf")
    expected = set()
    for sample in "ab":
        for haplotype in "12":
            arguments = ("-f", str(reference), "-s", sample, "-H", haplotype, str(packed))
            text: str = pysam.bcftools.consensus(*arguments)
            expected.add("".join(text.split("\n")[1:]).encode())
    with GenomeSequences.open(reference, variants) as sequences:
        generator = np.random.default_rng(0)
        found = {sequences.haplotype_sequence(Segment("c", 0, 600), generator) for _ in range(60)}
        half = [sequences.drawn_sequence(Segment("c", 0, 600), generator) for _ in range(200)]
    assert found == expected
    assert len(expected) == 4
    of_reference = [genome in (sequence, reverse_complement(sequence)) for sequence in half]
    assert np.mean(of_reference) == pytest.approx(0.5, abs=0.15)
