"""Predict the expression of new samples from saved models: the subcommand `predict`."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from haploscribe.cohort.missing_calls import MissingCalls
from haploscribe.config.finished_runs import PredictionOptions
from haploscribe.config.options import WorkerOptions
from haploscribe.embedding.backbones.registry import check_backbone_name
from haploscribe.embedding.stage import STORE_NAME, LoadedBackbone
from haploscribe.errors import InputError
from haploscribe.estimators.inputs import DosageMeans
from haploscribe.expression.table import find_genes
from haploscribe.expression.text_tables import listed
from haploscribe.genome.readers.open import variant_files
from haploscribe.genome.variants import VariantCounts
from haploscribe.parallel.executor import Executor, map_to_files
from haploscribe.parallel.open import open_executor
from haploscribe.results.models_folder import RECORD, ModelsRecord
from haploscribe.results.saved_models import SavedModels
from haploscribe.utils.files import (
    remove_atomically,
    remove_on_error,
    remove_on_input_error,
    temporary_prefix,
)
from haploscribe.utils.hashing import work_key
from haploscribe.utils.progress import stage
from haploscribe.workflows.embed import embed_windows
from haploscribe.workflows.predict.genes import TargetGene, predict_gene
from haploscribe.workflows.predict.tables import (
    COVERAGE_SCHEMA,
    check_out,
    scan_predictions,
    write_new_predictions,
)
from haploscribe.workflows.predict.target_samples import TargetSamples, target_samples
from haploscribe.workflows.predict.validation import (
    Validation,
    read_target_expression,
    require_measured,
    validate,
)
from haploscribe.workflows.predict.zero_shot import predict_zero_shot
from haploscribe.workflows.validate import INDEX_NAME, names_by_input
from haploscribe.workflows.work import WorkContext, WorkSpec, write_block_keys
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES, LoadedModel


@dataclass(frozen=True, slots=True)
class Predicted:
    """Predictions of target samples, and what they took.

    Attributes
    ----------
    coverage
        One row per gene; `haploscribe.workflows.predict.tables.COVERAGE_SCHEMA`.
    sample_ids
        The target samples.
    missing, counts
        Their missing calls, at the variants that the models know and among all records read.
    models
        Models that predicted.
    left_out
        Zero-shot models of the run whose weights were not given.
    forward_passes
        Sequences that the backbone embedded.
    validation
        How well they predict expression; None where none was given.
    predictions
        One row per gene, sample and model; `haploscribe.workflows.predict.tables.NEW_PREDICTION_SCHEMA`.
        None where they were written to a file.
    """

    coverage: pl.DataFrame
    sample_ids: tuple[str, ...]
    missing: MissingCalls
    counts: VariantCounts
    models: tuple[str, ...]
    left_out: tuple[str, ...]
    forward_passes: int
    validation: Validation | None = None
    predictions: pl.DataFrame | None = None

    def summary(self) -> dict[str, str | int]:
        """Return what was done, by its names in print."""
        found, known = (int(self.coverage[name].sum()) for name in ("n_found", "n_variants"))
        refused = self.coverage.filter(~pl.col("predicted"))
        summary: dict[str, str | int] = {
            "samples": len(self.sample_ids),
            "models": ", ".join(self.models),
            "known variants found, summed over genes": f"{found:,} of {known:,}",
            "of them with REF and ALT swapped": int(self.coverage["n_swapped"].sum()),
            "variants that no model knows, left out": int(self.coverage["n_extra"].sum()),
            **self.missing.summary(self.counts, self.sample_ids),
            "sequences embedded": self.forward_passes,
            "genes predicted": f"{self.coverage.height - refused.height:,} of {self.coverage.height:,}",
        }
        if refused.height:
            summary["genes refused, as too few of their variants were found"] = listed(
                [
                    f"{gene_id} ({n_found} of {n_variants})"
                    for gene_id, n_found, n_variants in refused.select(
                        "gene_id", "n_found", "n_variants"
                    ).iter_rows()
                ]
            )
        if self.left_out:
            summary["zero-shot models left out, as their weights were not given"] = ", ".join(self.left_out)
        return {**summary, **(self.validation.summary if self.validation else {})}


def predict(options: PredictionOptions, worker_options: WorkerOptions, out: Path | None = None) -> Predicted:
    """Predict the expression of target samples with all models of a folder.

    Parameters
    ----------
    options
        The samples and the models.
    worker_options
        Where the work is done.
    out
        File of predictions, `.parquet` or `.tsv`, of which only a part is ever in memory; the table of
        coverage and those of the validation are written beside it. An interrupted call resumes when it is
        repeated. None to return all predictions.

    Raises
    ------
    InputError
        When an input is at fault, or no gene's coverage is high enough. Nothing is written then.
    """
    if out is None:
        with tempfile.TemporaryDirectory(prefix=temporary_prefix()) as folder:
            predicted, files = _predict(options, worker_options, Path(folder))
            return replace(predicted, predictions=scan_predictions(files).collect())
    check_out(out)
    if worker_options.dask is not None:
        options, out = options.absolute(), out.absolute()
    works = out.with_name(f".{out.name}.work")
    predicted, files = _predict(options, worker_options, works)
    found = predicted.validation
    tables = () if found is None else (found.genes, found.models, found.comparison)
    write_new_predictions(out, files, predicted.coverage, predicted.missing, predicted.sample_ids, tables)
    remove_atomically(works)
    return predicted


def _predict(
    options: PredictionOptions, worker_options: WorkerOptions, works: Path
) -> tuple[Predicted, list[Path]]:
    """Write the predictions of each gene to files in a folder, and return these in order."""
    saved = SavedModels(options.models)
    record = saved.record
    indices = _gene_indices(record, options)
    predicting = replace(options, expression=None, covariates=None)  # the predictions depend on neither
    key = work_key(predicting, options.models / RECORD, *variant_files(options.variants), options.reference)
    work = works / key
    with ExitStack() as stack:
        stack.enter_context(remove_on_input_error(works))
        with remove_on_error(works), remove_on_error(work):
            executor = stack.enter_context(open_executor(worker_options))
            chosen = replace(record, genes=tuple(record.genes[index] for index in indices))
            sequence_models = _zero_shot_models(options, record)
            models = _model_names(options, saved, sequence_models)
            loaded = _load_backbone(options, record)
            flank = record.zero_shot.reach if record.zero_shot and sequence_models else 0
            names = names_by_input(saved.specs[name] for name in models)
            expression = read_target_expression(options, chosen, work / INDEX_NAME)
            samples = stack.enter_context(target_samples(options, chosen, flank, names, executor, work))
            coverage = _coverage(samples, options)
            _require_any(coverage, options)
            covered = np.flatnonzero(coverage["predicted"].to_numpy()).tolist()
            genes = tuple(samples.windows.genes[i] for i in covered)
            if expression is not None:
                require_measured(expression, genes)
        samples = replace(samples, windows=replace(samples.windows, genes=genes))
        spec, forward_passes = _embed(samples, options, loaded, executor, work)
        chosen_indices = [indices[i] for i in covered]
        files = [[file] for file in _predict_genes(spec, samples, options, chosen_indices, executor)]
        if record.zero_shot is not None:
            augmentation = record.zero_shot.augmentation
            more = predict_zero_shot(
                saved, sequence_models, augmentation, samples.windows, chosen_indices, work
            )
            files = [[*own, *others] for own, others in zip(files, more, strict=True)]
        validation = None
        if expression is not None:
            n_variants = dict(coverage.select("gene_id", "n_variants").iter_rows())
            validation = validate(expression, genes, files, n_variants, options.models)
        sample_ids = tuple(samples.windows.genotypes.sample_ids)
    left_out = tuple(name for name in record.model_names if name not in models)
    predicted = Predicted(
        coverage, sample_ids, samples.missing, samples.counts, models, left_out, forward_passes, validation
    )
    return predicted, [file for of_gene in files for file in of_gene]


def _zero_shot_models(options: PredictionOptions, record: ModelsRecord) -> list[LoadedModel]:
    """Read those of the run's zero-shot models whose weights are given."""
    if record.zero_shot is not None:
        return record.zero_shot.load_models(options.zero_shot, options.device)
    given = [name for name in ZERO_SHOT_NAMES if options.zero_shot.weights_of(name) is not None]
    if given:
        raise InputError(f"--{given[0]}: the models of {options.models} are not of a run with {given[0]}")
    return []


