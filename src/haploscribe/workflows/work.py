"""Describe the work of any workflow for worker processes: a small spec, and the context that it opens."""

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from haploscribe.annotations.features import FeatureScaling
from haploscribe.annotations.sources import Annotations, open_annotations
from haploscribe.cohort.cohort import Cohort, open_saved_cohort
from haploscribe.cohort.windows import GeneWindows
from haploscribe.config.options import MODELS_NAME, BackboneOptions, CohortOptions, EvaluationOptions
from haploscribe.embedding.deltas import DeltaReader
from haploscribe.embedding.stage import LoadedBackbone
from haploscribe.embedding.store import BlockKey, EmbeddingStore
from haploscribe.estimators.cross_gene.heterogeneity import Heterogeneity
from haploscribe.estimators.cross_gene.learners import (
    Adjustment,
    AnnotationModel,
    EffectPriorModel,
    HeterogeneityModel,
)
from haploscribe.estimators.inputs import GeneInputs, gene_inputs
from haploscribe.estimators.registry import ModelSpec, any_model, model_specs
from haploscribe.evaluation.cross_gene import CrossGeneTraining, far_genes
from haploscribe.evaluation.cross_validation import GeneDataset
from haploscribe.evaluation.folds import Fold, all_samples, gene_splits, prepare_fold, run_folds
from haploscribe.expression.genes import Gene, GeneSplit
from haploscribe.genome.genotypes import Genotypes
from haploscribe.genome.readers.cache import CachedGenotypes, read_variant_samples
from haploscribe.genome.readers.open import open_variants
from haploscribe.genome.reference import Reference
from haploscribe.genome.variant_filter import ALL_VARIANTS, VariantFilter
from haploscribe.results.models_folder import read_record
from haploscribe.results.saved_models import SavedModels, windows_of
from haploscribe.utils.file_lists import Files
from haploscribe.utils.files import atomic_write
from haploscribe.utils.types import BoolArray, Float64Array

HETEROGENEITY, EFFECT_PRIOR, ANNOTATIONS = "heterogeneity", "effect-prior", "annotation-effects"
"""Folders of what all genes show, less the number of the fold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenotypeFile:
    """A variants file and its reference: small, hashable, and opened in any process.

    Attributes
    ----------
    variants, reference
        The files.
    index_folder
        Where indexes that they lack are.
    samples
        Folder of the names of the samples to read: see `write_variant_samples`.
    filter
        Which variants are used.
    assume_phased
        Read unphased heterozygotes as if phased.
    """

    variants: Path | Files
    reference: Path
    index_folder: Path
    samples: Path
    filter: VariantFilter = ALL_VARIANTS
    assume_phased: bool = False

    def open(self) -> Genotypes:
        """Open the files. Missing calls are judged over the whole run, not region by region."""
        return Genotypes(
            Reference.open(self.reference, self.index_folder),
            open_variants(
                self.variants, self.index_folder, assume_phased=self.assume_phased, max_missing=1.0
            ),
            read_variant_samples(self.samples),
            self.filter,
        )


def new_run_id() -> str:
    """Return a unique id, so that workers that outlive a run do not reuse its open files in the next."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSpec:
    """What a worker process needs: files by name, and options. It travels with every item.

    Attributes
    ----------
    genotypes
        The samples' alleles: a variants file, or the cache that a scan has written.
    cohort, cohort_folder
        The options of the cohort and the folder of `save_cohort`; None without expression.
    evaluation
        Estimators and folds; None where nothing is fitted.
    models, model_names
        Folder of saved models, and which of them to query; None where none is read. A run that adds models
        to a finished one reads all.
    backbone
        None where no worker embeds.
    annotations
        Folder of the annotations of genes (`annotate_genes`); None without.
    store, block_keys
        The embedding store, and the file of the run's blocks in it (`write_block_keys`).
    folder
        For the files that items write.
    plugin_folder
        Where plug-ins are looked for besides the installed packages.
    run
        From `new_run_id`.
    """

    genotypes: GenotypeFile | CachedGenotypes
    folder: Path
    cohort: CohortOptions | None = None
    cohort_folder: Path | None = None
    evaluation: EvaluationOptions | None = None
    models: Path | None = None
    model_names: tuple[str, ...] = ()
    backbone: BackboneOptions | None = None
    annotations: Path | None = None
    store: Path | None = None
    block_keys: Path | None = None
    plugin_folder: str = field(default_factory=os.getcwd)
    run: str = field(default_factory=new_run_id)

    def open(self) -> "WorkContext":
        """Return a context in which nothing is open yet."""
        return WorkContext(self)


