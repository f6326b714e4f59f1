"""Training batches, decoded back to bases."""

from pathlib import Path

import numpy as np
import pytest

from haploscribe.pretraining.batches import VOCABULARY, BatchSampler, MaskedBatch, six_mer_ids
from haploscribe.pretraining.data import GenomeSequences, Segment, WindowSampler
from tests.fixtures.backbones import V2_VOCABULARY
from tests.fixtures.genomes import random_bases, reverse_complement, write_genome

MASK, CLASS = VOCABULARY.index("<mask>"), VOCABULARY.index("<cls>")
WINDOW = 120
GENOME = random_bases(1_000) + b"N" * 50 + random_bases(1_000, seed=1)
SEGMENTS = (Segment("c", 0, 1_000), Segment("c", 1_050, 2_050))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[MaskedBatch]:
    """Batches of 40 steps, 8 windows each."""
    path = write_genome(tmp_path_factory.mktemp("genome") / "genome.fa", c=GENOME)
    with GenomeSequences.open(path, None) as sequences:
        starts = WindowSampler(SEGMENTS, WINDOW)
        batches = BatchSampler(sequences, starts, WindowSampler((), WINDOW), batch_size=8, seed=3)
        return [batches.training(step) for step in range(40)]


def spelled(batch: MaskedBatch) -> list[bytes]:
    """The sequences of a batch, masked tokens put back."""
    ids = batch.input_ids.copy()
    ids[batch.masked] = batch.labels
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
    assert all((batch.input_ids[:, 0] == CLASS).all() for batch in drawn)


def test_fifteen_percent_is_predicted_from_mask_random_or_itself(drawn: list[MaskedBatch]) -> None:
    labels = np.concatenate([batch.labels for batch in drawn])
    shown = np.concatenate([batch.input_ids[batch.masked] for batch in drawn])
    n = len(labels)
    assert n / sum(batch.masked[:, 1:].size for batch in drawn) == pytest.approx(0.15, abs=0.02)
    assert (shown == MASK).mean() == pytest.approx(0.8, abs=4 * 0.4 / n**0.5)
    assert (shown == labels).mean() == pytest.approx(0.1, abs=4 * 0.3 / n**0.5)
    assert np.isin(shown[shown != MASK], six_mer_ids(VOCABULARY)).all()


def test_a_batch_depends_on_seed_and_step_alone(tmp_path: Path) -> None:
    path = write_genome(tmp_path / "genome.fa", c=GENOME)
    with GenomeSequences.open(path, None) as sequences:
        starts = WindowSampler(SEGMENTS, WINDOW)
        one, other = (BatchSampler(sequences, starts, starts, batch_size=2, seed=5) for _ in range(2))
        for step in range(3):
            one.training(step)
        again, first = one.training(7), other.training(7)
        assert all(np.array_equal(a, b) for a, b in zip(again, first, strict=True))
        assert not np.array_equal(one.training(8).input_ids, first.input_ids)


def test_held_out_batches_are_of_the_forward_strand_all_masked(tmp_path: Path) -> None:
    path = write_genome(tmp_path / "genome.fa", c=GENOME)
    with GenomeSequences.open(path, None) as sequences:
        held_out = WindowSampler(SEGMENTS[1:], WINDOW)
        for batch in BatchSampler(sequences, held_out, held_out, batch_size=8, seed=5).held_out(3):
            assert (batch.input_ids[batch.masked] == MASK).all()
            assert all(sequence in GENOME[1_050:] for sequence in spelled(batch))
