"""Enformer as a sequence model: its bins, tracks, bases and augmentation."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.haplotypes import reverse_complement
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.zero_shot.base import one_hot
from haploscribe.zero_shot.configuration import Track
from haploscribe.zero_shot.enformer.configuration import find_tracks, parse_configuration
from haploscribe.zero_shot.enformer.model import WINDOW, Enformer, read_enformer, read_network
from haploscribe.zero_shot.enformer.network import EnformerNetwork
from haploscribe.zero_shot.predictions import TestTimeAugmentation, predict_gene
from tests.fixtures.enformer_weights import drawn_sequence
from tests.fixtures.variants import SAMPLES, DrawnContig, Record, write_fasta, write_vcf

FIXTURE = Path(__file__).parent
LENGTH = 272
pytestmark = pytest.mark.usefixtures("one_thread")


def _small(*tracks: int) -> Enformer:
    return Enformer(read_network(FIXTURE / "small"), [Track(place) for place in tracks], LENGTH)


def test_prediction_is_the_sum_of_the_packages_bins_at_the_tss_and_the_mean_of_tracks() -> None:
    # 272 bp are 17 bins of 16; the TSS is base 136, in bin 8, the fifth of the nine in the middle.
    bins = load_file(FIXTURE / "expected.safetensors")["small"][:, 3:6].double()
    sequences = [drawn_sequence(seed, LENGTH) for seed in range(3)]
    expected = bins.sum(1)[:, [2, 6]].mean(1)
    np.testing.assert_allclose(_small(2, 6).predict(sequences), expected, rtol=1e-5)


def test_published_window_has_the_tss_in_its_middle_and_sums_bins_447_to_449() -> None:
    with torch.device("meta"):
        network = EnformerNetwork(parse_configuration({"depth": 1}, "config.json"))
    model = Enformer(network.to_empty(device="cpu"), [Track(5110)])
    assert (model.upstream, model.downstream, model.bins) == (98_304, 98_304, (447, 448, 449))


def test_reverse_complement_is_read_in_the_same_base_pairs() -> None:
    # Bins 3 to 5 of nine along the strand are 5 to 3 along the other.
    model, network = _small(1), read_network(FIXTURE / "small")
    sequence = drawn_sequence(3, LENGTH)
    bases = torch.from_numpy(one_hot(reverse_complement(sequence)))[None]
    with torch.inference_mode():
        expected = network(bases)[0, 3:6, 1].sum()
    assert model.bins == (3, 4, 5)
    np.testing.assert_allclose(model.predict([sequence], reverse_complement=True), expected, rtol=1e-6)


def test_prediction_does_not_depend_on_the_company_to_the_bit() -> None:
    model, sequences = _small(0), [drawn_sequence(seed, LENGTH) for seed in range(5)]
    assert model.predict(sequences).tolist() == [model.predict([one]).item() for one in sequences]


def test_no_sequence_has_no_prediction() -> None:
    assert _small(0).predict([]).shape == (0,)


def test_sequence_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="272 bases, not 271"):
        _small(0).predict([drawn_sequence(0, LENGTH - 1)])


@given(st.text("ACGTN", max_size=40))
def test_one_hot_is_acgt_in_that_order_and_nothing_for_n(sequence: str) -> None:
    expected = [[float(base == letter) for letter in "ACGT"] for base in sequence]
    assert one_hot(sequence.encode()).tolist() == expected


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000), st.integers(0, LENGTH - 1))
def test_each_base_of_the_window_is_read(seed: int, place: int) -> None:
    sequence = drawn_sequence(seed, LENGTH, b"AC")
    other = sequence[:place] + b"G" + sequence[place + 1 :]
    first, second = _small(1).predict([sequence, other])
    assert first != second


def test_reverse_complement_and_shifts_are_averaged_over(tmp_path: Path) -> None:
    bases = drawn_sequence(7, 400, b"ACGT").decode()
    other = "A" if bases[200] != "A" else "C"
    contig = DrawnContig(bases, (Record(200, bases[200], (other,), ("0|1", "0|0")),))
    fasta = write_fasta(tmp_path / "r.fa", {"c": contig.sequence})
    vcf = write_vcf(tmp_path / "v.vcf.gz", {"c": contig})
    model, augmentation = _small(1), TestTimeAugmentation((-2, 0), reverse_complement=True)
    with open_variants(vcf) as reader, Reference.open(fasta, fasta.parent) as reference:
        found = predict_gene(model, Genotypes(reference, reader, SAMPLES), Gene("g", "c", 190), augmentation)
    for haplotype, sequence in enumerate((bases, bases[:200] + other + bases[201:])):
        windows = [sequence[190 + shift - 136 : 190 + shift + 136].encode() for shift in (-2, 0)]
        expected = np.mean([model.predict(windows, reverse_complement=other) for other in (False, True)])
        np.testing.assert_allclose(found.haplotypes[0, haplotype], expected, rtol=1e-6)
    assert (found.unique_haplotypes, found.forward_passes) == (2, 8)


def test_tracks_have_names_in_the_published_head_and_numbers_in_any() -> None:
    found = find_tracks(["CAGE:GM12878", "CAGE:K562", "12"], 5313)
    assert found == (Track(5110), Track(4828), Track(12))
    assert find_tracks(["0", "6"], 7) == (Track(0), Track(6))


@pytest.mark.parametrize(
    ("tracks", "n_tracks", "complaint"),
    [
        (
            ["CAGE:HepG2"],
            5313,
            "no track 'CAGE:HepG2'; give CAGE:GM12878, CAGE:K562 or a number from 0 to 5312",
        ),
        (["CAGE:GM12878"], 7, "no track 'CAGE:GM12878'; give a number from 0 to 6"),
        (["5313"], 5313, "no track '5313'"),
        (["-1"], 7, "no track '-1'"),
        (["²"], 7, "no track '²'"),
        ([], 7, "give at least one, each once"),
        (["5110", "CAGE:GM12878"], 5313, "give at least one, each once"),
    ],
)
def test_a_track_that_is_not_there_is_refused(tracks: list[str], n_tracks: int, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        find_tracks(tracks, n_tracks)


def test_a_model_of_another_window_is_refused(tmp_path: Path) -> None:
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_bytes((FIXTURE / "small" / file).read_bytes())
    configuration = json.loads((tmp_path / "config.json").read_text())
    # 12,288 bins of 16: a middle of 9 has none on its own.
    assert WINDOW // 16 - configuration["target_length"] == 12_279
    with pytest.raises(InputError, match="does not read 196,608 bp"):
        read_enformer(tmp_path, tracks=["0"])
