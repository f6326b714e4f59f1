"""Effects of single alleles at one gene: made-up people are embedded, and every model is asked about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from haploscribe.arrays import BoolArray, Float64Array
from haploscribe.embedding.deltas import DeltaReader
from haploscribe.embedding.engine import embed_block
from haploscribe.embedding.store import EmbeddingStore
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.expression.genes import Gene
from haploscribe.genome.blocks import blocks_of
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.in_memory import InMemoryVariants
from haploscribe.genome.variants import Variants
from haploscribe.interpret.effects import Predictor
from haploscribe.interpret.made_up import Allele, made_up_people
from haploscribe.progress import Advance
from haploscribe.stages.embedding import LoadedBackbone
from haploscribe.windows import GeneWindows
from haploscribe.workers.workers import threads

ALLELES_AT_ONCE = 128
"""Alleles whose made-up people are embedded and predicted together: bounds memory."""


@dataclass(frozen=True, slots=True)
class AlleleQuestion:
    """Which alleles are asked about.

    Attributes
    ----------
    gene
        The gene.
    variants
        The records of the gene's window, and people whose haplotypes are the backgrounds; records that the
        models do not know among them, carried by nobody.
    known
        bool `(n_columns,)`; which of the dosage columns the models know.
    alleles
        The alleles.
    backgrounds
        Ask on the commonest background of each too, not on the reference alone.
    """

    gene: Gene
    variants: Variants
    known: BoolArray
    alleles: Sequence[Allele]
    backgrounds: bool = True


def sequence_effects(
    question: AlleleQuestion,
    models: Mapping[str, Predictor],
    windows: GeneWindows,
    loaded: LoadedBackbone,
    store_path: Path,
    n_threads: int,
    advance: Advance,
) -> dict[str, Float64Array]:
    """Ask models that read deltas for the effect of alleles, seen in training or not.

    Parameters
    ----------
    question
        The alleles.
    models
        Fitted models by name.
    windows
        Of the gene.
    loaded
        The backbone of the training.
    store_path
        An embedding store for the made-up people's sequences.
    n_threads
        Of the backbone.
    advance
        Told of each allele done.

    Returns
    -------
    float64 `(n_alleles,)` for each model; see `MadeUpPeople.effects`.
    """
    parts: dict[str, list[Float64Array]] = {name: [np.zeros(0)] for name in models}
    for first in range(0, len(question.alleles), ALLELES_AT_ONCE):
        alleles = question.alleles[first : first + ALLELES_AT_ONCE]
        tiles = windows.tiles(question.gene)
        people = made_up_people(question.variants, alleles, tiles, backgrounds=question.backgrounds)
        inputs = _embedded(people.variants, question, windows, loaded, store_path, n_threads)
        with threads(1):
            for name, model in models.items():
                parts[name].append(people.effects(model.predict(inputs)))
        advance(len(alleles))
    return {name: np.concatenate(found) for name, found in parts.items()}


def _embedded(
    people: Variants,
    question: AlleleQuestion,
    windows: GeneWindows,
    loaded: LoadedBackbone,
    store_path: Path,
    n_threads: int,
) -> GeneInputs:
    """Embed made-up people, and collect their inputs at the variants that the models know."""
    genotypes = Genotypes(windows.genotypes.reference, InMemoryVariants(people), people.sample_ids)
    made_up = replace(windows, genotypes=genotypes, genes=(question.gene,), wide=False)
    store = EmbeddingStore(store_path)
    contigs = genotypes.reference.contigs
    with threads(n_threads):
        addresses = [
            embed_block(block, genotypes, loaded.backbone, store, windows.tile_size)[0]
            for block in blocks_of(made_up.all_tiles(), windows.tile_size, contigs)
        ]
    inputs = made_up.gene_inputs(question.gene, DeltaReader(store, addresses))
    return replace(
        inputs, positions=inputs.positions[question.known], dosages=inputs.dosages[:, question.known]
    )
