"""Predict expression from both haplotypes of each sample, once per unique sequence."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.expression.text_tables import listed
from haploscribe.genome.centred import CentredWindow, centred_haplotypes
from haploscribe.genome.genotypes import Genotypes
from haploscribe.utils.progress import Advance
from haploscribe.utils.types import Float64Array, Int32Array
from haploscribe.zero_shot.base import SequenceModel
from haploscribe.zero_shot.cached import CachedModel


@dataclass(frozen=True, slots=True)
class TestTimeAugmentation:
    """Variants of each input over which predictions are averaged.

    Attributes
    ----------
    shifts
        Shifts of the input window, in base pairs downstream; 0 is unshifted. At least one, each once.
    reverse_complement
        Also predict from the reverse complement of each sequence, unless the model is strand-specific.
    """

    shifts: tuple[int, ...] = (0,)
    reverse_complement: bool = False

    def strands(self, model: SequenceModel) -> tuple[bool, ...]:
        """Return for each strand that a model reads whether it is the reverse complement."""
        return (False, True) if self.reverse_complement and not model.strand_specific else (False,)


@dataclass(frozen=True, slots=True)
class GenePredictions:
    """Predictions of one gene.

    Attributes
    ----------
    haplotypes
        float64 `(n_samples, 2)`; haplotypes 0 and 1 of each sample. Equal sequences have equal values.
    reference
        Of the reference sequence.
    unique_haplotypes
        Number of unique haplotypes, the reference included.
    forward_passes
        Number of unique sequences predicted, counted once per strand read.
    """

    haplotypes: Float64Array
    reference: float
    unique_haplotypes: int
    forward_passes: int

    @property
    def samples(self) -> Float64Array:
        """Return the mean of each sample's two haplotypes, float64 `(n_samples,)`.

        The sum would serve as well: `run` rescales predictions to the scale of expression (`ZeroShot`).
        """
        return np.asarray(self.haplotypes.mean(axis=1), dtype=np.float64)


def require_exons(model: SequenceModel, genes: Sequence[Gene], source: object) -> None:
    """Check that each gene has an exon within what a model reads, if it reads exons.

    Parameters
    ----------
    model
        The sequence model.
    genes
        The genes.
    source
        Where exons are from, for the message.

    Raises
    ------
    InputError
        Otherwise.
    """
    if not model.reads_exons:
        return
    without = []
    for gene in genes:
        first = gene.tss - (model.upstream if gene.direction == 1 else model.downstream - 1)
        last = first + model.upstream + model.downstream
        if not any(start < last and end > first for start, end in gene.exons):
            without.append(gene.gene_id)
    if without:
        raise InputError(
            f"{len(without):,} of {len(genes):,} genes have no exon in {source} within what {model.name} "
            f"reads of them ({listed(without)}); leave them out, or read other tracks than RNA"
        )


def predict_gene(
    model: SequenceModel, genotypes: Genotypes, gene: Gene, augmentation: TestTimeAugmentation | None = None
) -> GenePredictions:
    """Predict a gene's expression from each haplotype of each sample.

    Parameters
    ----------
    model
        The sequence model.
    genotypes
        The samples' genotypes.
    gene
        The gene, on a contig as the reference names it.
    augmentation
        What predictions are averaged over; None for each haplotype's own sequence only.

    Raises
    ------
    InputError
        When a file is damaged in this region.
    """
    augmentation = augmentation or TestTimeAugmentation()
    found = gene_inputs(model, genotypes, gene, augmentation.shifts)
    different = list(dict.fromkeys(chain.from_iterable(found.inputs)))
    strands = augmentation.strands(model)
    by_strand = [model.predict(different, reverse_complement=strand) for strand in strands]
    predicted = dict(zip(different, np.mean(by_strand, axis=0).tolist(), strict=True))
    by_sequence = np.array([[predicted[each] for each in shifted] for shifted in found.inputs]).mean(axis=1)
    return GenePredictions(
        haplotypes=by_sequence[found.index],
        reference=float(by_sequence[0]),
        unique_haplotypes=len(found.inputs),
        forward_passes=len(strands) * len(different),
    )


@dataclass(frozen=True, slots=True)
class GeneInputs:
    """What a model reads of a gene, dictionary-encoded.

    Attributes
    ----------
    inputs
        `n_unique` haplotypes, the reference first, each as one sequence per shift.
    index
        int32 `(n_samples, 2)`; index of haplotype 0 and 1 of each sample.
    """

    inputs: list[tuple[bytes, ...]]
    index: Int32Array


def gene_inputs(
    model: SequenceModel, genotypes: Genotypes, gene: Gene, shifts: tuple[int, ...] = (0,)
) -> GeneInputs:
    """Return the sequences that a model reads of each haplotype of each sample.

    Exons are in lower case if it reads them.

    Parameters
    ----------
    model
        The sequence model.
    genotypes
        The samples' genotypes.
    gene
        The gene, on a contig as the reference names it.
    shifts
        As in `TestTimeAugmentation`.

    Raises
    ------
    InputError
        When a file is damaged in this region.
    """
    before, after = max(0, -min(shifts)), max(0, *shifts)
    anchor = CentredWindow(
        gene.contig,
        gene.tss,
        gene.strand == "-",
        model.upstream + before,
        model.downstream + after,
        gene.exons if model.reads_exons else (),
    )
    found = centred_haplotypes(genotypes, anchor)
    length = model.upstream + model.downstream
    starts = [before + shift for shift in shifts]
    inputs = [tuple(sequence[start : start + length] for start in starts) for sequence in found.sequences]
    return GeneInputs(inputs, found.index)


@dataclass(frozen=True, slots=True)
class PredictedGenes:
    """Predictions of all genes, and their cost.

    Attributes
    ----------
    samples
        float64 `(n_genes, n_samples)`; the mean of each sample's two haplotypes.
    forward_passes
        Sequences predicted: 0 when all were in the cache.
    naive_forward_passes
        Sequences to predict without sharing any between haplotypes.
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
    augmentation: TestTimeAugmentation,
    cache: Path,
    advance: Advance,
    *,
    save_every: float = 30.0,
) -> PredictedGenes:
    """Predict every gene for every sample; an interrupted call resumes from its cache.

    Parameters
    ----------
    model
        The sequence model.
    genotypes
        The samples' genotypes.
    genes
        `n_genes` genes, on contigs as the reference names them.
    augmentation
        What predictions are averaged over.
    cache
        Parquet file of earlier predictions of this model with these weights and this `reading`; created when
        missing, and written on interruption too.
    advance
        Called with 1 after each gene.
    save_every
        Seconds between writes of the cache: how much work a killed process can lose.

    Raises
    ------
    InputError
        When a file is damaged, or a prediction is not finite.
    """
    started = saved = time.monotonic()
    cached = CachedModel(model, cache)
    samples = np.empty((len(genes), len(genotypes.sample_ids)))
    try:
        for row, gene in zip(samples, genes, strict=True):
            row[:] = predict_gene(cached, genotypes, gene, augmentation).samples
            if time.monotonic() - saved >= save_every:
                cached.save()
                saved = time.monotonic()
            advance(1)
    finally:
        cached.save()
    return PredictedGenes(
        samples=samples,
        forward_passes=cached.forward_passes,
        naive_forward_passes=2 * samples.size,
        seconds=time.monotonic() - started,
    )
