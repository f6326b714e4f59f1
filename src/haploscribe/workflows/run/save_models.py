"""Fit every model on all samples and save it, once all are evaluated on samples they had not seen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from haploscribe.cohort.cohort import Cohort
from haploscribe.config.options import BackboneOptions
from haploscribe.estimators.base import State
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.registry import ModelSpec
from haploscribe.evaluation.cross_gene import adjust_gene
from haploscribe.evaluation.cross_validation import GeneDataset, fit_fold, one_gene
from haploscribe.evaluation.folds import Fold
from haploscribe.expression.genes import single_split
from haploscribe.genome.tiles import TileBlock, tile_blocks
from haploscribe.interpret.association import marginal_association
from haploscribe.interpret.effects import tile_weights
from haploscribe.parallel.executor import Executor, map_to_files
from haploscribe.results.known_variants import KnownVariants
from haploscribe.results.models_folder import (
    ModelsRecord,
    SavedModel,
    gene_file,
    multi_gene_file,
    write_known_variants,
    write_record,
)
from haploscribe.results.provenance import ZeroShotRecord
from haploscribe.results.state_files import read_state, write_state
from haploscribe.utils.progress import stage
from haploscribe.utils.types import Float64Array, Int64Array
from haploscribe.workflows.run.existing import EarlierRun
from haploscribe.workflows.run.held_out import GeneItem, model_makers
from haploscribe.workflows.validate import ValidatedCohort
from haploscribe.workflows.work import WorkContext


@dataclass(frozen=True, slots=True)
class TrainedWith:
    """What models were trained with, beside the cohort and the evaluation's options.

    Attributes
    ----------
    backbone, backbone_key
        What embedded the tiles; None where no estimator reads deltas.
    zero_shot
        The zero-shot models; None where there are none.
    earlier
        A finished run whose models are taken over, before those that are fitted.
    """

    backbone: BackboneOptions | None
    backbone_key: str | None
    zero_shot: ZeroShotRecord | None
    earlier: EarlierRun | None = None


def save_models(
    context: WorkContext,
    validated: ValidatedCohort,
    executor: Executor,
    items: Sequence[GeneItem],
    folder: Path,
    trained: TrainedWith,
) -> None:
    """Fit every model of a run on all samples, and write the folder of models.

    Parameters
    ----------
    context
        The run, open in this process.
    validated
        Its cohort.
    executor
        Runs the work.
    items
        From `gene_items`.
    folder
        Of the models.
    trained
        What else they were trained with.
    """
    earlier = () if trained.earlier is None else tuple(trained.earlier.specs.values())
    if model_makers(context, across_genes=False) or _has_gene_models(earlier):
        with stage("Fitting all samples", len(items), "genes") as advance:
            files = [(gene_file(folder, item.number), item) for item in items]
            map_to_files(executor, context.spec, _save_gene, files, advance, context)
    multi_gene = list(model_makers(context, across_genes=True))
    if multi_gene:
        with stage("Fitting all samples at all genes", len(multi_gene), "models") as advance:
            jobs = [(multi_gene_file(folder, model), model) for model in multi_gene]
            map_to_files(executor, context.spec, _save_multi_gene, jobs, advance, context)
    if trained.earlier is not None:
        for spec in earlier:
            if spec.capabilities.across_genes:
                state = read_state(multi_gene_file(trained.earlier.models_folder, spec.name))
                write_state(multi_gene_file(folder, spec.name), state)
    flank = 0 if trained.zero_shot is None else trained.zero_shot.reach
    _save_variants(folder, validated, flank, context.all_samples.training)
    write_record(folder, _record(context, trained))


def _save_gene(context: WorkContext, item: GeneItem, path: Path) -> None:
    """Fit one gene on all samples and write its models, after those of an earlier run."""
    dataset, fold = context.dataset(item.zero_shot), context.all_samples
    makers = model_makers(context, across_genes=False)
    fitted = dict(fit_fold(dataset, one_gene(item.number).training, fold, makers))
    states = {model: estimator.state() for model, estimator in fitted.items()}
    inputs, prepared = dataset.gene(item.number), dataset.prepared(item.number, fold)
    tiles = context.cohort.tiles(inputs.gene)
    spans = np.array([(tile.start, tile.end) for tile in tiles], dtype=np.int64)
    learned = dataset.samples_of(item.number, fold, fold.fitted)
    weights = {
        model: tile_weights(estimator, estimator.select(learned), spans)
        for model, estimator in fitted.items()
        if estimator.reads_deltas
    }
    earlier = _earlier_state(context, item.number)
    if earlier is not None:
        states = {**earlier.parts["models"].parts, **states}
        weights = {**earlier.parts["tiles"].parts["weights"].arrays, **weights}
    association = marginal_association(learned.dosages, prepared[fold.fitted])
    prior = _prior(dataset, item.number, fold, learned)
    parts = {
        "models": State(parts=states),
        "tiles": State(arrays={"spans": spans}, parts={"weights": State(arrays=weights)}),
        "association": State(arrays=asdict(association)),
        "prior": State(arrays=prior) if prior or earlier is None else earlier.parts["prior"],
    }
    write_state(path, State(parts=parts))


def _prior(dataset: GeneDataset, number: int, fold: Fold, learned: GeneInputs) -> dict[str, Float64Array]:
    """Return the effect-size prior of a gene's variants, where a model reads it: see `SavedModels.prior`."""
    if dataset.cross_gene is None:
        return {}
    inputs, _ = adjust_gene(
        learned, dataset.prepared(number, fold)[fold.fitted], dataset.cross_gene(number, fold)
    )
    found = {"distance": inputs.prior.variances(inputs.distances())}
    if inputs.annotations is not None:
        found["annotations"] = inputs.prior.factors(inputs.annotations)
    return found


