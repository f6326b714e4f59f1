"""The embedding stage: a run's blocks of tiles, each embedded by one worker straight into the store."""

import json
import numpy as np
import os
import time
import warnings
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import reduce
from haploscribe.cohort.windows import GeneWindows
from haploscribe.config.options import BackboneOptions
from haploscribe.embedding.backbones.base import Backbone
from haploscribe.embedding.backbones.registry import load_backbone
from haploscribe.embedding.deltas import subtract_reference
from haploscribe.embedding.engine import EmbeddingCounts
from haploscribe.embedding.engine import check_tile_size
from haploscribe.embedding.engine import delta_cosines
from haploscribe.embedding.engine import embed_block
from haploscribe.embedding.engine import require_surviving
from haploscribe.embedding.store import BlockKey
from haploscribe.embedding.store import EmbeddingStore
from haploscribe.embedding.store import backbone_key
from haploscribe.errors import RepairedWarning
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.cache import CachedGenotypes
from haploscribe.genome.tiles import TileBlock
from haploscribe.genome.tiles import tile_blocks
from haploscribe.parallel.executor import Workers
from haploscribe.parallel.threads import threads
from haploscribe.utils.files import atomic_write
from haploscribe.utils.progress import stage
from haploscribe.utils.types import Float64Array
from pathlib import Path
from typing_extensions import TypedDict


class EmbeddingSummary(TypedDict):
    """What embedding the run's tiles took.

    `forward_passes` counts the sequences that the backbone read in this run; `naive_forward_passes`,
    how many it would have read with one sequence a sample, haplotype and tile.
    """

    backbone: str
    tiles: int
    unique_haplotypes: int
    forward_passes: int
    naive_forward_passes: int
    seconds: float


STORE_NAME = "embeddings.zarr"
"""A run's own store, in its results."""


DAMAGED_NAMED = 3
"""So many pieces of a damaged store are named."""


BLOCKS_COMPARED, HAPLOTYPES_COMPARED = 8, 4
"""What half precision is judged by: so many blocks along the run, and haplotypes of a tile of each."""


@dataclass(frozen=True, slots=True)
class EmbeddingJob:
    """What every process needs to embed any block of the run.

    Attributes
    ----------
    genotypes
        Who carries which alleles.
    backbone
        The backbone.
    store
        The embedding store.
    plugin_folder
        Where a backbone from outside the package is looked for.
    """

    genotypes: CachedGenotypes
    backbone: BackboneOptions
    store: Path
    plugin_folder: str = field(default_factory=os.getcwd)

    def open(self) -> "OpenedEmbedding":
        """Open the genotypes and load the model."""
        return OpenedEmbedding(
            self,
            self.genotypes.open(),
            load_options(self.backbone, self.plugin_folder),
            EmbeddingStore(self.store),
        )


@dataclass(frozen=True, slots=True)
class OpenedEmbedding:
    """Who carries which alleles, the frozen model, and where its vectors go."""

    job: EmbeddingJob
    genotypes: Genotypes
    backbone: Backbone
    store: EmbeddingStore

    def close(self) -> None:
        """Close the files of the genotypes."""
        self.genotypes.close()


@dataclass(frozen=True, slots=True)
class Embedded:
    """A run's tiles, embedded.

    Attributes
    ----------
    backbone
        Name of the backbone.
    store_path
        The embedding store.
    addresses
        The run's blocks in it.
    counts
        What it took.
    """

    backbone: str
    store_path: Path
    addresses: tuple[BlockKey, ...]
    counts: EmbeddingCounts

    def summary(self) -> EmbeddingSummary:
        """Give the stage's part of `summary.json`."""
        counts = self.counts
        return EmbeddingSummary(
            backbone=self.backbone,
            tiles=counts.tiles,
            unique_haplotypes=counts.unique_haplotypes,
            forward_passes=counts.forward_passes,
            naive_forward_passes=counts.naive_forward_passes,
            seconds=counts.seconds,
        )


def load_options(options: BackboneOptions, plugin_folder: str | None = None) -> Backbone:
    """Load the backbone that the options name; a plug-in also from `plugin_folder`."""
    return load_backbone(
        options.backbone,
        layer=options.layer,
        pooling=options.pooling,
        device=options.device,
        precision=options.precision,
        plugin_folder=plugin_folder,
    )


@dataclass(frozen=True, slots=True)
class LoadedBackbone:
    """A backbone, in memory, and how to load it elsewhere.

    Attributes
    ----------
    options
        What loads it.
    backbone
        The frozen model.
    """

    options: BackboneOptions
    backbone: Backbone

    @classmethod
    def of(
        cls, options: BackboneOptions, tile_size: int, plugin_folder: str | None = None
    ) -> "LoadedBackbone":
        """Load it, to embed tiles of this size in base pairs.

        Raises
        ------
        InputError
            When it cannot be loaded, or does not take tiles of this size.
        """
        backbone = load_options(options, plugin_folder)
        check_tile_size(backbone, tile_size)
        return cls(options, backbone)

    @property
    def key(self) -> str:
        """What names it with all its settings and weights."""
        return backbone_key(self.backbone)


