"""The first pass over the genes: what each may learn from the others before it is fitted."""

from pathlib import Path

import numpy as np

from haploscribe.atomic import written_aside
from haploscribe.cohort import Cohort
from haploscribe.estimators.variance_prior import VarianceMoments
from haploscribe.evaluation.lessons import Lesson, Met, far_genes, lessons_from, meet_gene
from haploscribe.gene_jobs import GeneJobs, OpenedJobs, each_gene
from haploscribe.progress import Advance


def learn_lessons(jobs: GeneJobs, cohort: Cohort, advance: Advance) -> list[tuple[Lesson, ...]]:
    """Take out of every gene's expression what far genes share of it, and learn each gene's prior from them.

    In each fold only training and validation samples are read, and a gene learns from genes of other contigs
    and those at least 1 Mb away alone: its prior holds nothing of its own expression, or of its neighbours'.

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
    For each gene, one lesson a fold.
    """

    def file(number: int) -> Path:
        return jobs.finished / f"lesson-{number:06d}.npz"

    genes = cohort.genes
    each_gene(jobs, cohort, _meet_gene, file, [()] * len(genes), advance)
    return lessons_from(genes, [_read(file(number)) for number in range(len(genes))])


def _meet_gene(opened: OpenedJobs, number: int, file: Path) -> None:
    """Meet one gene and leave what was found."""
    cohort = opened.cohort
    inputs = cohort.gene_inputs(cohort.genes[number], None)
    # By name: contigs are named as in the file there, as in the reference here.
    own = next(gene for gene in cohort.all_genes.genes if gene.gene_id == inputs.gene.gene_id)
    prepared = [opened.prepared(cohort.values[number], fold) for fold in opened.folds]
    far = far_genes(cohort.all_genes.genes, own)
    _write(meet_gene(inputs, prepared, opened.folds, opened.heterogeneity, far), file)


def _write(met: Met, path: Path) -> None:
    arrays = {f"expression{i}": values for i, values in enumerate(met.expression)}
    for i, moments in enumerate(met.moments):
        arrays |= {f"kernels{i}": moments.kernels, f"outcomes{i}": moments.outcomes}
    with written_aside(path) as aside, aside.open("wb") as handle:
        np.savez(handle, allow_pickle=False, **arrays)


def _read(path: Path) -> Met:
    with np.load(path, allow_pickle=False) as arrays:
        folds = range(len(arrays.files) // 3)
        return Met(
            tuple(arrays[f"expression{i}"] for i in folds),
            tuple(VarianceMoments(arrays[f"kernels{i}"], arrays[f"outcomes{i}"]) for i in folds),
        )
