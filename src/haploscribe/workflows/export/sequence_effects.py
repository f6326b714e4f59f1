"""Effects of all of a gene's variants in models that read deltas, gene by gene; a stopped job goes on."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from haploscribe.config.options import BackboneOptions
from haploscribe.embedding.stage import LoadedBackbone
from haploscribe.estimators.base import State
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.cache import CachedGenotypes
from haploscribe.interpret.allele_effects import AlleleQuery, sequence_effects
from haploscribe.interpret.in_silico import Allele
from haploscribe.parallel.executor import LocalWorkers, Workers
from haploscribe.results.saved_models import KeptModels, windows_of
from haploscribe.results.state_files import read_state, write_state
from haploscribe.utils.progress import stage
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.run.context import each_gene


@dataclass(frozen=True, slots=True)
class EffectsJob:
    """What every process needs to ask about the variants of any gene.

    Attributes
    ----------
    models
        Folder of kept models.
    names
        Those that are asked; all read deltas.
    genotypes
        The training people, whose haplotypes are the backgrounds.
    backbone
        The backbone of the training.
    store
        An embedding store for the sequences of made-up people.
    plugin_folder
        Where a backbone from outside the package is looked for.
    """

    models: Path
    names: tuple[str, ...]
    genotypes: CachedGenotypes
    backbone: BackboneOptions
    store: Path
    plugin_folder: str = field(default_factory=os.getcwd)

    def open(self) -> "OpenedEffects":
        """Open genotypes and models, and load the backbone; it is given one thread."""
        loaded = LoadedBackbone.of(self.backbone, self.genotypes.tile_size, self.plugin_folder)
        return OpenedEffects(self, self.genotypes.open(), loaded, 1)


class OpenedEffects:
    """What a process keeps open while it asks about variants.

    Parameters
    ----------
    job
        What is to be done.
    genotypes
        What its `genotypes` open.
    loaded
        The backbone.
    n_threads
        Threads for it.
    """

    def __init__(self, job: EffectsJob, genotypes: Genotypes, loaded: LoadedBackbone, n_threads: int) -> None:
        self.job = job
        self.kept = KeptModels(job.models)
        self.windows = windows_of(self.kept.record, genotypes)
        self.loaded = loaded
        self.n_threads = n_threads

    def close(self) -> None:
        """Close the files of the genotypes."""
        self.windows.close()


def leave_effects(
    job: EffectsJob,
    genotypes: Genotypes,
    loaded: LoadedBackbone,
    numbers: Sequence[int],
    workers: Workers,
    folder: Path,
) -> None:
    """Ask about every variant of the cis windows of some genes, and leave a file for each gene.

    On this machine one process asks, with as many threads as there are workers: the model is in memory once.

    Parameters
    ----------
    job
        What to do.
    genotypes
        What its `genotypes` open.
    loaded
        The backbone.
    numbers
        Places of the genes in the models' record.
    workers
        Who does it.
    folder
        For the files: see `read_effects`. Genes that have theirs are not asked about again.
    """
    here = OpenedEffects(job, genotypes, loaded, workers.count)
    genes = [here.windows.genes[number] for number in numbers]
    with stage("Asking about each variant", len(numbers), "genes") as advance:
        each_gene(
            job,
            lambda: here,
            genes,
            workers if workers.elsewhere else LocalWorkers(1),
            _ask,
            lambda place: _file(folder, numbers[place]),
            [(number,) for number in numbers],
            advance,
        )


def read_effects(folder: Path, number: int) -> dict[str, Float64Array]:
    """Read the effects of a gene's variants, float64 `(n_variants,)` for each model, by the gene's place."""
    return {
        name: np.asarray(found, dtype=np.float64)
        for name, found in read_state(_file(folder, number)).arrays.items()
    }


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.safetensors"


def _ask(opened: OpenedEffects, _place: int, file: Path, number: int) -> None:
    """Ask about the variants of one gene, and leave their effects."""
    windows = opened.windows
    gene = windows.genes[number]
    tiles = windows.tiles(gene)
    variants = windows.genotypes.read(tiles)
    rows = np.flatnonzero((variants.positions >= tiles[0].start) & (variants.positions < tiles[-1].end))
    alleles = [
        Allele(row, number) for row in rows.tolist() for number in range(1, len(variants.alleles[row]))
    ]
    models = {name: model for name, model in opened.kept.of_gene(number).items() if name in opened.job.names}
    found = sequence_effects(
        AlleleQuery(gene, variants, np.ones(len(alleles), dtype=np.bool_), alleles),
        models,
        windows,
        opened.loaded,
        opened.job.store,
        opened.n_threads,
        lambda _done: None,
    )
    write_state(file, State(arrays=found))
