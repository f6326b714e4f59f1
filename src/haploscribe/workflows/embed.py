"""Embed the tiles of all genes' cis windows: the subcommand `embed`."""

from pathlib import Path
from typing import Any

from haploscribe.cohort.validated import checked_cohort
from haploscribe.config.options import BackboneOptions, CohortOptions, WorkerOptions
from haploscribe.embedding.stage import LoadedBackbone, embed_tiles
from haploscribe.errors import InputError
from haploscribe.parallel.executor import open_workers
from haploscribe.utils.files import remove_atomically


def embed(
    cohort_options: CohortOptions,
    backbone_options: BackboneOptions,
    store_path: Path,
    worker_options: WorkerOptions,
) -> dict[str, Any]:
    """Embed the tiles of all genes' cis windows: the embedding stage alone; say what was found and done.

    Parameters
    ----------
    cohort_options, backbone_options
        What to embed, with what.
    store_path
        The embedding store; made when missing.
    worker_options
        Where the work is done.

    Raises
    ------
    InputError
        When an input or an option is at fault.
    """
    if worker_options.dask is not None:
        cohort_options, store_path = cohort_options.absolute(), store_path.absolute()
    loaded = LoadedBackbone.of(backbone_options, cohort_options.tile)
    if not store_path.name:
        raise InputError(f"--store {store_path}: name a folder of its own")
    work = store_path.with_name(f".{store_path.name}.work")
    try:
        with (
            open_workers(worker_options) as workers,
            checked_cohort(cohort_options, workers, work) as checked,
        ):
            embedded = embed_tiles(checked.surveyed, checked.kept, loaded, store_path, workers)
            return {**checked.facts(), **embedded.summary()}
    finally:
        remove_atomically(work)
