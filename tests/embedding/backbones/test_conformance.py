"""`check_backbone` passes what keeps to the protocol, and says of what does not what is wrong."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from docs.examples.dinucleotides import DinucleotideCounts

import haploscribe
from haploscribe.embedding.backbones.base import SequenceBackbone
from haploscribe.embedding.backbones.conformance import check_conformance
from haploscribe.embedding.backbones.kmer import KmerCounts
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.utils.types import Float32Array
from tests.fixtures import auto_models, ntv3
from tests.fixtures.backbones import write_v1, write_v2
from tests.fixtures.doctests import run_page

DOCS = Path(__file__).parents[3] / "docs"
TILE = 600


class Fine(SequenceBackbone):
    """Frequencies of pairs of bases, on eight random axes."""

    name = "fine"
    settings: Mapping[str, str | int] = {"seed": 4}
    tile_multiple = 1
    max_tile = 1000
    axes = np.random.default_rng(4).normal(size=(16, 8))

    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        return np.stack([self.vectors(sequence) for sequence in sequences]).astype(np.float32)

    def vectors(self, sequence: bytes) -> Float32Array:
        (counts,) = DinucleotideCounts().embed_sequences([sequence])
        return np.asarray(counts @ self.axes / max(len(sequence), 1), dtype=np.float32)


class PerKnownBase(Fine):
    def vectors(self, sequence: bytes) -> Float32Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            known = np.float32(len(sequence) - sequence.count(b"N"))
            return super().vectors(sequence) / known


class Centred(Fine):
    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        vectors = super().embed_sequences(sequences)
        centre: Float32Array = vectors.mean(axis=0, keepdims=True)
        return vectors - np.float32(0.01) * centre


class Padded(Fine):
    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        longest = max(map(len, sequences))
        return super().embed_sequences([sequence.ljust(longest, b"N") for sequence in sequences])


class Dropout(Fine):
    calls = 0

    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        Dropout.calls += 1
        return super().embed_sequences(sequences) * np.float32(1 + 1e-6 * (Dropout.calls % 2))


class Unseeded(Fine):
    def __init__(self) -> None:
        self.axes = np.random.default_rng().normal(size=(16, 8))


class Half(Fine):
    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        return super().embed_sequences(sequences).astype(np.float16).astype(np.float32)


class BrainFloat(Fine):
    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        vectors = super().embed_sequences(sequences)
        return (vectors.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


class Cut(Fine):
    def vectors(self, sequence: bytes) -> Float32Array:
        return super().vectors(sequence[:512])


class LowerCase(Fine):
    def vectors(self, sequence: bytes) -> Float32Array:
        return super().vectors(sequence.lower())


class UpperCaseAlone(Fine):
    def vectors(self, sequence: bytes) -> Float32Array:
        return super().vectors(sequence) * np.float32(
            {65: 1, 67: 1, 71: 1, 84: 1, 78: 1}[(sequence or b"A")[0]]
        )


class NoEmpty(Fine):
    def vectors(self, sequence: bytes) -> Float32Array:
        return super().vectors(sequence) * np.float32(sequence[0] > 0)


class NothingLonger(Fine):
    max_tile = TILE

    def vectors(self, sequence: bytes) -> Float32Array:
        if len(sequence) > self.max_tile:
            raise ValueError("too long\nby far")
        return super().vectors(sequence)


class OneVectorPerPart(Fine):
    def vectors(self, sequence: bytes) -> Float32Array:
        return np.repeat(super().vectors(sequence), max(1, len(sequence) // 300), axis=0)


class BinsOfTheBatch(Fine):
    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        return np.repeat(super().embed_sequences(sequences), 1 + (len(sequences) > 1), axis=1)


class Flat(Fine):
    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        return super().embed_sequences(sequences)[:, 0]


class Doubles(Fine):
    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        return super().embed_sequences(sequences).astype(float)


@pytest.mark.parametrize("backbone", ["kmer", "random", "docs.examples.dinucleotides:DinucleotideCounts"])
@pytest.mark.parametrize("strands", ["forward", "both"])
def test_backbones_without_weights_conform_to_the_bit(backbone: str, strands: str) -> None:
    found = haploscribe.check_backbone(backbone, tolerance=0, strands=strands)
    assert all(check.passed for check in found.checks)
    assert len(found.checks) == len(str(found).splitlines()) == 12


@pytest.mark.parametrize("backbone", [Fine, Fine(), KmerCounts()], ids=["class", "instance", "ours"])
def test_a_class_or_an_instance_is_checked(backbone: SequenceBackbone | type[SequenceBackbone]) -> None:
    assert haploscribe.check_backbone(backbone, tile=TILE).backbone == backbone.name


def test_the_page_on_new_backbones_shows_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(DOCS / "examples" / "dinucleotides.py", tmp_path / "my_backbone.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    failures = run_page(DOCS / "new-backbone.md")
    sys.modules.pop("my_backbone", None)
    assert not failures, failures


def test_nano_conforms_to_the_bit_on_a_cpu() -> None:
    haploscribe.check_backbone("nano", tile=300, tolerance=0, device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("strands", ["forward", "both"])
def test_nano_conforms_on_its_longest_tile(strands: str) -> None:
    haploscribe.check_backbone("nano", pooling="bins-3", strands=strands)


@pytest.mark.parametrize("pooling", ["mean", "bins-3"])
def test_both_versions_of_the_nucleotide_transformer_conform(tmp_path: Path, pooling: str) -> None:
    for folder in (write_v1(tmp_path / "v1"), write_v2(tmp_path / "v2")):
        haploscribe.check_backbone(folder, tolerance=0, pooling=pooling, device="cpu")


@pytest.mark.parametrize("strands", ["forward", "both"])
def test_ntv3_conforms_to_the_bit(strands: str) -> None:
    haploscribe.check_backbone(ntv3.TINY, tile=1280, tolerance=0, strands=strands, device="cpu")


@pytest.mark.parametrize("name", auto_models.EXAMPLES)
def test_models_of_transformers_conform_to_the_bit(name: str, tmp_path: Path) -> None:
    folder = auto_models.EXAMPLES[name].write(tmp_path / name)
    haploscribe.check_backbone(folder, tolerance=0, device="cpu")


@pytest.mark.parametrize(
    ("backbone", "failed", "said"),
    [
        (PerKnownBase, {"N", "empty sequence"}, "N: a tile of N: .*embed must return finite values"),
        (
            Centred,
            {"batch independence", "padding"},
            "differs from itself alone by .*, more than 1e-05: use nothing of the other rows",
        ),
        (Padded, {"padding"}, "padding: beside haplotypes of other lengths, .* differs from itself alone"),
        (Dropout, {"determinism", "loading again"}, "two calls .* return other bits; switch off dropout"),
        (Unseeded, {"loading again"}, "loaded again, it returns other bits .* or seed it"),
        (UpperCaseAlone, {"lower case"}, "embed raises KeyError; read lower case as upper case, or raise"),
        (Half, {"precision"}, "all values are those of float16, .* return float32"),
        (BrainFloat, {"precision"}, "all values are those of bfloat16, .* return float32"),
        (Cut, {"deltas"}, "an SNV at base 526 of 600 does not move the vectors; read the whole sequence"),
        (LowerCase, {"deltas"}, "does not move the vectors; .* in upper case"),
        (NoEmpty, {"empty sequence"}, "a deleted tile: embed raises IndexError: .*; take every haplotype"),
        (
            NothingLonger,
            {"long sequence"},
            "a tile of 600 bp with 60 more: embed raises ValueError: too long;",
        ),
        (OneVectorPerPart, {"output"}, r"has vectors \(1, 8\), the reference \(2, 8\)"),
        (
            BinsOfTheBatch,
            {"batch independence", "padding"},
            r"beside others of its length, vectors are \(2, 8\), alone \(1, 8\); return the same shape",
        ),
        (
            Flat,
            {"output"},
            r"the reference: .*embed must return an array \(1, n_bins, dimension\), not \(1, 8\)",
        ),
        (Doubles, {"output"}, "the reference: .*embed must return float32, not float64"),
    ],
)
def test_each_fault_fails_its_check_alone(backbone: type[Fine], failed: set[str], said: str) -> None:
    found = check_conformance(backbone(), backbone, tile=TILE)
    names = {check.name for check in found.checks if not check.passed}
    assert names == failed
    with pytest.raises(InputError, match=said) as refused:
        haploscribe.check_backbone(backbone, tile=TILE)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(f"backbone fine fails {len(names)} of ")


def test_a_delta_that_the_batch_drowns_is_no_delta_whatever_is_allowed() -> None:
    found = check_conformance(Centred(), Centred, tile=TILE, tolerance=1)
    assert [check.name for check in found.checks if not check.passed] == ["deltas"]


def test_what_takes_no_tile_is_refused() -> None:
    class Narrow(Fine):
        tile_multiple = 6
        max_tile = 5

    with pytest.raises(InputError, match="max_tile 5 is below tile_multiple 6, so it takes no tile"):
        haploscribe.check_backbone(Narrow)
    with pytest.raises(InputError, match="--tile 7: backbone nano takes multiples of 6 bp"):
        haploscribe.check_backbone("nano", tile=7)


def test_edits_are_in_order_and_explain_every_length() -> None:
    seen: list[TileHaplotype] = []

    class Seeing(Fine):
        def embed(self, haplotypes: Sequence[TileHaplotype]) -> Float32Array:
            seen.extend(haplotypes)
            return super().embed(haplotypes)

    haploscribe.check_backbone(Seeing(), tile=TILE)
    for haplotype in seen:
        gained = sum(edit.alternate_length - edit.reference_length for edit in haplotype.edits)
        assert len(haplotype.sequence) == TILE + gained
    lengths = {len(haplotype.sequence) for haplotype in seen}
    assert {0, 1, TILE - 1, TILE, TILE + 60} == lengths
