"""Embed the tiles of all genes' cis windows: the subcommand `embed`, and that stage of other workflows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from haploscribe.cohort.missing_calls import ModelNames
from haploscribe.cohort.windows import GeneWindows
from haploscribe.config.options import BackboneOptions, CohortOptions, WorkerOptions
from haploscribe.embedding.engine import EmbeddingCounts
from haploscribe.embedding.stage import Embedded, LoadedBackbone, count_sequences, embed_tiles, with_tile
from haploscribe.embedding.store import EmbeddingStore
from haploscribe.errors import InputError
from haploscribe.parallel.executor import Executor
from haploscribe.parallel.open import open_executor
from haploscribe.utils.files import remove_atomically
from haploscribe.workflows.validate import ValidatedCohort, validated_cohort
from haploscribe.workflows.work import WorkContext, WorkSpec


def embed(
    cohort_options: CohortOptions,
    backbone_options: BackboneOptions,
    store_path: Path,
    worker_options: WorkerOptions,
) -> dict[str, Any]:
    """Embed the tiles of all genes' cis windows; return what was found and done.

    Parameters
    ----------
    cohort_options, backbone_options
        What to embed, with what.
    store_path
        The embedding store; created if missing.
    worker_options
        Where the work is done.

    Raises
    ------
    InputError
        When an input or an option is at fault.
    """
    if worker_options.dask is not None:
        cohort_options, store_path = cohort_options.absolute(), store_path.absolute()
    cohort_options, loaded = with_tile(cohort_options, backbone_options)
    loaded = loaded or LoadedBackbone.load(backbone_options, cohort_options.tile)
    if not store_path.name:
        raise InputError(f"--store {store_path}: name a folder of its own")
    work = store_path.with_name(f".{store_path.name}.work")
    try:
        with (
            open_executor(worker_options) as executor,
            validated_cohort(cohort_options, executor, work, models=ModelNames(("embed",))) as validated,
        ):
            embedded = embed_windows(validated.cached, validated.spec, loaded, store_path, executor)
            return {**validated.summary(), **embedded.summary()}
    finally:
        remove_atomically(work)


def count_windows(validated: ValidatedCohort, executor: Executor) -> EmbeddingCounts:
    """Count the sequences of the cis windows of a cohort that is read from its genotype cache."""
    windows = validated.cached
    context = WorkContext(validated.spec, genotypes=windows.genotypes)
    return count_sequences(windows.cis_windows(), windows.tile_size, executor, validated.spec, context)


def embed_windows(
    windows: GeneWindows, spec: WorkSpec, loaded: LoadedBackbone, store_path: Path, executor: Executor
) -> Embedded:
    """Embed the tiles of genes' cis windows that are not yet in a store.

    Parameters
    ----------
    windows
        The windows, reading cached genotypes.
    spec
        How other processes open these genotypes.
    loaded
        The backbone.
    store_path
        The embedding store; created if missing.
    executor
        Runs the work.

    Raises
    ------
    InputError
        When the backbone loses the deltas in the requested precision, or the store is unusable.
    """
    spec = replace(spec, backbone=loaded.options, store=store_path)
    store = EmbeddingStore(store_path)
    context = WorkContext(spec, genotypes=windows.genotypes, loaded=loaded, store=store)
    return embed_tiles(windows.cis_windows(), windows.tile_size, executor, spec, context)
