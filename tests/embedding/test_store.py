"""The embedding store gives back what was put in, and never what was not."""

import errno
import fcntl
import json
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from haploscribe.embedding.backbones.kmer import KmerCounts
from haploscribe.embedding.deltas import DeltaReader
from haploscribe.embedding.store import BlockKey, EmbeddingStore, IndexedTile, backbone_key, haplotype_digest
from haploscribe.errors import InputError
from haploscribe.genome.haplotypes import LengthEdit, TileHaplotype
from haploscribe.genome.tiles import Tile
from haploscribe.utils.types import Float32Array

BACKBONE = KmerCounts()
ADDRESS = BlockKey("chr22", 1, backbone_key(BACKBONE), "0a" * 16)


def sequences(*names: str) -> list[bytes]:
    """Stand-ins: the store sees digests only."""
    return [haplotype_digest(TileHaplotype(name.encode())) for name in names]


def vectors(n: int, seed: int = 0) -> Float32Array:
    return np.random.default_rng(seed).normal(size=(n, 2, 3)).astype(np.float32)


def tile_at(number: int, *limits: int) -> Tile:
    return Tile("chr22", number, number * 10, number * 10 + 10, *limits)


def indexed_tile(
    number: int, names: Sequence[str], n_samples: int = 5, limits: Sequence[int] = ()
) -> IndexedTile:
    index = np.random.default_rng(number).integers(0, len(names), size=(n_samples, 2), dtype=np.int32)
    digests = np.array([list(digest) for digest in sequences(*names)], dtype=np.uint8)
    return IndexedTile(tile_at(number, *limits), digests, index)


def test_vectors_of_several_writes_are_found_together(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path / "store.zarr")
    first, second = vectors(2, 1), vectors(3, 2)
    store.write_vectors(ADDRESS, BACKBONE, sequences("a", "b"), first)
    store.write_vectors(ADDRESS, BACKBONE, sequences("c", "d", "e"), second)
    store = EmbeddingStore(tmp_path / "store.zarr")
    assert store.known_digests(ADDRESS) == set(sequences("a", "b", "c", "d", "e"))
    found = store.read_vectors(ADDRESS)
    expected = dict(zip(sequences("a", "b", "c", "d", "e"), [*first, *second], strict=True))
    assert found.keys() == expected.keys()
    for digest, vector in expected.items():
        np.testing.assert_array_equal(found[digest], vector, strict=True)


def test_vectors_of_equal_sequences_with_other_edits_of_length_are_not_mixed() -> None:
    edits = [(), (LengthEdit(1, 2, 0),), (LengthEdit(1, 0, 2),), (LengthEdit(1, 2, 0), LengthEdit(5, 0, 2))]
    assert len({haplotype_digest(TileHaplotype(b"ACGT", edit)) for edit in edits}) == len(edits)


def test_haplotypes_read_back_as_written(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path / "store.zarr")
    tiles = [indexed_tile(17, ["a", "b"]), indexed_tile(19, ["c", "d", "e"], limits=(195, 196))]
    store.write_haplotypes(ADDRESS, tiles, 5)
    assert store.has_haplotypes(ADDRESS)
    for written, found in zip(tiles, store.read_haplotypes(ADDRESS), strict=True):
        assert found.tile == written.tile
        np.testing.assert_array_equal(found.digests, written.digests, strict=True)
        np.testing.assert_array_equal(found.index, written.index, strict=True)


def test_a_block_without_variants_has_no_tiles(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path / "store.zarr")
    store.write_haplotypes(ADDRESS, [], 5)
    assert store.has_haplotypes(ADDRESS)
    assert DeltaReader(store, [ADDRESS]).tile(tile_at(16)) is None


def test_another_key_finds_nothing(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path / "store.zarr")
    store.write_vectors(ADDRESS, BACKBONE, sequences("a"), vectors(1))
    store.write_haplotypes(ADDRESS, [indexed_tile(17, ["a"])], 5)
    other_people = BlockKey("chr22", 1, ADDRESS.backbone, "0b" * 16)
    assert not store.has_haplotypes(other_people)
    other_backbone = BlockKey("chr22", 1, "kmer.00", ADDRESS.haplotypes)
    assert store.known_digests(other_backbone) == frozenset()


def test_deltas_are_differences_from_the_reference(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path / "store.zarr")
    tile, found = indexed_tile(17, ["reference", "a", "b"]), vectors(3)
    store.write_haplotypes(ADDRESS, [tile], 5)
    store.write_vectors(ADDRESS, BACKBONE, sequences("b", "reference", "a"), found)
    read = DeltaReader(store, [ADDRESS]).tile(tile_at(17))
    assert read is not None
    np.testing.assert_array_equal(
        read.deltas, np.stack([0 * found[0], found[2] - found[1], found[0] - found[1]])
    )


