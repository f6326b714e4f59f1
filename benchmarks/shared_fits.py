"""What it saves that models of one run share fits: all models of a gene together, against each on its own.

    python -m benchmarks.shared_fits --source FOLDER [--genes N]

FOLDER is the benchmark cohort's, as for `benchmarks.geuvadis_chr22`. Models of dosages, 5 folds, one process
and one thread; processor time, so that other work on the machine changes it little. Compilation is left out:
one gene is done once before. Writes nothing.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

# One thread, before numpy is loaded.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})

import numpy as np

from benchmarks.cohort import benchmark_cohort
from haploscribe.cohort.cohort import Cohort, open_cohort
from haploscribe.estimators.cross_gene.effect_prior import SHIPPED_PRIOR
from haploscribe.estimators.cross_gene.heterogeneity import Heterogeneity
from haploscribe.estimators.registry import estimator_factories
from haploscribe.evaluation.cross_gene import Lesson
from haploscribe.evaluation.cross_validation import evaluate_gene
from haploscribe.evaluation.folds import Fold, make_folds, prepare_fold
from haploscribe.expression.genes import Gene

MODELS = ("elastic-net", "blup-distance", "susie", "adaptive-shrinkage", "ensemble")
N_GENES = 12


def lesson_of(cohort: Cohort, number: int, fold: Fold) -> Lesson:
    """Take hidden factors out of a gene's expression, as a run does: no gene is needed for it."""
    assert cohort.covariates is not None
    assert cohort.hidden_factors is not None
    prepared = prepare_fold(cohort.values[number], cohort.covariates, fold, "inverse-normal")[fold.fitted]
    covariates, factors = cohort.covariates[fold.fitted], cohort.hidden_factors[fold.fitted]
    shared = Heterogeneity.of(np.zeros((1, prepared.size)), covariates, factors)
    return Lesson(shared.removed(prepared, np.zeros(1, dtype=np.bool_)), SHIPPED_PRIOR)


def seconds_of(cohort: Cohort, gene: Gene, models: Sequence[str]) -> float:
    """Processor time of fitting these models of one gene in 5 folds, lessons and reading left out."""
    number = cohort.genes.index(gene)
    inputs = cohort.gene_inputs(gene, None)
    folds = make_folds(cohort.match.shared, 5, 0)
    lessons = [lesson_of(cohort, number, fold) for fold in folds]
    started = time.process_time()
    evaluate_gene(
        inputs,
        cohort.values[number],
        cohort.covariates,
        folds,
        estimators=estimator_factories(models, 0),
        normalisation="inverse-normal",
        lessons=lessons,
    )
    return time.process_time() - started


def main() -> None:
    """Time both ways on the same genes and print a table."""
    parser = argparse.ArgumentParser(description="Shared fits against each model on its own.")
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--genes", type=int, default=N_GENES, help=f"number of genes (default {N_GENES})")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        options = benchmark_cohort(arguments.source, Path(folder))
        with open_cohort(options, Path(folder)) as cohort:
            genes = cohort.genes[:: max(1, len(cohort.genes) // arguments.genes)][: arguments.genes]
            seconds_of(cohort, genes[0], MODELS)
            alone = {
                model: np.array([seconds_of(cohort, gene, [model]) for gene in genes]) for model in MODELS
            }
            together = np.array([seconds_of(cohort, gene, MODELS) for gene in genes])
    print("models\tseconds_a_gene")
    for model, seconds in alone.items():
        print(f"{model}\t{seconds.mean():.3f}")
    each = sum(alone.values(), np.zeros(len(genes)))
    print(f"each on its own\t{each.mean():.3f}")
    print(f"together\t{together.mean():.3f}")
    print(f"ratio\t{(together / each).mean():.2f}")


if __name__ == "__main__":
    main()
