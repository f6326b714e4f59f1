"""Where embeddings are kept: one Zarr group a block of tiles, dictionary-encoded, keyed by content.

Layout of the store, format version 1::

    PATH/                          group, attributes `format`, `format_version`
      CONTIG/                      group
        BLOCK.KEY/                 group: one block; its attributes say what made it
          tile    int64   (n_tiles,)               number of each tile on the grid
          start   int64   (n_tiles,)               0-based start on the contig
          end     int64   (n_tiles,)               end, half-open
          offset  int64   (n_tiles + 1,)           rows offset[i]:offset[i + 1] of `deltas` are tile i's
          deltas  float32 (n_rows, n_bins, dimension)   a tile's first row is its reference: zeros
          digest  uint8   (n_rows, 16)             BLAKE2b of each row's sequence
          index   int32   (n_tiles, n_samples, 2)  row, within the tile, of each sample's haplotypes

KEY digests everything the vectors and the index depend on, so vectors of other inputs are never found.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
import zarr.errors

from haploscribe.arrays import Float32Array, Int32Array, Int64Array, UInt8Array
from haploscribe.atomic import written_aside
from haploscribe.embedding.blocks import TILES_PER_BLOCK
from haploscribe.errors import InputError

FORMAT = "haploscribe-embeddings"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class BlockAddress:
    """Which block of which contents.

    Attributes
    ----------
    contig
        As the reference names it.
    block
        Tile number // `TILES_PER_BLOCK`.
    key
        The content key, hexadecimal.
    """

    contig: str
    block: int
    key: str


@dataclass(frozen=True, slots=True)
class EmbeddedTile:
    """One tile as stored.

    Attributes
    ----------
    number
        Place on the genome-wide grid.
    start, end
        0-based half-open.
    deltas
        float32 `(n_unique, n_bins, dimension)`; row 0 is the reference.
    digests
        uint8 `(n_unique, 16)`.
    index
        int32 `(n_samples, 2)`.
    """

    number: int
    start: int
    end: int
    deltas: Float32Array
    digests: UInt8Array
    index: Int32Array


class EmbeddingStore:
    """A folder of embedded blocks; cheap to open, safe to open in several processes for reading.

    Parameters
    ----------
    path
        The store. Made when it does not exist.

    Raises
    ------
    InputError
        When `path` is something else, was written by a newer Haploscribe, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists():
            self._check_format()
        else:
            with written_aside(path) as aside:
                zarr.create_group(aside, attributes={"format": FORMAT, "format_version": FORMAT_VERSION})

    def _check_format(self) -> None:
        try:
            attributes = zarr.open_group(self.path, mode="r").attrs
        except (zarr.errors.GroupNotFoundError, NotADirectoryError, ValueError, OSError):
            attributes = {}
        if attributes.get("format") != FORMAT:
            raise InputError(f"{self.path} is not an embedding store; name another path, or remove it")
        version = attributes.get("format_version")
        if version != FORMAT_VERSION:
            raise InputError(
                f"{self.path} has store format {version}, this Haploscribe reads {FORMAT_VERSION}: "
                "upgrade Haploscribe, or name another store to embed anew"
            )

    def _folder(self, address: BlockAddress) -> Path:
        return self.path / address.contig / f"{address.block}.{address.key}"

    def tile_numbers(self, address: BlockAddress) -> frozenset[int]:
        """Which tiles of a block are stored; empty where the block is not."""
        folder = self._folder(address)
        if not folder.exists():
            return frozenset()
        return frozenset(_read(zarr.open_group(folder, mode="r"), "tile").tolist())

    def read_block(self, address: BlockAddress) -> tuple[EmbeddedTile, ...]:
        """Read all tiles of a stored block, in genome order; none where it is not stored."""
        folder = self._folder(address)
        if not folder.exists():
            return ()
        group = zarr.open_group(folder, mode="r")
        numbers, starts, ends, offsets = (
            _read(group, name).tolist() for name in ("tile", "start", "end", "offset")
        )
        deltas, digests, index = (_read(group, name) for name in ("deltas", "digest", "index"))
        return tuple(
            EmbeddedTile(
                number=number,
                start=starts[i],
                end=ends[i],
                deltas=deltas[offsets[i] : offsets[i + 1]],
                digests=digests[offsets[i] : offsets[i + 1]],
                index=index[i],
            )
            for i, number in enumerate(numbers)
        )

    def write_block(
        self, address: BlockAddress, tiles: Sequence[EmbeddedTile], made_by: Mapping[str, str | int]
    ) -> None:
        """Put a block in place of what is stored at its address.

        Parameters
        ----------
        address
            Where.
        tiles
            At least one tile of the block.
        made_by
            What made the vectors, for a reader of the store: backbone, revision, layer, …
        """
        ordered = sorted(tiles, key=lambda tile: tile.number)
        offsets = np.cumsum([0, *(len(tile.deltas) for tile in ordered)])
        zarr.open_group(self.path, mode="a").require_group(address.contig)
        with written_aside(self._folder(address)) as aside:
            group = zarr.create_group(aside, attributes=dict(made_by))
            _write(group, "tile", np.array([tile.number for tile in ordered], dtype=np.int64))
            _write(group, "start", np.array([tile.start for tile in ordered], dtype=np.int64))
            _write(group, "end", np.array([tile.end for tile in ordered], dtype=np.int64))
            _write(group, "offset", offsets.astype(np.int64))
            _write(group, "deltas", np.concatenate([tile.deltas for tile in ordered]))
            _write(group, "digest", np.concatenate([tile.digests for tile in ordered]))
            _write(group, "index", np.stack([tile.index for tile in ordered]))


def _read(group: zarr.Group, name: str) -> Any:
    return group[name][...]


def _write(group: zarr.Group, name: str, values: Float32Array | Int32Array | Int64Array | UInt8Array) -> None:
    """One chunk an array: a block is read and written whole."""
    group.create_array(name, data=values, chunks=tuple(max(1, size) for size in values.shape))


class StoredDeltas:
    """Tile deltas of one run, read from the store as genes ask for them.

    Neighbouring genes share blocks, so the last few blocks are kept in memory.

    Parameters
    ----------
    store
        An embedding store.
    addresses
        The blocks of the run, as the engine returned them.
    """

    BLOCKS_KEPT = 12

    def __init__(self, store: EmbeddingStore, addresses: Iterable[BlockAddress]) -> None:
        self._store = store
        self._addresses = {(address.contig, address.block): address for address in addresses}
        self._kept: dict[tuple[str, int], dict[int, EmbeddedTile]] = {}

    def tile(self, contig: str, number: int) -> EmbeddedTile | None:
        """One embedded tile; None where the tile carries no variant."""
        place = (contig, number // TILES_PER_BLOCK)
        if place not in self._kept:
            address = self._addresses.get(place)
            tiles = () if address is None else self._store.read_block(address)
            if len(self._kept) >= self.BLOCKS_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[place] = {tile.number: tile for tile in tiles}
        return self._kept[place].get(number)
