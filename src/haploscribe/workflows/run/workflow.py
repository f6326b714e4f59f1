"""Embed, fit on folds, evaluate, save the models and report: the subcommand `run`."""

import hashlib
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from haploscribe.cohort.cohort import Cohort
from haploscribe.config.options import (
    BackboneOptions,
    CohortOptions,
    EvaluationOptions,
    WorkerOptions,
    ZeroShotOptions,
)
from haploscribe.embedding.backbones.registry import check_backbone
from haploscribe.embedding.stage import STORE_NAME, Embedded, LoadedBackbone
from haploscribe.estimators.registry import check_names, reads_deltas, uses_other_genes, wide_models
from haploscribe.evaluation.bootstrap import genome_order
from haploscribe.evaluation.folds import gene_splits, prepare_fold, run_folds
from haploscribe.evaluation.metrics import summarise_models
from haploscribe.evaluation.paired import compare_models
from haploscribe.expression.normalise import check_normalisation
from haploscribe.parallel.open import open_executor
from haploscribe.report.page import write_report
from haploscribe.results.models_folder import MODELS_NAME
from haploscribe.results.provenance import ZeroShotRecord, run_record
from haploscribe.results.tables import SUMMARY, Results, Summary, ZeroShotSummary, write_results
from haploscribe.utils.files import publish, remove_atomically, remove_on_error, remove_on_input_error
from haploscribe.utils.hashing import work_key
from haploscribe.utils.progress import Timer, stage
from haploscribe.workflows.embed import embed_windows
from haploscribe.workflows.run.cross_gene import learn_priors
from haploscribe.workflows.run.held_out import gene_items, predict_held_out
from haploscribe.workflows.run.save_models import TrainedWith, save_models
from haploscribe.workflows.validate import INDEX_NAME, UNFINISHED_NAME, ValidatedCohort, validated_cohort
from haploscribe.workflows.work import WorkContext, WorkSpec, write_block_keys
from haploscribe.zero_shot.predictions import (
    PredictedGenes,
    TestTimeAugmentation,
    check_augmentation,
    predict_genes,
)
from haploscribe.zero_shot.registry import LoadedModel, read_models

ZERO_SHOT_NAME = "zero_shot"


def run(
    cohort_options: CohortOptions,
    backbone_options: BackboneOptions,
    evaluation_options: EvaluationOptions,
    out: Path,
    store_path: Path | None = None,
    zero_shot_options: ZeroShotOptions | None = None,
    worker_options: WorkerOptions | None = None,
) -> Results:
    """Embed, predict zero-shot, train on folds, evaluate, save the models and report.

    Calling it again with the same arguments resumes a stopped run.

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

    Returns
    -------
    Results
        What was written to `out`, predictions left out: `haploscribe.results.tables.read_predictions`.

    Raises
    ------
    InputError
        When an input or an option is at fault. Nothing is left in `out` then.
    """
    started, timer = time.monotonic(), Timer()
    worker_options = worker_options or WorkerOptions()
    if worker_options.dask is not None:
        cohort_options, out = cohort_options.absolute(), out.absolute()
        store_path = None if store_path is None else store_path.absolute()
    check_names(evaluation_options.models, unseen_genes=evaluation_options.gene_split is not None)
    zero_shot_options = zero_shot_options or ZeroShotOptions()
    augmentation = TestTimeAugmentation(zero_shot_options.shifts, zero_shot_options.reverse_complement)
    with ExitStack() as stack:
        for folder in (out, out / INDEX_NAME, out / UNFINISHED_NAME):
            stack.enter_context(remove_on_input_error(folder))
        with remove_on_error(out):
            check_augmentation(augmentation)
            sequence_models = read_models(
                evaluation_options.models, zero_shot_options, backbone_options.device
            )
            check_backbone(backbone_options.backbone)  # also where no model reads deltas
            loaded = None
            if reads_deltas(evaluation_options.models):
                loaded = LoadedBackbone.load(backbone_options, cohort_options.tile)
            executor = stack.enter_context(open_executor(worker_options))
            wide = bool(wide_models(evaluation_options.models))
            with timer.timed("reading variants"):
                validated = stack.enter_context(validated_cohort(cohort_options, executor, out, wide=wide))
            _rehearse(validated.cohort, evaluation_options)
            options = (cohort_options, backbone_options, evaluation_options, zero_shot_options)
            record = run_record(options, sequence_models, validated.summary())
        cached, embedded = validated.cached, None
        if loaded is not None:
            with timer.timed("embedding"):
                store = store_path or out / STORE_NAME
                embedded = embed_windows(cached, validated.spec, loaded, store, executor)
        zero_shot = _predict_zero_shot(
            validated.cohort, sequence_models, augmentation, record, out / ZERO_SHOT_NAME, timer
        )
        folder = out / UNFINISHED_NAME / _run_key(record, validated.cohort, embedded)
        results_folder = folder / "results"
        context = WorkContext(_spec(validated, evaluation_options, embedded, folder), cohort=cached)
        priors = None
        if uses_other_genes(evaluation_options.models):
            with (
                timer.timed("comparing genes"),
                stage("Comparing genes", len(cached.genes), "genes") as advance,
            ):
                priors = learn_priors(context, executor, advance)
        by_model = {name: predicted.samples for name, predicted in zero_shot.items()}
        items = gene_items(context, by_model, priors)
        with timer.timed("fitting and predicting held-out samples"):
            metrics = predict_held_out(context, validated.scan, executor, items, results_folder)
        trained = TrainedWith(
            backbone=loaded.options if loaded else None,
            backbone_key=loaded.key if loaded else None,
            zero_shot=ZeroShotRecord.of(sequence_models, zero_shot_options, record["inputs"]),
        )
        with timer.timed("fitting all samples, to save the models"):
            save_models(context, validated, executor, items, results_folder / MODELS_NAME, trained)

    order = genome_order(validated.cohort.genes)
    summary = Summary(
        models=summarise_models(metrics, order),
        embedding=embedded.summary() if embedded else None,
        stages=timer.seconds,
        wall_seconds=time.monotonic() - started,
    )
    if zero_shot:
        summary["zero_shot"] = {name: _zero_shot_summary(predicted) for name, predicted in zero_shot.items()}
    results = Results(metrics, compare_models(metrics, order), summary, record)
    _publish(results, results_folder, out)
    return results


