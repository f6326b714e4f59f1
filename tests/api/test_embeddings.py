"""A user brings vectors, or a backbone as a class or an instance."""

import json
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from haploscribe.api.cohort import OpenedCohort, example_cohort
from haploscribe.api.embeddings import Embeddings
from haploscribe.api.gene import GeneData
from haploscribe.api.regressor import GeneRegressor
from haploscribe.api.run import run
from haploscribe.embedding.backbones.base import SequenceBackbone
from haploscribe.embedding.backbones.kmer import KmerCounts
from haploscribe.errors import InputError
from haploscribe.utils.types import Float32Array
from tests.fixtures.api_run import GENE, Made

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "dinucleotides.py"


@pytest.fixture
def gene(made: Made) -> GeneData:
    return made.cohort.gene(GENE)


def gc(sequence: str) -> list[float]:
    """Bases, and those that are G or C."""
    return [float(len(sequence)), float(sequence.count("G") + sequence.count("C"))]


def test_deltas_of_given_vectors_are_their_differences_to_the_reference(made: Made, gene: GeneData) -> None:
    vectors = {s: np.array(gc(s)) for tile in gene.tiles for s in tile.sequences}
    found = made.cohort.gene(GENE, Embeddings.from_arrays(vectors)).deltas()
    for sample in range(0, len(gene.sample_ids), 50):
        for haplotype in (0, 1):
            wanted = [
                np.subtract(gc(tile.sequences[tile.index[sample, haplotype]]), gc(tile.sequences[0]))
                for tile in gene.tiles
            ]
            assert np.array_equal(found[sample, haplotype, :, 0], wanted)


def test_vectors_of_a_backbone_are_used_as_the_backbone_is(made: Made, gene: GeneData) -> None:
    arrays = [KmerCounts().embed(tile.haplotypes) for tile in gene.tiles]
    X, y = made.cohort.gene(GENE, Embeddings.from_arrays(arrays, gene.tiles))
    X_embedded, _ = made.cohort.gene(GENE, made.embedded)
    assert np.array_equal(X.deltas(), X_embedded.deltas())
    by_arrays, by_store = (GeneRegressor("blup-delta").fit(x, y).predict(x) for x in (X, X_embedded))
    assert np.array_equal(by_arrays, by_store)


def test_sequences_may_be_bytes_and_vectors_may_have_bins(made: Made, gene: GeneData) -> None:
    vectors = {s.encode(): np.ones((3, 2), np.float32) for tile in gene.tiles for s in tile.sequences}
    found = made.cohort.gene(GENE, Embeddings.from_arrays(vectors)).deltas()
    assert found.shape == (len(gene.sample_ids), 2, len(gene.tiles), 3, 2)
    assert not found.any()


