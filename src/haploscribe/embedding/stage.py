"""Embed the tiles of a run, block by block, into the embedding store."""

import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from pathlib import Path
from typing import Protocol

import numpy as np
from typing_extensions import TypedDict

from haploscribe.config.options import BackboneOptions, CohortOptions
from haploscribe.embedding.backbones.base import Backbone, default_tile
from haploscribe.embedding.backbones.registry import is_on_hub, load_backbone, table_entry
from haploscribe.embedding.deltas import subtract_reference
from haploscribe.embedding.engine import (
    EmbeddingCounts,
    check_half_precision,
    check_tile_size,
    count_block,
    delta_cosines,
    embed_block,
)
from haploscribe.embedding.store import BlockKey, EmbeddingStore, backbone_key
from haploscribe.errors import RepairedWarning
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.tiles import Interval, TileBlock, tile_blocks
from haploscribe.parallel.executor import Executor, Spec
from haploscribe.parallel.threads import threads
from haploscribe.utils.progress import Advance, stage
from haploscribe.utils.types import Float64Array

STORE_NAME = "embeddings.zarr"
"""Name of a run's own store in its results folder."""

MAX_DAMAGED_NAMED = 3
"""Damaged parts of a store that are named in a warning, at most."""

BLOCKS_COMPARED, HAPLOTYPES_COMPARED = 8, 4
"""Sample on which reduced precision is checked: blocks along the run, and haplotypes of one tile of each."""


class EmbeddingSummary(TypedDict):
    """The cost of embedding a run's tiles.

    `forward_passes` counts the sequences that the backbone read in this run; `naive_forward_passes`,
    how many it would have read with one sequence per sample, haplotype and tile.
    """

    backbone: str
    tiles: int
    unique_haplotypes: int
    forward_passes: int
    naive_forward_passes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Embedded:
    """A run's embedded tiles.

    Attributes
    ----------
    backbone
        Name of the backbone.
    store_path
        The embedding store.
    keys
        Keys of the run's blocks in it.
    counts
        Counts of tiles, haplotypes and forward passes.
    """

    backbone: str
    store_path: Path
    keys: tuple[BlockKey, ...]
    counts: EmbeddingCounts

    def summary(self) -> EmbeddingSummary:
        """Return the stage's part of `summary.json`."""
        counts = self.counts
        return EmbeddingSummary(
            backbone=self.backbone,
            tiles=counts.tiles,
            unique_haplotypes=counts.unique_haplotypes,
            forward_passes=counts.forward_passes,
            naive_forward_passes=counts.naive_forward_passes,
            seconds=counts.seconds,
        )


@dataclass(frozen=True, slots=True)
class LoadedBackbone:
    """A loaded backbone, with the options that load it in another process.

    Attributes
    ----------
    options
        Options that load it; where it comes from the hub, their `revision` is the commit that was loaded.
    backbone
        The frozen model.
    plugin_folder
        Folder in which a plug-in is searched; None for the current folder.
    """

    options: BackboneOptions
    backbone: Backbone
    plugin_folder: str | None = None

    @classmethod
    def load(
        cls, options: BackboneOptions, tile_size: int | None = None, plugin_folder: str | None = None
    ) -> "LoadedBackbone":
        """Load the backbone that the options name.

        Parameters
        ----------
        options
            Name and settings.
        tile_size
            Size in base pairs of the tiles that it will embed; None to check none.
        plugin_folder
            Folder in which a plug-in is searched; None for the current folder.

        Raises
        ------
        InputError
            When it cannot be loaded, or does not take tiles of this size.
        """
        backbone = load_backbone(
            options.backbone,
            revision=options.revision,
            layer=options.layer,
            pooling=options.pooling,
            device=options.device,
            precision=options.precision,
            strands=options.strands,
            plugin_folder=plugin_folder,
        )
        if tile_size is not None:
            check_tile_size(backbone, tile_size)
        commit = backbone.settings.get("revision")
        # A branch may move before it is loaded again.
        if isinstance(commit, str) and is_on_hub(options.backbone):
            options = replace(options, revision=commit)
        return cls(options, backbone, plugin_folder)

    @property
    def key(self) -> str:
        """Key of the backbone with all its settings and weights: `backbone_key`."""
        return backbone_key(self.backbone)