class WorkContext:
    """What a process keeps open while it works; each part is opened when a task first needs it.

    Parameters
    ----------
    spec
        What to open.
    opened
        Parts that are open in this process already, by the names of the properties; they are not closed.
    """

    def __init__(self, spec: WorkSpec, **opened: Any) -> None:
        self.spec = spec
        self._given = frozenset(opened)
        self._far: dict[int, tuple[BoolArray, BoolArray]] = {}
        self.__dict__.update(opened)

    def close(self) -> None:
        """Close the files that this context has opened."""
        if "genotypes" in self.__dict__ and "genotypes" not in self._given:
            self.genotypes.close()

    @cached_property
    def genotypes(self) -> Genotypes:
        """The samples' alleles."""
        return self.spec.genotypes.open()

    @cached_property
    def cohort(self) -> Cohort:
        """Genotypes and expression of the same samples."""
        spec = self.spec
        assert spec.cohort is not None
        assert spec.cohort_folder is not None
        wide = spec.evaluation is not None and any_model(self.estimators.values(), "reads_wide")
        return open_saved_cohort(spec.cohort_folder, spec.cohort, self.genotypes, wide=wide)

    @cached_property
    def models(self) -> SavedModels:
        """The saved models."""
        assert self.spec.models is not None
        return SavedModels(self.spec.models, self.spec.plugin_folder)

    @cached_property
    def windows(self) -> GeneWindows:
        """The windows of the genes of the saved models, in the samples of `genotypes`."""
        return windows_of(self.models.record, self.genotypes)

    @cached_property
    def loaded(self) -> LoadedBackbone:
        """The backbone."""
        assert self.spec.backbone is not None
        return LoadedBackbone.load(self.spec.backbone, plugin_folder=self.spec.plugin_folder)

    @cached_property
    def store(self) -> EmbeddingStore:
        """The embedding store."""
        assert self.spec.store is not None
        return EmbeddingStore(self.spec.store)

    @cached_property
    def deltas(self) -> DeltaReader | None:
        """The embedded tiles; None where no model reads deltas."""
        if self.spec.block_keys is None:
            return None
        return DeltaReader(self.store, read_block_keys(self.spec.block_keys))

    @property
    def evaluation(self) -> EvaluationOptions:
        """Estimators and folds."""
        assert self.spec.evaluation is not None
        return self.spec.evaluation

    @cached_property
    def estimators(self) -> dict[str, ModelSpec]:
        """The run's models by name."""
        evaluation = self.evaluation
        return model_specs(evaluation.models, evaluation.seed, self.spec.plugin_folder)

    @property
    def uses_other_genes(self) -> bool:
        """Whether any of the run's models learns across genes."""
        return any_model(self.estimators.values(), "uses_other_genes")

    @cached_property
    def annotations(self) -> Annotations:
        """The files of annotations."""
        lengths = self.cohort.genotypes.reference.contigs
        contigs = dict.fromkeys(gene.contig for gene in self.cohort.genes)
        return open_annotations(self.evaluation.annotations, {name: lengths[name] for name in contigs})

    @cached_property
    def annotation_scaling(self) -> FeatureScaling:
        """What makes raw annotations features."""
        assert self.spec.annotations is not None
        return FeatureScaling.open(self.spec.annotations)

    def annotated(self, number: int, inputs: GeneInputs) -> GeneInputs:
        """Return a gene's inputs with the features of its annotations, where the run has any."""
        if self.spec.annotations is None:
            return inputs
        raw = np.load(raw_annotations(self.spec.annotations, number), allow_pickle=False)
        return replace(inputs, annotations=self.annotation_scaling.features(raw))

    @cached_property
    def folds(self) -> tuple[Fold, ...]:
        """The folds that every estimator of the run sees."""
        return run_folds(self.evaluation, self.cohort.match.shared)

    @cached_property
    def all_samples(self) -> Fold:
        """All samples of the folds, as one training set."""
        return all_samples(self.cohort.match.shared, self.folds)

    @property
    def fits(self) -> tuple[Fold, ...]:
        """All training sets: those of the folds, and all samples."""
        return (*self.folds, self.all_samples)

    @cached_property
    def gene_splits(self) -> tuple[GeneSplit, ...]:
        """The genes that are trained on and predicted."""
        return gene_splits(self.cohort, self.evaluation.gene_split)

    def cross_gene_folder(self, kind: str, fold: Fold) -> Path:
        """Return the folder of one kind of what all genes show in a fold."""
        return self.spec.folder / f"{kind}-{fold.number}"

    @cached_property
    def learned_genes(self) -> tuple[Gene, ...]:
        """The genes that effect-size priors are learned from: the run's own, or those of another run."""
        other = self.evaluation.cross_gene
        if other is None:
            return self.cohort.genes
        genes = read_record(other / MODELS_NAME).genes
        names = {gene.contig: self.genotypes.reference.resolve(gene.contig) for gene in genes}
        return tuple(replace(gene, contig=names[gene.contig]) for gene in genes)

    @cached_property
    def _cross_gene_models(self) -> dict[int, tuple[HeterogeneityModel, EffectPriorModel]]:
        """What all genes show in each of `fits`, by the fold's number."""
        return {
            fold.number: (
                HeterogeneityModel(Heterogeneity.open(self.cross_gene_folder(HETEROGENEITY, fold))),
                EffectPriorModel.open(self.cross_gene_folder(EFFECT_PRIOR, fold)),
            )
            for fold in self.fits
        }

    @cached_property
    def annotation_models(self) -> dict[int, AnnotationModel]:
        """What all genes say of annotations in each of `fits`, by the fold's number."""
        return {
            fold.number: AnnotationModel.open(self.cross_gene_folder(ANNOTATIONS, fold)) for fold in self.fits
        }

    def cross_gene(self, number: int, fold: Fold, *, annotations: bool = True) -> CrossGeneTraining:
        """Return what genes far from one show about it in a fold, once all are measured.

        Without `annotations`, all but what they say of annotations.
        """
        gene, table = self.cohort.genes[number], self.cohort.all_genes.genes
        # By name: contigs are named as in the file there, as in the reference here.
        own = next(other for other in table if other.gene_id == gene.gene_id)
        if number not in self._far:  # one gene's folds follow each other
            self._far = {number: (far_genes(table, own), far_genes(self.learned_genes, gene))}
        heterogeneity, prior = self._cross_gene_models[fold.number]
        of_table, of_learned = self._far[number]
        found: list[Adjustment] = [heterogeneity.adjustment(of_table), prior.adjustment(of_learned)]
        if annotations and self.spec.annotations is not None:
            found.append(self.annotation_models[fold.number].adjustment(of_learned))
        return CrossGeneTraining(tuple(found))

    def gene_inputs(self, number: int) -> GeneInputs:
        """Read the inputs of a gene of the cohort, for all samples."""
        return self.annotated(number, gene_inputs(self.cohort, self.cohort.genes[number], self.deltas))

    def prepared(self, index: int, fold: Fold) -> Float64Array:
        """Normalise and correct a gene's expression with a fold's training samples; all samples."""
        cohort = self.cohort
        return prepare_fold(cohort.values[index], cohort.covariates, fold, self.evaluation.normalize)

    def dataset(self, zero_shot: Mapping[str, Float64Array] | None = None) -> GeneDataset:
        """Return inputs and expression of all genes, as estimators are fitted on.

        Parameters
        ----------
        zero_shot
            float64 `(n_samples,)` for each zero-shot model: what it predicts for the one gene that is fitted.
        """
        cohort = self.cohort
        return GeneDataset(
            inputs=lambda number: replace(self.gene_inputs(number), zero_shot=zero_shot or {}),
            expression=cohort.values,
            covariates=cohort.covariates,
            normalisation=self.evaluation.normalize,
            cross_gene=self.cross_gene if self.uses_other_genes else None,
        )


def raw_annotations(folder: Path, number: int) -> Path:
    """Return the file of one gene's raw annotations."""
    return folder / f"{number:06d}.npy"


def write_block_keys(path: Path, keys: Iterable[BlockKey]) -> None:
    """Write a run's blocks for workers: they are too many to travel with every item."""
    with atomic_write(path) as aside:
        aside.write_text("".join(json.dumps(asdict(key)) + "\n" for key in keys))


def read_block_keys(path: Path) -> tuple[BlockKey, ...]:
    """Read what `write_block_keys` wrote."""
    return tuple(BlockKey(**json.loads(line)) for line in path.read_text().splitlines())
