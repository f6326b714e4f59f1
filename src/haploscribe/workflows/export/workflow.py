"""Export weights of a finished run's models to TWAS tools: the subcommand `export`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from haploscribe.config.finished_runs import ExportOptions
from haploscribe.config.options import MODELS_NAME, WorkerOptions
from haploscribe.errors import InputError, StoppedError
from haploscribe.evaluation.metrics import benjamini_hochberg
from haploscribe.parallel.open import open_executor
from haploscribe.results.models_folder import RECORD
from haploscribe.results.tables import RUN
from haploscribe.utils.files import remove_atomically, remove_on_error
from haploscribe.utils.hashing import work_key
from haploscribe.workflows.export.dropped import DROPPED_SCHEMA
from haploscribe.workflows.export.fusion import check_replaceable, dropped_path, write_fusion
from haploscribe.workflows.export.linearise import linearised_path, linearised_table, write_linearised
from haploscribe.workflows.export.predictdb import SnpKey, check_database, write_predictdb
from haploscribe.workflows.export.sequence_effects import write_effects
from haploscribe.workflows.export.variant_ids import check_gene_id, check_label
from haploscribe.workflows.export.weight_extractor import EFFECTS, Performance, WeightExtractor
from haploscribe.workflows.export.weights import ExportCounts, GeneWeights
from haploscribe.workflows.finished_run import FinishedRun, RunFolder, finished_run


@dataclass(frozen=True, slots=True)
class Exported:
    """Summary of an export.

    Attributes
    ----------
    n_fitted
        Genes of the run.
    n_passing
        Genes that at least one model predicts well enough.
    counts
        Numbers of genes and weights written.
    kept
        `ModelWeights.kept_r2` of each model that was made sparse, one per gene.
    linearised
        Loss of sequence models made linear; `haploscribe.workflows.export.linearise.LINEARISED_SCHEMA`.
    nonlinear
        Genes at which each model would lose too much by being made linear; it has no weights there.
    dropped
        For FUSION, loss of models with the variants that it drops; `DROPPED_SCHEMA`.
    lacks_rsids
        Whether variants go by rsIDs, and none has any.
    """

    n_fitted: int
    n_passing: int
    counts: ExportCounts
    kept: Mapping[str, Sequence[float]]
    linearised: pl.DataFrame
    nonlinear: Mapping[str, int]
    dropped: pl.DataFrame | None = None
    lacks_rsids: bool = False

    def summary(self) -> dict[str, str | int]:
        """Return what was done, by its names in print."""
        counts = self.counts
        summary: dict[str, str | int] = {
            "genes of the run": self.n_fitted,
            "predicted well enough": self.n_passing,
            "of these without any weight, left out": counts.n_without_weights,
            "genes exported": counts.n_genes,
            "weights other than 0": counts.n_weights,
            "variants without an rsID, summed over genes": counts.n_without_rsid,
        }
        if self.lacks_rsids:
            summary["no variant has an rsID"] = (
                "readers that look rsIDs up would use none of the weights; export with --snp-key varID"
            )
        for model, kept in self.kept.items():
            summary[f"kept by the weights of {model} (r²)"] = f"at least {np.nanmin(kept):.4f}"
        summary |= _losses(self.linearised, "lost by making {} linear (1 - r²)")
        for model, n_genes in self.nonlinear.items():
            summary[f"genes without weights of {model}, as more than --max-lost is lost"] = n_genes
        if self.dropped is not None:
            summary |= _losses(self.dropped, "lost by {} without A/T and C/G variants and indels (1 - r²)")
        return summary


def _losses(table: pl.DataFrame, label: str) -> dict[str, str]:
    """Return the median and the largest loss of each model, by a label with its name."""
    found = {}
    for model in table["model"].unique(maintain_order=True):
        rows = table.filter(pl.col("model") == model).drop_nulls("lost")
        for gene_id, most in rows.top_k(1, by="lost").select("gene_id", "lost").iter_rows():
            found[label.format(model)] = (
                f"median {float(np.median(rows['lost'])):.2%}, at most {most:.2%} ({gene_id})"
            )
    return found


def export_predictdb(
    options: ExportOptions, worker_options: WorkerOptions, out: Path, snp_key: SnpKey = "rsid"
) -> Exported:
    """Export one model as a PredictDB database with its covariances; see `write_predictdb`.

    Parameters
    ----------
    options
        The run and the model.
    worker_options
        Where the work is done.
    out
        The database.
    snp_key
        Names that the covariances go by.

    Raises
    ------
    InputError
        When the run, an option or a gene is at fault, or no gene is predicted well enough. Nothing is
        written then.
    """
    check_database(out)
    check_label(options.build, "--build")
    out = out.absolute()
    run = RunFolder.read(options.results)
    performance = _performance(run, _one_model(run, options))
    ((model, by_gene),) = performance.items()
    fitted = {gene_id: found.p for gene_id, found in by_gene.items()}
    exported = _export(
        run,
        options,
        worker_options,
        performance,
        out.with_name(f".{out.name}.work"),
        linearised_path(out.parent, out.stem),
        lambda genes: write_predictdb(out, genes, model, options.build, snp_key, fitted),
        whole_window=False,
    )
    lacks_rsids = snp_key == "rsid" and exported.counts.n_without_rsid == exported.counts.n_weights
    return replace(exported, lacks_rsids=lacks_rsids)


def export_fusion(
    options: ExportOptions, worker_options: WorkerOptions, out: Path, panel: str = "haploscribe"
) -> Exported:
    """Export models as weights for FUSION; see `write_fusion`.

    Parameters
    ----------
    options
        The run and its models.
    worker_options
        Where the work is done.
    out
        Folder of the weights.
    panel
        Name of the set of weights.

    Raises
    ------
    InputError
        As `export_predictdb`, and when a model reads variants outside the cis window.
    """
    check_label(options.build, "--build")
    check_label(panel, "--panel")
    check_replaceable(out / panel)
    out = out.absolute()

    def write(genes: Iterable[GeneWeights]) -> ExportCounts:
        with remove_on_error(out):
            return write_fusion(out, genes, panel, options.build)

    run = RunFolder.read(options.results)
    exported = _export(
        run,
        options,
        worker_options,
        _performance(run, _models_of_one_window(run, options)),
        out.with_name(f".{out.name}.work"),
        linearised_path(out, panel),
        write,
        whole_window=True,
    )
    table = pl.read_csv(dropped_path(out, panel), separator="\t", schema=DROPPED_SCHEMA)
    return replace(exported, dropped=table)


def _one_model(run: RunFolder, options: ExportOptions) -> tuple[str, ...]:
    models = run.model_names(options.models)
    if options.models is None or len(models) != 1:
        raise InputError("--model: a PredictDB database has the weights of one model; name one")
    return models


def _models_of_one_window(run: RunFolder, options: ExportOptions) -> tuple[str, ...]:
    """Return the models to export, which share one list of variants: FUSION has one for all."""
    models = tuple(dict.fromkeys(run.model_names(options.models)))
    able = {name: run.saved.specs[name].capabilities for name in models}
    wide = [name for name in models if able[name].reads_wide]
    if options.models is None:
        models = tuple(name for name in models if name not in wide and not able[name].reads_deltas)
    if not models:
        raise InputError(
            f"{options.results} has no model of the dosages of the cis window; name others with --models"
            if options.models is None
            else "--models: name a model"
        )
    if options.models is not None and wide:
        raise InputError(
            f"--models: {wide[0]} has weights outside the cis window, and FUSION's files have one list of "
            "variants for all models; export it with `haploscribe export predictdb`"
        )
    return models


def _performance(run: RunFolder, models: Sequence[str]) -> dict[str, dict[str, Performance]]:
    """Return the performance of each model at each gene; q is over all genes, exported or not."""
    metrics = run.results.metrics
    found = {}
    for model in models:
        rows = metrics.filter(pl.col("model") == model)
        q = benjamini_hochberg(rows["pearson_p"].to_numpy())
        found[model] = {
            gene_id: Performance(r, p, adjusted)
            for (gene_id, r, p), adjusted in zip(
                rows.select("gene_id", "pearson_r", "pearson_p").iter_rows(), q.tolist(), strict=True
            )
        }
    return found


def _passing(performance: Mapping[str, Mapping[str, Performance]], options: ExportOptions) -> list[str]:
    """Return the genes that at least one model predicts well enough."""
    pairs = [(gene_id, found) for by_gene in performance.values() for gene_id, found in by_gene.items()]
    passing = dict.fromkeys(
        gene_id for gene_id, found in pairs if max(found.r, 0.0) >= options.min_r and found.p <= options.max_p
    )
    if not passing:
        gene_id, best = max(pairs, key=lambda one: one[1].r)
        raise InputError(
            f"no gene of {options.results} has r of {options.min_r:g} or more and p of {options.max_p:g} or "
            f"less in {', '.join(performance)}; the best, {gene_id}, has r {best.r:.3f} and p {best.p:.2g}: "
            "change --min-r and --max-p, or export another model"
        )
    return list(passing)


def _export(
    run: RunFolder,
    options: ExportOptions,
    worker_options: WorkerOptions,
    performance: Mapping[str, Mapping[str, Performance]],
    works: Path,
    table: Path,
    write: Callable[[Iterable[GeneWeights]], ExportCounts],
    *,
    whole_window: bool,
) -> Exported:
    """Open the run, extract the weights of the genes that pass, and write them gene by gene."""
    passing = _passing(performance, options)
    for gene_id in passing:
        check_gene_id(gene_id)
    models, work = (
        tuple(performance),
        works / work_key(options.models, options.results / RUN, options.results / MODELS_NAME / RECORD),
    )
    n_fitted = len({gene_id for by_gene in performance.values() for gene_id in by_gene})
    genes = None if len(passing) == n_fitted else tuple(passing)
    with ExitStack() as stack:
        with remove_on_error(works), remove_on_error(work):
            executor = stack.enter_context(open_executor(worker_options))
            opened = stack.enter_context(finished_run(run, executor, work, genes=genes, models=models))
        _compute_effects(opened)
        weighing = WeightExtractor(opened, performance, whole_window, options.keep_r2, options.max_lost)
        try:
            with closing(weighing.genes()) as weighed:
                counts = write(weighed)
        except StoppedError:
            raise
        except InputError:
            remove_atomically(works)
            raise
    linearised = linearised_table(weighing.lost)
    write_linearised(table, linearised)
    remove_atomically(works)
    return Exported(n_fitted, len(passing), counts, weighing.kept, linearised, weighing.nonlinear())


def _compute_effects(opened: FinishedRun) -> None:
    """Compute the effect of every variant in models that read deltas."""
    # The samples are embedded first: backgrounds are mostly haplotypes of theirs.
    if opened.deltas is None or opened.loaded is None:
        return
    spec = replace(
        opened.spec,
        folder=opened.work,
        models=opened.saved.folder.absolute(),
        model_names=tuple(
            name for name in opened.models if opened.saved.specs[name].capabilities.reads_deltas
        ),
        backbone=opened.loaded.options,
        store=opened.store.absolute(),
    )
    indices = [opened.index(gene) for gene in opened.cohort.genes]
    genotypes, folder = opened.cohort.genotypes, opened.work / EFFECTS
    write_effects(spec, genotypes, opened.loaded, indices, opened.executor, folder)
