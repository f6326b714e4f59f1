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
    addresses
        The blocks of the run, as the engine returned them.
    """

    BLOCKS_KEPT = 4
    """A cis window of the usual size lies in 3 blocks."""

    def __init__(self, store: EmbeddingStore, addresses: Iterable[BlockKey]) -> None:
        self._store = store
        self._addresses = {(address.contig, address.block): address for address in addresses}
        self._kept: dict[tuple[str, int], _Block] = {}

    def tile(self, contig: str, number: int) -> EmbeddedTile | None:
        """Read one embedded tile; None where the tile carries no variant.

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
    """The embeddings of a block, in memory; deltas are computed for one tile at a time."""

    def __init__(self, store: EmbeddingStore, address: BlockKey) -> None:
        self._indexed = {tile.number: tile for tile in store.read_haplotypes(address)}
        self._vectors = store.read_vectors(address)

    def tile(self, number: int) -> EmbeddedTile | None:
        found = self._indexed.get(number)
        if found is None:
            return None
        embeddings = np.stack([self._vectors[row.tobytes()] for row in found.digests])
        return EmbeddedTile(number, found.start, found.end, subtract_reference(embeddings), found.index)


def subtract_reference(embeddings: Float32Array) -> Float32Array:
    """Subtract the reference's embedding, in float32: one SNP moves a pooled embedding by a thousandth.

    Parameters
    ----------
    embeddings
        float32 `(n_unique, n_bins, dimension)`; row 0 is the reference's.
    """
    assert embeddings.dtype == np.float32
    return np.asarray(embeddings - embeddings[:1])
