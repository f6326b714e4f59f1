"""Extract the weights of a finished run's models, gene by gene."""

from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from haploscribe.errors import InputError
from haploscribe.estimators.base import Estimator, LinearWeights
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.evaluation.heritability import Heritability, snp_heritability
from haploscribe.expression.genes import Gene
from haploscribe.genome.variants import alt_alleles
from haploscribe.interpret.association import marginal_correlations
from haploscribe.parallel.threads import threads
from haploscribe.utils.progress import stage
from haploscribe.utils.types import Float32Array, Float64Array, Int64Array
from haploscribe.workflows.export.linearise import LinearisingLoss, linear_approximation
from haploscribe.workflows.export.sequence_effects import read_effects
from haploscribe.workflows.export.sparse import DENSE_KEEP_R2, is_dense, kept_r2, sparse_weights
from haploscribe.workflows.export.weights import GeneVariants, GeneWeights, ModelWeights
from haploscribe.workflows.finished_run import FinishedRun

EFFECTS = "effects"
"""Folder, among the work in progress, of what sequence models say of variants."""


class Performance(NamedTuple):
    """Accuracy of a model for a gene in held-out samples.

    See `haploscribe.workflows.export.weights.ModelWeights`.
    """

    r: float
    p: float
    q: float


@dataclass(frozen=True, slots=True)
class WeightExtractor:
    """Extract the weights of the models of genes.

    Attributes
    ----------
    opened
        The run.
    performance
        Of each model at each gene.
    whole_window
        Return all variants, with their marginal scores and the gene's heritability, rather than those with a
        weight.
    keep_r2
        What sparse weights keep of a model's predictions; None for `DENSE_KEEP_R2` of dense models, and all
        of others.
    max_lost
        Weights of a model made linear are all 0 where it loses more.
    kept
        `ModelWeights.kept_r2` of each model that was made sparse, one per gene.
    lost
        Losses of models that were approximated by linear ones, one per gene and model.
    """

    opened: FinishedRun
    performance: Mapping[str, Mapping[str, Performance]]
    whole_window: bool
    keep_r2: float | None = None
    max_lost: float = 1.0
    kept: dict[str, list[float]] = field(default_factory=dict)
    lost: list[tuple[str, str, float, float, float, float]] = field(default_factory=list)

    def genes(self) -> Generator[GeneWeights]:
        """Return the weights of one gene after another, by ID: MetaXcan streams covariances in that order."""
        genes = sorted(self.opened.cohort.genes, key=lambda gene: gene.gene_id)
        with stage("Writing weights", len(genes), "genes") as advance:
            for gene in genes:
                with threads(1):
                    weighed = self.gene_weights(gene)
                yield weighed
                advance(1)
        nonlinear = self.nonlinear()
        if genes and all(nonlinear.get(name, 0) == len(genes) for name in self.performance):
            raise InputError(
                f"{', '.join(self.performance)}: making the model linear loses more than {self.max_lost:g} "
                f"of its variance at each of {len(genes)} genes; raise --max-lost, or export another model"
            )

    def nonlinear(self) -> dict[str, int]:
        """Count, for each model, the genes whose weights are all 0 since it would lose too much."""
        return Counter(name for _, name, *_, lost, _ in self.lost if lost > self.max_lost)

    def gene_weights(self, gene: Gene) -> GeneWeights:
        """Return the weights of the models of one gene."""
        opened = self.opened
        inputs = opened.inputs(gene)
        wide = opened.cohort.wide
        dosages = inputs.dosages if not wide or inputs.wide is None else inputs.wide.dosages
        models = tuple(
            self._weights(name, model, inputs, dosages) for name, model in opened.models_of(gene).items()
        )
        n_variants = dosages.shape[1]
        rows = np.arange(n_variants)
        if not self.whole_window:
            rows = np.flatnonzero(np.any([model.weights for model in models], axis=0))
        return GeneWeights(
            gene=gene,
            n_samples=len(dosages),
            n_window_variants=n_variants,
            variants=_named_variants(opened, gene, rows, dosages[:, rows], wide=wide),
            models=tuple(model.take(rows) for model in models),
            heritability=self._heritability(gene, dosages) if self.whole_window else None,
            marginal_scores=self._marginal_scores(gene, dosages) if self.whole_window else None,
        )

    def _weights(
        self, name: str, model: Estimator, inputs: GeneInputs, dosages: Float32Array
    ) -> ModelWeights:
        gene_id = inputs.gene.gene_id
        linear = model.linear_weights()
        if linear is None:
            if not model.reads_deltas:
                raise InputError(
                    f"model {name} is not linear in dosages and cannot be exported; name another"
                )
            linear = self._linearised(name, model, inputs, dosages)
        if gene_id not in self.performance[name]:
            raise InputError(
                f"{self.opened.saved.folder} has gene {gene_id!r}, which the metrics beside it do not name; "
                "copy both from the same run"
            )
        r, p, q = self.performance[name][gene_id]
        keep = self.keep_r2
        if keep is None:
            keep = DENSE_KEEP_R2 if is_dense(linear, dosages) else 1.0
        sparse = sparse_weights(linear, dosages, keep)
        kept = 1.0 if sparse is linear else kept_r2(sparse, linear, dosages)
        if sparse is not linear:
            self.kept.setdefault(name, []).append(kept)
        return ModelWeights(name, sparse.weights, sparse.intercept, r, p, q, kept)

    def _linearised(
        self, name: str, model: Estimator, inputs: GeneInputs, dosages: Float32Array
    ) -> LinearWeights:
        """Approximate a model that reads deltas by its allele effects, and record the loss."""
        predicted = model.predict(model.select(inputs))
        effects = read_effects(self.opened.work / EFFECTS, self.opened.index(inputs.gene))[name]
        linear = linear_approximation(effects, dosages, predicted)
        loss = LinearisingLoss.of(linear, dosages, predicted)
        self.lost.append((inputs.gene.gene_id, name, loss.predicted_sd, loss.linear_sd, loss.lost, loss.rmse))
        return (
            linear
            if not loss.lost > self.max_lost
            else LinearWeights(np.zeros_like(effects), predicted.mean())
        )

    def _heritability(self, gene: Gene, dosages: Float32Array) -> Heritability:
        return snp_heritability(dosages, self.opened.expression(gene))

    def _marginal_scores(self, gene: Gene, dosages: Float32Array) -> Float64Array:
        correlations = marginal_correlations(dosages, self.opened.expression(gene))
        return np.asarray(correlations * np.sqrt(len(dosages) - 1))


def _named_variants(
    opened: FinishedRun, gene: Gene, rows: Int64Array, dosages: Float32Array, *, wide: bool
) -> GeneVariants:
    """Return the variants of some of a window's dosage columns.

    Parameters
    ----------
    opened
        The run.
    gene
        The gene.
    rows
        int64 `(n_rows,)`; columns of the window.
    dosages
        float32 `(n_samples, n_rows)`; theirs, in the training samples.
    wide
        Whether the window is the wide one.
    """
    cohort = opened.cohort
    window = cohort.wide_window(gene) if wide else cohort.cis_window(gene)
    columns = alt_alleles(cohort.genotypes.read_window(window))
    chosen = [columns[row] for row in rows.tolist()]
    centred = dosages - dosages.mean(axis=0, dtype=np.float64)
    return GeneVariants(
        positions=np.array([allele.position for allele in chosen], dtype=np.int64),
        identifiers=tuple(allele.identifier for allele in chosen),
        refs=tuple(allele.reference.decode() for allele in chosen),
        alts=tuple(allele.alternate.decode() for allele in chosen),
        frequencies=dosages.mean(axis=0, dtype=np.float64) / 2.0,
        covariance=centred.T @ centred / (len(dosages) - 1),
    )