ONE = np.ones(2, dtype=np.float32)


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ({}, "no vectors were given"),
        ([ONE], "vectors is no mapping"),
        ({1: ONE}, "vectors: key 0 is a int; give sequences"),
        ({"ACGT": ONE.astype(np.float16)}, r"vector 0 \(sequence ACGT…\) is float16: give float32"),
        ({"ACGT": [1, 2]}, r"vector 0 \(sequence ACGT…\) is int64: give float32"),
        ({"ACGT": ["a"]}, "give float32"),
        ({"ACGT": [[1.0], [1.0, 2.0]]}, "rows of different lengths"),
        (
            {"ACGT": ONE, "ACGG": np.array([1.0, np.nan])},
            r"vector 1 \(sequence ACGG…\) has a value that is not a finite",
        ),
        ({"ACGT": ONE, "ACGG": np.ones(3)}, r"vector 1 .* has shape \(1, 3\), others \(1, 2\)"),
        ({"ACGT": np.float32(1)}, r"shape \(\): give \(dimension,\)"),
        ({"ACGT": np.ones(0)}, r"shape \(0,\): give \(dimension,\)"),
        ({"ACGT": ONE, b"ACGT": 2 * ONE}, "another vector was given for the same sequence"),
    ],
)
def test_vectors_that_cannot_be_are_refused_in_a_line(vectors: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        Embeddings.from_arrays(vectors)
    assert "\n" not in str(caught.value)


def test_arrays_that_do_not_fit_the_tiles_are_refused(gene: GeneData) -> None:
    arrays = [np.ones((len(tile.sequences), 4)) for tile in gene.tiles]
    with pytest.raises(InputError, match=f"{len(arrays) - 1} arrays for {len(arrays)} tiles"):
        Embeddings.from_arrays(arrays[1:], gene.tiles)
    with pytest.raises(
        InputError, match=r"the array of tile chr22:\d+-\d+ has shape .* rows, one per sequence"
    ):
        Embeddings.from_arrays([arrays[0][1:], *arrays[1:]], gene.tiles)


def test_a_missing_sequence_is_named_by_its_tile(made: Made, gene: GeneData) -> None:
    vectors = {s: ONE for tile in gene.tiles for s in tile.sequences[1:]}
    tile = gene.tiles[0]
    where = f"{tile.contig}:{tile.start + 1}-{tile.end}"
    with pytest.raises(
        InputError, match=f"no vector for 1 of {len(tile.sequences)} sequences of tile {where}"
    ):
        made.cohort.gene(GENE, Embeddings.from_arrays(vectors))


class Lengths(SequenceBackbone):
    """The length of each sequence, `times` over."""

    name = "lengths"
    tile_multiple = 1
    max_tile = 2**20

    def __init__(self) -> None:
        self.times = 1
        self.settings: Mapping[str, str | int] = {"times": self.times}

    def embed_sequences(self, sequences: Sequence[bytes]) -> Float32Array:
        lengths = np.array([len(sequence) for sequence in sequences], dtype=np.float32)
        return self.times * lengths[:, np.newaxis, np.newaxis]


@pytest.fixture
def narrow() -> OpenedCohort:
    return example_cohort(genes=GENE, window=12_000, maf=0.05)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A user's module in the current folder."""
    (tmp_path / "brought.py").write_text(EXAMPLE.read_text() + "\n\nmade = DinucleotideCounts()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "brought", raising=False)
    return import_module("brought")


def test_a_class_of_a_module_is_the_backbone_of_its_name(
    narrow: OpenedCohort, module: ModuleType, tmp_path: Path
) -> None:
    store = tmp_path / "store.zarr"
    by_name = narrow.embed("brought:DinucleotideCounts", store=store)
    by_class = narrow.embed(module.DinucleotideCounts, store=store)
    assert by_class.keys == by_name.keys
    assert by_class.counts.forward_passes == 0


@pytest.mark.parametrize("attribute", ["DinucleotideCounts", "made"])
def test_a_run_takes_a_class_or_an_instance_and_records_its_name(
    narrow: OpenedCohort, module: ModuleType, tmp_path: Path, attribute: str
) -> None:
    results = run(narrow, tmp_path / "out", backbone=getattr(module, attribute), models="blup-delta", folds=2)
    assert f"brought:{attribute}" in json.dumps(results.run)
    assert results.summary["embedding"] is not None
    assert results.summary["embedding"]["backbone"] == "dinucleotides"


def test_a_backbone_of_this_session_embeds_and_is_never_taken_for_an_older_one(
    narrow: OpenedCohort, tmp_path: Path
) -> None:
    class Doubled(Lengths):
        def __init__(self) -> None:
            self.times = 2
            self.settings = {}

    store = tmp_path / "store.zarr"
    once = narrow.embed(type("Once", (Lengths,), {}), store=store)
    first, second = (narrow.embed(Doubled, store=store) for _ in range(2))
    assert first.counts.forward_passes == second.counts.forward_passes == once.counts.forward_passes > 0
    deltas = [narrow.gene(GENE, each).deltas() for each in (once, first)]
    assert np.array_equal(2 * deltas[0], deltas[1])


def test_an_instance_with_settings_of_its_own_embeds(narrow: OpenedCohort, tmp_path: Path) -> None:
    backbone = Lengths()
    backbone.times = 3
    gene = narrow.gene(GENE, narrow.embed(backbone, store=tmp_path / "store.zarr"))
    wanted = [3 * (len(tile.sequences[-1]) - len(tile.sequences[0])) for tile in gene.tiles]
    assert [tile.deltas[-1, 0, 0] for tile in gene.deltas(dense=False)] == wanted


def test_a_run_refuses_what_workers_cannot_import(narrow: OpenedCohort, tmp_path: Path) -> None:
    class Local(Lengths):
        pass

    said = r"backbone .*Local cannot be imported by workers and later predictions: put it in a module"
    with pytest.raises(InputError, match=said):
        run(narrow, tmp_path / "out", backbone=Local, models="blup-delta")
    with pytest.raises(InputError, match="cannot be imported"):
        run(narrow, tmp_path / "out", backbone=Lengths(), models="blup-delta")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("backbone", "options", "said"),
    [
        (object(), {}, "backbone builtins:object does not follow the protocol: it lacks name"),
        (Lengths(), {"precision": "mixed"}, "takes no precision='mixed'"),
        (Lengths(), {"layer": 3}, "has no layer"),
        (5, {}, "does not follow the protocol"),
    ],
)
def test_what_is_no_backbone_is_refused_in_a_line(
    narrow: OpenedCohort, tmp_path: Path, backbone: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        narrow.embed(backbone, store=tmp_path / "store.zarr", **options)
    assert "\n" not in str(caught.value)
