"""Where embeddings are kept: a Zarr store of immutable pieces, dictionary-encoded, keyed by content.

Layout of the store, format version 2::

    PATH/                            group, attributes `format`, `format_version`
      vectors/                       what a backbone says of sequences
        NAME.KEY/                    group: a backbone and all its settings, which are its attributes
          CONTIG/BLOCK/PART/         group: sequences of one block of tiles that were embedded together
            digest     uint8   (n, 16)               BLAKE2b of each sequence, in order
            embedding  float32 (n, n_bins, dimension)
      haplotypes/                    who carries which sequence
        CONTIG/BLOCK.KEY/            group: one block of tiles
          tile    int64   (n_tiles,)               number, on the grid, of each tile that carries variants
          start   int64   (n_tiles,)               0-based start on the contig
          end     int64   (n_tiles,)               end, half-open
          offset  int64   (n_tiles + 1,)           rows offset[i]:offset[i + 1] of `digest` are tile i's
          digest  uint8   (n_rows, 16)             of each unique sequence; a tile's reference first
          index   int32   (n_tiles, n_samples, 2)  row, within the tile, of each sample's haplotypes

A vector depends on its sequence and on the backbone alone, so it is found again whatever samples, genes or
frequency floor the next run has. A block's KEY digests all that its haplotypes depend on. Every group is
built aside, renamed into place, and never changed: runs that share a store, also from several machines, can
at worst both embed a sequence. PART is named by the digests that it holds.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
import zarr.errors

from haploscribe.arrays import Float32Array, Int32Array, Int64Array, UInt8Array
from haploscribe.atomic import written_aside, written_once
from haploscribe.embedding.backbones.protocol import Backbone
from haploscribe.errors import InputError
from haploscribe.genome.blocks import TILES_PER_BLOCK

FORMAT = "haploscribe-embeddings"
FORMAT_VERSION = 2

VECTORS = "vectors"
HAPLOTYPES = "haplotypes"
DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class BlockAddress:
    """Which block of which contents.

    Attributes
    ----------
    contig
        As the reference names it.
    block
        Tile number // `TILES_PER_BLOCK`.
    backbone
        What `backbone_key` gives.
    haplotypes
        Key of who carries what, hexadecimal.
    """

    contig: str
    block: int
    backbone: str
    haplotypes: str


@dataclass(frozen=True, slots=True)
class IndexedTile:
    """Who carries which of a tile's sequences.

    Attributes
    ----------
    number
        Place on the genome-wide grid.
    start, end
        0-based half-open.
    digests
        uint8 `(n_unique, 16)`; row 0 is the reference's.
    index
        int32 `(n_samples, 2)`; row of the sequence that each haplotype is.
    """

    number: int
    start: int
    end: int
    digests: UInt8Array
    index: Int32Array


@dataclass(frozen=True, slots=True)
class EmbeddedTile:
    """One tile as it is read from the store.

    Attributes
    ----------
    number, start, end, index
        See `IndexedTile`.
    deltas
        float32 `(n_unique, n_bins, dimension)`; row 0 is the reference, all zero.
    """

    number: int
    start: int
    end: int
    deltas: Float32Array
    index: Int32Array


def sequence_digest(sequence: bytes) -> bytes:
    """Digest a sequence: 16 bytes of BLAKE2b."""
    return hashlib.blake2b(sequence, digest_size=DIGEST_BYTES).digest()


def backbone_key(backbone: Backbone) -> str:
    """Name a backbone with all its settings: `NAME.` and 16 hexadecimal digits."""
    made_by = json.dumps(_made_by(backbone), sort_keys=True)
    return f"{backbone.name}.{hashlib.blake2b(made_by.encode(), digest_size=8).hexdigest()}"


def _made_by(backbone: Backbone) -> dict[str, str | int]:
    return {"backbone": backbone.name, **backbone.settings}


class EmbeddingStore:
    """A folder of embedded sequences; several processes, on several machines, may read and add to it.

    Parameters
    ----------
    path
        The store. Made when it does not exist.

    Raises
    ------
    InputError
        When `path` is something else, was written by another version of the format, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            with written_once(path) as aside:
                zarr.create_group(aside, attributes={"format": FORMAT, "format_version": FORMAT_VERSION})
        self._check_format()

    def _check_format(self) -> None:
        try:
            attributes = zarr.open_group(self.path, mode="r").attrs
        except Exception:  # zarr raises errors of any class
            attributes = {}
        if attributes.get("format") != FORMAT:
            raise InputError(f"{self.path} is not an embedding store; name another path, or remove it")
        version = attributes.get("format_version")
        if version != FORMAT_VERSION:
            remedy = (
                "remove it, or name another"
                if isinstance(version, int) and version < FORMAT_VERSION
                else "upgrade Haploscribe, or name another"
            )
            raise InputError(
                f"{self.path} has store format {version}, this Haploscribe has {FORMAT_VERSION}: {remedy} "
                "store to embed anew"
            )

    def known_sequences(self, address: BlockAddress) -> frozenset[bytes]:
        """Digests of the block's sequences that the backbone has embedded."""
        parts = self._parts(address)
        return frozenset(row.tobytes() for part in parts for row in _read(_opened(part), "digest"))

    def write_vectors(
        self,
        address: BlockAddress,
        backbone: Backbone,
        digests: Sequence[bytes],
        embeddings: Float32Array,
    ) -> None:
        """Add sequences of a block, embedded.

        Parameters
        ----------
        address
            Of the block.
        backbone
            What embedded them.
        digests
            `n` digests of sequences.
        embeddings
            float32 `(n, n_bins, dimension)`.
        """
        folder = self._vectors(address)
        self._make_groups(folder, {2: _made_by(backbone)})
        name = hashlib.blake2b(b"".join(digests), digest_size=DIGEST_BYTES).hexdigest()
        with written_once(folder / name) as aside:
            group = zarr.create_group(aside)
            _write(group, "digest", _as_rows(digests))
            _write(group, "embedding", embeddings)

    def has_haplotypes(self, address: BlockAddress) -> bool:
        """Whether the block's haplotypes are stored."""
        return self._haplotypes(address).is_dir()

    def write_haplotypes(self, address: BlockAddress, tiles: Sequence[IndexedTile], n_samples: int) -> None:
        """Store who carries which sequence of a block's tiles, those that carry variants, in order."""
        folder = self._haplotypes(address)
        self._make_groups(folder.parent, {})
        offsets = np.cumsum([0, *(len(tile.digests) for tile in tiles)])
        with written_once(folder) as aside:
            group = zarr.create_group(aside)
            _write(group, "tile", np.array([tile.number for tile in tiles], dtype=np.int64))
            _write(group, "start", np.array([tile.start for tile in tiles], dtype=np.int64))
            _write(group, "end", np.array([tile.end for tile in tiles], dtype=np.int64))
            _write(group, "offset", offsets.astype(np.int64))
            rows = [np.zeros((0, DIGEST_BYTES), dtype=np.uint8), *(tile.digests for tile in tiles)]
            _write(group, "digest", np.concatenate(rows))
            index = [tile.index for tile in tiles]
            _write(group, "index", np.stack(index) if index else np.zeros((0, n_samples, 2), dtype=np.int32))

    def read_haplotypes(self, address: BlockAddress) -> tuple[IndexedTile, ...]:
        """Read who carries which sequence of a stored block's tiles, in order."""
        group = _opened(self._haplotypes(address))
        numbers, starts, ends, offsets = (
            _read(group, name).tolist() for name in ("tile", "start", "end", "offset")
        )
        digests, index = _read(group, "digest"), _read(group, "index")
        with _readable(self._haplotypes(address)):
            return tuple(
                IndexedTile(number, starts[i], ends[i], digests[offsets[i] : offsets[i + 1]], index[i])
                for i, number in enumerate(numbers)
            )

    def read_vectors(self, address: BlockAddress) -> dict[bytes, Float32Array]:
        """Read all embedded sequences of a block: digest to float32 `(n_bins, dimension)`."""
        found: dict[bytes, Float32Array] = {}
        for part in self._parts(address):
            group = _opened(part)
            digests, embeddings = _read(group, "digest"), _read(group, "embedding")
            with _readable(part):
                for digest, embedding in zip(digests, embeddings, strict=True):
                    found.setdefault(digest.tobytes(), embedding)
        return found

    def _vectors(self, address: BlockAddress) -> Path:
        return self.path / VECTORS / address.backbone / address.contig / str(address.block)

    def _haplotypes(self, address: BlockAddress) -> Path:
        return self.path / HAPLOTYPES / address.contig / f"{address.block}.{address.haplotypes}"

    def _parts(self, address: BlockAddress) -> list[Path]:
        """List the parts of a block in one order; what is being built aside has a dot before its name."""
        folder = self._vectors(address)
        found = folder.iterdir() if folder.is_dir() else ()
        return sorted(part for part in found if part.is_dir() and not part.name.startswith("."))

    def _make_groups(self, folder: Path, attributes: Mapping[int, Mapping[str, str | int]]) -> None:
        """Make a folder and those above it Zarr groups; `attributes` by depth below the store."""
        names = folder.relative_to(self.path).parts
        for depth in range(1, len(names) + 1):
            record = self.path.joinpath(*names[:depth], "zarr.json")
            if not record.exists():
                content = {
                    "zarr_format": 3,
                    "node_type": "group",
                    "attributes": attributes.get(depth, {}),
                }
                with written_aside(record) as aside:
                    aside.write_text(json.dumps(content, indent=2))


