"""Embed, fit on folds, evaluate, save the models and report: the subcommand `run`."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from haploscribe.cohort.cohort import Cohort
from haploscribe.config.options import (
    MODELS_NAME,
    BackboneOptions,
    CohortOptions,
    EvaluationOptions,
    WorkerOptions,
)
from haploscribe.config.zero_shot import ZeroShotOptions, weights_option
from haploscribe.embedding.backbones.registry import check_backbone_name
from haploscribe.embedding.stage import STORE_NAME, Embedded, LoadedBackbone, with_tile
from haploscribe.errors import InputError
from haploscribe.estimators.registry import (
    ModelSpec,
    any_model,
    check_names,
    model_specs,
    with_distance_twins,
)
from haploscribe.evaluation.bootstrap import genome_order
from haploscribe.evaluation.folds import gene_splits, prepare_fold, run_folds
from haploscribe.evaluation.metrics import summarise_models
from haploscribe.evaluation.paired import compare_models
from haploscribe.expression.normalise import check_normalisation
from haploscribe.parallel.executor import Executor
from haploscribe.parallel.open import open_executor
from haploscribe.results.cross_gene_files import CROSS_GENE
from haploscribe.results.provenance import ZeroShotRecord, run_record, weights_record
from haploscribe.results.tables import Results, Summary, read_results, write_results
from haploscribe.utils.files import remove_on_error, remove_on_input_error
from haploscribe.utils.hashing import work_key
from haploscribe.utils.progress import Timer, announce, stage
from haploscribe.workflows.embed import embed_windows
from haploscribe.workflows.run.annotate import annotate, annotation_summaries
from haploscribe.workflows.run.cross_gene import (
    ROUNDS,
    check_cross_gene,
    learn_across_genes,
    learn_annotation_effects,
    save_cross_gene,
)
from haploscribe.workflows.run.existing import (
    EarlierRun,
    add_earlier,
    begin_work,
    finish_publishing,
    finished_models,
    holds_work,
    publish_results,
    require_same,
    require_same_versions,
    require_same_work,
    without_earlier,
)
from haploscribe.workflows.run.held_out import gene_items, predict_held_out
from haploscribe.workflows.run.plan import header, planned_stages
from haploscribe.workflows.run.save_models import TrainedWith, save_models
from haploscribe.workflows.run.zero_shot import (
    ZERO_SHOT_NAME,
    augmentation,
    predict_zero_shot,
    read_annotation,
    zero_shot_summaries,
)
from haploscribe.workflows.validate import (
    INDEX_NAME,
    UNFINISHED_NAME,
    ValidatedCohort,
    names_by_input,
    validated_cohort,
)
from haploscribe.workflows.work import WorkContext, WorkSpec, write_block_keys
from haploscribe.zero_shot.predictions import PredictedGenes, require_exons
from haploscribe.zero_shot.registry import read_models


def run(
    cohort_options: CohortOptions,
    backbone_options: BackboneOptions,
    evaluation_options: EvaluationOptions,
    out: Path,
    store_path: Path | None = None,
    zero_shot_options: ZeroShotOptions | None = None,
    worker_options: WorkerOptions | None = None,
    *,
    force: bool = False,
) -> Results:
    """Embed, predict zero-shot, train on folds, evaluate, save the models and report.

    Calling it again with the same arguments resumes a stopped run, and does nothing once it is finished. With
    further models it fits these, and compares them with those that are there, whose predictions and saved
    states are taken over to the bit; the models that were there come first.

    Parameters
    ----------
    cohort_options, backbone_options, evaluation_options
        What to run on, with what, and how.
    out
        Folder of the results; created if missing.
    store_path
        The embedding store; None for one in `out`.
    zero_shot_options
        The zero-shot models among those of `evaluation_options`; None for the defaults.
    worker_options
        Where the work is done; None for this process.
    force
        Fit all models anew, and replace what `out` holds once they are done.

    Returns
    -------
    Results
        What `out` holds, predictions left out (`haploscribe.results.tables.read_predictions`), and which
        models were fitted now: none where all were there.

    Raises
    ------
    InputError
        When an input or an option is at fault: nothing is left in a new `out` then. When `out` holds a run
        of other data or options, or models are added with other versions of the program or its libraries.
    """
    worker_options = worker_options or WorkerOptions()
    zero_shot_options = zero_shot_options or ZeroShotOptions()
    if worker_options.dask is not None:
        cohort_options, out = cohort_options.absolute(), out.absolute()
        store_path = None if store_path is None else store_path.absolute()
    check_names(
        evaluation_options.models,
        unseen_genes=evaluation_options.gene_split is not None,
        cross_gene=evaluation_options.cross_gene,
    )
    if evaluation_options.annotations:
        models = with_distance_twins(evaluation_options.models)
        evaluation_options = replace(evaluation_options, models=models)
    # Also where no model reads deltas.
    check_backbone_name(backbone_options.backbone, backbone_options.revision)
    cohort_options, loaded = with_tile(cohort_options, backbone_options)
    options = (cohort_options, backbone_options, evaluation_options, zero_shot_options)
    finish_publishing(out)
    record, earlier = None, None
    if holds_work(out):
        record = run_record(options)
        there = None if force else finished_models(out)
        if there is not None:
            require_same(out, record)
            if set(evaluation_options.models) <= set(there):
                return read_results(out)
            require_same_versions(out, record)
            earlier = EarlierRun.open(out)
            record["options"]["models"] = [*dict.fromkeys((*there, *evaluation_options.models))]
            record["inputs"] |= earlier.zero_shot_inputs()
        require_same_work(out, record, force=force)
    return _run(options, out, store_path or out / STORE_NAME, worker_options, record, earlier, loaded)


def _run(
    options: tuple[CohortOptions, BackboneOptions, EvaluationOptions, ZeroShotOptions],
    out: Path,
    store: Path,
    worker_options: WorkerOptions,
    record: dict[str, Any] | None,
    earlier: EarlierRun | None,
    loaded: LoadedBackbone | None,
) -> Results:
    """Do the work of `run`.

    `record` is None where `out` held nothing, `earlier` has models to add to, `loaded` is the backbone where
    it is loaded already.
    """
    started = time.monotonic()
    cohort_options, backbone_options, evaluation_options, zero_shot_options = options
    if earlier is not None:
        evaluation_options, zero_shot_options = without_earlier(*options[2:], earlier)
    specs = tuple(model_specs(evaluation_options.models, evaluation_options.seed).values())
    timer = Timer(planned_stages(specs, evaluation_options))
    with ExitStack() as stack:
        for folder in (out, out / INDEX_NAME, out / UNFINISHED_NAME):
            stack.enter_context(remove_on_input_error(folder))
        with remove_on_error(out):
            sequence_models = read_models(
                evaluation_options.models, zero_shot_options, backbone_options.device
            )
            if not any_model(specs, "reads_deltas"):
                loaded = None
            elif loaded is None or earlier is not None:
                loaded = _load_backbone(backbone_options, cohort_options.tile_size, earlier)
            executor = stack.enter_context(open_executor(worker_options))
            compared = (*(earlier.specs.values() if earlier else ()), *specs)
            with timer.timed("reading_variants"):
                validated = stack.enter_context(
                    validated_cohort(
                        cohort_options,
                        executor,
                        out,
                        wide=any_model(compared, "reads_wide"),
                        annotation=read_annotation(
                            cohort_options, sequence_models, earlier.record.genes if earlier else ()
                        ),
                        models=names_by_input(specs),
                    )
                )
                announce(header(validated, loaded, executor))
            for one in sequence_models:
                require_exons(one.model, validated.cohort.genes, cohort_options.gtf)
            _rehearse(validated.cohort, evaluation_options)
            record = record or run_record(options)
            begin_work(out, record)
            record["inputs"] |= {
                weights_option(one.model.name): weights_record(one) for one in sequence_models
            }
            record["data"] = validated.summary(compared)
        annotations = annotate(validated, options, record, sequence_models, loaded, executor, timer)
        cached, embedded = validated.cached, None
        if loaded is not None:
            with timer.timed("embedding"):
                embedded = embed_windows(cached, validated.spec, loaded, store, executor)
        zero_shot = predict_zero_shot(
            validated.cohort,
            sequence_models,
            augmentation(zero_shot_options),
            record,
            out / ZERO_SHOT_NAME,
            timer,
        )
        key = _run_key(record, specs, validated.cohort, embedded)
        folder = out / UNFINISHED_NAME / key
        results_folder = folder / "results"
        spec = replace(
            _spec(validated, evaluation_options, embedded, folder, earlier), annotations=annotations
        )
        context = WorkContext(spec, cohort=cached)
        _learn_across_genes(context, executor, timer, results_folder)
        items = gene_items(context, {name: predicted.samples for name, predicted in zero_shot.items()})
        with timer.timed("fitting_folds"):
            metrics = predict_held_out(context, validated.scan, executor, items, results_folder, earlier)
        zero_shot_record = ZeroShotRecord.of(sequence_models, zero_shot_options, record["inputs"])
        trained = _trained_with(loaded, zero_shot_record, earlier)
        with timer.timed("fitting_all_samples"):
            save_models(context, validated, executor, items, results_folder / MODELS_NAME, trained)

    order = genome_order(validated.cohort.genes)
    summary = Summary(
        models=summarise_models(metrics, order),
        embedding=embedded.summary() if embedded else None,
        stages=timer.seconds,
        wall_seconds=time.monotonic() - started,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    _add_optional(summary, context, zero_shot, earlier)
    results = Results(metrics, compare_models(metrics, order), summary, record, evaluation_options.models)
    _publish(results, validated, results_folder, out)
    return results


def _publish(results: Results, validated: ValidatedCohort, made: Path, out: Path) -> None:
    """Write the tables and the report, and move all that the run has made to its folder."""
    from haploscribe.report.page import write_report  # noqa: PLC0415 - loads matplotlib

    validated.scan.missing.write(made, validated.cohort.match.shared)
    write_results(made, results)
    write_report(made, results)
    publish_results(made, out)


def _add_optional(
    summary: Summary,
    context: WorkContext,
    zero_shot: Mapping[str, PredictedGenes],
    earlier: EarlierRun | None,
) -> None:
    """Add what not every run has."""
    if zero_shot:
        summary["zero_shot"] = zero_shot_summaries(zero_shot)
    if context.spec.annotations is not None:
        summary["annotations"] = annotation_summaries(context)
    if earlier is not None:
        add_earlier(summary, earlier.results.summary)


def _load_backbone(options: BackboneOptions, tile_size: int, earlier: EarlierRun | None) -> LoadedBackbone:
    """Load the backbone; stop where it is no longer the one that earlier models were trained on."""
    if earlier is not None and earlier.record.backbone is not None:
        options = replace(options, revision=earlier.record.backbone.revision)
    loaded = LoadedBackbone.load(options, tile_size)
    if earlier is not None and earlier.record.backbone_key not in (None, loaded.key):
        raise InputError(
            f"--out {earlier.folder} holds a finished run with backbone {earlier.record.backbone_key}, and "
            f"{options.backbone} is {loaded.key} now; name another --out, or --force to replace it"
        )
    return loaded


def _trained_with(
    loaded: LoadedBackbone | None, zero_shot: ZeroShotRecord | None, earlier: EarlierRun | None
) -> TrainedWith:
    """Say what all models of the results folder were trained with."""
    backbone, key = (loaded.options, loaded.key) if loaded else (None, None)
    if earlier is not None:
        if loaded is None:
            backbone, key = earlier.record.backbone, earlier.record.backbone_key
        if earlier.record.zero_shot is not None:
            zero_shot = earlier.record.zero_shot.merge(zero_shot)
    return TrainedWith(backbone, key, zero_shot, earlier)


def _spec(
    validated: ValidatedCohort,
    evaluation: EvaluationOptions,
    embedded: Embedded | None,
    folder: Path,
    earlier: EarlierRun | None,
) -> WorkSpec:
    """Describe the work on a run's genes, and write the list of its blocks for the workers."""
    block_keys = None
    if embedded is not None:
        block_keys = folder / "blocks.jsonl"
        write_block_keys(block_keys, embedded.keys)
    return replace(
        validated.spec,
        folder=folder,
        evaluation=evaluation,
        models=earlier.models_folder if earlier else None,
        store=embedded.store_path if embedded else None,
        block_keys=block_keys,
    )


