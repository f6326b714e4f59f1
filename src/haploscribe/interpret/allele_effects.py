"""Compute effects of single alleles at one gene, by embedding and predicting in-silico samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from haploscribe.cohort.windows import GeneWindows
from haploscribe.embedding.deltas import subtract_reference
from haploscribe.embedding.engine import TileEmbedder
from haploscribe.estimators.inputs import GeneInputs, TileDeltas
from haploscribe.expression.genes import Gene
from haploscribe.genome.dosages import dosages
from haploscribe.genome.haplotypes import tile_haplotypes
from haploscribe.genome.variants import Variants
from haploscribe.interpret.effects import Predictor
from haploscribe.interpret.in_silico import Allele, InSilicoSamples, OwnSamples, in_silico_samples
from haploscribe.parallel.threads import threads
from haploscribe.utils.progress import Advance
from haploscribe.utils.types import BoolArray, Float64Array, Int8Array

IN_SILICO_STORE = "in-silico.zarr"
"""Name of the store of embeddings of haplotypes that no sample carries, among intermediate files."""

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
    own
        int8 `(n_variants, 2)`; the haplotypes of a sample on which to predict instead. None for no sample.
    """

    gene: Gene
    variants: Variants
    known: BoolArray
    alleles: Sequence[Allele]
    backgrounds: bool = True
    own: Int8Array | None = None

    @classmethod
    def of_all(cls, gene: Gene, variants: Variants) -> Self:
        """Query all alleles of the records of a window, in the order of their dosage columns."""
        rows, numbers = variants.columns()
        alleles = [Allele(*pair) for pair in zip(rows.tolist(), numbers.tolist(), strict=True)]
        return cls(gene, variants, np.ones(len(alleles), dtype=np.bool_), alleles)


def sequence_effects(
    query: AlleleQuery,
    models: Mapping[str, Predictor],
    windows: GeneWindows,
    embedder: TileEmbedder,
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
    embedder
        Has the backbone of the training.
    n_threads
        Threads of the backbone.
    advance
        Called with the number of alleles done.

    Returns
    -------
    dict
        float64 `(n_alleles,)` for each model: see `InSilicoSamples.effects`. On a sample's own haplotypes
        `(n_alleles, 2)`: see `OwnSamples.effects`.
    """
    nothing = np.zeros(0) if query.own is None else np.zeros((0, 2))
    parts: dict[str, list[Float64Array]] = {name: [nothing] for name in models}
    tiles = windows.tiles(query.gene)
    reference = windows.genotypes.reference
    references = [reference.fetch(tile.contig, tile.start, tile.end) for tile in tiles]
    for first in range(0, len(query.alleles), ALLELES_AT_ONCE):
        alleles = query.alleles[first : first + ALLELES_AT_ONCE]
        samples: InSilicoSamples | OwnSamples
        if query.own is None:
            samples = in_silico_samples(query.variants, alleles, tiles, backgrounds=query.backgrounds)
        else:
            samples = OwnSamples.of(query.variants, alleles, query.own)
        in_use = np.asarray(samples.variants.genotypes.any(axis=(1, 2)))
        spelled = tile_haplotypes(references, samples.variants.take(in_use), tiles)
        carried = [tile for tile in spelled if len(tile.sequences) > 1]
        with threads(n_threads):
            embedded = embedder.embed(carried)
        positions, copies = dosages(samples.variants)
        inputs = GeneInputs(
            query.gene,
            samples.variants.sample_ids,
            positions[query.known],
            copies[:, query.known],
            tuple(
                TileDeltas(each.tile.start, each.tile.end, subtract_reference(vectors), each.index)
                for each, vectors in zip(carried, embedded, strict=True)
            ),
        )
        with threads(1):
            for name, model in models.items():
                parts[name].append(samples.effects(model.predict(inputs)))
        advance(len(alleles))
    return {name: np.concatenate(found) for name, found in parts.items()}
