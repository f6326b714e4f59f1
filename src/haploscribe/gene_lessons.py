"""The first pass over the genes: what each may learn from the others before it is fitted."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Self

import numpy as np

from haploscribe.arrays import BoolArray, Float64Array
from haploscribe.atomic import written_aside
from haploscribe.cohort import Cohort
from haploscribe.estimators.variance_prior import (
    SHIPPED_PRIOR,
    VarianceMoments,
    VariancePrior,
    variance_moments,
)
from haploscribe.evaluation.cross_validation import Lesson
from haploscribe.expression.genes import Gene
from haploscribe.gene_jobs import GeneJobs, OpenedJobs, each_gene
from haploscribe.progress import Advance

FAR = 1_000_000
"""Base pairs between the TSS of two genes from which on they count as sharing no variants."""
FEWEST_GENES = 100
"""Other genes that it takes to learn a prior from them."""


def learn_lessons(jobs: GeneJobs, cohort: Cohort, advance: Advance) -> list[tuple[Lesson, ...]]:
    """Take out of every gene's expression what far genes share of it, and learn each gene's prior from them.

    In each fold only training and validation samples are read, and a gene learns from genes of other contigs
    and those at least 1 Mb away alone: its prior
    holds nothing of its own expression, or of its neighbours'.

    Parameters
    ----------
    jobs
        What to do.
    cohort
        The cohort that `jobs.cohort` opens.
    advance
        Told of each gene done, those of an earlier, stopped run included.

    Returns
    -------
    For each gene, one lesson a fold. The prior is the one that ships where fewer than 100 genes are far.
    """
    genes = cohort.genes

    def file(number: int) -> Path:
        return jobs.finished / f"lesson-{number:06d}.npz"

    each_gene(jobs, cohort, _meet_gene, file, [()] * len(genes), advance)
    met = [_Met.read(file(number)) for number in range(len(genes))]
    n_folds = len(met[0].moments)
    totals = [_sum([gene.moments[fold] for gene in met]) for fold in range(n_folds)]
    lessons = []
    for gene, own in zip(genes, met, strict=True):
        near = np.flatnonzero(~far_genes(genes, gene))
        enough = len(genes) - near.size >= FEWEST_GENES
        lessons.append(
            tuple(
                Lesson(
                    own.expression[fold],
                    _learned(totals[fold], [met[i].moments[fold] for i in near]) if enough else SHIPPED_PRIOR,
                )
                for fold in range(n_folds)
            )
        )
    return lessons


def far_genes(genes: Sequence[Gene], gene: Gene) -> BoolArray:
    """Tell which genes share no variants with one of them: bool `(n_genes,)`."""
    contigs = np.array([other.contig for other in genes], dtype=object)
    tss = np.array([other.tss for other in genes], dtype=np.int64)
    return np.asarray((contigs != gene.contig) | (np.abs(tss - gene.tss) >= FAR))


def _sum(moments: Sequence[VarianceMoments]) -> VarianceMoments:
    return reduce(VarianceMoments.__add__, moments, VarianceMoments.none())


def _learned(total: VarianceMoments, near: Sequence[VarianceMoments]) -> VariancePrior:
    without = _sum(near)
    far = VarianceMoments(total.kernels - without.kernels, total.outcomes - without.outcomes)
    return far.prior() or SHIPPED_PRIOR


@dataclass(frozen=True, slots=True)
class _Met:
    """What the first pass leaves of a gene, for each fold."""

    expression: tuple[Float64Array, ...]
    moments: tuple[VarianceMoments, ...]

    def write(self, path: Path) -> None:
        arrays = {f"expression{i}": values for i, values in enumerate(self.expression)}
        for i, moments in enumerate(self.moments):
            arrays |= {f"kernels{i}": moments.kernels, f"outcomes{i}": moments.outcomes}
        with written_aside(path) as aside, aside.open("wb") as handle:
            np.savez(handle, allow_pickle=False, **arrays)

    @classmethod
    def read(cls, path: Path) -> Self:
        with np.load(path, allow_pickle=False) as arrays:
            folds = range(len(arrays.files) // 3)
            return cls(
                tuple(arrays[f"expression{i}"] for i in folds),
                tuple(VarianceMoments(arrays[f"kernels{i}"], arrays[f"outcomes{i}"]) for i in folds),
            )


def _meet_gene(opened: OpenedJobs, number: int, file: Path) -> None:
    """Take heterogeneity out of a gene's expression and measure what it says about the prior."""
    cohort = opened.cohort
    inputs = cohort.gene_inputs(cohort.genes[number], None)
    # By name: contigs are named as in the file there, as in the reference here.
    own = next(gene for gene in cohort.all_genes.genes if gene.gene_id == inputs.gene.gene_id)
    far = far_genes(cohort.all_genes.genes, own)
    expression, moments = [], []
    for fold, heterogeneity in zip(opened.folds, opened.heterogeneity, strict=True):
        prepared = opened.prepared(cohort.values[number], fold)[fold.fitted]
        expression.append(heterogeneity.removed(prepared, far))
        # Not of what is left of it: other genes, the judged one among them, had a part in that.
        moments.append(variance_moments(inputs.dosages[fold.fitted], inputs.distances(), prepared))
    _Met(tuple(expression), tuple(moments)).write(file)
