"""Learn across genes, fold by fold, before any gene is fitted."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from haploscribe.config.options import EvaluationOptions
from haploscribe.errors import InputError
from haploscribe.estimators.cross_gene.annotation_effects import AnnotationMoments
from haploscribe.estimators.cross_gene.effect_prior import HasemanElstonMoments
from haploscribe.estimators.cross_gene.learners import (
    AnnotationLearner,
    AnnotationModel,
    EffectPriorLearner,
    EffectPriorModel,
    HeterogeneityLearner,
)
from haploscribe.estimators.inputs import gene_inputs
from haploscribe.evaluation.cross_gene import adjust_gene
from haploscribe.evaluation.folds import Fold, all_samples, prepare_fold, run_folds
from haploscribe.parallel.executor import Executor, map_to_files
from haploscribe.parallel.threads import threads
from haploscribe.results.cross_gene_files import (
    CROSS_GENE,
    LearnedAcrossGenes,
    read_learned,
    samples_digest,
    write_learned,
)
from haploscribe.utils.files import atomic_write
from haploscribe.utils.progress import Advance
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.work import ANNOTATIONS, EFFECT_PRIOR, HETEROGENEITY, WorkContext

ROUNDS = 3
"""Newton steps to the effects of annotations; the third moves them by a hundredth."""

_STARTS = "starts.npy"


def learn_across_genes(context: WorkContext, executor: Executor, advance: Advance) -> None:
    """Learn expression heterogeneity and effect-size priors in every fold; see `WorkContext.cross_gene`.

    In each fold only training and validation samples are read. Each gene will use genes of other contigs and
    those at least 1 Mb away alone: nothing of its own expression, or of its neighbours', comes back to it.

    Parameters
    ----------
    context
        The run's cohort and folds, open in this process.
    executor
        Runs the work.
    advance
        Called with the number of genes done, those of an earlier, stopped run included.
    """
    with threads(1):
        for fold in context.fits:
            _write_heterogeneity(context, fold)
    other = context.evaluation.cross_gene
    if other is not None:
        for fold in context.fits:
            learned = read_learned(other / CROSS_GENE, fold.number)
            learned.prior.save(context.cross_gene_folder(EFFECT_PRIOR, fold))
            if learned.annotations is not None:
                learned.annotations.save(context.cross_gene_folder(ANNOTATIONS, fold))
        advance(len(context.cohort.genes))
        return
    files = [
        context.spec.folder / f"cross-gene-{number:06d}.npz" for number in range(len(context.cohort.genes))
    ]
    items = [(files[number], number) for number in context.cohort.genome_order()]
    map_to_files(executor, context.spec, _measure_gene, items, advance, context)
    _combine_moments(context, files)


def learn_annotation_effects(context: WorkContext, executor: Executor, advance: Advance) -> None:
    """Learn in every fold what annotations do to effects, once `learn_across_genes` is done.

    In each fold only training and validation samples are read, and each gene will use the genes that its
    prior uses.

    Parameters
    ----------
    context, executor
        As for `learn_across_genes`.
    advance
        Called with the number of genes measured, each `ROUNDS` times.
    """
    if context.evaluation.cross_gene is not None:  # learned already
        advance(ROUNDS * len(context.cohort.genes))
        return
    n_genes, n_features = len(context.cohort.genes), len(context.annotation_scaling.names)
    starts = np.zeros((len(context.fits), n_features))
    for number in range(ROUNDS):
        folder = context.spec.folder / f"annotations-round-{number}"
        _write_starts(folder, starts)
        files = [folder / f"{gene:06d}.npz" for gene in range(n_genes)]
        items = [(files[gene], gene) for gene in context.cohort.genome_order()]
        map_to_files(executor, context.spec, _measure_annotations, items, advance, context)
        models = _annotation_models(starts, files)
        starts = np.stack([_start(model) for model in models])
    for fold, model in zip(context.fits, models, strict=True):
        model.save(context.cross_gene_folder(ANNOTATIONS, fold))


def save_cross_gene(context: WorkContext, folder: Path) -> None:
    """Write what the run's own genes show, for runs of other genes; nothing where it took another run's."""
    if context.evaluation.cross_gene is not None:
        return
    annotated = context.spec.annotations is not None
    learned = {
        fold.number: LearnedAcrossGenes(
            samples_digest([context.cohort.match.shared[i] for i in fold.fitted]),
            EffectPriorModel.open(context.cross_gene_folder(EFFECT_PRIOR, fold)),
            context.annotation_models[fold.number] if annotated else None,
        )
        for fold in context.fits
    }
    write_learned(folder, learned, context.annotation_scaling if annotated else None)


def check_cross_gene(options: EvaluationOptions, sample_ids: Sequence[str]) -> None:
    """Check that what another run learned may be used: in the training samples of the same folds alone.

    Raises
    ------
    InputError
        When a training set of that run has other samples, or it knows nothing of the annotations asked for.
    """
    other = options.cross_gene
    if other is None:
        return
    folds = run_folds(options, sample_ids)
    for fold in (*folds, all_samples(sample_ids, folds)):
        learned = read_learned(other / CROSS_GENE, fold.number)
        if learned.samples != samples_digest([sample_ids[i] for i in fold.fitted]):
            raise InputError(
                f"--cross-gene {other}: that run learned in other samples or folds than this one, so that "
                "held-out samples could leak; give a run of the same samples, --folds, --split and --seed"
            )
        if options.annotations and learned.annotations is None:
            raise InputError(
                f"--cross-gene {other}: that run has no annotations; give one with the same --annotations"
            )


def _write_heterogeneity(context: WorkContext, fold: Fold) -> None:
    """Write what all genes of the expression table share in a fold's training and validation samples."""
    folder, cohort, fitted = context.cross_gene_folder(HETEROGENEITY, fold), context.cohort, fold.fitted
    if folder.is_dir():
        return
    learner = HeterogeneityLearner(
        None if cohort.covariates is None else cohort.covariates[fitted],
        None if cohort.hidden_factors is None else cohort.hidden_factors[fitted],
    )
    prepared = (
        prepare_fold(values, cohort.covariates, fold, context.evaluation.normalize)[fitted]
        for values in cohort.all_genes.values
    )
    learner.combine([learner.measure(None, values) for values in prepared]).shared.save(folder)


