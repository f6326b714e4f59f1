"""The jobs behind the verbs `check`, `embed` and `run`."""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from haploscribe.cohort.cohort import Cohort
from haploscribe.cohort.validated import checked_cohort
from haploscribe.config.options import (
    BackboneOptions,
    CohortOptions,
    EvaluationOptions,
    WorkerOptions,
    ZeroShotOptions,
)
from haploscribe.embedding.backbones.registry import check_backbone
from haploscribe.embedding.stage import STORE_NAME, Embedded, LoadedBackbone, embed_tiles
from haploscribe.estimators.cross_gene.effect_prior import VariancePrior
from haploscribe.estimators.registry import check_names, reads_deltas, uses_other_genes, wide_models
from haploscribe.evaluation.bootstrap import genome_order
from haploscribe.evaluation.folds import prepare_fold
from haploscribe.evaluation.metrics import summarise_models
from haploscribe.evaluation.paired import compare_models
from haploscribe.expression.normalise import check_normalisation
from haploscribe.parallel.executor import Workers, open_workers
from haploscribe.report.page import write_report
from haploscribe.results.provenance import ZeroShotRecord, run_record
from haploscribe.results.tables import SUMMARY, Results, Summary, ZeroShotSummary, write_results
from haploscribe.utils.files import publish, remove_atomically, remove_on_error, remove_on_input_error
from haploscribe.utils.progress import Timer, stage
from haploscribe.workflows.run.context import GeneJobs, blocks_of, folds_of, gene_jobs
from haploscribe.workflows.run.cross_gene import learn_priors
from haploscribe.workflows.run.predictions import predict_held_out
from haploscribe.workflows.run.save_models import Trained, keep_models
from haploscribe.workflows.validate import INDEX_NAME, UNFINISHED_NAME
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
    """Embed, predict zero-shot, train on folds, evaluate, report: the main job.

    A stopped run goes on where it was when it is called again with the same arguments.

    Parameters
    ----------
    cohort_options, backbone_options, evaluation_options
        What to run on, with what, and how.
    out
        Folder of the results; made when missing.
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
    _check_models(evaluation_options)
    zero_shot_options = zero_shot_options or ZeroShotOptions()
    augmentation = TestTimeAugmentation(zero_shot_options.shifts, zero_shot_options.reverse_complement)
    wide = wide_models(evaluation_options.models)
    with ExitStack() as stack:
        for folder in (out, out / INDEX_NAME, out / UNFINISHED_NAME):
            stack.enter_context(remove_on_input_error(folder))
        with remove_on_error(out):
            check_augmentation(averaging)
            sequence_models = read_models(
                evaluation_options.models, zero_shot_options, backbone_options.device
            )
            check_backbone(backbone_options.backbone)  # also where no model reads deltas
            loaded = (
                LoadedBackbone.of(backbone_options, cohort_options.tile)
                if reads_deltas(evaluation_options.models)
                else None
            )
            workers = stack.enter_context(open_workers(worker_options))
            with timer.timed("reading variants"):
                checked = stack.enter_context(checked_cohort(cohort_options, workers, out, wide=bool(wide)))
            _rehearse(checked.cohort, evaluation_options)
            facts = checked.facts()
            options = (cohort_options, backbone_options, evaluation_options, zero_shot_options)
            record = run_record(options, sequence_models, facts)
        embedded = None
        if loaded is not None:
            with timer.timed("embedding"):
                store = store_path or out / STORE_NAME
                embedded = embed_tiles(checked.surveyed, checked.kept, loaded, store, workers)
        zero_shot = _predict_zero_shot(
            checked.cohort, sequence_models, averaging, record, out / ZERO_SHOT_NAME, timer
        )
        finished = out / UNFINISHED_NAME / _work_key(record, checked.cohort, embedded)
        jobs = gene_jobs(checked, evaluation_options, embedded, finished)
        by_model = {name: predicted.samples for name, predicted in zero_shot.items()}
        priors = _learn_priors(jobs, checked.surveyed, workers, timer)
        with timer.timed("fitting and predicting held-out people"):
            metrics = predict_held_out(jobs, checked, workers, by_model, priors)
        trained = Trained(
            by_model,
            priors,
            backbone=loaded.options if loaded else None,
            backbone_key=loaded.key if loaded else None,
            zero_shot_record=ZeroShotRecord.of(sequence_models, zero_shot_options, record["inputs"]),
        )
        with timer.timed("fitting everyone, to keep the models"):
            keep_models(jobs, checked, workers, trained)

    order = genome_order(checked.cohort.genes)
    summary = Summary(
        models=summarise_models(metrics, order),
        embedding=embedded.summary() if embedded else None,
        stages=timer.seconds,
        wall_seconds=time.monotonic() - started,
    )
    if zero_shot:
        summary["zero_shot"] = {name: _zero_shot_summary(predicted) for name, predicted in zero_shot.items()}
    results = Results(metrics, compare_models(metrics, order), summary, record)
    write_results(jobs.results, results)
    write_report(jobs.results)
    publish(jobs.results, out, last=SUMMARY)
    remove_atomically(out / UNFINISHED_NAME)
    return results


def _check_models(options: EvaluationOptions) -> None:
    check_names(options.models, unseen_genes=options.gene_split is not None)


def _learn_priors(
    jobs: GeneJobs, cohort: Cohort, workers: Workers, timer: Timer
) -> list[tuple[VariancePrior, ...]] | None:
    """Let every gene learn from the others; None where no estimator does."""
    if not uses_other_genes(jobs.evaluation.models):
        return None
    n_genes = len(cohort.genes)
    with timer.timed("comparing genes"), stage("Comparing genes", n_genes, "genes") as advance:
        return learn_priors(jobs, cohort, workers, advance)


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
    blocks_of(options, cohort)
    for fold in folds_of(options, cohort.match.shared):
        prepare_fold(cohort.values[0], cohort.covariates, fold, options.normalize)


def _work_key(record: dict[str, Any], cohort: Cohort, embedded: Embedded | None) -> str:
    """Digest what a gene's predictions depend on: a stopped run goes on with its own work only.

    Files count by what is in them, wherever they are, and genes by name and order, as their work is numbered.
    """
    inputs = record["inputs"]
    options = {
        name: value for name, value in record["options"].items() if name not in inputs and name != "genes"
    }
    contents = {
        name: {what: value for what, value in read.items() if what != "path"} for name, read in inputs.items()
    }
    genes = [gene.gene_id for gene in cohort.genes]
    addresses = [asdict(address) for address in embedded.addresses] if embedded else []
    parts = [record["haploscribe"], record["versions"], options, contents, genes, addresses]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()