def _earlier_state(context: WorkContext, number: int) -> State | None:
    """Read what an earlier run has saved of one gene; None where none of its models has a gene of its own."""
    if context.spec.models is None:
        return None
    if not _has_gene_models(context.models.specs.values()):
        return None
    return read_state(gene_file(context.spec.models, number))


def _has_gene_models(specs: Iterable[ModelSpec]) -> bool:
    """Return whether any model has learned each gene by itself."""
    return any(not spec.capabilities.across_genes for spec in specs)


def _save_multi_gene(context: WorkContext, model: str, path: Path) -> None:
    """Fit one model on all genes and all samples, and write it."""
    (everything,) = single_split(len(context.cohort.genes))
    makers = {model: context.estimators[model].make}
    for _, estimator in fit_fold(context.dataset(), everything.training, context.all_samples, makers):
        write_state(path, estimator.state())


def _save_variants(folder: Path, validated: ValidatedCohort, flank: int, training: Int64Array) -> None:
    """Write the variants of all windows and their frequencies in training samples, block by block."""
    cached, contigs = validated.cached, validated.cohort.genotypes.reference.contigs
    in_cache = {(block.contig, block.number) for block in _blocks(cached, contigs)}
    for block in _blocks(replace(cached, flank=flank), contigs):
        # Zero-shot models may see farther than the scan went.
        cohort = cached if (block.contig, block.number) in in_cache else validated.cohort
        variants = cohort.genotypes.used(cohort.genotypes.read(block.tiles))
        known = KnownVariants.of(variants.take_samples(training))
        write_known_variants(folder, block.number, known)


def _blocks(cohort: Cohort, contigs: Mapping[str, int]) -> list[TileBlock]:
    return list(tile_blocks(cohort.windows_to_read(), cohort.tile_size, contigs))


def _record(context: WorkContext, trained: TrainedWith) -> ModelsRecord:
    cohort, evaluation = context.cohort, context.evaluation
    earlier = () if trained.earlier is None else tuple(trained.earlier.specs.values())
    return ModelsRecord(
        models=tuple(SavedModel.of(spec) for spec in (*earlier, *context.estimators.values())),
        genes=cohort.genes,
        window=cohort.window,
        tile=cohort.tile_size,
        wide=cohort.wide,
        normalize=evaluation.normalize,
        n_samples=context.all_samples.training.size,
        backbone=trained.backbone,
        backbone_key=trained.backbone_key,
        zero_shot=trained.zero_shot,
    )
