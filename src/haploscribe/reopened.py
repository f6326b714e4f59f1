"""A finished run, opened again: its people, its kept models, and what the models say of single alleles."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from haploscribe.arrays import Float64Array
from haploscribe.cohort import Cohort
from haploscribe.embedding.store import EmbeddingStore, StoredDeltas
from haploscribe.errors import InputError
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.estimators.registry import reads_deltas, wide_models
from haploscribe.evaluation.folds import Fold, everyone, prepare_fold
from haploscribe.expression.genes import Gene
from haploscribe.expression.table import places_of_genes
from haploscribe.interpret.effects import Predictor
from haploscribe.io.kept_models import KeptModels
from haploscribe.io.results import RUN, read_results
from haploscribe.io.run_record import recorded_options, require_unchanged
from haploscribe.options import EvaluationOptions
from haploscribe.stages.checked import checked_cohort
from haploscribe.stages.embedding import STORE_NAME, LoadedBackbone, embed_tiles
from haploscribe.stages.genes import folds_of
from haploscribe.stages.models import MODELS_NAME
from haploscribe.workers.workers import Workers
from haploscribe.zero_shot.registry import ZERO_SHOT_NAMES

_INPUTS = ("variants", "reference", "expression", "covariates")


@dataclass(frozen=True, slots=True)
class ReopenedRun:
    """A finished run, opened again for some of its genes.

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
    stored
        The people's deltas; None likewise.
    work
        Folder for what is made on the way.
    """

    kept: KeptModels
    models: tuple[str, ...]
    cohort: Cohort
    evaluation: EvaluationOptions
    fold: Fold
    loaded: LoadedBackbone | None
    stored: StoredDeltas | None
    work: Path

    def inputs(self, gene: Gene) -> GeneInputs:
        """Collect the inputs of everyone that the models have learned from, at one of the cohort's genes."""
        return self.cohort.gene_inputs(gene, self.stored).take(self.fold.training)

    def expression(self, gene: Gene) -> Float64Array:
        """Prepare their expression, float64 `(n_samples,)`, as the models have learned it."""
        values = self.cohort.values[self.cohort.genes.index(gene)]
        prepared = prepare_fold(values, self.cohort.covariates, self.fold, self.evaluation.normalize)
        return prepared[self.fold.training]

    def models_of(self, gene: Gene) -> dict[str, Predictor]:
        """Restore the models that are asked, at one gene."""
        names = [kept.gene_id for kept in self.kept.record.genes]
        found = self.kept.of_gene(names.index(gene.gene_id))
        return {name: found[name] for name in self.models}


@contextmanager
def reopened_run(
    results: Path, workers: Workers, work: Path, *, genes: str | None, models: Sequence[str] | None
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
    asked = _asked(kept, models)
    there = kept.record.genes
    places: Sequence[int] = range(len(there))
    if genes is not None:
        places = places_of_genes(there, genes, f"the models of {results}")
    # Named one by one: the run may have taken some of its table's genes only.
    named = ",".join(there[place].gene_id for place in places)
    require_unchanged(record, _INPUTS)
    loaded = None
    if reads_deltas(asked):
        loaded = LoadedBackbone.of(backbone_options, cohort_options.tile)
        if loaded.key != kept.record.backbone_key:
            raise InputError(
                f"backbone {backbone_options.backbone} is {loaded.key} now, but was "
                f"{kept.record.backbone_key} in the run of {results}; put that one back, or run again"
            )
    options = replace(cohort_options, genes=named)
    with checked_cohort(options, workers, work, wide=bool(wide_models(asked))) as checked:
        stored = None
        if loaded is not None:
            store = results / STORE_NAME
            store = store if store.exists() else work / STORE_NAME
            embedded = embed_tiles(checked.surveyed, checked.kept, loaded, store, workers)
            stored = StoredDeltas(EmbeddingStore(store), embedded.addresses)
        cohort = checked.surveyed
        fold = everyone(cohort.match.shared, folds_of(evaluation, cohort.match.shared))
        yield ReopenedRun(kept, asked, cohort, evaluation, fold, loaded, stored, work)


def _asked(kept: KeptModels, models: Sequence[str] | None) -> tuple[str, ...]:
    there = tuple(name for name in kept.record.models if name not in ZERO_SHOT_NAMES)
    unknown = [name for name in models or () if name not in there]
    if unknown or not there:
        raise InputError(
            f"{kept.folder} has no trained model {unknown[0] if unknown else ''!r}; it has "
            f"{', '.join(there) or 'zero-shot models only'}"
        )
    return there if models is None else tuple(models)
