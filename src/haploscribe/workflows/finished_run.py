"""Open a finished run: its samples and its saved models."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

from haploscribe.cohort.cohort import Cohort
from haploscribe.config.options import MODELS_NAME, EvaluationOptions
from haploscribe.embedding.deltas import DeltaReader
from haploscribe.embedding.stage import STORE_NAME, LoadedBackbone
from haploscribe.embedding.store import EmbeddingStore
from haploscribe.errors import InputError
from haploscribe.estimators.base import Estimator
from haploscribe.estimators.inputs import GeneInputs, gene_inputs
from haploscribe.estimators.registry import any_model
from haploscribe.evaluation.folds import Fold, all_samples, prepare_fold, run_folds
from haploscribe.expression.gene_annotation import GeneAnnotation
from haploscribe.expression.genes import Gene
from haploscribe.expression.table import find_genes
from haploscribe.parallel.executor import Executor
from haploscribe.results.provenance import check_inputs_unchanged, recorded_options
from haploscribe.results.saved_models import SavedModels
from haploscribe.results.tables import RUN, Results, read_results
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.embed import embed_windows
from haploscribe.workflows.validate import names_by_input, validated_cohort
from haploscribe.workflows.work import WorkSpec

_INPUTS = ("variants", "snps", "reference", "expression", "covariates")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of a finished run, read once.

    Attributes
    ----------
    folder
        The folder.
    results
        Its tables and records.
    saved
        Its models.
    """

    folder: Path
    results: Results
    saved: SavedModels

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a folder.

        Raises
        ------
        InputError
            When it is not that of a finished run, or a file is damaged.
        """
        results = read_results(folder)
        return cls(folder, results, SavedModels(folder / MODELS_NAME))

    def model_names(self, models: Sequence[str] | None) -> tuple[str, ...]:
        """Return the models to query: those named, or all but zero-shot ones.

        Raises
        ------
        InputError
            When one was not trained, or none was.
        """
        trained = tuple(name for name, spec in self.saved.specs.items() if not spec.capabilities.zero_shot)
        if models is not None and (not models or len(set(models)) < len(models)):
            raise InputError(f"--models {','.join(models)}: name each model once, of {', '.join(trained)}")
        unknown = [name for name in models or () if name not in trained]
        if unknown or not trained:
            raise InputError(
                f"{self.saved.folder} has no trained model {unknown[0] if unknown else ''!r}; it has "
                f"{', '.join(trained) or 'zero-shot models only'}"
            )
        return trained if models is None else tuple(models)


@dataclass(frozen=True)
class FinishedRun:
    """A finished run, opened for some of its genes; its samples are embedded when deltas are first read.

    Attributes
    ----------
    saved
        Its models.
    models
        Names of those to query; zero-shot ones are not among them.
    cohort
        Its samples at the genes.
    evaluation
        How it prepared expression.
    fold
        All samples that the saved models were trained on.
    loaded
        The backbone; None where no model to query reads deltas.
    spec
        How other processes open the cohort.
    store
        The embedding store of the run, or another where that is gone.
    executor
        Runs the work.
    work
        Folder for intermediate files.
    """

    saved: SavedModels
    models: tuple[str, ...]
    cohort: Cohort
    evaluation: EvaluationOptions
    fold: Fold
    loaded: LoadedBackbone | None
    spec: WorkSpec
    store: Path
    executor: Executor
    work: Path

    @cached_property
    def deltas(self) -> DeltaReader | None:
        """The samples' deltas; None where no model to query reads them."""
        if self.loaded is None:
            return None
        embedded = embed_windows(self.cohort, self.spec, self.loaded, self.store, self.executor)
        return DeltaReader(EmbeddingStore(self.store), embedded.keys)

    def inputs(self, gene: Gene) -> GeneInputs:
        """Return the inputs of the samples that the models were trained on, at one of the cohort's genes."""
        training = self.fold.training
        return gene_inputs(self.cohort, gene, self.deltas).imputed(training).take(training)

    def expression(self, gene: Gene) -> Float64Array:
        """Return their expression, float64 `(n_samples,)`, normalised and corrected as in training."""
        values = self.cohort.values[self.cohort.genes.index(gene)]
        prepared = prepare_fold(values, self.cohort.covariates, self.fold, self.evaluation.normalize)
        return prepared[self.fold.training]

    def index(self, gene: Gene) -> int:
        """Return a gene's index in the record of the models."""
        return self._indices[gene.gene_id]

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {gene.gene_id: index for index, gene in enumerate(self.saved.record.genes)}

    def models_of(self, gene: Gene) -> dict[str, Estimator]:
        """Read the models to query, at one gene."""
        found = self.saved.of_gene(self.index(gene))
        return {name: found[name] for name in self.models}


@contextmanager
def finished_run(
    run: RunFolder,
    executor: Executor,
    work: Path,
    *,
    genes: str | tuple[str, ...] | None,
    models: Sequence[str] | None,
) -> Iterator[FinishedRun]:
    """Open a finished run; its files are closed after the block.

    Parameters
    ----------
    run
        The folder of the run.
    executor
        Reads and embeds.
    work
        Folder for intermediate files.
    genes
        As `CohortOptions.genes`; None for all of the run.
    models
        Names of the models to query; None for all but zero-shot ones.

    Raises
    ------
    InputError
        When an input is gone or has changed, or there is no such gene or model.
    """
    results, record, saved = run.folder, run.results.run, run.saved
    cohort_options, backbone_options, evaluation = recorded_options(record, results / RUN)
    queried = run.model_names(models)
    chosen = saved.record.genes
    if genes is not None:
        chosen = tuple(chosen[i] for i in find_genes(chosen, genes, f"the models of {results}"))
    if genes is not None or cohort_options.genes is not None:
        genes = tuple(gene.gene_id for gene in chosen)
    check_inputs_unchanged(record, results / RUN, _INPUTS)
    loaded = None
    specs = [saved.specs[name] for name in queried]
    if any_model(specs, "reads_deltas"):
        if saved.record.backbone is not None:
            backbone_options = replace(backbone_options, revision=saved.record.backbone.revision)
        loaded = LoadedBackbone.load(backbone_options, cohort_options.tile_size)
        if loaded.key != saved.record.backbone_key:
            raise InputError(
                f"backbone {backbone_options.backbone} is {loaded.key} now, but was "
                f"{saved.record.backbone_key} in the run of {results}; restore that one, or run again"
            )
    # The models carry what the GTF told of their genes.
    annotation = None if cohort_options.gtf is None else GeneAnnotation.of_run(saved.record.genes)
    options = replace(cohort_options, genes=genes, gtf=None)
    with validated_cohort(
        options,
        executor,
        work,
        wide=any_model(specs, "reads_wide"),
        annotation=annotation,
        models=names_by_input(specs),
    ) as validated:
        cohort, store = validated.cached, results / STORE_NAME
        samples = cohort.match.shared
        yield FinishedRun(
            saved=saved,
            models=queried,
            cohort=cohort,
            evaluation=evaluation,
            fold=all_samples(samples, run_folds(evaluation, samples)),
            loaded=loaded,
            spec=validated.spec,
            store=store if store.exists() else work / STORE_NAME,
            executor=executor,
            work=work,
        )