def _opened(folder: Path) -> zarr.Group:
    with _readable(folder):
        return zarr.open_group(folder, mode="r")


def _read(group: zarr.Group, name: str) -> Any:
    with _readable(Path(str(group.store_path).removeprefix("file://"))):
        return group[name][...]


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Within the block, a damaged group is an InputError: zarr and its codecs raise errors of any class."""
    try:
        yield
    except Exception as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise InputError(f"{folder} is damaged ({reason}); remove it to have it embedded anew") from None


def _write(group: zarr.Group, name: str, values: Float32Array | Int32Array | Int64Array | UInt8Array) -> None:
    """One chunk an array: what is stored together is read together."""
    group.create_array(name, data=values, chunks=tuple(max(1, size) for size in values.shape))


def _as_rows(digests: Sequence[bytes]) -> UInt8Array:
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(len(digests), DIGEST_BYTES)


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

    BLOCKS_KEPT = 4
    """A cis window of the usual size lies in 3 blocks."""

    def __init__(self, store: EmbeddingStore, addresses: Iterable[BlockAddress]) -> None:
        self._store = store
        self._addresses = {(address.contig, address.block): address for address in addresses}
        self._kept: dict[tuple[str, int], _Block] = {}

    def tile(self, contig: str, number: int) -> EmbeddedTile | None:
        """One embedded tile; None where the tile carries no variant.

        Raises
        ------
        KeyError
            When the tile or a sequence of it was not embedded: it was not among the run's, or the store
            lost it.
        """
        place = (contig, number // TILES_PER_BLOCK)
        if place not in self._kept:
            if len(self._kept) >= self.BLOCKS_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[place] = _Block(self._store, self._addresses[place])
        return self._kept[place].tile(number)


class _Block:
    """A block of the store in memory: vectors, of which deltas are made as tiles are asked for."""

    def __init__(self, store: EmbeddingStore, address: BlockAddress) -> None:
        self._indexed = {tile.number: tile for tile in store.read_haplotypes(address)}
        self._vectors = store.read_vectors(address)

    def tile(self, number: int) -> EmbeddedTile | None:
        found = self._indexed.get(number)
        if found is None:
            return None
        embeddings = np.stack([self._vectors[row.tobytes()] for row in found.digests])
        return EmbeddedTile(number, found.start, found.end, subtract_reference(embeddings), found.index)


def subtract_reference(embeddings: Float32Array) -> Float32Array:
    """Deltas in float32, before anything else is done: one SNP moves a pooled embedding by a thousandth.

    Parameters
    ----------
    embeddings
        float32 `(n_unique, n_bins, dimension)`; row 0 is the reference's.
    """
    assert embeddings.dtype == np.float32
    return np.asarray(embeddings - embeddings[:1])
