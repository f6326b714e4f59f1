"""All genes of a cohort, predicted by one sequence model; a stopped job goes on where it was."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from haploscribe.expression.genes import Gene
from haploscribe.genome.genotypes import Genotypes
from haploscribe.utils.progress import Advance
from haploscribe.utils.types import Float64Array
from haploscribe.zero_shot.predictions import Averaging, predict_gene
from haploscribe.zero_shot.protocol import SequenceModel
from haploscribe.zero_shot.remembered import Remembered

_SAVE_EVERY = 30.0
"""Seconds: what a job that is killed, rather than stopped, loses at most."""


@dataclass(frozen=True, slots=True)
class PredictedGenes:
    """What a sequence model says of all genes, and what that took.

    Attributes
    ----------
    samples
        float64 `(n_genes, n_samples)`; the mean of each sample's two haplotypes.
    forward_passes
        Sequences that the model read: 0 when all were known from before.
    naive_forward_passes
        What predicting every haplotype of every sample would take.
    seconds
        Wall-clock time.
    """

    samples: Float64Array
    forward_passes: int
    naive_forward_passes: int
    seconds: float


def predict_genes(
    model: SequenceModel,
    genotypes: Genotypes,
    genes: Sequence[Gene],
    averaging: Averaging,
    known: Path,
    advance: Advance,
) -> PredictedGenes:
    """Predict every gene for every sample.

    Parameters
    ----------
    model
        The sequence model.
    genotypes
        Who carries which alleles.
    genes
        `n_genes` genes, on contigs as the reference names them.
    averaging
        What is averaged over.
    known
        Parquet file of what this model, with these weights and this reading, predicted before. Made when
        missing; when the job is stopped, it has all genes done.
    advance
        Told of each gene done.

    Raises
    ------
    InputError
        As `check_averaging`; when a file is damaged, or the model says something that is no finite number.
    """
    started = saved = time.monotonic()
    remembered = Remembered(model, known)
    samples = np.empty((len(genes), len(genotypes.sample_ids)))
    try:
        for row, gene in zip(samples, genes, strict=True):
            row[:] = predict_gene(remembered, genotypes, gene, averaging).samples
            if time.monotonic() - saved > _SAVE_EVERY:
                remembered.save()
                saved = time.monotonic()
            advance(1)
    finally:
        remembered.save()
    return PredictedGenes(
        samples=samples,
        forward_passes=remembered.forward_passes,
        naive_forward_passes=2 * samples.size,
        seconds=time.monotonic() - started,
    )
