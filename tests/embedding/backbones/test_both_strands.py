"""Vectors averaged over both strands."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haploscribe.config.finished_runs import ExplanationOptions, PredictionOptions
from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.embedding.backbones.base import device_name
from haploscribe.embedding.backbones.both_strands import read_strands
from haploscribe.embedding.backbones.registry import load_backbone
from haploscribe.embedding.store import backbone_key
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import LengthEdit, TileHaplotype
from haploscribe.utils.hashing import json_checksum
from haploscribe.workflows.predict.workflow import predict
from haploscribe.workflows.run.workflow import run
from tests.fixtures.backbones import write_v2
from tests.fixtures.explained import explain_into
from tests.fixtures.small_cohort import write_small_cohort

PLUGIN = "docs.examples.dinucleotides:DinucleotideCounts"
COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A", "N": "N"}
ALONE = WorkerOptions(1)


def other_strand(sequence: bytes) -> bytes:
    return "".join(COMPLEMENT[base] for base in reversed(sequence.decode())).encode()


@settings(max_examples=30)
@given(st.lists(st.text("ACGTN", max_size=40).map(str.encode), max_size=3))
@pytest.mark.parametrize("name", ["kmer", "random", PLUGIN])
def test_vectors_are_the_mean_of_both_strands(name: str, sequences: list[bytes]) -> None:
    one, both = load_backbone(name), load_backbone(name, strands="both")
    forward, reverse = (
        one.embed([TileHaplotype(read(sequence)) for sequence in sequences]) for read in (bytes, other_strand)
    )
    found = both.embed([TileHaplotype(sequence) for sequence in sequences])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, (forward.astype(np.float64) + reverse) / 2, rtol=1e-6)


def test_a_bin_is_the_same_stretch_of_the_tile_on_both_strands(tmp_path: Path) -> None:
    folder = str(write_v2(tmp_path / "tiny"))
    one, both = (load_backbone(folder, pooling="bins-3", strands=strands) for strands in ("forward", "both"))
    sequence = b"GATTACAGATTACACCATCCATGGCTAGCTAGGATCAAACGTTTTACC"
    forward, reverse = one.embed([TileHaplotype(sequence), TileHaplotype(other_strand(sequence))])
    (found,) = both.embed([TileHaplotype(sequence)])
    for k in range(3):
        np.testing.assert_allclose(found[k], (forward[k] + reverse[2 - k]) / 2, rtol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "bins-2"])
def test_the_other_strand_has_the_same_vectors_with_bins_reversed(tmp_path: Path, pooling: str) -> None:
    both = load_backbone(str(write_v2(tmp_path / "tiny")), pooling=pooling, strands="both")
    haplotype = TileHaplotype(
        b"GATTACAGATTACACCATCCATGGCTAGCTAGGATC", (LengthEdit(4, 0, 2), LengthEdit(20, 5, 0))
    )
    found, other = both.embed([haplotype, haplotype.reverse_complement()])
    np.testing.assert_array_equal(found, other[::-1])


def test_what_is_read_from_both_strands_has_a_key_of_its_own() -> None:
    one, both = load_backbone("kmer"), load_backbone("kmer", strands="both")
    assert (both.name, both.tile_multiple, both.max_tile) == (one.name, one.tile_multiple, one.max_tile)
    assert both.settings == {**one.settings, "strands": "both"}
    assert "strands" not in one.settings
    one.device = "cuda:1"  # type: ignore[attr-defined]
    assert device_name(read_strands(one, "both")) == "cuda:1"
    assert backbone_key(both) != backbone_key(one)
    with pytest.raises(InputError, match="strands 'reverse' is unknown; use forward or both"):
        load_backbone("kmer", strands="reverse")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> CohortOptions:
    return replace(write_small_cohort(tmp_path_factory.mktemp("cohort")), genes="on X")


def trained(cohort: CohortOptions, out: Path, strands: str) -> None:
    options = BackboneOptions(PLUGIN, strands=strands)  # type: ignore[arg-type]
    run(cohort, options, EvaluationOptions(models=("blup-delta",), folds=2), out, worker_options=ALONE)


def predicted(cohort: CohortOptions, results: Path, path: Path) -> pl.Series:
    options = PredictionOptions(results / "models", cohort.variants, cohort.reference)
    predict(options, ALONE, path)
    return pl.read_csv(path, separator="\t")["predicted"]


def test_a_run_on_both_strands_is_predicted_and_explained_on_both(
    cohort: CohortOptions, tmp_path: Path
) -> None:
    out = tmp_path / "both"
    trained(cohort, out, "both")
    new = predicted(cohort, out, tmp_path / "both.tsv")
    assert new.n_unique() > 10
    explained = explain_into(ExplanationOptions(out, "on X"), ALONE, tmp_path / "explained")
    assert np.any(explained.effects["blup-delta"])
    trained(cohort, tmp_path / "forward", "forward")
    assert (predicted(cohort, tmp_path / "forward", tmp_path / "forward.tsv") - new).abs().max() > 1e-6  # type: ignore[operator]
    with pytest.raises(InputError, match="with --strands both, this command has --strands forward"):
        trained(cohort, out, "forward")


def test_results_of_before_the_option_are_read_as_forward(cohort: CohortOptions, tmp_path: Path) -> None:
    out = tmp_path / "out"
    trained(cohort, out, "forward")
    before = predicted(cohort, out, tmp_path / "before.tsv")
    record = json.loads((out / "run.json").read_text())
    assert record["options"].pop("strands") == "forward"
    assert record["options"].pop("revision") is None
    (out / "run.json").write_text(json.dumps(record))
    models = json.loads((out / "models" / "models.json").read_text())
    assert models["backbone"].pop("strands") == "forward"
    del models["checksum"]
    models["checksum"] = json_checksum(models)
    (out / "models" / "models.json").write_text(json.dumps(models))

    assert predicted(cohort, out, tmp_path / "after.tsv").equals(before)
    explained = explain_into(ExplanationOptions(out, "on X"), ALONE, tmp_path / "explained")
    assert np.any(explained.effects["blup-delta"])
    trained(cohort, out, "forward")  # complete
    with pytest.raises(InputError, match="with --strands forward, this command has --strands both"):
        trained(cohort, out, "both")