def _model_names(
    options: PredictionOptions, saved: SavedModels, sequence_models: Sequence[LoadedModel]
) -> tuple[str, ...]:
    """Return the models that predict: all that were trained, and zero-shot ones whose weights are given."""
    given = {loaded.model.name for loaded in sequence_models}
    models = tuple(
        name for name, spec in saved.specs.items() if not spec.capabilities.zero_shot or name in given
    )
    if not models:
        raise InputError(
            f"{options.models} has zero-shot models only; give the weights of one, such as "
            f"--{saved.record.model_names[0]}"
        )
    return models


def _gene_indices(record: ModelsRecord, options: PredictionOptions) -> list[int]:
    """Return the indices, in the models' record, of the genes to predict."""
    if options.genes is None:
        return list(range(len(record.genes)))
    return find_genes(record.genes, options.genes, f"the models of {options.models}")


def _coverage(samples: TargetSamples, options: PredictionOptions) -> pl.DataFrame:
    """Count, for every gene, which variants of the widest window that a model reads the file has."""
    rows = []
    for gene in samples.windows.genes:
        windows = samples.windows
        window = windows.wide_window(gene) if windows.wide else windows.cis_window(gene)
        here = samples.columns[gene.contig].between(window)
        n_variants, n_found = len(here.found), int(here.found.sum())
        # A file without this chromosome does not mean that all samples are reference there.
        whole = options.absent_is_reference and gene.contig in samples.contigs
        share = 1.0 if whole or not n_variants else n_found / n_variants
        counts = (n_variants, n_found, int(here.swapped.sum()), len(here.extra))
        missing = int(here.missing.sum()) / max(1, n_found * len(windows.genotypes.sample_ids))
        rows.append((gene.gene_id, *counts, missing, share, share >= options.min_coverage))
    return pl.DataFrame(rows, schema=COVERAGE_SCHEMA, orient="row")


