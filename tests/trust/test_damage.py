"""A store that a disk or a copy has damaged is found out, and just that piece is embedded again."""

import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haploscribe.config.options import BackboneOptions, CohortOptions, EvaluationOptions, WorkerOptions
from haploscribe.embedding.deltas import DeltaReader
from haploscribe.embedding.store import BlockKey, EmbeddingStore
from haploscribe.errors import InputError, RepairedWarning
from haploscribe.genome.tiles import Tile
from haploscribe.workflows.embed import embed
from haploscribe.workflows.run.workflow import run
from tests.fixtures.command_line import run_cli
from tests.fixtures.small_cohort import write_small_cohort

KMER = BackboneOptions(backbone="kmer")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> CohortOptions:
    return write_small_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def sound(cohort: CohortOptions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, sound; tests damage copies of it."""
    store = tmp_path_factory.mktemp("sound") / "s.zarr"
    embed(cohort, KMER, store, WorkerOptions())
    return store


def content(store: Path) -> dict[str, object]:
    """All files of a store: what records say, and the bytes of chunks."""
    return {
        str(path.relative_to(store)): said(path) if path.name == "zarr.json" else path.read_bytes()
        for path in store.rglob("*")
        if path.is_file()
    }


def said(record: Path) -> dict[str, object]:
    """What a record says; some versions of Zarr also write what there is not, as null."""
    fields = json.loads(record.read_bytes())
    return {name: value for name, value in fields.items() if value is not None}


def read(store: Path) -> dict[str, bytes]:
    """The values of all arrays of a store."""
    records = [path.parent for path in store.rglob("zarr.json") if (path.parent / "c").is_dir()]
    return {
        str(path.relative_to(store)): np.asarray(zarr.open_array(path, mode="r")).tobytes()
        for path in records
    }


def in_pieces(store: Path) -> list[Path]:
    """All files but the records of folders that only lead to pieces, relative to the store, in one order."""
    pieces = [path for pattern in ("vectors/*/*/*/*", "haplotypes/*/*") for path in store.glob(pattern)]
    files = {file for piece in pieces if piece.is_dir() for file in piece.rglob("*") if file.is_file()}
    return sorted(file.relative_to(store) for file in files)


def damaged(path: Path, how: str, place: int) -> None:
    found = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(found[: place % len(found)])
    else:
        found[place % len(found)] ^= 1 << place % 7
        path.write_bytes(found)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), how=st.sampled_from(["missing", "cut", "flipped"]), place=st.integers(0, 10**6))
def test_any_damage_to_a_piece_is_found_and_repaired(
    cohort: CohortOptions, sound: Path, tmp_path: Path, data: st.DataObject, how: str, place: int
) -> None:
    store = tmp_path / "s.zarr"
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(sound, store)
    file = data.draw(st.sampled_from(in_pieces(store)))
    damaged(store / file, how, place)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = embed(cohort, KMER, store, WorkerOptions())
    if file.name == "zarr.json" and not said:
        assert read(store) == read(sound)  # a field that decides no value, such as the level of compression
        return
    assert content(store) == content(sound)
    (warning,) = said
    assert warning.category is RepairedWarning
    piece_and_array = file.parts[: 6 if file.parts[0] == "vectors" else 4]
    assert "/".join(piece_and_array) in str(warning.message)
    of_the_piece = 0
    if file.parts[0] == "vectors":
        piece = sound.joinpath(*file.parts[:5])
        of_the_piece = json.loads((piece / "digest" / "zarr.json").read_bytes())["shape"][0]
    assert found["forward_passes"] == of_the_piece


@pytest.mark.parametrize("how", ["missing", "cut", "flipped"])
@pytest.mark.parametrize("record", ["", "vectors", "vectors/*", "vectors/*/chr2", "haplotypes/chr2"])
def test_records_on_the_way_to_pieces_are_written_anew_and_nothing_is_embedded(
    cohort: CohortOptions, sound: Path, tmp_path: Path, record: str, how: str
) -> None:
    store = tmp_path / "s.zarr"
    shutil.copytree(sound, store)
    (path,) = store.glob(f"{record}/zarr.json" if record else "zarr.json")
    damaged(path, how, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RepairedWarning)
        found = embed(cohort, KMER, store, WorkerOptions())
    assert content(store) == content(sound)
    assert found["forward_passes"] == 0


def test_a_run_says_what_it_repaired_and_leaves_the_same_results(
    cohort: CohortOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = ("--variants", cohort.variants, "--reference", cohort.reference)
    arguments = [*inputs, "--expression", cohort.expression, "--window", 2000, "--tile", 500]
    arguments += ["--backbone", "kmer", "--models", "blup-delta", "--out", tmp_path / "out"]
    assert run_cli("run", *arguments, monkeypatch=monkeypatch) == 0
    before = (tmp_path / "out" / "predictions.parquet").read_bytes()
    store = tmp_path / "out" / "embeddings.zarr"
    (chunk,) = store.glob("vectors/*/chrX/0/*/embedding/c/0/0/0")
    damaged(chunk, "flipped", 1000)
    capsys.readouterr()
    assert run_cli("run", *arguments, "--force", monkeypatch=monkeypatch) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert line.startswith(f"haploscribe: warning: {store} was damaged (vectors/")
    assert "/embedding is unreadable (ValueError: Stored and computed checksum do not match" in line
    assert line.endswith("these parts were embedded again")
    assert (tmp_path / "out" / "predictions.parquet").read_bytes() == before


def test_damage_while_a_run_reads_stops_it(cohort: CohortOptions, sound: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    shutil.copytree(sound, store)
    (piece,) = store.glob("haplotypes/chrX/0.*")
    damaged(piece / "index" / "c" / "0" / "0" / "0", "flipped", 5)
    (backbone,) = store.glob("vectors/kmer.*")
    address = BlockKey("chrX", 0, backbone.name, piece.name.split(".")[1])
    with pytest.raises(InputError, match=r"/index is unreadable .*rerun the same command"):
        DeltaReader(EmbeddingStore(store), [address]).tile(Tile("chrX", 5, 2500, 3000))


def test_a_folder_of_something_else_is_not_taken_for_a_damaged_store(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    (folder / "vectors" / "a" / "b" / "c" / "d").mkdir(parents=True)
    (folder / "vectors" / "a" / "b" / "c" / "d" / "zarr.json").write_text("{}")
    with pytest.raises(InputError, match="not an embedding store"):
        EmbeddingStore(folder)
    assert not (folder / "zarr.json").exists()


def test_a_lost_piece_is_embedded_again(cohort: CohortOptions, sound: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    shutil.copytree(sound, store)
    for piece in store.glob("*/*/*/0*"):
        shutil.rmtree(piece)
    options = replace(cohort, genes="on X,quiet")
    models = EvaluationOptions(models=("blup-delta",))
    run(options, KMER, models, tmp_path / "out", store)
    run(options, KMER, models, tmp_path / "other", sound)
    assert (tmp_path / "out" / "predictions.parquet").read_bytes() == (
        tmp_path / "other" / "predictions.parquet"
    ).read_bytes()
