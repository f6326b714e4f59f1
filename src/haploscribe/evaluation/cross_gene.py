"""What one gene may learn from others before it is fitted, in training samples alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from haploscribe.estimators.cross_gene.learners import Adjustment
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import BoolArray, Float64Array

FAR = 1_000_000
"""Base pairs between the TSS of two genes from which on they count as sharing no variants."""


@dataclass(frozen=True, slots=True)
class CrossGeneTraining:
    """What far genes show about one gene in one fold.

    Attributes
    ----------
    adjustments
        Applied one after another: expression heterogeneity, effect-size prior, effects of annotations.
    """

    adjustments: tuple[Adjustment, ...]


def adjust_gene(
    inputs: GeneInputs, expression: Float64Array, training: CrossGeneTraining
) -> tuple[GeneInputs, Float64Array]:
    """Return a gene's inputs and expression as estimators that use other genes are fitted on.

    Parameters
    ----------
    inputs
        The gene's inputs for the training (and validation) samples.
    expression
        float64 `(n_samples,)`; prepared expression of the same samples.
    training
        What far genes show about it, learned in the same samples.
    """
    for adjustment in training.adjustments:
        inputs, expression = adjustment.adjust(inputs, expression)
    return inputs, expression


def far_genes(genes: Sequence[Gene], gene: Gene, distance: int | None = None) -> BoolArray:
    """Return which genes share no variants with one of them: bool `(n_genes,)`.

    They are on other contigs, or their TSS is `distance` base pairs away or more; None for `FAR`.
    """
    distance = FAR if distance is None else distance
    contigs = np.array([other.contig for other in genes], dtype=object)
    tss = np.array([other.tss for other in genes], dtype=np.int64)
    return np.asarray((contigs != gene.contig) | (np.abs(tss - gene.tss) >= distance))
