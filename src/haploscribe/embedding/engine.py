"""Embed each unique haplotype of each tile once, and check deltas in half precision."""

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from itertools import groupby

import numpy as np

from haploscribe.embedding.backbones.base import Backbone, device_name
from haploscribe.embedding.store import BlockKey, EmbeddingStore, IndexedTile, backbone_key, haplotype_digest
from haploscribe.errors import InputError
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.haplotypes import TileHaplotype, TileHaplotypes, merge_equal_tiles
from haploscribe.genome.tiles import TILES_PER_BLOCK, Tile, TileBlock
from haploscribe.genome.variants import Variants
from haploscribe.utils.progress import Advance
from haploscribe.utils.types import Float32Array, Float64Array

HAPLOTYPES_PER_CALL, HAPLOTYPES_PER_CALL_ON_A_CPU = 1024, 64
"""Haplotypes passed to a backbone at once, which batches them itself: to bound memory, and on a CPU, where
one may take seconds, to show progress."""


@dataclass(frozen=True, slots=True)
class EmbeddingCounts:
    """Counts of the embedding stage.

    Attributes
    ----------
    tiles
        Tiles that carry variants; one that windows cut counts once for each way it is cut.
    unique_haplotypes
        Their unique haplotypes, each tile's reference among them.
    forward_passes
        Haplotypes embedded in this run: 0 when all were in the store.
    naive_forward_passes
        Forward passes if every haplotype of every sample were embedded.
    seconds
        Wall-clock time of the stage.
    damaged
        One phrase per damaged part of the store that was embedded again.
    """

    tiles: int = 0
    unique_haplotypes: int = 0
    forward_passes: int = 0
    naive_forward_passes: int = 0
    seconds: float = 0.0
    damaged: tuple[str, ...] = ()

    def plus(self, other: "EmbeddingCounts") -> "EmbeddingCounts":
        """Return the sum of two stages' counts."""
        mine, theirs = asdict(self), asdict(other)
        return EmbeddingCounts(**{name: mine[name] + theirs[name] for name in mine})


def check_tile_size(backbone: Backbone, size: int) -> None:
    """Raise InputError where a backbone cannot embed tiles of `size` base pairs."""
    if size <= 0 or size % backbone.tile_multiple or size > backbone.max_tile:
        raise InputError(
            f"--tile {size}: backbone {backbone.name} takes multiples of {backbone.tile_multiple} bp "
            f"up to {backbone.max_tile:,} bp"
        )


def count_block(block: TileBlock, genotypes: Genotypes) -> EmbeddingCounts:
    """Count what `embed_block` would embed with an empty store, without a backbone.

    Parameters
    ----------
    block
        Block of consecutive tiles, and the windows whose tiles are embedded.
    genotypes
        Genotypes of the samples.
    """
    carriers = [each for each in genotypes.block_haplotypes(block) if len(each.sequences) > 1]
    return _counts(carriers, genotypes)


def _counts(carriers: Sequence[TileHaplotypes], genotypes: Genotypes) -> EmbeddingCounts:
    return EmbeddingCounts(
        tiles=len(carriers),
        unique_haplotypes=sum(len(each.sequences) for each in carriers),
        naive_forward_passes=2 * len(genotypes.sample_ids) * len(carriers),
    )


def embed_block(
    block: TileBlock,
    genotypes: Genotypes,
    backbone: Backbone,
    store: EmbeddingStore,
    tile_size: int,
    embedded_share: Advance = lambda share: None,
) -> tuple[BlockKey, EmbeddingCounts]:
    """Embed the haplotypes of the tiles of a block's windows that are not yet in the store.

    Only tiles that carry variants are embedded: the others have no deltas.

    Parameters
    ----------
    block
        Block of consecutive tiles, and the windows whose tiles are embedded.
    genotypes
        Genotypes of the samples.
    backbone
        The frozen model.
    store
        The embedding store.
    tile_size
        Size of the grid in base pairs.
    embedded_share
        Called with the share of the block just embedded, again and again: shares add up to 1.

    Returns
    -------
    key
        Key of the block in the store.
    counts
        Counts of tiles, haplotypes and forward passes.
    """
    variants = genotypes.used(genotypes.read(block.tiles))
    reference = genotypes.reference.fetch(block.contig, block.start, block.end)
    wanted = merge_equal_tiles(variants, block.window_tiles())
    cut = [tile for tile in wanted if not tile.is_whole]
    haplotypes = haplotypes_key(tile_size, reference, variants, cut)
    key = BlockKey(block.contig, block.number, backbone_key(backbone), haplotypes)
    damaged = store.repair(key, backbone)

    found = {each.tile: each for each in genotypes.haplotypes(variants, (*block.tiles, *cut))}
    # Without variants a whole tile is left out, a cut one is not: otherwise the whole one would stand for it.
    indexed = {
        tile: _indexed(each) for tile, each in found.items() if len(each.sequences) > 1 or not tile.is_whole
    }
    carriers = [found[tile] for tile in wanted if len(found[tile].sequences) > 1]
    missing = _missing(carriers, indexed, store.known_digests(key))
    if missing:
        embedded = embed_haplotypes(
            list(missing.values()), backbone, lambda n: embedded_share(n / len(missing))
        )
        store.write_vectors(key, backbone, list(missing), embedded)
    else:
        embedded_share(1.0)
    if not store.has_haplotypes(key):
        store.write_haplotypes(key, list(indexed.values()), len(genotypes.sample_ids))
    return key, replace(_counts(carriers, genotypes), forward_passes=len(missing), damaged=damaged)


def _indexed(haplotypes: TileHaplotypes) -> IndexedTile:
    digests = [list(haplotype_digest(haplotype)) for haplotype in haplotypes.haplotypes]
    return IndexedTile(haplotypes.tile, np.array(digests, dtype=np.uint8), haplotypes.index)


