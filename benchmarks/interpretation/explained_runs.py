"""Fit models, and compute their effect of every allele of each gene."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.common.cohort import write_split
from haploscribe.config.options import (
    BackboneOptions,
    CohortOptions,
    EvaluationOptions,
    Normalisation,
    WorkerOptions,
)
from haploscribe.embedding.stage import STORE_NAME
from haploscribe.estimators.inputs import gene_inputs
from haploscribe.evaluation.bootstrap import genome_order
from haploscribe.evaluation.folds import Fold, prepare_fold
from haploscribe.expression.genes import Gene
from haploscribe.interpret.association import MarginalAssociation, marginal_association
from haploscribe.interpret.explanation import AlleleNames
from haploscribe.parallel.open import open_executor
from haploscribe.utils.types import Float32Array, Float64Array, Int64Array
from haploscribe.workflows.explain import observed_effects
from haploscribe.workflows.finished_run import FinishedRun, RunFolder, finished_run
from haploscribe.workflows.run.workflow import run

MARGINAL = "marginal test"
_NOBODY = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Fitting:
    """Models to fit, and their settings.

    Attributes
    ----------
    models
        Their names.
    backbone
        Backbone of the delta models.
    normalize
        As `EvaluationOptions.normalize`.
    work
        Folder of the embeddings that all runs share.
    workers
        Workers to run on.
    """

    models: tuple[str, ...]
    backbone: str
    normalize: Normalisation
    work: Path
    workers: WorkerOptions


@dataclass(frozen=True, slots=True)
class ExplainedGene:
    """A gene, its samples, and the effect of each allele by each model.

    Attributes
    ----------
    gene
        The gene.
    index
        Among the run's genes, in genome order.
    names
        The alleles.
    dosages
        float32 `(n_training, n_alleles)`; of those that the models have learned from.
    effects
        float64 `(n_alleles,)` for each model: change in expression per copy of ALT; `MARGINAL` among them.
    association
        Expression of those samples regressed on each allele alone.
    """

    gene: Gene
    index: int
    names: AlleleNames
    dosages: Float32Array
    effects: dict[str, Float64Array]
    association: MarginalAssociation

    def standardised(self) -> dict[str, Float64Array]:
        """Return the change in expression per standard deviation of dosage."""
        spread = self.dosages.std(axis=0, dtype=np.float64)
        return {model: effects * spread for model, effects in self.effects.items()}


def halves(sample_ids: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """Divide samples at random into two halves that differ in size by one at most."""
    shuffled = np.random.default_rng(seed).permutation(sorted(sample_ids)).tolist()
    return shuffled[::2], shuffled[1::2]


def run_on(cohort: CohortOptions, sample_ids: Sequence[str], fitting: Fitting, out: Path) -> Path:
    """Run on some samples, and save models fitted to all of them; other samples are in no set.

    A run needs a test set, so one half predicts the other; these predictions are not used.
    """
    first, second = sample_ids[::2], sample_ids[1::2]
    split = write_split({"train": first, "test": second}, out.with_name(f"{out.name}-split.txt"))
    evaluation = EvaluationOptions(models=fitting.models, split=split, normalize=fitting.normalize)
    store = fitting.work / STORE_NAME
    run(
        cohort,
        BackboneOptions(fitting.backbone),
        evaluation,
        out,
        store_path=store,
        worker_options=fitting.workers,
    )
    return out


def explained_genes(results: Path, fitting: Fitting) -> Iterator[tuple[ExplainedGene, FinishedRun]]:
    """Yield the effects of every allele by the models of a finished run, gene by gene in genome order."""
    with (
        open_executor(fitting.workers) as executor,
        finished_run(RunFolder.read(results), executor, fitting.work, genes=None, models=None) as opened,
    ):
        by_id = {gene.gene_id: gene for gene in opened.cohort.genes}
        for index, gene_id in enumerate(genome_order(opened.cohort.genes)):
            gene = by_id[gene_id]
            names, effects = observed_effects(opened, gene, fitting.workers.jobs)
            dosages = opened.inputs(gene).dosages
            association = marginal_association(dosages, opened.expression(gene))
            effects = {**effects, MARGINAL: np.nan_to_num(association.slope)}
            yield ExplainedGene(gene, index, names, dosages, effects, association), opened


def others_association(gene: Gene, opened: FinishedRun) -> tuple[Float32Array, MarginalAssociation]:
    """Test the alleles of a gene for association in the samples that no model was trained on.

    Their expression is normalised and corrected on these samples alone.

    Returns
    -------
    dosages
        float32 `(n_others, n_alleles)`.
    association
        Of their expression with each allele.
    """
    cohort = opened.cohort
    others = np.setdiff1d(np.arange(len(cohort.match.shared)), opened.fold.training)
    fold = Fold(0, others, _NOBODY, _NOBODY)
    values = cohort.values[cohort.genes.index(gene)]
    prepared = prepare_fold(values, cohort.covariates, fold, opened.evaluation.normalize)
    dosages = gene_inputs(cohort, gene, None).take(others).dosages
    return dosages, marginal_association(dosages, prepared[others])


def causal_alleles(truth: pl.DataFrame, names: AlleleNames) -> tuple[Int64Array, Float64Array]:
    """Return the causal alleles of a gene among those of the models.

    Parameters
    ----------
    truth
        The gene's rows of `truth.tsv`.
    names
        The alleles.

    Returns
    -------
    causal
        int64 `(n_causal,)`; their indices, ascending; both alleles of a pair.
    effects
        float64 `(n_causal,)`; per copy; NaN for an allele of a pair, which has none by itself.
    """
    keys = zip((names.positions + 1).tolist(), names.references, names.alternates, strict=True)
    index_of = {key: index for index, key in enumerate(keys)}
    found: dict[int, float] = {}
    for row in truth.iter_rows(named=True):
        paired = row["partner_position"] is not None
        found[index_of[row["position"], row["ref"], row["alt"]]] = float("nan") if paired else row["effect"]
        if paired:
            partner = (row["partner_position"], row["partner_ref"], row["partner_alt"])
            found[index_of[partner]] = float("nan")
    causal = np.array(sorted(found), dtype=np.int64)
    return causal, np.array([found[index] for index in causal.tolist()])
