"""Store embeddings in Zarr: immutable pieces, dictionary-encoded, keyed by content.

Layout of the store, format version 5::

    PATH/                            group, attributes `format`, `format_version`
      vectors/                       what a backbone returned
        NAME.KEY/                    group: a backbone and all its settings, which are its attributes
          CONTIG/BLOCK/PART/         group: haplotypes of one block of tiles that were embedded together
            digest     uint8   (n, 16)               BLAKE2b of each haplotype, in order
            embedding  float32 (n, n_bins, dimension)
      haplotypes/                    the haplotypes of each sample
        CONTIG/BLOCK.KEY/            group: one block of tiles
          tile    int64   (n_tiles,)               index, on the grid, of each tile that carries variants,
                                                   and of each that a window cuts
          start   int64   (n_tiles,)               0-based start on the contig
          end     int64   (n_tiles,)               end, half-open
          variants_from, variants_to
                  int64   (n_tiles,)               records that start in between spell the tile, half-open;
                                                   0 and 2^63 - 1 where it is not cut
          offset  int64   (n_tiles + 1,)           rows offset[i]:offset[i + 1] of `digest` are tile i's
          digest  uint8   (n_rows, 16)             of each unique haplotype; a tile's reference first
          index   int32   (n_tiles, n_samples, 2)  row, within the tile, of each sample's haplotypes

A vector depends on its haplotype (the sequence, and the edits that change its length) and on the backbone
alone, so later runs reuse it whatever their samples, genes or frequency floor. A block's KEY digests all that
its haplotypes depend on. Every group is written under a temporary name, renamed, and never changed: runs that
share a store, also from several machines, can at worst both embed a haplotype. PART is named after its
digests.

Every array is one chunk with a CRC32C checksum (Zarr's own codec), so a changed, truncated or missing file is
noticed whenever an array is read. `EmbeddingStore.repair` removes damaged pieces of a block before it is
embedded, and they are embedded again.
"""

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr

from haploscribe.embedding.backbones.base import Backbone
from haploscribe.embedding.checked_arrays import (
    FORMAT_VERSION,
    RECORD,
    VERSION,
    read_arrays,
    read_attributes,
    verify,
    write_array,
    write_attributes,
)
from haploscribe.errors import InputError, RepairedWarning
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.genome.tiles import Tile
from haploscribe.utils.files import remove_atomically, write_if_absent
from haploscribe.utils.names import folder_name
from haploscribe.utils.types import Float32Array, Int32Array, UInt8Array

FORMAT = "haploscribe-embeddings"

VECTORS = "vectors"
HAPLOTYPES = "haplotypes"
DIGEST_BYTES = 16

_PART_ARRAYS = ("digest", "embedding")
_TILE_FIELDS = {"tile": "number", **{name: name for name in ("start", "end", "variants_from", "variants_to")}}
"""Arrays that make up `IndexedTile.tile`, and the attribute of each."""
_BLOCK_ARRAYS = (*_TILE_FIELDS, "offset", "digest", "index")
_STORE = {"format": FORMAT, VERSION: FORMAT_VERSION}


@dataclass(frozen=True, slots=True)
class BlockKey:
    """The key of one block of tiles in the store.

    Attributes
    ----------
    contig
        As the reference names it.
    block
        Tile index // `TILES_PER_BLOCK`.
    backbone
        The key that `backbone_key` returns.
    haplotypes
        Digest of all that the block's haplotypes depend on, hexadecimal; empty where only vectors are read
        and written.
    """

    contig: str
    block: int
    backbone: str
    haplotypes: str = ""


@dataclass(frozen=True, slots=True)
class IndexedTile:
    """The unique haplotypes of a tile, by digest, and the haplotypes of each sample.

    Attributes
    ----------
    tile
        The tile, whole or as a window cuts it.
    digests
        uint8 `(n_unique, 16)`; row 0 is the reference's.
    index
        int32 `(n_samples, 2)`; row in `digests` of each sample's haplotypes.
    """

    tile: Tile
    digests: UInt8Array
    index: Int32Array


