"""The jobs behind the verbs `check`, `embed` and `run`."""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from haploscribe.arrays import Float64Array
from haploscribe.atomic import kept_on_success
from haploscribe.cohort import Cohort, open_cohort
from haploscribe.embedding.backbones.registry import load_backbone
from haploscribe.embedding.engine import EmbeddingCounts, check_tile_size, embed_tiles
from haploscribe.embedding.store import BlockAddress, EmbeddingStore
from haploscribe.estimators.registry import (
    check_names,
    estimator_factories,
    reads_deltas,
    uses_other_genes,
    wide_models,
)
from haploscribe.evaluation.bootstrap import genome_order
from haploscribe.evaluation.folds import prepare_fold
from haploscribe.evaluation.metrics import gene_metrics, summarise_models
from haploscribe.evaluation.paired import compare_models
from haploscribe.expression.normalise import check_normalisation
from haploscribe.gene_fits import fit_genes
from haploscribe.gene_jobs import GeneJobs, blocks_of, folds_of
from haploscribe.gene_lessons import learn_lessons
from haploscribe.io.results import EmbeddingSummary, Results, Summary, ZeroShotSummary, write_results
from haploscribe.io.run_record import run_record
from haploscribe.options import BackboneOptions, CohortOptions, EvaluationOptions, ZeroShotOptions
from haploscribe.progress import stage
from haploscribe.report.page import write_report
from haploscribe.shared_jobs import fit_shared, shared_fits
from haploscribe.survey import VariantSurvey, survey_variants
from haploscribe.zero_shot.genes import PredictedGenes, predict_genes
from haploscribe.zero_shot.predictions import Averaging, check_averaging
from haploscribe.zero_shot.registry import LoadedModel, read_models

STORE_NAME = "embeddings.zarr"
ZERO_SHOT_NAME = "zero_shot"
INDEX_NAME = "index"
UNFINISHED_NAME = ".unfinished"


@dataclass(frozen=True, slots=True)
class CheckedCohort:
    """A cohort whose inputs were all read and found sound.

    Attributes
    ----------
    cohort
        The opened cohort.
    survey
        What its variants are like.
    """

    cohort: Cohort
    survey: VariantSurvey

    def facts(self) -> dict[str, str | int]:
        """Say what was found, for a person to read."""
        cohort = self.cohort
        return {
            "samples": cohort.match.describe(),
            "genes": len(cohort.genes),
            "genes on contigs without variants, left out": cohort.genes_without_variants_file,
            "covariates": 0 if cohort.covariates is None else cohort.covariates.shape[1],
            "hidden factors": 0 if cohort.hidden_factors is None else cohort.hidden_factors.shape[1],
            "genes that heterogeneity may be told from": len(cohort.all_genes.genes),
            **self.survey.facts(),
        }

    def measure(self, predictions: pl.DataFrame, wide: Sequence[str]) -> pl.DataFrame:
        """Measure predictions; `n_variants` of the models named in `wide` counts the wide window."""
        ids = [gene.gene_id for gene in self.cohort.genes]
        metrics = gene_metrics(predictions, dict(zip(ids, self.survey.n_variants.tolist(), strict=True)))
        if self.survey.n_wide_variants is None:
            return metrics
        n_wide = dict(zip(ids, self.survey.n_wide_variants.tolist(), strict=True))
        counted = pl.when(pl.col("model").is_in(wide)).then(pl.col("gene_id").replace_strict(n_wide))
        return metrics.with_columns(n_variants=counted.otherwise(pl.col("n_variants")))


@contextmanager
def checked_cohort(
    options: CohortOptions, index_folder: Path | None = None, *, wide: bool = False
) -> Iterator[CheckedCohort]:
    """Open the inputs, read them all, and stop at the first trouble; they are closed behind the block.

    Parameters
    ----------
    options
        The inputs.
    index_folder
        Where indexes that the inputs lack may stay; None for a temporary folder.
    wide
        Read the dosages of the genes' wide windows too.

    Raises
    ------
    InputError
        When an input is at fault.
    """
    with ExitStack() as stack:
        if index_folder is None:
            temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="haploscribe-"))
            index_folder = Path(temporary)
        cohort = stack.enter_context(open_cohort(options, index_folder, wide=wide))
        with stage("Reading variants", len(cohort.tiles_to_read()), "tiles") as advance:
            survey = survey_variants(cohort, advance)
        yield CheckedCohort(cohort, survey)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A run's tiles, embedded.

    Attributes
    ----------
    backbone
        Name of the backbone.
    store_path
        The embedding store.
    addresses
        The run's blocks in it.
    counts
        What it took.
    """

    backbone: str
    store_path: Path
    addresses: tuple[BlockAddress, ...]
    counts: EmbeddingCounts

    def summary(self) -> EmbeddingSummary:
        """Give the stage's part of `summary.json`."""
        counts = self.counts
        return EmbeddingSummary(
            backbone=self.backbone,
            tiles=counts.tiles,
            unique_haplotypes=counts.unique_haplotypes,
            forward_passes=counts.forward_passes,
            naive_forward_passes=counts.naive_forward_passes,
            seconds=counts.seconds,
        )


