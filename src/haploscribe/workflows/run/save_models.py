"""Fits every model on everyone and keeps it, once all are judged on people they had not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from haploscribe.cohort.cohort import Cohort
from haploscribe.cohort.validated import CheckedCohort
from haploscribe.config.options import BackboneOptions
from haploscribe.estimators.base import State
from haploscribe.estimators.cross_gene.effect_prior import VariancePrior
from haploscribe.estimators.registry import estimator_factories, shared_factories
from haploscribe.evaluation.cross_validation import fit_fold, fit_shared_fold
from haploscribe.expression.genes import all_genes_seen
from haploscribe.genome.tiles import TileBlock, tile_blocks
from haploscribe.interpret.association import marginal_association
from haploscribe.interpret.effects import tile_weights
from haploscribe.parallel.executor import Workers
from haploscribe.results.known_variants import KnownVariants
from haploscribe.results.models_folder import (
    MODELS_NAME,
    ModelsRecord,
    gene_file,
    shared_file,
    write_known_variants,
    write_record,
)
from haploscribe.results.provenance import ZeroShotRecord
from haploscribe.results.state_files import write_state
from haploscribe.utils.progress import stage
from haploscribe.utils.types import Float64Array, Int64Array
from haploscribe.workflows.run.context import GeneJobs, OpenedJobs, each_gene
from haploscribe.workflows.run.cross_gene import lessons_of
from haploscribe.workflows.run.gene_fits import fit_arguments


@dataclass(frozen=True, slots=True)
class Trained:
    """What models were trained with, beside the run's jobs.

    Attributes
    ----------
    zero_shot
        float64 `(n_genes, n_samples)` for each zero-shot model of the run: what it predicts.
    priors
        For each gene, its priors, as `learn_priors` learned them; None where no estimator learns from other
        genes.
    backbone, backbone_key
        What embedded the tiles; None where no estimator reads deltas.
    zero_shot_record
        Of the zero-shot models; None where there are none.
    """

    zero_shot: Mapping[str, Float64Array]
    priors: Sequence[Sequence[VariancePrior]] | None
    backbone: BackboneOptions | None
    backbone_key: str | None
    zero_shot_record: ZeroShotRecord | None


def keep_models(jobs: GeneJobs, checked: CheckedCohort, workers: Workers, trained: Trained) -> None:
    """Fit every model of a run on everyone, and leave the folder of kept models among the results.

    Parameters
    ----------
    jobs
        What to do.
    checked
        The cohort that `jobs` opens.
    workers
        Who does it.
    trained
        What else the fits take.
    """
    folder = jobs.results / MODELS_NAME
    cohort, evaluation = checked.surveyed, jobs.evaluation
    opened = OpenedJobs(jobs, cohort)
    if estimator_factories(evaluation.models, evaluation.seed):
        with stage("Fitting everyone, to keep the models", len(cohort.genes), "genes") as advance:
            each_gene(
                jobs,
                lambda: opened,
                cohort.genes,
                workers,
                _keep_gene,
                lambda number: gene_file(folder, number),
                fit_arguments(len(cohort.genes), trained.zero_shot, trained.priors),
                advance,
            )
    shared = list(shared_factories(evaluation.models, evaluation.seed))
    if shared:
        left = [model for model in shared if not shared_file(folder, model).exists()]
        with stage("Fitting everyone at all genes", len(shared), "models") as advance:
            advance(len(shared) - len(left))
            for _ in workers.map(jobs, _keep_shared, left, lambda: opened):
                advance(1)
    reach = 0 if trained.zero_shot_record is None else trained.zero_shot_record.reach
    _keep_variants(folder, checked, reach, opened.everyone.training)
    write_record(folder, _record(opened, trained))


def _keep_gene(
    opened: OpenedJobs,
    number: int,
    file: Path,
    zero_shot: Mapping[str, Float64Array],
    priors: Sequence[VariancePrior] | None,
) -> None:
    """Fit one gene on everyone and leave its models."""
    cohort, evaluation, fold = opened.cohort, opened.jobs.evaluation, opened.everyone
    inputs = replace(cohort.gene_inputs(cohort.genes[number], opened.stored), zero_shot=zero_shot)
    prepared = opened.prepared(cohort.values[number], fold)
    lesson = None if priors is None else lessons_of(opened.jobs, number, priors)[-1]
    makers = estimator_factories(evaluation.models, evaluation.seed)
    fitted = dict(fit_fold(inputs, prepared, fold, makers, lesson))
    states = {model: estimator.state() for model, estimator in fitted.items()}
    tiles = cohort.tiles(inputs.gene)
    spans = np.array([(tile.start, tile.end) for tile in tiles], dtype=np.int64)
    learned = inputs.take(fold.fitted)
    weights = {
        model: tile_weights(estimator, learned, spans)
        for model, estimator in fitted.items()
        if estimator.reads_deltas
    }
    association = marginal_association(learned.dosages, prepared[fold.fitted])
    parts = {
        "models": State(parts=states),
        "tiles": State(arrays={"spans": spans}, parts={"weights": State(arrays=weights)}),
        "association": State(arrays=asdict(association)),
    }
    write_state(file, State(parts=parts))


def _keep_shared(opened: OpenedJobs, model: str) -> None:
    """Fit one model on all genes and everyone, and leave it."""
    jobs = opened.jobs
    (everything,) = all_genes_seen(len(opened.cohort.genes))
    make = shared_factories([model], jobs.evaluation.seed)[model]
    estimator = fit_shared_fold(opened.many_genes(), opened.everyone, everything, make)
    write_state(shared_file(jobs.results / MODELS_NAME, model), estimator.state())


def _keep_variants(folder: Path, checked: CheckedCohort, reach: int, training: Int64Array) -> None:
    """Leave the variants of all windows, and how often training people carry them, block by block."""
    surveyed, contigs = checked.surveyed, checked.cohort.genotypes.reference.contigs
    there = {(block.contig, block.number) for block in _blocks(surveyed, contigs)}
    for block in _blocks(replace(surveyed, reach=reach), contigs):
        # Zero-shot models may see farther than the survey went.
        cohort = surveyed if (block.contig, block.number) in there else checked.cohort
        variants = cohort.genotypes.common(cohort.genotypes.read(block.tiles))
        known = KnownVariants.of(replace(variants, genotypes=variants.genotypes[:, training]))
        write_known_variants(folder, block.number, known)


def _blocks(cohort: Cohort, contigs: Mapping[str, int]) -> list[TileBlock]:
    return list(tile_blocks(cohort.tiles_to_read(), cohort.tile_size, contigs))


def _record(opened: OpenedJobs, trained: Trained) -> ModelsRecord:
    cohort, evaluation = opened.cohort, opened.jobs.evaluation
    return ModelsRecord(
        models=evaluation.models,
        genes=cohort.genes,
        window=cohort.window,
        tile=cohort.tile_size,
        normalize=evaluation.normalize,
        seed=evaluation.seed,
        n_samples=opened.everyone.training.size,
        backbone=trained.backbone,
        backbone_key=trained.backbone_key,
        zero_shot=trained.zero_shot_record,
    )