def haplotype_digest(haplotype: TileHaplotype) -> bytes:
    """Digest all of a haplotype that a backbone may read: 16 bytes of BLAKE2b."""
    edits = "".join(f"\t{start},{removed},{added}" for start, removed, added in haplotype.edits)
    return hashlib.blake2b(haplotype.sequence + edits.encode(), digest_size=DIGEST_BYTES).digest()


def backbone_key(backbone: Backbone) -> str:
    """Return the key of a backbone and all its settings: `NAME.` and 16 hexadecimal digits."""
    made_by = json.dumps(_made_by(backbone), sort_keys=True)
    return f"{backbone.name}.{hashlib.blake2b(made_by.encode(), digest_size=8).hexdigest()}"


def _made_by(backbone: Backbone) -> dict[str, str | int]:
    return {"backbone": backbone.name, **backbone.settings}


class EmbeddingStore:
    """A folder of embedded haplotypes that several processes and machines may read and extend.

    Parameters
    ----------
    path
        The store; created if it does not exist.

    Raises
    ------
    InputError
        When `path` is something else, was written by another version of the format, or cannot be written.

    Warns
    -----
    RepairedWarning
        When only the store's own record is damaged; it is rewritten.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            with write_if_absent(path) as aside:
                zarr.create_group(aside, attributes=_STORE)
        elif read_attributes(path) != _STORE and self._has_a_group_of_this_format():
            write_attributes(path, _STORE)
            message = f"{path / RECORD} was damaged; it was rewritten"
            warnings.warn(message, RepairedWarning, stacklevel=2)
        self._check_format()

    def _check_format(self) -> None:
        attributes = read_attributes(self.path)
        if attributes.get("format") != FORMAT:
            raise InputError(f"{self.path} is not an embedding store; name another path, or remove it")
        version = attributes.get(VERSION)
        if version != FORMAT_VERSION:
            remedy = (
                "remove it, or name another"
                if isinstance(version, int) and version < FORMAT_VERSION
                else "upgrade Haploscribe, or name another"
            )
            raise InputError(
                f"{self.path} has store format {version}, this Haploscribe has {FORMAT_VERSION}: {remedy} "
                "store to embed again"
            )

    def _has_a_group_of_this_format(self) -> bool:
        """Return whether the store has a group of this format, so that only its own record is damaged."""
        groups = self.path.glob(f"{VECTORS}/*/*/*/*/{RECORD}")
        return any(read_attributes(record.parent).get(VERSION) == FORMAT_VERSION for record in groups)

    def repair(self, key: BlockKey, backbone: Backbone) -> tuple[str, ...]:
        """Remove the damaged parts of a block, so that they are embedded and written again.

        Parameters
        ----------
        key
            The block.
        backbone
            The backbone that embeds it.

        Returns
        -------
        One phrase per damaged part: its path in the store, and the fault.
        """
        found = []
        pieces = [(part, _PART_ARRAYS) for part in self._parts(key)]
        for group, arrays in [*pieces, (self._haplotypes(key), _BLOCK_ARRAYS)]:
            fault = verify(group, arrays) if group.is_dir() else None
            if fault is not None:
                remove_atomically(group)
                found.append(f"{group.relative_to(self.path)}{fault}")
        for folder, attributes in (
            (self._vectors(key), {2: _made_by(backbone)}),
            (self._haplotypes(key).parent, {}),
        ):
            if folder.is_dir():
                found += self._make_groups(folder, attributes)
        return tuple(found)

    def known_digests(self, key: BlockKey) -> frozenset[bytes]:
        """Return the digests of the block's haplotypes that the backbone has embedded."""
        digests = (read_arrays(part, ("digest",))[0] for part in self._parts(key))
        return frozenset(row.tobytes() for part in digests for row in part)

    def write_vectors(
        self,
        key: BlockKey,
        backbone: Backbone,
        digests: Sequence[bytes],
        embeddings: Float32Array,
    ) -> None:
        """Write embedded haplotypes of a block.

        Parameters
        ----------
        key
            Of the block.
        backbone
            What embedded them.
        digests
            `n` digests of haplotypes.
        embeddings
            float32 `(n, n_bins, dimension)`.
        """
        folder = self._vectors(key)
        self._make_groups(folder, {2: _made_by(backbone)})
        name = hashlib.blake2b(b"".join(digests), digest_size=DIGEST_BYTES).hexdigest()
        with write_if_absent(folder / name) as aside:
            group = zarr.create_group(aside, attributes={VERSION: FORMAT_VERSION})
            write_array(group, "digest", _as_rows(digests))
            write_array(group, "embedding", embeddings)

    def has_haplotypes(self, key: BlockKey) -> bool:
        """Return whether the block's haplotypes are stored."""
        return self._haplotypes(key).is_dir()

    def write_haplotypes(self, key: BlockKey, tiles: Sequence[IndexedTile], n_samples: int) -> None:
        """Write the haplotypes of a block's tiles."""
        folder = self._haplotypes(key)
        self._make_groups(folder.parent, {})
        offsets = np.cumsum([0, *(len(tile.digests) for tile in tiles)])
        with write_if_absent(folder) as aside:
            group = zarr.create_group(aside, attributes={VERSION: FORMAT_VERSION})
            for name, field in _TILE_FIELDS.items():
                values = [getattr(indexed.tile, field) for indexed in tiles]
                write_array(group, name, np.array(values, dtype=np.int64))
            write_array(group, "offset", offsets.astype(np.int64))
            rows = [np.zeros((0, DIGEST_BYTES), dtype=np.uint8), *(tile.digests for tile in tiles)]
            write_array(group, "digest", np.concatenate(rows))
            index = [tile.index for tile in tiles]
            write_array(
                group, "index", np.stack(index) if index else np.zeros((0, n_samples, 2), dtype=np.int32)
            )

    def read_haplotypes(self, key: BlockKey) -> tuple[IndexedTile, ...]:
        """Read the haplotypes of a stored block's tiles, in order."""
        *grid, digests, index = read_arrays(self._haplotypes(key), _BLOCK_ARRAYS)
        *fields, offsets = (values.tolist() for values in grid)
        return tuple(
            IndexedTile(Tile(key.contig, *numbers), digests[offsets[i] : offsets[i + 1]], index[i])
            for i, numbers in enumerate(zip(*fields, strict=True))
        )

    def read_vectors(self, key: BlockKey) -> dict[bytes, Float32Array]:
        """Read all embedded haplotypes of a block: digest to float32 `(n_bins, dimension)`."""
        found: dict[bytes, Float32Array] = {}
        for part in self._parts(key):
            digests, embeddings = read_arrays(part, _PART_ARRAYS)
            for digest, embedding in zip(digests, embeddings, strict=True):
                found.setdefault(digest.tobytes(), embedding)
        return found

    def _vectors(self, key: BlockKey) -> Path:
        return self.path / VECTORS / key.backbone / folder_name(key.contig, "contig") / str(key.block)

    def _haplotypes(self, key: BlockKey) -> Path:
        contig = folder_name(key.contig, "contig")
        return self.path / HAPLOTYPES / contig / f"{key.block}.{key.haplotypes}"

    def _parts(self, key: BlockKey) -> list[Path]:
        """List the parts of a block, sorted; those still being built have names that start with a dot."""
        folder = self._vectors(key)
        found = folder.iterdir() if folder.is_dir() else ()
        return sorted(part for part in found if part.is_dir() and not part.name.startswith("."))

    def _make_groups(
        self, folder: Path, attributes: Mapping[int, Mapping[str, str | int]]
    ) -> tuple[str, ...]:
        """Create Zarr groups for a folder and its parents; `attributes` by depth below the store.

        Return one phrase for each group whose record was damaged.
        """
        names = folder.relative_to(self.path).parts
        found = []
        for depth in range(1, len(names) + 1):
            group, wanted = self.path.joinpath(*names[:depth]), attributes.get(depth, {})
            if read_attributes(group) != wanted:
                if (group / RECORD).exists():
                    found.append(f"{group.relative_to(self.path)}/{RECORD} is damaged")
                write_attributes(group, wanted)
        return tuple(found)


def _as_rows(digests: Sequence[bytes]) -> UInt8Array:
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(len(digests), DIGEST_BYTES)