def test_a_cut_tile_is_itself_where_it_is_stored_and_else_the_whole_one(tmp_path: Path) -> None:
    """Where the window has no variants in a cut tile, the whole tile's deltas do not stand for it."""
    store = EmbeddingStore(tmp_path / "store.zarr")
    tiles = [
        indexed_tile(17, ["reference", "a", "b"]),
        indexed_tile(17, ["reference", "b"], limits=(0, 175)),
        indexed_tile(17, ["reference"], limits=(0, 171)),
    ]
    store.write_haplotypes(ADDRESS, tiles, 5)
    store.write_vectors(ADDRESS, BACKBONE, sequences("b", "reference", "a"), vectors(3))
    read = DeltaReader(store, [ADDRESS])
    found = [read.tile(tile_at(17, *limits)) for limits in ((), (100, 180), (0, 175), (0, 171))]
    n_unique = [None if tile is None else len(tile.deltas) for tile in found]
    assert n_unique == [3, 3, 2, None]


def test_a_sequence_that_was_not_embedded_is_never_passed_over(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path / "store.zarr")
    store.write_haplotypes(ADDRESS, [indexed_tile(17, ["reference", "a"])], 5)
    store.write_vectors(ADDRESS, BACKBONE, sequences("reference"), vectors(1))
    with pytest.raises(KeyError):
        DeltaReader(store, [ADDRESS]).tile(tile_at(17))


def write_many(path: Path, barrier: "multiprocessing.synchronize.Barrier", worker: int) -> None:
    """Make a store and write the same and other pieces of it as another process does, at the same time.

    As on a file system without locks: who asks for one fails.
    """

    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    fcntl.fcntl = fcntl.flock = fcntl.lockf = refused  # type: ignore[assignment]
    for round_ in range(15):
        barrier.wait(timeout=60)
        store = EmbeddingStore(path / f"{round_}.zarr")
        both, own = sequences("r", "s"), sequences(f"own{worker}")
        store.write_vectors(ADDRESS, BACKBONE, both, vectors(2))
        store.write_haplotypes(ADDRESS, [indexed_tile(17, ["r", "s"])], 5)
        store.write_vectors(ADDRESS, BACKBONE, own, vectors(1, worker))
        assert store.known_digests(ADDRESS) >= {*both, *own}


def test_two_processes_that_write_one_store_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    processes = [context.Process(target=write_many, args=(tmp_path, barrier, worker)) for worker in (1, 2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0]
    for round_ in range(15):
        store = EmbeddingStore(tmp_path / f"{round_}.zarr")
        assert store.known_digests(ADDRESS) == set(sequences("r", "s", "own1", "own2"))
        found = store.read_vectors(ADDRESS)
        for worker in (1, 2):
            np.testing.assert_array_equal(found[sequences(f"own{worker}")[0]], vectors(1, worker)[0])
        left = [path.name for path in store.path.rglob("*") if path.name.startswith(".")]
        assert left == []


def test_store_is_plain_zarr_with_documented_attributes(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path / "store.zarr")
    store.write_vectors(ADDRESS, BACKBONE, sequences("a"), vectors(1))
    root = json.loads((tmp_path / "store.zarr" / "zarr.json").read_text())
    assert root["attributes"] == {"format": "haploscribe-embeddings", "format_version": 5}
    group = json.loads((tmp_path / "store.zarr" / "vectors" / ADDRESS.backbone / "zarr.json").read_text())
    assert group["attributes"] == {"backbone": "kmer", **BACKBONE.settings}


@pytest.mark.parametrize(
    ("version", "remedy"), [(6, "upgrade Haploscribe"), (4, "remove it"), (1, "remove it")]
)
def test_store_of_another_format_names_the_fix(tmp_path: Path, version: int, remedy: str) -> None:
    EmbeddingStore(tmp_path / "store.zarr")
    record = tmp_path / "store.zarr" / "zarr.json"
    record.write_text(record.read_text().replace('"format_version": 5', f'"format_version": {version}'))
    with pytest.raises(InputError, match=remedy):
        EmbeddingStore(tmp_path / "store.zarr")


@pytest.mark.parametrize("content", ["file", "folder"])
def test_something_else_is_not_taken_for_a_store(tmp_path: Path, content: str) -> None:
    path = tmp_path / "thing"
    if content == "file":
        path.write_text("hello")
    else:
        path.mkdir()
    with pytest.raises(InputError, match="not an embedding store"):
        EmbeddingStore(path)


def test_stored_deltas_keep_few_blocks_and_find_every_tile(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path / "store.zarr")
    addresses = [
        BlockKey("chr22", block, ADDRESS.backbone, "0c" * 16)
        for block in range(DeltaReader.BLOCKS_CACHED + 3)
    ]
    for address in addresses:
        store.write_haplotypes(address, [indexed_tile(address.block * 16, ["r", "s"])], 5)
        store.write_vectors(address, BACKBONE, sequences("r", "s"), vectors(2, address.block))
    stored = DeltaReader(store, addresses)
    for address in [*addresses, *addresses]:
        tile = stored.tile(tile_at(address.block * 16))
        assert tile is not None
        reference, other = vectors(2, address.block)
        np.testing.assert_array_equal(tile.deltas[1], other - reference)
    assert stored.tile(tile_at(1)) is None