def embed(cohort: Cohort, options: BackboneOptions, store_path: Path) -> Embedded:
    """Embed the tiles of all genes' cis windows that are not yet in the store.

    Parameters
    ----------
    cohort
        The opened and checked cohort.
    options
        The backbone.
    store_path
        The embedding store; made when missing.

    Raises
    ------
    InputError
        When the backbone cannot be loaded, does not take the tile size, or the store is unusable.
    """
    backbone = load_backbone(
        options.backbone, layer=options.layer, pooling=options.pooling, device=options.device
    )
    check_tile_size(backbone, cohort.options.tile)
    tiles = cohort.all_tiles()
    with stage(f"Embedding with {backbone.name}", len(tiles), "tiles") as advance:
        addresses, counts = embed_tiles(
            tiles, cohort.genotypes, backbone, EmbeddingStore(store_path), cohort.options.tile, advance
        )
    return Embedded(backbone.name, store_path, tuple(addresses), counts)


def run(
    cohort_options: CohortOptions,
    backbone_options: BackboneOptions,
    evaluation_options: EvaluationOptions,
    out: Path,
    store_path: Path | None = None,
    zero_shot_options: ZeroShotOptions | None = None,
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

    Returns
    -------
    Results
        What was written to `out`.

    Raises
    ------
    InputError
        When an input or an option is at fault. Nothing is left in `out` then.
    """
    started = time.monotonic()
    check_names(evaluation_options.models, unseen_genes=evaluation_options.gene_split is not None)
    zero_shot_options = zero_shot_options or ZeroShotOptions()
    averaging = Averaging(zero_shot_options.shifts, zero_shot_options.reverse_complement)
    with ExitStack() as stack:
        with kept_on_success(out):
            check_averaging(averaging)
            sequence_models = read_models(
                evaluation_options.models, zero_shot_options, backbone_options.device
            )
            wide = wide_models(evaluation_options.models)
            checked = stack.enter_context(checked_cohort(cohort_options, out / INDEX_NAME, wide=bool(wide)))
            _rehearse(checked.cohort, evaluation_options)
            facts = checked.facts()
            options = (cohort_options, backbone_options, evaluation_options, zero_shot_options)
            record = run_record(options, sequence_models, facts)
        embedded = None
        if reads_deltas(evaluation_options.models):
            embedded = embed(checked.cohort, backbone_options, store_path or out / STORE_NAME)
        zero_shot = _predict_zero_shot(
            checked.cohort, sequence_models, averaging, record, out / ZERO_SHOT_NAME
        )
        jobs = GeneJobs(
            cohort=cohort_options,
            index_folder=out / INDEX_NAME,
            evaluation=evaluation_options,
            store=embedded.store_path if embedded else None,
            addresses=embedded.addresses if embedded else (),
            finished=out / UNFINISHED_NAME / _work_key(record, embedded),
        )
        by_model = {name: predicted.samples for name, predicted in zero_shot.items()}
        predictions = _predict_held_out(jobs, checked.cohort, by_model)

    metrics = checked.measure(predictions, wide)
    order = genome_order(checked.cohort.genes)
    summary = Summary(
        models=summarise_models(metrics, order),
        embedding=embedded.summary() if embedded else None,
        wall_seconds=time.monotonic() - started,
    )
    if zero_shot:
        summary["zero_shot"] = {name: _zero_shot_summary(predicted) for name, predicted in zero_shot.items()}
    results = Results(predictions, metrics, compare_models(metrics, order), summary, record)
    write_results(out, results)
    write_report(out)
    shutil.rmtree(out / UNFINISHED_NAME, ignore_errors=True)
    return results


def _predict_held_out(jobs: GeneJobs, cohort: Cohort, zero_shot: Mapping[str, Float64Array]) -> pl.DataFrame:
    """Predict held-out samples with every model: gene after gene, fold after fold, in the models' order."""
    tables = []
    if estimator_factories(jobs.evaluation.models, jobs.evaluation.seed):
        lessons = None
        if uses_other_genes(jobs.evaluation.models):
            with stage("Comparing genes", len(cohort.genes), "genes") as advance:
                lessons = learn_lessons(jobs, cohort, advance)
        with stage("Fitting genes", len(cohort.genes), "genes") as advance:
            tables.append(fit_genes(jobs, cohort, zero_shot, lessons, advance))
    fits = shared_fits(jobs, cohort)
    if fits:
        with stage("Fitting all genes together", len(fits), "fits") as advance:
            tables.append(fit_shared(jobs, cohort, fits, advance))
    places = {gene.gene_id: i for i, gene in enumerate(cohort.genes)}
    model_places = {model: i for i, model in enumerate(jobs.evaluation.models)}
    return pl.concat(tables).sort(
        pl.col("gene_id").replace_strict(places),
        "fold",
        pl.col("model").replace_strict(model_places),
        maintain_order=True,
    )


def _predict_zero_shot(
    cohort: Cohort,
    models: Sequence[LoadedModel],
    averaging: Averaging,
    record: dict[str, Any],
    folder: Path,
) -> dict[str, PredictedGenes]:
    """Predict all genes with each zero-shot model; the folder has a file for each weights and reading."""
    predicted = {}
    for model in (loaded.model for loaded in models):
        read = record["inputs"][model.name]
        key = hashlib.blake2b(f"{read['digest']} {read['reading']}".encode(), digest_size=8).hexdigest()
        known = folder / f"{model.name}-{key}.parquet"
        with stage(f"Predicting with {model.name}", len(cohort.genes), "genes") as advance:
            predicted[model.name] = predict_genes(
                model, cohort.genotypes, cohort.genes, averaging, known, advance
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


def _work_key(record: dict[str, Any], embedded: Embedded | None) -> str:
    """Digest what a gene's predictions depend on: a stopped run goes on with its own work only."""
    options = {name: value for name, value in record["options"].items() if name != "jobs"}
    addresses = [asdict(address) for address in embedded.addresses] if embedded else []
    parts = [record["haploscribe"], record["versions"], options, record["inputs"], addresses]
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()
