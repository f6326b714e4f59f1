"""Read tile deltas from the embedding store."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from haploscribe.embedding.store import BlockKey, EmbeddingStore
from haploscribe.genome.tiles import TILES_PER_BLOCK, Tile
from haploscribe.utils.types import Float32Array, Int32Array


@dataclass(frozen=True, slots=True)
class EmbeddedTile:
    """The deltas of one tile.

    Attributes
    ----------
    tile, index
        See `IndexedTile`.
    deltas
        float32 `(n_unique, n_bins, dimension)`; row 0 is the reference, all zero.
    """

    tile: Tile
    deltas: Float32Array
    index: Int32Array


class DeltaReader:
    """Read the tile deltas of one run from the store, on demand.

    The last few blocks are cached, because neighbouring genes share them.

    Parameters
    ----------
    store
        An embedding store.
    keys
        The blocks of the run, from `embed_block`.
    """

    BLOCKS_CACHED = 4
    """Blocks held in memory; a cis window of the default width lies in 3 or 4."""

    def __init__(self, store: EmbeddingStore, keys: Iterable[BlockKey]) -> None:
        self._store = store
        self._keys = {(key.contig, key.block): key for key in keys}
        self._cached: dict[tuple[str, int], _Block] = {}

    def tile(self, tile: Tile) -> EmbeddedTile | None:
        """Read one embedded tile of a window of the run; None for a tile without variants.

        Raises
        ------
        KeyError
            When the tile or one of its sequences was not embedded in this run, or is missing from the store.
        """
        block = (tile.contig, tile.number // TILES_PER_BLOCK)
        if block not in self._cached:
            if len(self._cached) >= self.BLOCKS_CACHED:
                self._cached.pop(next(iter(self._cached)))
            self._cached[block] = _Block(self._store, self._keys[block])
        return self._cached[block].tile(tile)


class _Block:
    """The embeddings of a block, in memory; deltas are computed for one tile at a time."""

    def __init__(self, store: EmbeddingStore, key: BlockKey) -> None:
        self._indexed = {indexed.tile: indexed for indexed in store.read_haplotypes(key)}
        self._vectors = store.read_vectors(key)

    def tile(self, tile: Tile) -> EmbeddedTile | None:
        # A tile that only its window's records can change is stored whole.
        found = self._indexed.get(tile) or self._indexed.get(tile.whole())
        if found is None or len(found.digests) == 1:
            return None
        embeddings = np.stack([self._vectors[row.tobytes()] for row in found.digests])
        return EmbeddedTile(found.tile, subtract_reference(embeddings), found.index)


def subtract_reference(embeddings: Float32Array) -> Float32Array:
    """Subtract the reference's embedding, in float32: one SNP changes a pooled embedding by about 0.1 %.

    Parameters
    ----------
    embeddings
        float32 `(n_unique, n_bins, dimension)`; row 0 is the reference's.
    """
    assert embeddings.dtype == np.float32
    return np.asarray(embeddings - embeddings[:1])
