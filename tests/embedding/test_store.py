"""The embedding store gives back what was put in, and never what was not."""

import json
from pathlib import Path

import numpy as np
import pytest

from haploscribe.embedding.store import BlockAddress, EmbeddedTile, EmbeddingStore, StoredDeltas
from haploscribe.errors import InputError


def embedded_tile(number: int, n_unique: int, n_samples: int = 5) -> EmbeddedTile:
    generator = np.random.default_rng(number)
    deltas = generator.normal(size=(n_unique, 2, 3)).astype(np.float32)
    deltas[0] = 0
    return EmbeddedTile(
        number=number,
        start=number * 10,
        end=number * 10 + 10,
        deltas=deltas,
        digests=generator.integers(0, 256, size=(n_unique, 16), dtype=np.uint8),
        index=generator.integers(0, n_unique, size=(n_samples, 2), dtype=np.int32),
    )


def assert_equal_tiles(a: EmbeddedTile, b: EmbeddedTile) -> None:
    assert (a.number, a.start, a.end) == (b.number, b.start, b.end)
    np.testing.assert_array_equal(a.deltas, b.deltas, strict=True)
    np.testing.assert_array_equal(a.digests, b.digests, strict=True)
    np.testing.assert_array_equal(a.index, b.index, strict=True)


ADDRESS = BlockAddress("chr22", 1, "0a" * 16)


def test_block_reads_back_as_written(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path / "store.zarr")
    tiles = [embedded_tile(19, 4), embedded_tile(17, 2)]
    store.write_block(ADDRESS, tiles, {"backbone": "test"})
    read = EmbeddingStore(tmp_path / "store.zarr").read_block(ADDRESS)
    for written, found in zip(sorted(tiles, key=lambda tile: tile.number), read, strict=True):
        assert_equal_tiles(written, found)


def test_another_key_finds_nothing(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path / "store.zarr")
    store.write_block(ADDRESS, [embedded_tile(17, 2)], {})
    other = BlockAddress("chr22", 1, "0b" * 16)
    assert store.read_block(other) == ()
    assert store.tile_numbers(other) == frozenset()


def test_rewriting_a_block_replaces_it(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path / "store.zarr")
    store.write_block(ADDRESS, [embedded_tile(17, 2)], {})
    store.write_block(ADDRESS, [embedded_tile(17, 2), embedded_tile(18, 3)], {})
    assert store.tile_numbers(ADDRESS) == {17, 18}
    assert [path.name for path in (tmp_path / "store.zarr" / "chr22").iterdir() if path.is_dir()] == [
        f"1.{ADDRESS.key}"
    ]


def test_store_is_plain_zarr_with_documented_attributes(tmp_path: Path) -> None:
    EmbeddingStore(tmp_path / "store.zarr").write_block(ADDRESS, [embedded_tile(17, 2)], {"backbone": "x"})
    root = json.loads((tmp_path / "store.zarr" / "zarr.json").read_text())
    assert root["attributes"] == {"format": "haploscribe-embeddings", "format_version": 1}
    block = json.loads((tmp_path / "store.zarr" / "chr22" / f"1.{ADDRESS.key}" / "zarr.json").read_text())
    assert block["attributes"] == {"backbone": "x"}


def test_store_of_a_newer_format_names_the_fix(tmp_path: Path) -> None:
    EmbeddingStore(tmp_path / "store.zarr")
    record = tmp_path / "store.zarr" / "zarr.json"
    record.write_text(record.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(InputError, match="upgrade Haploscribe"):
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
    addresses = [BlockAddress("chr22", block, "0c" * 16) for block in range(StoredDeltas.BLOCKS_KEPT + 3)]
    for address in addresses:
        store.write_block(address, [embedded_tile(address.block * 16, 2)], {})
    stored = StoredDeltas(store, addresses)
    for address in [*addresses, *addresses]:
        tile = stored.tile("chr22", address.block * 16)
        assert tile is not None
        assert_equal_tiles(tile, embedded_tile(address.block * 16, 2))
    assert stored.tile("chr22", 1) is None
    assert stored.tile("chr21", 0) is None
