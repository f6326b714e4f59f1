"""Read tile deltas from the embedding store."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from haploscribe.embedding.store import BlockKey, EmbeddingStore
from haploscribe.genome.tiles import TILES_PER_BLOCK
from haploscribe.utils.types import Float32Array, Int32Array


@dataclass(frozen=True, slots=True)
class EmbeddedTile:
    """The deltas of one tile.

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
    """Blocks held in memory; a cis window of the default width lies in 3."""

    def __init__(self, store: EmbeddingStore, keys: Iterable[BlockKey]) -> None:
        self._store = store
        self._keys = {(key.contig, key.block): key for key in keys}
        self._cached: dict[tuple[str, int], _Block] = {}

    def tile(self, contig: str, number: int) -> EmbeddedTile | None:
        """Read one embedded tile; None for a tile without variants.

        Raises
        ------
        KeyError
            When the tile or one of its sequences was not embedded in this run, or is missing from the store.
        """
        block = (contig, number // TILES_PER_BLOCK)
        if block not in self._cached:
            if len(self._cached) >= self.BLOCKS_CACHED:
                self._cached.pop(next(iter(self._cached)))
            self._cached[block] = _Block(self._store, self._keys[block])
        return self._cached[block].tile(number)


class _Block:
    """The embeddings of a block, in memory; deltas are computed for one tile at a time."""

    def __init__(self, store: EmbeddingStore, key: BlockKey) -> None:
        self._indexed = {tile.number: tile for tile in store.read_haplotypes(key)}
        self._vectors = store.read_vectors(key)

    def tile(self, number: int) -> EmbeddedTile | None:
        found = self._indexed.get(number)
        if found is None:
            return None
        embeddings = np.stack([self._vectors[row.tobytes()] for row in found.digests])
        return EmbeddedTile(number, found.start, found.end, subtract_reference(embeddings), found.index)


def subtract_reference(embeddings: Float32Array) -> Float32Array:
    """Subtract the reference's embedding, in float32: one SNP changes a pooled embedding by about 0.1 %.

    Parameters
    ----------
    embeddings
        float32 `(n_unique, n_bins, dimension)`; row 0 is the reference's.
    """
    assert embeddings.dtype == np.float32
    return np.asarray(embeddings - embeddings[:1])