def embed_tiles(
    windows: GeneWindows,
    genotypes: CachedGenotypes,
    loaded: LoadedBackbone,
    store_path: Path,
    workers: Workers,
) -> Embedded:
    """Embed the tiles of genes' cis windows that are not yet in the store.

    On this machine one process embeds, on a GPU or with as many threads as there are workers: the model is in
    memory once. On a cluster every worker has the model and embeds blocks.

    Parameters
    ----------
    windows
        The windows of the genes, read from what a survey left.
    genotypes
        How other processes open what the survey left.
    loaded
        The backbone.
    store_path
        The embedding store; made when missing.
    workers
        The run's workers.

    Raises
    ------
    InputError
        When the backbone loses the deltas in the precision asked for, or the store is unusable.

    Warns
    -----
    RepairedWarning
        When a piece of the store was damaged; it was embedded again.
    """
    started = time.monotonic()
    options, backbone = loaded.options, loaded.backbone
    job = EmbeddingJob(genotypes, options, store_path)
    opened = OpenedEmbedding(job, windows.genotypes, backbone, EmbeddingStore(store_path))
    contigs = windows.genotypes.reference.contigs
    blocks = list(tile_blocks(windows.all_tiles(), windows.tile_size, contigs))
    n_tiles = sum(len(block.wanted) for block in blocks)
    if options.precision != "float32":
        step = -(-len(blocks) // BLOCKS_COMPARED)
        _require_precision(opened, workers, blocks[::step])
    done: list[_EmbeddedBlock] = []
    with stage(f"Embedding with {backbone.name}", n_tiles, "tiles") as advance:
        found = (
            workers.map(job, _embed_block, blocks)
            if workers.elsewhere
            else _embed_here(opened, blocks, workers.count)
        )
        for piece in found:
            done.append(piece)
            advance(len(piece.block.wanted))
    counts = reduce(EmbeddingCounts.plus, (piece.counts for piece in done), EmbeddingCounts())
    addresses = sorted((piece.address for piece in done), key=lambda address: (address.contig, address.block))
    _warn_of_damage(store_path, counts.damaged)
    took = EmbeddingCounts(seconds=time.monotonic() - started)
    return Embedded(backbone.name, store_path, tuple(addresses), counts.plus(took))


def _warn_of_damage(store: Path, damaged: Sequence[str]) -> None:
    if damaged:
        named = "; ".join(damaged[:DAMAGED_NAMED])
        more = f" and {len(damaged) - DAMAGED_NAMED} more" if len(damaged) > DAMAGED_NAMED else ""
        message = f"{store} was damaged ({named}{more}); these pieces were made anew"
        warnings.warn(message, RepairedWarning, stacklevel=2)


def _embed_here(
    opened: OpenedEmbedding, blocks: Iterable[TileBlock], n_threads: int
) -> Iterator["_EmbeddedBlock"]:
    """Embed block after block in this process, the sequences of each side by side."""
    with threads(n_threads):
        for block in blocks:
            yield _embed_block(opened, block)


def _require_precision(opened: OpenedEmbedding, workers: Workers, blocks: Sequence[TileBlock]) -> None:
    """Stop where deltas of real haplotypes do not survive the precision, on the device that will embed."""
    if workers.elsewhere:
        (cosines,) = workers.map(opened.job, _cosines_to_float32, [blocks])
    else:
        cosines = _cosines_to_float32(opened, blocks)
    require_surviving(cosines, opened.backbone.name)


def _cosines_to_float32(opened: OpenedEmbedding, blocks: Sequence[TileBlock]) -> Float64Array:
    """Embed a few haplotypes of a tile of each block in both precisions, and compare their deltas."""
    exact = load_options(replace(opened.job.backbone, precision="float32"), opened.job.plugin_folder)
    genotypes = opened.genotypes
    cosines = [np.zeros(0)]
    for block in blocks:
        found = genotypes.haplotypes(genotypes.common(genotypes.read(block.tiles)), block.wanted)
        most_varied = max(found, key=lambda tile: len(tile.sequences))
        haplotypes = most_varied.haplotypes[: 1 + HAPLOTYPES_COMPARED]
        deltas, wanted = (
            subtract_reference(backbone.embed(haplotypes))[1:] for backbone in (opened.backbone, exact)
        )
        cosines.append(delta_cosines(deltas, wanted))
    return np.concatenate(cosines)


@dataclass(frozen=True, slots=True)
class _EmbeddedBlock:
    """Where a block is, and what it took."""

    block: TileBlock
    address: BlockKey
    counts: EmbeddingCounts


def _embed_block(opened: OpenedEmbedding, block: TileBlock) -> _EmbeddedBlock:
    size = opened.job.genotypes.tile_size
    address, counts = embed_block(block, opened.genotypes, opened.backbone, opened.store, size)
    return _EmbeddedBlock(block, address, counts)


def write_addresses(path: Path, addresses: Iterable[BlockKey]) -> None:
    """Leave the run's blocks for workers: they are too many to travel with every piece of work."""
    with atomic_write(path) as aside:
        aside.write_text("".join(json.dumps(asdict(address)) + "\n" for address in addresses))


def read_addresses(path: Path) -> tuple[BlockKey, ...]:
    """Read what `write_addresses` left."""
    return tuple(BlockKey(**json.loads(line)) for line in path.read_text().splitlines())
