"""A sequence model's prediction for both haplotypes of each sample, with one input a unique sequence."""

from dataclasses import dataclass

import numpy as np

from haploscribe.arrays import Float64Array
from haploscribe.errors import InputError
from haploscribe.expression.genes import Gene
from haploscribe.genome.centred import CentredWindow, centred_haplotypes
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
        Also have the model read the reverse complement of each sequence, unless it is strand-specific.
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
        Different sequences given to the model, counted once for each strand that it read.
    """

    haplotypes: Float64Array
    reference: float
    unique_haplotypes: int
    forward_passes: int

    @property
    def samples(self) -> Float64Array:
        """float64 `(n_samples,)`; the mean of each sample's two haplotypes.

        Their sum says the same: a row of `run` is brought to the scale of expression (`ZeroShot`).
        """
        return np.asarray(self.haplotypes.mean(axis=1), dtype=np.float64)


def check_averaging(averaging: Averaging) -> None:
    """Refuse, before any work, an averaging that makes no sense.

    Raises
    ------
    InputError
        When there is no shift, or one stands twice.
    """
    if not averaging.shifts or len(set(averaging.shifts)) < len(averaging.shifts):
        raise InputError(
            f"--shifts {','.join(map(str, averaging.shifts))}: give at least one, each once, such as 0"
        )


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
    check_averaging(averaging)
    before, after = max(0, -min(averaging.shifts)), max(0, *averaging.shifts)
    anchor = CentredWindow(
        gene.contig, gene.tss, gene.strand == "-", model.upstream + before, model.downstream + after
    )
    found = centred_haplotypes(genotypes, anchor)
    length = model.upstream + model.downstream
    starts = [before + shift for shift in averaging.shifts]
    inputs = [sequence[start : start + length] for sequence in found.sequences for start in starts]
    different = list(dict.fromkeys(inputs))
    strands = (False, True) if averaging.reverse_complement and not model.strand_specific else (False,)
    by_strand = [model.predict(different, reverse_complement=strand) for strand in strands]
    predicted = dict(zip(different, np.mean(by_strand, axis=0).tolist(), strict=True))
    each = np.array([predicted[sequence] for sequence in inputs]).reshape(len(found.sequences), -1)
    by_sequence = each.mean(axis=1)
    return GenePredictions(
        haplotypes=by_sequence[found.index],
        reference=float(by_sequence[0]),
        unique_haplotypes=len(found.sequences),
        forward_passes=len(strands) * len(different),
    )
