"""Compute effects of all variants of genes in models that read deltas; an interrupted export resumes."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from haploscribe.embedding.engine import TileEmbedder
from haploscribe.embedding.stage import LoadedBackbone
from haploscribe.embedding.store import EmbeddingStore
from haploscribe.estimators.base import State
from haploscribe.genome.genotypes import Genotypes
from haploscribe.interpret.allele_effects import IN_SILICO_STORE, AlleleQuery, sequence_effects
from haploscribe.parallel.executor import Executor, map_to_files
from haploscribe.results.state_files import read_state, write_state
from haploscribe.utils.progress import stage
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.work import WorkContext, WorkSpec


def write_effects(
    spec: WorkSpec,
    genotypes: Genotypes,
    loaded: LoadedBackbone,
    indices: Sequence[int],
    executor: Executor,
    folder: Path,
) -> None:
    """Compute the effect of every variant of the cis windows of some genes, and write a file for each gene.

    On this machine one process computes, with as many threads as there are workers: the model is in memory
    once.

    Parameters
    ----------
    spec
        The training samples, whose haplotypes are the backgrounds; the saved models and which of them to
        query, all of which read deltas; the backbone; the store of the samples' embeddings; and a folder for
        the store of others.
    genotypes
        Those of `spec`, open in this process.
    loaded
        The backbone of the training.
    indices
        Indices of the genes in the models' record.
    executor
        Runs the work.
    folder
        For the files: see `read_effects`. Genes that have theirs are not computed again.
    """
    context = WorkContext(spec, genotypes=genotypes, loaded=loaded)
    genes = context.windows.genes
    order = sorted(indices, key=lambda index: (genes[index].contig, genes[index].tss))
    n_threads = 1 if executor.is_remote else executor.count
    with stage("Computing the effect of each variant", len(indices), "genes") as advance:
        map_to_files(
            executor if executor.is_remote else Executor(1),
            spec,
            partial(_write_gene_effects, n_threads=n_threads),
            [(_file(folder, index), index) for index in order],
            advance,
            context,
        )


def read_effects(folder: Path, index: int) -> dict[str, Float64Array]:
    """Read the effects of the variants of the gene of an index, float64 `(n_variants,)` for each model."""
    return {
        name: np.asarray(found, dtype=np.float64)
        for name, found in read_state(_file(folder, index)).arrays.items()
    }


def _file(folder: Path, index: int) -> Path:
    return folder / f"{index:06d}.safetensors"


def _write_gene_effects(context: WorkContext, index: int, path: Path, n_threads: int) -> None:
    """Compute the effects of the variants of one gene, and write them."""
    windows = context.windows
    gene = windows.genes[index]
    names = context.spec.model_names
    models = {name: model for name, model in context.models.of_gene(index).items() if name in names}
    stores = (context.store, EmbeddingStore(context.spec.folder / IN_SILICO_STORE))
    found = sequence_effects(
        AlleleQuery.of_all(gene, windows.cis_variants(gene)),
        models,
        windows,
        TileEmbedder(context.loaded.backbone, stores),
        n_threads,
        lambda _done: None,
    )
    write_state(path, State(arrays=found))