def _measure_gene(context: WorkContext, number: int, path: Path) -> None:
    """Write the moments of one gene's effects in every fold."""
    cohort = replace(context.cohort, wide=False)  # the prior is that of the cis window
    inputs, learner = gene_inputs(cohort, cohort.genes[number], None), EffectPriorLearner()
    moments = [
        learner.measure(
            inputs.imputed(fold.fitted).take(fold.fitted), context.prepared(number, fold)[fold.fitted]
        )
        for fold in context.fits
    ]
    kernels, outcomes = [own.kernels for own in moments], [own.outcomes for own in moments]
    with atomic_write(path) as aside, aside.open("wb") as handle:
        np.savez(handle, allow_pickle=False, kernels=np.stack(kernels), outcomes=np.stack(outcomes))


def _measure_annotations(context: WorkContext, number: int, path: Path) -> None:
    """Write the moments of one gene's annotations in every fold, around the round's start."""
    cohort = replace(context.cohort, wide=False)
    inputs = context.annotated(number, gene_inputs(cohort, cohort.genes[number], None))
    starts = np.load(path.parent / _STARTS, allow_pickle=False)
    moments = []
    for fold, start in zip(context.fits, starts, strict=True):
        fitted = inputs.imputed(fold.fitted).take(fold.fitted)
        expression = context.prepared(number, fold)[fold.fitted]
        training = context.cross_gene(number, fold, annotations=False)
        moments.append(AnnotationLearner(start).measure(*adjust_gene(fitted, expression, training)))
    with atomic_write(path) as aside, aside.open("wb") as handle:
        np.savez(
            handle,
            allow_pickle=False,
            scores=np.stack([own.score for own in moments]),
            information=np.stack([own.information for own in moments]),
        )


def _write_starts(folder: Path, starts: Float64Array) -> None:
    with atomic_write(folder / _STARTS) as aside, aside.open("wb") as handle:
        np.save(handle, starts, allow_pickle=False)


def _annotation_models(starts: Float64Array, files: list[Path]) -> list[AnnotationModel]:
    """Gather what all genes say of annotations, fold by fold."""
    found: list[list[AnnotationMoments]] = [[] for _ in starts]
    for file in files:
        with np.load(file, allow_pickle=False) as arrays:
            scores, information = arrays["scores"], arrays["information"]
        for moments, score, of_fold in zip(found, scores, information, strict=True):
            moments.append(AnnotationMoments(score, of_fold))
    return [AnnotationLearner(start).combine(moments) for start, moments in zip(starts, found, strict=True)]


def _start(model: AnnotationModel) -> Float64Array:
    """Return where the next round starts: the effects that all genes show together."""
    found = model.effects()
    return model.start if found is None else found.effects


def _combine_moments(context: WorkContext, files: list[Path]) -> None:
    """Combine the moments of all genes, fold by fold."""
    remaining = [
        (i, fold)
        for i, fold in enumerate(context.fits)
        if not context.cross_gene_folder(EFFECT_PRIOR, fold).is_dir()
    ]
    found: dict[int, list[HasemanElstonMoments]] = {i: [] for i, _ in remaining}
    for file in files if remaining else ():
        with np.load(file, allow_pickle=False) as arrays:
            kernels, outcomes = arrays["kernels"], arrays["outcomes"]
        for i, moments in found.items():
            moments.append(HasemanElstonMoments(kernels[i], outcomes[i]))
    for i, fold in remaining:
        EffectPriorLearner().combine(found[i]).save(context.cross_gene_folder(EFFECT_PRIOR, fold))