def _learn_across_genes(context: WorkContext, executor: Executor, timer: Timer, results: Path) -> None:
    """Learn across genes, where a model uses other genes, and write what was learned to the results."""
    if context.uses_other_genes:
        n_genes = len(context.cohort.genes)
        with timer.timed("comparing_genes"), stage("Comparing genes", n_genes, "genes") as advance:
            learn_across_genes(context, executor, advance)
        if context.spec.annotations is not None:
            title = "Weighing annotations"
            with timer.timed("weighing_annotations"), stage(title, ROUNDS * n_genes, "genes") as advance:
                learn_annotation_effects(context, executor, advance)
        save_cross_gene(context, results / CROSS_GENE)


def _rehearse(cohort: Cohort, options: EvaluationOptions) -> None:
    """Split, and prepare one gene in each fold, so that a bad split or covariates stop the run at once."""
    check_normalisation(cohort.expression, options.normalize)
    gene_splits(cohort, options.gene_split)
    check_cross_gene(options, cohort.match.shared)
    for fold in run_folds(options, cohort.match.shared):
        prepare_fold(cohort.values[0], cohort.covariates, fold, options.normalize)


def _run_key(
    record: dict[str, Any], fitted: Sequence[ModelSpec], cohort: Cohort, embedded: Embedded | None
) -> str:
    """Return a key of all that a gene's predictions depend on: a stopped run resumes its own work only.

    Files count by their content, wherever they are, and genes by name and order, as items are numbered.
    """
    inputs = record["inputs"]
    options = {
        name: value
        for name, value in record["options"].items()
        if name not in inputs and name not in ("genes", "device")
    }
    contents = {
        name: {what: value for what, value in read.items() if what != "path"} for name, read in inputs.items()
    }
    genes = [gene.gene_id for gene in cohort.genes]
    keys = embedded.keys if embedded else ()
    models = [(spec.name, spec.source) for spec in fitted]
    return work_key(record["haploscribe"], record["versions"], options, contents, models, genes, keys)