def _publish(results: Results, made: Path, out: Path) -> None:
    """Write the tables and the report, and move all that the run has made to its folder."""
    write_results(made, results)
    write_report(made, results)
    publish(made, out, last=SUMMARY)
    remove_atomically(out / UNFINISHED_NAME)


def _spec(
    validated: ValidatedCohort, evaluation: EvaluationOptions, embedded: Embedded | None, folder: Path
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
        store=embedded.store_path if embedded else None,
        block_keys=block_keys,
    )


def _predict_zero_shot(
    cohort: Cohort,
    models: Sequence[LoadedModel],
    augmentation: TestTimeAugmentation,
    record: dict[str, Any],
    folder: Path,
    timer: Timer,
) -> dict[str, PredictedGenes]:
    """Predict all genes with each zero-shot model; the folder has a file for each weights and reading."""
    predicted = {}
    for model in (loaded.model for loaded in models):
        read = record["inputs"][model.name]
        key = hashlib.blake2b(f"{read['digest']} {read['reading']}".encode(), digest_size=8).hexdigest()
        known = folder / f"{model.name}-{key}.parquet"
        title, n_genes = f"Predicting with {model.name}", len(cohort.genes)
        with timer.timed(title.lower()), stage(title, n_genes, "genes") as advance:
            predicted[model.name] = predict_genes(
                model, cohort.genotypes, cohort.genes, augmentation, known, advance
            )
    return predicted


def _zero_shot_summary(predicted: PredictedGenes) -> ZeroShotSummary:
    return ZeroShotSummary(
        forward_passes=predicted.forward_passes,
        naive_forward_passes=predicted.naive_forward_passes,
        seconds=predicted.seconds,
    )


def _rehearse(cohort: Cohort, options: EvaluationOptions) -> None:
    """Split, and prepare one gene in each fold, so that a bad split or covariates stop the run at once."""
    check_normalisation(cohort.expression, options.normalize)
    gene_splits(cohort, options.gene_split)
    for fold in run_folds(options, cohort.match.shared):
        prepare_fold(cohort.values[0], cohort.covariates, fold, options.normalize)


def _run_key(record: dict[str, Any], cohort: Cohort, embedded: Embedded | None) -> str:
    """Return a key of all that a gene's predictions depend on: a stopped run resumes its own work only.

    Files count by their content, wherever they are, and genes by name and order, as items are numbered.
    """
    inputs = record["inputs"]
    options = {
        name: value for name, value in record["options"].items() if name not in inputs and name != "genes"
    }
    contents = {
        name: {what: value for what, value in read.items() if what != "path"} for name, read in inputs.items()
    }
    genes = [gene.gene_id for gene in cohort.genes]
    keys = embedded.keys if embedded else ()
    return work_key(record["haploscribe"], record["versions"], options, contents, genes, keys)
