"""The first pass over the genes: what each may learn from the others before it is fitted."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from haploscribe.estimators.cross_gene.effect_prior import VarianceMoments, VariancePrior
from haploscribe.estimators.cross_gene.heterogeneity import Heterogeneity
from haploscribe.estimators.inputs import gene_inputs
from haploscribe.evaluation.cross_gene import Lesson, Met, far_genes, meet_gene, priors_from
from haploscribe.evaluation.folds import Fold, prepare_fold
from haploscribe.parallel.executor import Executor, map_to_files
from haploscribe.parallel.threads import threads
from haploscribe.utils.files import atomic_write
from haploscribe.utils.progress import Advance
from haploscribe.workflows.work import WorkContext


def learn_priors(
    context: WorkContext, executor: Executor, advance: Advance
) -> list[tuple[VariancePrior, ...]]:
    """Remove from every gene's expression what far genes share of it, and learn each gene's prior from them.

    In each fold only training and validation samples are read, and a gene learns from genes of other contigs
    and those at least 1 Mb away alone: its prior holds nothing of its own expression, or of its neighbours'.
    The corrected expression stays in the run's files, for `read_training`.

    Parameters
    ----------
    context
        The run's cohort and folds, open in this process.
    executor
        Runs the work.
    advance
        Called with the number of genes done, those of an earlier, stopped run included.

    Returns
    -------
    For each gene, one prior for each of `WorkContext.fits`: the folds, then all samples.
    """
    with threads(1):
        for fold in context.fits:
            _write_heterogeneity(context, fold)
    genes = context.cohort.genes
    files = [_file(context, number) for number in range(len(genes))]
    items = [(files[number], number) for number in context.cohort.genome_order()]
    map_to_files(executor, context.spec, _measure_gene, items, advance, context)
    return priors_from(genes, [_read_moments(file) for file in files])


def read_training(context: WorkContext, number: int, priors: Sequence[VariancePrior]) -> list[Lesson]:
    """Return what other genes say about one, for each of `WorkContext.fits`, after `learn_priors`."""
    with np.load(_file(context, number), allow_pickle=False) as arrays:
        return [Lesson(arrays[f"expression{i}"], prior) for i, prior in enumerate(priors)]


def _file(context: WorkContext, number: int) -> Path:
    return context.spec.folder / f"cross-gene-{number:06d}.npz"


def _write_heterogeneity(context: WorkContext, fold: Fold) -> None:
    """Write what all genes of the expression table share in a fold's training and validation samples."""
    folder, cohort, fitted = context.heterogeneity_folder(fold), context.cohort, fold.fitted
    if folder.is_dir():
        return
    prepared = (
        prepare_fold(values, cohort.covariates, fold, context.evaluation.normalize)[fitted]
        for values in cohort.all_genes.values
    )
    Heterogeneity.of(
        np.stack(list(prepared)),
        None if cohort.covariates is None else cohort.covariates[fitted],
        None if cohort.hidden_factors is None else cohort.hidden_factors[fitted],
    ).save(folder)


def _measure_gene(context: WorkContext, number: int, path: Path) -> None:
    """Measure one gene in every fit and write what was found."""
    cohort = replace(context.cohort, wide=False)  # other genes speak of the cis window
    inputs = gene_inputs(cohort, cohort.genes[number], None)
    # By name: contigs are named as in the file there, as in the reference here.
    own = next(gene for gene in cohort.all_genes.genes if gene.gene_id == inputs.gene.gene_id)
    prepared = [context.prepared(number, fold) for fold in context.fits]
    far = far_genes(cohort.all_genes.genes, own)
    _write(meet_gene(inputs, prepared, context.fits, context.heterogeneity, far), path)


def _write(met: Met, path: Path) -> None:
    arrays = {f"expression{i}": values for i, values in enumerate(met.expression)}
    for i, moments in enumerate(met.moments):
        arrays |= {f"kernels{i}": moments.kernels, f"outcomes{i}": moments.outcomes}
    with atomic_write(path) as aside, aside.open("wb") as handle:
        np.savez(handle, allow_pickle=False, **arrays)


def _read_moments(path: Path) -> list[VarianceMoments]:
    with np.load(path, allow_pickle=False) as arrays:
        fits = range(len(arrays.files) // 3)
        return [VarianceMoments(arrays[f"kernels{i}"], arrays[f"outcomes{i}"]) for i in fits]