def _missing(
    carriers: Sequence[TileHaplotypes],
    indexed: Mapping[Tile, IndexedTile],
    known: Set[bytes],
) -> dict[bytes, TileHaplotype]:
    """Return the haplotypes of some tiles that are not embedded yet, each once, by digest."""
    missing: dict[bytes, TileHaplotype] = {}
    for each in carriers:
        for haplotype, digest in zip(each.haplotypes, indexed[each.tile].digests, strict=True):
            if digest.tobytes() not in known:
                missing[digest.tobytes()] = haplotype
    return missing


class TileEmbedder:
    """Embed any haplotypes of tiles; those that a store has are read, others are embedded once.

    Parameters
    ----------
    backbone
        The frozen model.
    stores
        Where embeddings are read, at least one; new ones are written to the last.
    """

    def __init__(self, backbone: Backbone, stores: Sequence[EmbeddingStore]) -> None:
        self._backbone, self._stores, self._name = backbone, stores, backbone_key(backbone)
        # Of the last block only: alleles come along the genome, a few of a block at a time.
        self._read: tuple[BlockKey, dict[bytes, Float32Array]] | None = None

    def embed(self, tiles: Sequence[TileHaplotypes]) -> list[Float32Array]:
        """Return the embeddings of tiles, float32 `(n_unique, n_bins, dimension)` each; in genome order."""
        found: list[Float32Array] = []
        by_place = groupby(tiles, lambda each: (each.tile.contig, each.tile.number // TILES_PER_BLOCK))
        for (contig, number), members in by_place:
            block, key = list(members), BlockKey(contig, number, self._name)
            known = self._vectors(key)
            indexed = {each.tile: _indexed(each) for each in block}
            missing = _missing(block, indexed, known.keys())
            if missing:
                embedded = embed_haplotypes(list(missing.values()), self._backbone)
                self._stores[-1].write_vectors(key, self._backbone, list(missing), embedded)
                known |= zip(missing, embedded, strict=True)
            found += [np.stack([known[row.tobytes()] for row in each.digests]) for each in indexed.values()]
        return found

    def _vectors(self, key: BlockKey) -> dict[bytes, Float32Array]:
        if self._read is None or self._read[0] != key:
            known: dict[bytes, Float32Array] = {}
            for store in self._stores:
                known |= store.read_vectors(key)
            self._read = key, known
        return self._read[1]


def embed_haplotypes(
    haplotypes: Sequence[TileHaplotype],
    backbone: Backbone,
    advance: Advance = lambda n: None,
) -> Float32Array:
    """Embed haplotypes of any tiles, float32 `(n, n_bins, dimension)`, a bounded number at a time.

    `advance` is called with the number of haplotypes just embedded.
    """
    at_once = HAPLOTYPES_PER_CALL_ON_A_CPU if device_name(backbone) == "cpu" else HAPLOTYPES_PER_CALL
    parts = []
    for i in range(0, len(haplotypes), at_once):
        parts.append(backbone.embed(haplotypes[i : i + at_once]))
        advance(len(parts[-1]))
    return np.concatenate(parts).astype(np.float32, copy=False)


def haplotypes_key(tile_size: int, reference: bytes, variants: Variants, cut: Sequence[Tile]) -> str:
    """Return the digest of everything that a block's haplotypes depend on.

    Parameters
    ----------
    tile_size
        Size of the grid in base pairs.
    reference
        The reference sequence of the block.
    variants
        The variants that determine the block's sequences, with the genotypes of the samples.
    cut
        The tiles that windows cut, which are stored beside the whole ones.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(digest_size=16)
    parts = [
        str(tile_size).encode(),
        reference,
        "\t".join(variants.sample_ids).encode(),
        variants.positions.astype("<i8").tobytes(),
        b"\n".join(b",".join(alleles) for alleles in variants.alleles),
        np.ascontiguousarray(variants.genotypes).tobytes(),
        repr([(tile.number, tile.variants_from, tile.variants_to) for tile in cut]).encode(),
    ]
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))  # length-prefixed, so that the digest is unambiguous
        digest.update(part)
    return digest.hexdigest()


MIN_COSINE = 0.99
"""Smallest accepted 1st percentile of the cosine between half-precision and float32 deltas."""


def delta_cosines(deltas: Float32Array, exact: Float32Array) -> Float64Array:
    """Compute the cosines between deltas and their float32 counterparts.

    Parameters
    ----------
    deltas, exact
        float32 `(n, n_bins, dimension)`; of the same haplotypes, without the reference.

    Returns
    -------
    float64 `(n,)`; cosines, 0 where either delta is zero.
    """
    a, b = (values.reshape(len(values), -1).astype(np.float64) for values in (deltas, exact))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products = np.einsum("ij,ij->i", a, b)
    return np.asarray(np.divide(products, lengths, out=np.zeros(len(a)), where=lengths > 0))


def check_half_precision(cosines: Float64Array, backbone: str) -> None:
    """Check that the directions of deltas are preserved in half precision.

    Parameters
    ----------
    cosines
        float64 `(n,)`, from `delta_cosines`; may be empty.
    backbone
        Its name, for the message.

    Raises
    ------
    InputError
        When the 1st percentile is below `MIN_COSINE`.
    """
    if cosines.size and (least := float(np.quantile(cosines, 0.01))) < MIN_COSINE:
        raise InputError(
            f"--precision mixed: deltas of backbone {backbone} are too inaccurate (1st percentile of the "
            f"cosine to float32 {least:.3f} over {cosines.size} haplotypes of the samples, at least "
            f"{MIN_COSINE} required); use --precision float32"
        )
