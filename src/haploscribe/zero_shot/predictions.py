"""A sequence model's prediction for both haplotypes of each sample, with one input a unique sequence."""

from dataclasses import dataclass

import numpy as np

from haploscribe.arrays import Float64Array
from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.genome.anchored import Anchor, AnchoredHaplotypes, anchored_haplotypes, reverse_complement
from haploscribe.genome.genotypes import Genotypes
from haploscribe.zero_shot.protocol import SequenceModel


@dataclass(frozen=True, slots=True)
class Averaging:
    """What else of a haplotype is predicted; its prediction is the mean over all of it.

    Attributes
    ----------
    shifts
        Where the window lies, in base pairs downstream of its place; each once, at least one.
    reverse_complement
        Also predict the reverse complement of each sequence.
    """

    shifts: tuple[int, ...] = (0,)
    reverse_complement: bool = False


@dataclass(frozen=True, slots=True)
class GenePredictions:
    """What a sequence model says of one gene.

    Attributes
    ----------
    haplotypes
        float64 `(n_samples, 2)`; for haplotype 0 and 1 of each sample. The same number wherever the
        sequence is the same.
    reference
        For the reference sequence.
    unique_haplotypes
        Different haplotypes, the reference included.
    forward_passes
        Different sequences given to the model.
    """

    haplotypes: Float64Array
    reference: float
    unique_haplotypes: int
    forward_passes: int

    @property
    def samples(self) -> Float64Array:
        """float64 `(n_samples,)`; the mean of each sample's two haplotypes."""
        return np.asarray(self.haplotypes.mean(axis=1), dtype=np.float64)


def check_averaging(model: SequenceModel, averaging: Averaging) -> None:
    """Refuse, before any work, an averaging that makes no sense for the model.

    Raises
    ------
    InputError
        When the reverse complement is asked of a strand-specific model; when there is no shift, or one
        stands twice.
    """
    if averaging.reverse_complement and model.strand_specific:
        raise InputError(
            f"{model.name} reads the gene's own strand only; leave the reverse complement out for it"
        )
    if not averaging.shifts or len(set(averaging.shifts)) < len(averaging.shifts):
        raise InputError(f"shifts {list(averaging.shifts)}: give at least one, each once, such as 0")


def predict_gene(
    model: SequenceModel, genotypes: Genotypes, gene: Gene, averaging: Averaging | None = None
) -> GenePredictions:
    """Predict a gene's expression from each haplotype of each sample.

    Parameters
    ----------
    model
        The sequence model.
    genotypes
        Who carries which alleles.
    gene
        The gene, on a contig as the reference names it.
    averaging
        What is averaged over; None for each haplotype's own sequence only.

    Raises
    ------
    InputError
        As `check_averaging`; when a file is damaged there.
    """
    averaging = averaging or Averaging()
    check_averaging(model, averaging)
    before, after = max(0, -min(averaging.shifts)), max(0, *averaging.shifts)
    anchor = Anchor(
        gene.contig, gene.tss, gene.strand == "-", model.upstream + before, model.downstream + after
    )
    found = anchored_haplotypes(genotypes, anchor)
    length = model.upstream + model.downstream
    starts = [before + shift for shift in averaging.shifts]
    inputs = [
        version
        for sequence in found.sequences
        for start in starts
        for version in _versions(sequence[start : start + length], averaging.reverse_complement)
    ]
    return _gathered(model, inputs, found)


def _versions(sequence: bytes, both_strands: bool) -> tuple[bytes, ...]:
    return (sequence, reverse_complement(sequence)) if both_strands else (sequence,)


def _gathered(model: SequenceModel, inputs: list[bytes], found: AnchoredHaplotypes) -> GenePredictions:
    """Predict each different input once; the inputs of one haplotype stand together and are averaged."""
    place = {sequence: i for i, sequence in enumerate(dict.fromkeys(inputs))}
    predicted = model.predict(list(place))
    assert predicted.shape == (len(place),), predicted.shape
    each = predicted[[place[sequence] for sequence in inputs]].reshape(len(found.sequences), -1)
    by_sequence = each.mean(axis=1)
    return GenePredictions(
        haplotypes=by_sequence[found.index],
        reference=float(by_sequence[0]),
        unique_haplotypes=len(found.sequences),
        forward_passes=len(place),
    )
