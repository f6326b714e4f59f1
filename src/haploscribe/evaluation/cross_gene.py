"""What other genes teach about a gene before it is fitted, out of the samples that are learned from alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from haploscribe.estimators.cross_gene.effect_prior import (
    SHIPPED_PRIOR,
    VarianceMoments,
    VariancePrior,
    variance_moments,
)
from haploscribe.estimators.cross_gene.heterogeneity import Heterogeneity
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.evaluation.folds import Fold
from haploscribe.expression.genes import Gene
from haploscribe.utils.types import BoolArray, Float64Array, Int64Array

FAR = 1_000_000
"""Base pairs between the TSS of two genes from which on they count as sharing no variants."""

FEWEST_GENES = 100
"""Other genes that it takes to learn a prior from them."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What other genes teach about one gene in one fold.

    Attributes
    ----------
    expression
        float64 `(n_fitted,)`; the gene's prepared expression without the heterogeneity that they show, in the
        order of `Fold.fitted`.
    prior
        Where variants matter, as they tell.
    """

    expression: Float64Array
    prior: VariancePrior


@dataclass(frozen=True, slots=True)
class Met:
    """What the first pass over the genes finds out about one of them.

    Attributes
    ----------
    expression
        For each fold, as in `Lesson`.
    moments
        For each fold, what the gene will say about the priors of others.
    """

    expression: tuple[Float64Array, ...]
    moments: tuple[VarianceMoments, ...]


def meet_gene(
    inputs: GeneInputs,
    prepared: Sequence[Float64Array],
    folds: Sequence[Fold],
    heterogeneity: Sequence[Heterogeneity],
    far: BoolArray,
) -> Met:
    """Take out of a gene's expression what far genes share of it, and measure what it says about the prior.

    Parameters
    ----------
    inputs
        The gene's inputs for all samples.
    prepared
        For each fold, float64 `(n_samples,)`: the gene's expression as `prepare_fold` gives it.
    folds
        The folds.
    heterogeneity
        For each fold, what genes share in its fitted samples.
    far
        bool; which of the genes of `heterogeneity` share no variants with this one.
    """
    fitted = [values[fold.fitted] for values, fold in zip(prepared, folds, strict=True)]
    distances = inputs.distances()
    return Met(
        tuple(shared.removed(values, far) for shared, values in zip(heterogeneity, fitted, strict=True)),
        # Not of what is left of the expression: other genes, the judged one among them, had a part in that.
        tuple(
            variance_moments(inputs.dosages[fold.fitted], distances, values)
            for fold, values in zip(folds, fitted, strict=True)
        ),
    )


def priors_from(
    genes: Sequence[Gene], moments: Sequence[Sequence[VarianceMoments]]
) -> list[tuple[VariancePrior, ...]]:
    """Learn every gene's prior from the genes far from it.

    Parameters
    ----------
    genes
        `n_genes` genes.
    moments
        For each gene, in each fold, what it says about the priors of others.

    Returns
    -------
    For each gene, one prior a fold: the one that ships where fewer than 100 genes are far, or where they show
    no variance that variants explain.
    """
    totals = [_sum([own[fold] for own in moments]) for fold in range(len(moments[0]))]
    priors = []
    for near in near_genes(genes):
        enough = len(genes) - len(near) >= FEWEST_GENES
        priors.append(
            tuple(
                _learned(total, [moments[i][fold] for i in near.tolist()]) if enough else SHIPPED_PRIOR
                for fold, total in enumerate(totals)
            )
        )
    return priors


def far_genes(genes: Sequence[Gene], gene: Gene) -> BoolArray:
    """Tell which genes share no variants with one of them: bool `(n_genes,)`."""
    contigs = np.array([other.contig for other in genes], dtype=object)
    tss = np.array([other.tss for other in genes], dtype=np.int64)
    return np.asarray((contigs != gene.contig) | (np.abs(tss - gene.tss) >= FAR))


def near_genes(genes: Sequence[Gene]) -> list[Int64Array]:
    """Find, for every gene, those that may share variants with it: itself and those less than 1 Mb away.

    Returns
    -------
    For each gene, int64 `(n_near,)`, ascending.
    """
    near: list[Int64Array] = [np.zeros(0, dtype=np.int64)] * len(genes)
    tss = np.array([gene.tss for gene in genes], dtype=np.int64)
    contigs = np.array([gene.contig for gene in genes], dtype=object)
    for contig in set(contigs):
        here = np.flatnonzero(contigs == contig)
        here = here[np.argsort(tss[here], kind="stable")]
        first = np.searchsorted(tss[here], tss[here] - FAR, side="right")
        last = np.searchsorted(tss[here], tss[here] + FAR, side="left")
        for i, gene in enumerate(here.tolist()):
            near[gene] = np.sort(here[first[i] : last[i]])
    return near


def _sum(moments: Sequence[VarianceMoments]) -> VarianceMoments:
    return reduce(VarianceMoments.__add__, moments, VarianceMoments.none())


def _learned(total: VarianceMoments, near: Sequence[VarianceMoments]) -> VariancePrior:
    without = _sum(near)
    far = VarianceMoments(total.kernels - without.kernels, total.outcomes - without.outcomes)
    return far.prior() or SHIPPED_PRIOR
