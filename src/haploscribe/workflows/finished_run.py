"""A finished run, opened again: its people, its kept models, and what the models say of single alleles."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from haploscribe.cohort.cohort import Cohort
from haploscribe.cohort.validated import checked_cohort
from haploscribe.config.options import EvaluationOptions
from haploscribe.embedding.deltas import DeltaReader
from haploscribe.embedding.stage import STORE_NAME, LoadedBackbone, embed_tiles
from haploscribe.embedding.store import EmbeddingStore
from haploscribe.errors import InputError
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.registry import reads_deltas, wide_models
from haploscribe.evaluation.folds import Fold, everyone, prepare_fold
from haploscribe.expression.genes import Gene
from haploscribe.expression.table import find_genes
from haploscribe.genome.readers.cache import CachedGenotypes
from haploscribe.interpret.effects import Predictor
from haploscribe.parallel.executor import Workers
from haploscribe.results.models_folder import MODELS_NAME
from haploscribe.results.provenance import recorded_options, require_unchanged
from haploscribe.results.saved_models import KeptModels
from haploscribe.results.tables import RUN, read_results
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.run.context import folds_of
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES

_INPUTS = ("variants", "reference", "expression", "covariates")


@dataclass(frozen=True)
class ReopenedRun:
    """A finished run, opened again for some of its genes; its people are embedded when deltas are first read.

    Attributes
    ----------
    kept
        Its models.
    models
        Names of those that are asked; zero-shot ones are not among them.
    cohort
        Its people at the genes.
    evaluation
        How it prepared expression.
    fold
        Everyone that the kept models have learned from.
    loaded
        The backbone; None where no model that is asked reads deltas.
    genotypes
        How other processes open the people's genotypes.
    store
        The embedding store of the run, or another where that is gone.
    workers
        Who embeds.
    work
        Folder for what is made on the way.
    """

    kept: KeptModels
    models: tuple[str, ...]
    cohort: Cohort
    evaluation: EvaluationOptions
    fold: Fold
    loaded: LoadedBackbone | None
    genotypes: CachedGenotypes
    store: Path
    workers: Workers
    work: Path

    @cached_property
    def stored(self) -> DeltaReader | None:
        """The people's deltas; None where no model that is asked reads them."""
        if self.loaded is None:
            return None
        embedded = embed_tiles(self.cohort, self.genotypes, self.loaded, self.store, self.workers)
        return DeltaReader(EmbeddingStore(self.store), embedded.addresses)

    def inputs(self, gene: Gene) -> GeneInputs:
        """Collect the inputs of everyone that the models have learned from, at one of the cohort's genes."""
        return self.cohort.gene_inputs(gene, self.stored).take(self.fold.training)

    def expression(self, gene: Gene) -> Float64Array:
        """Prepare their expression, float64 `(n_samples,)`, as the models have learned it."""
        values = self.cohort.values[self.cohort.genes.index(gene)]
        prepared = prepare_fold(values, self.cohort.covariates, self.fold, self.evaluation.normalize)
        return prepared[self.fold.training]

    def place(self, gene: Gene) -> int:
        """Find a gene's place in the record of the models."""
        return self._places[gene.gene_id]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {kept.gene_id: place for place, kept in enumerate(self.kept.record.genes)}

    def models_of(self, gene: Gene) -> dict[str, Predictor]:
        """Restore the models that are asked, at one gene."""
        found = self.kept.of_gene(self.place(gene))
        return {name: found[name] for name in self.models}


@contextmanager
def reopened_run(
    results: Path,
    workers: Workers,
    work: Path,
    *,
    genes: str | tuple[str, ...] | None,
    models: Sequence[str] | None,
) -> Iterator[ReopenedRun]:
    """Open a finished run again; its files are closed behind the block.

    Parameters
    ----------
    results
        The folder of the run.
    workers
        Who reads and embeds.
    work
        Folder for what is made on the way.
    genes
        As `CohortOptions.genes`; None for all of the run.
    models
        Names of the models to ask; None for all but zero-shot ones.

    Raises
    ------
    InputError
        When the folder is not that of a finished run, an input is gone or has changed, or there is no such
        gene or model.
    """
    record = read_results(results).run
    cohort_options, backbone_options, evaluation = recorded_options(record, results / RUN)
    kept = KeptModels(results / MODELS_NAME)
    asked = asked_models(kept, models)
    chosen = kept.record.genes
    if genes is not None:
        chosen = tuple(chosen[i] for i in find_genes(chosen, genes, f"the models of {results}"))
    if genes is not None or cohort_options.genes is not None:
        genes = tuple(gene.gene_id for gene in chosen)
    require_unchanged(record, results / RUN, _INPUTS)
    loaded = None
    if reads_deltas(asked):
        loaded = LoadedBackbone.of(backbone_options, cohort_options.tile)
        if loaded.key != kept.record.backbone_key:
            raise InputError(
                f"backbone {backbone_options.backbone} is {loaded.key} now, but was "
                f"{kept.record.backbone_key} in the run of {results}; put that one back, or run again"
            )
    options = replace(cohort_options, genes=genes)
    with checked_cohort(options, workers, work, wide=bool(wide_models(asked))) as checked:
        cohort, store = checked.surveyed, results / STORE_NAME
        yield ReopenedRun(
            kept=kept,
            models=asked,
            cohort=cohort,
            evaluation=evaluation,
            fold=everyone(cohort.match.shared, folds_of(evaluation, cohort.match.shared)),
            loaded=loaded,
            genotypes=checked.kept,
            store=store if store.exists() else work / STORE_NAME,
            workers=workers,
            work=work,
        )


def asked_models(kept: KeptModels, models: Sequence[str] | None) -> tuple[str, ...]:
    """Find the models to ask: those named, or all but zero-shot ones.

    Raises
    ------
    InputError
        When one was not trained, or none was.
    """
    there = tuple(name for name in kept.record.models if name not in ZERO_SHOT_NAMES)
    if models is not None and (not models or len(set(models)) < len(models)):
        raise InputError(f"--models {','.join(models)}: name each model once, of {', '.join(there)}")
    unknown = [name for name in models or () if name not in there]
    if unknown or not there:
        raise InputError(
            f"{kept.folder} has no trained model {unknown[0] if unknown else ''!r}; it has "
            f"{', '.join(there) or 'zero-shot models only'}"
        )
    return there if models is None else tuple(models)
