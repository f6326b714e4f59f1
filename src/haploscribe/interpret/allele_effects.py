"""Compute effects of single alleles at one gene, by embedding and predicting in-silico samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from haploscribe.cohort.windows import GeneWindows
from haploscribe.embedding.deltas import DeltaReader
from haploscribe.embedding.engine import embed_block
from haploscribe.embedding.stage import LoadedBackbone
from haploscribe.embedding.store import EmbeddingStore
from haploscribe.estimators.inputs import GeneInputs, gene_inputs
from haploscribe.expression.genes import Gene
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.cache import InMemoryVariants
from haploscribe.genome.tiles import tile_blocks
from haploscribe.genome.variants import Variants
from haploscribe.interpret.effects import Predictor
from haploscribe.interpret.in_silico import Allele, in_silico_samples
from haploscribe.parallel.threads import threads
from haploscribe.utils.progress import Advance
from haploscribe.utils.types import BoolArray, Float64Array

ALLELES_AT_ONCE = 128
"""Alleles whose in-silico samples are embedded and predicted together; bounds memory."""


@dataclass(frozen=True, slots=True)
class AlleleQuery:
    """Alleles whose effects are computed.

    Attributes
    ----------
    gene
        The gene.
    variants
        The records of the gene's window, with genotypes that give the backgrounds; includes records unknown
        to the models, without carriers.
    known
        bool `(n_columns,)`; which of the dosage columns the models know.
    alleles
        The alleles.
    backgrounds
        Predict on the most common background of each too, not on the reference alone.
    """

    gene: Gene
    variants: Variants
    known: BoolArray
    alleles: Sequence[Allele]
    backgrounds: bool = True


def sequence_effects(
    query: AlleleQuery,
    models: Mapping[str, Predictor],
    windows: GeneWindows,
    loaded: LoadedBackbone,
    store_path: Path,
    n_threads: int,
    advance: Advance,
) -> dict[str, Float64Array]:
    """Compute effects of alleles, seen in training or not, with models that read deltas.

    Parameters
    ----------
    query
        The alleles.
    models
        Fitted models by name.
    windows
        Of the gene.
    loaded
        The backbone of the training.
    store_path
        Embedding store for the sequences of the in-silico samples.
    n_threads
        Threads of the backbone.
    advance
        Called with the number of alleles done.

    Returns
    -------
    dict
        float64 `(n_alleles,)` for each model; see `InSilicoSamples.effects`.
    """
    parts: dict[str, list[Float64Array]] = {name: [np.zeros(0)] for name in models}
    for first in range(0, len(query.alleles), ALLELES_AT_ONCE):
        alleles = query.alleles[first : first + ALLELES_AT_ONCE]
        tiles = windows.tiles(query.gene)
        samples = in_silico_samples(query.variants, alleles, tiles, backgrounds=query.backgrounds)
        inputs = _embedded(samples.variants, query, windows, loaded, store_path, n_threads)
        with threads(1):
            for name, model in models.items():
                parts[name].append(samples.effects(model.predict(inputs)))
        advance(len(alleles))
    return {name: np.concatenate(found) for name, found in parts.items()}


def _embedded(
    samples: Variants,
    query: AlleleQuery,
    windows: GeneWindows,
    loaded: LoadedBackbone,
    store_path: Path,
    n_threads: int,
) -> GeneInputs:
    """Embed in-silico samples, and collect their inputs at the variants that the models know."""
    genotypes = Genotypes(windows.genotypes.reference, InMemoryVariants(samples), samples.sample_ids)
    in_silico = replace(windows, genotypes=genotypes, genes=(query.gene,), wide=False)
    store = EmbeddingStore(store_path)
    contigs = genotypes.reference.contigs
    with threads(n_threads):
        addresses = [
            embed_block(block, genotypes, loaded.backbone, store, windows.tile_size)[0]
            for block in tile_blocks(in_silico.cis_windows(), windows.tile_size, contigs)
        ]
    inputs = gene_inputs(in_silico, query.gene, DeltaReader(store, addresses))
    return replace(inputs, positions=inputs.positions[query.known], dosages=inputs.dosages[:, query.known])
