"""Measure what each part of `ensemble` contributes: each is removed in turn.

Also what the elastic net gains when expression heterogeneity is removed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.accuracy.parts.part import Setting, Table, model_rows, summarised, table
from benchmarks.common.measuring import timed
from haploscribe.config.options import EvaluationOptions
from haploscribe.estimators.cross_gene.effect_prior import N_SHAPES, EffectVariancePrior
from haploscribe.estimators.ensemble import DosageEnsemble
from haploscribe.estimators.inputs import GeneInputs
from haploscribe.evaluation.cross_gene import CrossGeneTraining, adjust_gene
from haploscribe.evaluation.cross_validation import prediction_rows
from haploscribe.evaluation.metrics import gene_metrics
from haploscribe.expression.genes import Gene
from haploscribe.parallel.executor import Executor, map_to_files
from haploscribe.utils.files import atomic_write
from haploscribe.utils.progress import stage
from haploscribe.utils.types import Float64Array
from haploscribe.workflows.run.cross_gene import learn_across_genes
from haploscribe.workflows.validate import validated_cohort
from haploscribe.workflows.work import WorkContext

MEMBERS = ("blup-distance", "susie", "adaptive-shrinkage", "elastic-net")
FLAT = EffectVariancePrior((0.0,) * (N_SHAPES - 1) + (1.0,))
"""Every variant is equally likely to have an effect."""


def tables(setting: Setting) -> list[Table]:
    """Run, and return the variants beside the ensemble and beside the elastic net."""
    with timed(setting.spent):
        metrics, genes = all_metrics(setting)
    results = summarised(metrics, genes)
    text = (
        f"`ensemble` is the mean of {', '.join(MEMBERS)}, all fitted on expression without heterogeneity, "
        "the first three under the prior learned from far genes. The others are it with one part changed: "
        "`heterogeneity left in`, fitted on expression as it is; `no prior`, every variant as likely to "
        "matter as any other; `neither` of the two; the ensemble without one member; and the elastic net "
        "alone, on expression as it is and without heterogeneity."
    )
    return [
        table("One part changed at a time", text, model_rows(results, "ensemble")),
        table("Against the elastic net", "", model_rows(results, "elastic-net")),
    ]


def all_metrics(setting: Setting) -> tuple[pl.DataFrame, Sequence[Gene]]:
    """Fit all ensemble variants of all genes; genes that are done in `out` are not fitted again.

    Returns
    -------
    metrics
        One row per gene and variant, `METRIC_SCHEMA`.
    genes
        The genes.
    """
    executor = Executor(setting.jobs)
    with validated_cohort(setting.cohort(), executor, setting.out) as validated:
        cohort = validated.cached
        folder = setting.out / f"every-{setting.every}"
        spec = replace(validated.spec, folder=folder, evaluation=EvaluationOptions(models=MEMBERS))
        context = WorkContext(spec, cohort=cohort)
        files = [folder / f"{number:06d}.parquet" for number in range(len(cohort.genes))]
        with stage("Comparing genes", len(files), "genes") as advance:
            learn_across_genes(context, executor, advance)
        with stage("Fitting genes", len(files), "genes") as advance:
            items = [(files[number], number) for number in cohort.genome_order()]
            map_to_files(executor, spec, fit_variants, items, advance, context)
        ids = [gene.gene_id for gene in cohort.genes]
        n_variants = dict(zip(ids, validated.scan.n_variants.tolist(), strict=True))
        predictions = pl.concat([pl.read_parquet(file) for file in files])
        return gene_metrics(predictions, n_variants), cohort.genes


def members(inputs: GeneInputs, expression: Float64Array, tested: GeneInputs) -> list[Float64Array]:
    """Predict with each of `MEMBERS`, float64 `(n_test,)`."""
    fitted = DosageEnsemble().fit(inputs, expression)
    return [member.predict(tested) for member in fitted.members_.values()]


def variants_of(
    inputs: GeneInputs, tested: GeneInputs, alone: Float64Array, training: CrossGeneTraining
) -> Iterator[tuple[str, Float64Array]]:
    """Yield the name of each ensemble variant and its predictions of the test samples."""
    learned, adjusted = adjust_gene(inputs, alone, training)
    flat = replace(inputs, prior=FLAT)
    full = members(learned, adjusted, tested)
    plain = members(learned, alone, tested)
    yield "ensemble", np.mean(full, axis=0)
    yield "heterogeneity left in", np.mean(plain, axis=0)
    yield "no prior", np.mean(members(flat, adjusted, tested), axis=0)
    yield "neither", np.mean(members(flat, alone, tested), axis=0)
    for index, member in enumerate(MEMBERS):
        yield f"without {member}", np.mean(full[:index] + full[index + 1 :], axis=0)
    yield "elastic-net", plain[-1]
    yield "elastic-net, heterogeneity out", full[-1]


def fit_variants(context: WorkContext, number: int, path: Path) -> None:
    """Fit all ensemble variants of one gene and write their predictions."""
    inputs = context.gene_inputs(number)
    tables = []
    for fold in context.folds:
        prepared = context.prepared(number, fold)
        tested = inputs.take(fold.test)
        found = variants_of(
            inputs.take(fold.fitted), tested, prepared[fold.fitted], context.cross_gene(number, fold)
        )
        tables += [
            prediction_rows(tested, fold, model, prepared[fold.test], predicted) for model, predicted in found
        ]
    with atomic_write(path) as aside:
        pl.concat(tables).write_parquet(aside)
