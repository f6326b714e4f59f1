"""Estimate how long a run will take: count its work, and time a little of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from haploscribe.cohort.cohort import Cohort
from haploscribe.config.options import EvaluationOptions
from haploscribe.embedding.backbones.base import Backbone
from haploscribe.embedding.backbones.random_vectors import RandomVectors
from haploscribe.embedding.deltas import DeltaReader
from haploscribe.embedding.engine import embed_block
from haploscribe.embedding.stage import LoadedBackbone
from haploscribe.embedding.store import EmbeddingStore
from haploscribe.estimators.registry import ModelSpec, any_model
from haploscribe.evaluation.cross_validation import evaluate, one_gene
from haploscribe.genome.haplotypes import TileHaplotype
from haploscribe.genome.tiles import tile_blocks
from haploscribe.parallel.executor import Executor
from haploscribe.parallel.threads import threads
from haploscribe.workflows.embed import count_windows
from haploscribe.workflows.run.cross_gene import learn_across_genes
from haploscribe.workflows.run.held_out import model_makers
from haploscribe.workflows.validate import ValidatedCohort
from haploscribe.workflows.work import WorkContext

_SECONDS_TIMED = 0.5
"""A backbone embeds until a call takes this long, so that a GPU is kept busy as in a run."""
_MOST_TIMED = 256
"""Sequences in one such call, at most."""
_MOST_OTHER_GENES = 200
"""Genes of the table that the timed gene is compared with, at most: a run compares them once for all."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long a run will take, roughly.

    Attributes
    ----------
    seconds
        Of embedding and fitting, as if the store were empty.
    n_sequences
        Distinct sequences that are embedded; None where no model reads deltas.
    not_counted
        Models whose time is not in it: zero-shot ones, and those that learn from all genes together.
    """

    seconds: float
    n_sequences: int | None
    not_counted: tuple[str, ...]


def estimate_run(
    validated: ValidatedCohort,
    loaded: LoadedBackbone | None,
    evaluation: EvaluationOptions,
    specs: Sequence[ModelSpec],
    executor: Executor,
) -> Estimate:
    """Count the sequences and genes of a run, time the backbone and the fits of a gene, and multiply.

    Parameters
    ----------
    validated
        The run's cohort, with a genotype cache.
    loaded
        Its backbone; None where no model reads deltas.
    evaluation
        Its folds and models.
    specs
        The models.
    executor
        Runs the work.
    """
    n_genes, seconds, n_sequences = len(validated.cohort.genes), 0.0, None
    number = _typical_gene(validated)
    if loaded is not None:
        n_sequences = count_windows(validated, executor).unique_haplotypes
        haplotypes = _haplotypes(validated.cached, number)
        with threads(executor.count):
            seconds += n_sequences * _seconds_per_sequence(loaded.backbone, haplotypes, executor.count)
    timed = [spec for spec in specs if not (spec.capabilities.zero_shot or spec.capabilities.across_genes)]
    if timed and evaluation.gene_split is None:
        names = tuple(spec.name for spec in timed)
        of_gene = _seconds_per_gene(validated, replace(evaluation, models=names, annotations=()), number)
        seconds += n_genes * of_gene / min(executor.count, n_genes)
    not_counted = tuple(spec.name for spec in specs if spec not in timed)
    return Estimate(seconds, n_sequences, not_counted)


def _typical_gene(validated: ValidatedCohort) -> int:
    """Return the index of a gene with the median number of variants."""
    n_variants = validated.scan.n_variants
    return int(np.argsort(n_variants, kind="stable")[len(n_variants) // 2])


def _haplotypes(cohort: Cohort, number: int) -> list[TileHaplotype]:
    """Return distinct haplotypes of a gene's first block of tiles, `_MOST_TIMED` at most."""
    window, genotypes = cohort.cis_window(cohort.genes[number]), cohort.genotypes
    block = next(tile_blocks([window], cohort.tile_size, genotypes.reference.contigs))
    found = genotypes.block_haplotypes(block)
    return [haplotype for each in found for haplotype in each.haplotypes][:_MOST_TIMED]


def _seconds_per_sequence(backbone: Backbone, haplotypes: Sequence[TileHaplotype], n_threads: int) -> float:
    """Time a backbone on more and more haplotypes, once it has embedded one: the first call is slower."""
    backbone.embed(haplotypes[:1])
    n = min(n_threads, len(haplotypes))
    while True:
        started = time.monotonic()
        backbone.embed(haplotypes[:n])
        taken = time.monotonic() - started
        if taken >= _SECONDS_TIMED or n >= len(haplotypes):
            return taken / n
        n = min(4 * n, len(haplotypes))


def _seconds_per_gene(validated: ValidatedCohort, evaluation: EvaluationOptions, number: int) -> float:
    """Time the fits of one gene in one fold; return the time of all folds and of the fit that is kept.

    Deltas are random vectors: models of deltas take as long on these.
    """
    cohort = _one_gene(validated.cached, number)
    folder = validated.spec.folder / "timed"
    spec = replace(validated.spec, evaluation=evaluation, folder=folder)
    context = WorkContext(spec, cohort=cohort, deltas=_random_deltas(cohort, folder))
    if any_model(context.estimators.values(), "uses_other_genes"):
        learn_across_genes(context, Executor(1), lambda n: None)
    dataset, makers = context.dataset(), model_makers(context, across_genes=False)
    with threads(1):
        for _ in range(2):  # the first time, code is compiled
            started = time.monotonic()
            evaluate(dataset, one_gene(0), context.folds[:1], makers)
            taken = time.monotonic() - started
    return taken * len(context.fits)


def _one_gene(cohort: Cohort, number: int) -> Cohort:
    """Return a cohort with one of its genes, and a part of the other genes of its table."""
    gene, table = cohort.genes[number], cohort.all_genes
    own = next(i for i, other in enumerate(table.genes) if other.gene_id == gene.gene_id)
    kept = sorted({own, *range(min(_MOST_OTHER_GENES, len(table.genes)))})
    return replace(
        cohort,
        genes=(gene,),
        expression=cohort.expression.take_genes(np.array([number], dtype=np.int64)),
        all_genes=table.take_genes(np.array(kept, dtype=np.int64)),
    )


def _random_deltas(cohort: Cohort, folder: Path) -> DeltaReader:
    """Embed the windows of a cohort as random vectors, in a store of their own."""
    store, backbone = EmbeddingStore(folder / "store.zarr"), RandomVectors()
    blocks = tile_blocks(cohort.cis_windows(), cohort.tile_size, cohort.genotypes.reference.contigs)
    keys = [embed_block(block, cohort.genotypes, backbone, store, cohort.tile_size)[0] for block in blocks]
    return DeltaReader(store, keys)
