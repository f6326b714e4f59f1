"""The first pass over the genes: what each may learn from the others before it is fitted."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from haploscribe.cohort.cohort import Cohort
from haploscribe.config.options import Normalisation
from haploscribe.estimators.cross_gene.effect_prior import VarianceMoments, VariancePrior
from haploscribe.estimators.cross_gene.heterogeneity import Heterogeneity
from haploscribe.evaluation.cross_gene import Lesson, Met, far_genes, meet_gene, priors_from
from haploscribe.evaluation.folds import Fold, prepare_fold
from haploscribe.parallel.executor import Workers
from haploscribe.parallel.threads import threads
from haploscribe.utils.files import atomic_write, write_if_absent
from haploscribe.utils.progress import Advance
from haploscribe.workflows.run.context import GeneJobs, OpenedJobs, each_gene


def learn_priors(
    jobs: GeneJobs, cohort: Cohort, workers: Workers, advance: Advance
) -> list[tuple[VariancePrior, ...]]:
    """Take out of every gene's expression what far genes share of it, and learn each gene's prior from them.

    In each fold only training and validation samples are read, and a gene learns from genes of other contigs
    and those at least 1 Mb away alone: its prior holds nothing of its own expression, or of its neighbours'.
    What is left of the expression stays in the run's files, for `lessons_of`.

    Parameters
    ----------
    jobs
        What to do.
    cohort
        The cohort that `jobs` opens.
    workers
        Who does it.
    advance
        Told of each gene done, those of an earlier, stopped run included.

    Returns
    -------
    For each gene, one prior for each of `OpenedJobs.fits`: the folds, then everyone.
    """
    with threads(1):
        for fold in OpenedJobs(jobs, cohort).fits:
            write_heterogeneity(jobs.heterogeneity(fold), cohort, fold, jobs.evaluation.normalize)
    genes = cohort.genes
    each_gene(
        jobs,
        lambda: OpenedJobs(jobs, cohort),
        genes,
        workers,
        _meet_gene,
        lambda number: _file(jobs, number),
        [()] * len(genes),
        advance,
    )
    return priors_from(genes, [_read_moments(_file(jobs, number)) for number in range(len(genes))])


def lessons_of(jobs: GeneJobs, number: int, priors: Sequence[VariancePrior]) -> list[Lesson]:
    """Put together what other genes teach about one, a lesson for each fit, behind `learn_priors`."""
    with np.load(_file(jobs, number), allow_pickle=False) as arrays:
        return [Lesson(arrays[f"expression{i}"], prior) for i, prior in enumerate(priors)]


def _file(jobs: GeneJobs, number: int) -> Path:
    return jobs.finished / f"lesson-{number:06d}.npz"


def _meet_gene(opened: OpenedJobs, number: int, file: Path) -> None:
    """Meet one gene and leave what was found."""
    cohort = replace(opened.cohort, wide=False)  # lessons are of the cis window
    inputs = cohort.gene_inputs(cohort.genes[number], None)
    # By name: contigs are named as in the file there, as in the reference here.
    own = next(gene for gene in cohort.all_genes.genes if gene.gene_id == inputs.gene.gene_id)
    prepared = [opened.prepared(cohort.values[number], fold) for fold in opened.fits]
    far = far_genes(cohort.all_genes.genes, own)
    _write(meet_gene(inputs, prepared, opened.fits, opened.heterogeneity, far), file)


def _write(met: Met, path: Path) -> None:
    arrays = {f"expression{i}": values for i, values in enumerate(met.expression)}
    for i, moments in enumerate(met.moments):
        arrays |= {f"kernels{i}": moments.kernels, f"outcomes{i}": moments.outcomes}
    with atomic_write(path) as aside, aside.open("wb") as handle:
        np.savez(handle, allow_pickle=False, **arrays)


def _read_moments(path: Path) -> list[VarianceMoments]:
    with np.load(path, allow_pickle=False) as arrays:
        folds = range(len(arrays.files) // 3)
        return [VarianceMoments(arrays[f"kernels{i}"], arrays[f"outcomes{i}"]) for i in folds]


_NAMES = ("fixed", "genes", "factors", "shared")


def write_heterogeneity(folder: Path, cohort: Cohort, fold: Fold, normalisation: Normalisation) -> None:
    """Leave what all genes of the expression table share in a fold's training and validation samples.

    Parameters
    ----------
    folder
        Made, unless it is there from an earlier, stopped run.
    cohort
        The cohort.
    fold
        The fold.
    normalisation
        How to normalise expression.
    """
    if folder.is_dir():
        return
    fitted = fold.fitted
    prepared = (
        prepare_fold(values, cohort.covariates, fold, normalisation)[fitted]
        for values in cohort.all_genes.values
    )
    shared = Heterogeneity.of(
        np.stack(list(prepared)),
        None if cohort.covariates is None else cohort.covariates[fitted],
        None if cohort.hidden_factors is None else cohort.hidden_factors[fitted],
    )
    with write_if_absent(folder) as aside:
        aside.mkdir()
        for name in _NAMES:
            np.save(aside / f"{name}.npy", getattr(shared, name), allow_pickle=False)


def read_heterogeneity(folder: Path) -> Heterogeneity:
    """Map what `write_heterogeneity` left into memory: processes of one machine share it."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _NAMES}
    return Heterogeneity(**arrays)