def _require_any(coverage: pl.DataFrame, options: PredictionOptions) -> None:
    """Stop where no gene has enough of its variants."""
    if coverage["predicted"].any():
        return
    best = coverage.sort("coverage").row(-1, named=True)
    raise InputError(
        f"{options.variants} has too few of the variants that the models know: {best['n_found']} of "
        f"{best['n_variants']} at the best of {coverage.height} genes, {best['gene_id']}, less than "
        f"--min-coverage {options.min_coverage:g}; impute them or, if the file lists only sites where "
        "someone differs from the reference, give --absent-is-reference"
    )


def _load_backbone(options: PredictionOptions, record: ModelsRecord) -> LoadedBackbone | None:
    """Load the backbone of the training; None where no model reads deltas."""
    if record.backbone is None:
        if options.backbone is not None:
            check_backbone_name(options.backbone, options.revision)
        return None
    wanted = replace(record.backbone, device=options.device)
    if options.backbone is not None:
        wanted = replace(wanted, backbone=options.backbone, revision=options.revision)
    elif options.revision is not None:
        wanted = replace(wanted, revision=options.revision)
    loaded = LoadedBackbone.load(wanted, record.tile)
    if loaded.key != record.backbone_key:
        raise InputError(
            f"backbone {wanted.backbone} is {loaded.key}, but the models of {options.models} were trained on "
            f"{record.backbone_key}: other weights or settings; name that one with --backbone, or train again"
        )
    return loaded


def _embed(
    samples: TargetSamples,
    options: PredictionOptions,
    loaded: LoadedBackbone | None,
    executor: Executor,
    work: Path,
) -> tuple[WorkSpec, int]:
    """Embed the tiles if a model reads deltas; return the spec to predict with, and the forward passes."""
    if loaded is None:
        return samples.spec, 0
    store, block_keys = options.store or work / STORE_NAME, work / "blocks.jsonl"
    embedded = embed_windows(samples.windows, samples.spec, loaded, store, executor)
    write_block_keys(block_keys, embedded.keys)
    spec = replace(samples.spec, store=store, block_keys=block_keys)
    return spec, embedded.counts.forward_passes


def _predict_genes(
    spec: WorkSpec,
    samples: TargetSamples,
    options: PredictionOptions,
    indices: Sequence[int],
    executor: Executor,
) -> list[Path]:
    """Predict the genes; return their files, in order."""
    windows, files, targets = samples.windows, [], []
    for gene, index in zip(windows.genes, indices, strict=True):
        columns, filled = samples.columns[gene.contig], not options.absent_is_reference
        cis, wide = (columns.between(window(gene)) for window in (windows.cis_window, windows.wide_window))
        means = DosageMeans(cis.means, wide.means if windows.wide else None)
        files.append(spec.folder / f"gene-{index:06d}.parquet")
        targets.append(TargetGene(index, means, ~cis.found & filled, ~wide.found & filled))
    items = [(files[i], targets[i]) for i in windows.genome_order()]
    context = WorkContext(spec, genotypes=windows.genotypes)
    with stage("Predicting", len(indices), "genes") as advance:
        map_to_files(executor, spec, predict_gene, items, advance, context)
    return files
