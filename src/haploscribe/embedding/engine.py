"""Embeds each unique haplotype sequence of each tile once."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from haploscribe.arrays import Float32Array
from haploscribe.embedding.backbones.protocol import Backbone
from haploscribe.embedding.blocks import Block, blocks_of
from haploscribe.embedding.store import BlockAddress, EmbeddedTile, EmbeddingStore
from haploscribe.errors import InputError
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.haplotypes import TileHaplotypes
from haploscribe.genome.tiles import Tile
from haploscribe.genome.variants import Variants
from haploscribe.progress import Advance

SEQUENCES_PER_CALL = 256
"""Sequences handed to a backbone at once: bounds memory; the backbone makes its own batches."""


@dataclass(frozen=True, slots=True)
class EmbeddingCounts:
    """What the embedding stage did.

    Attributes
    ----------
    tiles
        Tiles that carry variants.
    unique_haplotypes
        Their unique sequences, each tile's reference among them.
    forward_passes
        Sequences embedded in this run: 0 when all were in the store.
    naive_forward_passes
        What embedding every haplotype of every sample would take.
    seconds
        Wall-clock time of the stage.
    """

    tiles: int = 0
    unique_haplotypes: int = 0
    forward_passes: int = 0
    naive_forward_passes: int = 0
    seconds: float = 0.0

    def plus(self, other: "EmbeddingCounts") -> "EmbeddingCounts":
        """Add up two stages."""
        mine, theirs = asdict(self), asdict(other)
        return EmbeddingCounts(**{name: mine[name] + theirs[name] for name in mine})


def check_tile_size(backbone: Backbone, size: int) -> None:
    """Raise InputError where a backbone cannot embed tiles of `size` base pairs."""
    if size <= 0 or size % backbone.tile_multiple or size > backbone.max_tile:
        raise InputError(
            f"--tile {size}: backbone {backbone.name} takes multiples of {backbone.tile_multiple} bp "
            f"up to {backbone.max_tile:,} bp"
        )


def embed_tiles(
    tiles: Iterable[Tile],
    genotypes: Genotypes,
    backbone: Backbone,
    store: EmbeddingStore,
    tile_size: int,
    advance: Advance,
) -> tuple[list[BlockAddress], EmbeddingCounts]:
    """Embed all tiles that carry variants and are not yet in the store.

    Parameters
    ----------
    tiles
        Unique tiles, in any order.
    genotypes
        Who carries which alleles.
    backbone
        The frozen model.
    store
        Where the deltas go, a block of tiles at a time.
    tile_size
        Size of the grid in base pairs.
    advance
        Told of each tile done.

    Returns
    -------
    addresses
        The blocks of these tiles, to read them by.
    counts
        What was done.
    """
    started = time.monotonic()
    addresses: list[BlockAddress] = []
    counts = EmbeddingCounts()
    for block in blocks_of(tiles, tile_size, genotypes.reference.contigs):
        address, done = _embed_block(block, genotypes, backbone, store, tile_size)
        addresses.append(address)
        counts = counts.plus(done)
        advance(len(block.wanted))
    return addresses, counts.plus(EmbeddingCounts(seconds=time.monotonic() - started))


def _embed_block(
    block: Block, genotypes: Genotypes, backbone: Backbone, store: EmbeddingStore, tile_size: int
) -> tuple[BlockAddress, EmbeddingCounts]:
    """Bring one block of the store up to date with the tiles wanted."""
    variants = genotypes.common(genotypes.read(block.tiles))
    reference = genotypes.reference.fetch(block.contig, block.tiles[0].start, block.tiles[-1].end)
    made_by = {"backbone": backbone.name, **backbone.settings, "tile_size": tile_size}
    key = content_key(made_by, reference, variants)
    address = BlockAddress(block.contig, block.number, key)

    haplotypes = genotypes.haplotypes(variants, block.wanted)
    carriers = [tile for tile in haplotypes if len(tile.sequences) > 1]
    stored = store.tile_numbers(address)
    missing = [tile for tile in carriers if tile.tile.number not in stored]
    if missing:
        embedded = _embed_haplotypes(missing, backbone)
        store.write_block(address, [*store.read_block(address), *embedded], made_by)
    return address, EmbeddingCounts(
        tiles=len(carriers),
        unique_haplotypes=sum(len(tile.sequences) for tile in carriers),
        forward_passes=sum(len(tile.sequences) for tile in missing),
        naive_forward_passes=2 * len(genotypes.sample_ids) * len(carriers),
    )


def _embed_haplotypes(carriers: Sequence[TileHaplotypes], backbone: Backbone) -> list[EmbeddedTile]:
    """Embed the unique sequences of some tiles and subtract each tile's reference embedding."""
    sequences = [sequence for haplotypes in carriers for sequence in haplotypes.sequences]
    embeddings = np.concatenate(
        [
            backbone.embed(sequences[i : i + SEQUENCES_PER_CALL])
            for i in range(0, len(sequences), SEQUENCES_PER_CALL)
        ]
    )
    digests = np.array([list(hashlib.blake2b(s, digest_size=16).digest()) for s in sequences], dtype=np.uint8)
    tiles = []
    first = 0
    for haplotypes in carriers:
        rows = slice(first, first := first + len(haplotypes.sequences))
        tile = haplotypes.tile
        deltas = _subtract_reference(embeddings[rows])
        tiles.append(EmbeddedTile(tile.number, tile.start, tile.end, deltas, digests[rows], haplotypes.index))
    return tiles


def _subtract_reference(embeddings: Float32Array) -> Float32Array:
    """Deltas in float32, before anything else is done: one SNP moves a pooled embedding by a thousandth."""
    embeddings = embeddings.astype(np.float32, copy=False)
    return embeddings - embeddings[:1]


def content_key(made_by: dict[str, str | int], reference: bytes, variants: Variants) -> str:
    """Digest all that a block's vectors and index depend on.

    Parameters
    ----------
    made_by
        Backbone, revision, layer, pooling, tile size.
    reference
        The reference sequence of the block.
    variants
        The variants that decide the block's sequences, and the samples that carry them.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(digest_size=16)
    parts = [
        repr(sorted(made_by.items())).encode(),
        reference,
        "\t".join(variants.sample_ids).encode(),
        variants.positions.astype("<i8").tobytes(),
        b"\n".join(b",".join(alleles) for alleles in variants.alleles),
        np.ascontiguousarray(variants.genotypes).tobytes(),
    ]
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))  # so that no two lists of parts read the same
        digest.update(part)
    return digest.hexdigest()