def with_tile(
    cohort: CohortOptions, backbone: BackboneOptions
) -> tuple[CohortOptions, LoadedBackbone | None]:
    """Return the options with the backbone's own tile size where none was asked for.

    Returns
    -------
    options
        With a tile size.
    loaded
        The backbone where it was loaded for that, as one that is not in the table is; else None.

    Raises
    ------
    InputError
        When it cannot be loaded.
    """
    if cohort.tile is not None:
        return cohort, None
    entry = table_entry(backbone.backbone)
    if entry is not None:
        return replace(cohort, tile=entry.default_tile), None
    loaded = LoadedBackbone.load(backbone)
    return replace(cohort, tile=default_tile(loaded.backbone)), loaded


class GenotypeContext(Protocol):
    """Resources that a process holds open while it reads haplotypes."""

    def close(self) -> None:
        """Close what is open."""
        ...

    @property
    def genotypes(self) -> Genotypes:
        """Genotypes of the samples."""
        ...


class EmbeddingContext(GenotypeContext, Protocol):
    """Resources that a process holds open while it embeds."""

    @property
    def loaded(self) -> LoadedBackbone:
        """The backbone."""
        ...

    @property
    def store(self) -> EmbeddingStore:
        """The embedding store."""
        ...


def embed_tiles(
    windows: Iterable[Interval],
    tile_size: int,
    executor: Executor,
    spec: Spec[EmbeddingContext],
    context: EmbeddingContext,
) -> Embedded:
    """Embed the tiles of windows that are not yet in the store.

    On one machine, one process embeds, on a GPU or with as many threads as the executor has workers, so that
    the model is in memory once. On a cluster every worker loads the model and embeds blocks.

    Parameters
    ----------
    windows
        Windows of any contigs, not empty.
    tile_size
        Size of the grid in base pairs.
    executor
        Runs the tasks.
    spec
        Opens genotypes, backbone and store in other processes.
    context
        The same, open in this process.

    Raises
    ------
    InputError
        When deltas are too inaccurate in the requested precision, or the store is unusable.

    Warns
    -----
    RepairedWarning
        When a part of the store was damaged; it was embedded again.
    """
    started = time.monotonic()
    backbone, store = context.loaded.backbone, context.store
    blocks = list(tile_blocks(windows, tile_size, context.genotypes.reference.contigs))
    if context.loaded.options.precision != "float32":
        step = -(-len(blocks) // BLOCKS_COMPARED)
        _require_precision(executor, spec, context, blocks[::step])
    done: list[_EmbeddedBlock] = []
    n_tiles = sum(block.n_wanted for block in blocks)
    with stage(f"Embedding with {backbone.name}", n_tiles, "tiles") as advance:
        if executor.is_remote:
            for embedded in executor.map(spec, partial(_embed_block, tile_size=tile_size), blocks):
                done.append(embedded)
                advance(embedded.block.n_wanted)
        else:
            done += _embed_here(context, blocks, tile_size, executor.count, advance)
    counts = reduce(EmbeddingCounts.plus, (embedded.counts for embedded in done), EmbeddingCounts())
    keys = sorted((embedded.key for embedded in done), key=lambda key: (key.contig, key.block))
    _warn_of_damage(store.path, counts.damaged)
    took = EmbeddingCounts(seconds=time.monotonic() - started)
    return Embedded(backbone.name, store.path, tuple(keys), counts.plus(took))


def count_sequences(
    windows: Iterable[Interval],
    tile_size: int,
    executor: Executor,
    spec: Spec[GenotypeContext],
    context: GenotypeContext,
) -> EmbeddingCounts:
    """Count the tiles of windows and their sequences, as `embed_tiles` would embed them.

    Parameters
    ----------
    windows, tile_size, executor
        As for `embed_tiles`.
    spec
        Opens genotypes in other processes.
    context
        The same, open in this process.
    """
    blocks = list(tile_blocks(windows, tile_size, context.genotypes.reference.contigs))
    counts = EmbeddingCounts()
    with stage("Counting sequences", sum(block.n_wanted for block in blocks), "tiles") as advance:
        for n_tiles, counted in executor.map(spec, _count_block, blocks, context):
            counts = counts.plus(counted)
            advance(n_tiles)
    return counts


def _count_block(context: GenotypeContext, block: TileBlock) -> tuple[int, EmbeddingCounts]:
    return block.n_wanted, count_block(block, context.genotypes)


@dataclass(frozen=True, slots=True)
class _EmbeddedBlock:
    """An embedded block: its key in the store, and counts."""

    block: TileBlock
    key: BlockKey
    counts: EmbeddingCounts


def _embed_block(
    context: EmbeddingContext,
    block: TileBlock,
    tile_size: int,
    embedded_share: Advance = lambda share: None,
) -> _EmbeddedBlock:
    backbone = context.loaded.backbone
    key, counts = embed_block(block, context.genotypes, backbone, context.store, tile_size, embedded_share)
    return _EmbeddedBlock(block, key, counts)


def _embed_here(
    context: EmbeddingContext,
    blocks: Sequence[TileBlock],
    tile_size: int,
    n_threads: int,
    advance: Advance,
) -> list[_EmbeddedBlock]:
    """Embed block after block in this process, the sequences of each in parallel.

    A block of a large backbone may take minutes: progress moves within it.
    """
    with threads(n_threads):
        return [
            _embed_block(context, block, tile_size, partial(_advance, advance, block.n_wanted))
            for block in blocks
        ]


def _advance(advance: Advance, n_tiles: int, share: float) -> None:
    advance(n_tiles * share)


def _warn_of_damage(store: Path, damaged: Sequence[str]) -> None:
    if damaged:
        named = "; ".join(damaged[:MAX_DAMAGED_NAMED])
        more = f" and {len(damaged) - MAX_DAMAGED_NAMED} more" if len(damaged) > MAX_DAMAGED_NAMED else ""
        message = f"{store} was damaged ({named}{more}); these parts were embedded again"
        warnings.warn(message, RepairedWarning, stacklevel=2)


def _require_precision(
    executor: Executor, spec: Spec[EmbeddingContext], context: EmbeddingContext, blocks: Sequence[TileBlock]
) -> None:
    """Check the precision of deltas of the samples' haplotypes, on the device that will embed."""
    if executor.is_remote:
        (cosines,) = executor.map(spec, _cosines_to_float32, [blocks])
    else:
        cosines = _cosines_to_float32(context, blocks)
    check_half_precision(cosines, context.loaded.backbone.name)


def _cosines_to_float32(context: EmbeddingContext, blocks: Sequence[TileBlock]) -> Float64Array:
    """Embed a few haplotypes of one tile of each block in both precisions, and compare their deltas."""
    loaded, genotypes = context.loaded, context.genotypes
    exact = LoadedBackbone.load(
        replace(loaded.options, precision="float32"), plugin_folder=loaded.plugin_folder
    )
    cosines = [np.zeros(0)]
    for block in blocks:
        most_varied = max(genotypes.block_haplotypes(block), key=lambda tile: len(tile.sequences))
        haplotypes = most_varied.haplotypes[: 1 + HAPLOTYPES_COMPARED]
        deltas, wanted = (
            subtract_reference(backbone.embed(haplotypes))[1:]
            for backbone in (loaded.backbone, exact.backbone)
        )
        cosines.append(delta_cosines(deltas, wanted))
    return np.concatenate(cosines)
